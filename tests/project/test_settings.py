"""A mistake in the environment ends every kind of process with one clear line, and without the secret."""

import ast
import base64
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.postgres_plugin import fake_key, fake_keys

ROOT = Path(__file__).parent.parent.parent
SETTINGS = [sys.executable, "-c", "import project.settings"]
GOOD = fake_key("another")


def run(command=SETTINGS, **variables):
    """Runs a command with good keys, changed by the variables (None: not set), and nothing else around."""
    environment = {"PATH": os.environ["PATH"], "ENV_FILE": "", **fake_keys(), **variables}
    environment = {name: str(value) for name, value in environment.items() if value is not None}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)


def value_of(expression, **variables):
    """Returns what an expression over the settings is."""
    code = f"from project.settings import *; print(repr(({expression})))"
    result = run([sys.executable, "-c", code], **variables)
    assert result.returncode == 0, result.stderr
    return ast.literal_eval(result.stdout)


def refused(*sentences, command=SETTINGS, **variables):
    """Asserts that a process ends with these sentences, one line each, and nothing else; returns the text."""
    result = run(command, **variables)
    lines = result.stderr.splitlines()
    assert result.returncode == 2, result.stderr
    assert len(lines) == len(sentences), result.stderr
    for sentence, line in zip(sentences, lines, strict=True):
        assert line.startswith("lanyard: ")
        assert sentence in line
    return result.stderr


SHORT = base64.urlsafe_b64encode(bytes(range(200, 224))).decode()
PASSPHRASE = base64.urlsafe_b64encode(b"correct horse battery staple, and more of it").decode()
ZEROS = base64.urlsafe_b64encode(bytes(48)).decode()

MISTAKES = {
    "SECRET_KEY unset": ({"SECRET_KEY": None}, "SECRET_KEY is not set"),
    "SECRET_KEY blank": ({"SECRET_KEY": "   "}, "SECRET_KEY is not set"),
    "SECRET_KEY short": ({"SECRET_KEY": GOOD[:49]}, "SECRET_KEY has 49 characters"),
    "SECRET_KEY example": ({"SECRET_KEY": "django-insecure-" + GOOD}, "begins with django-insecure"),
    "SECRET_KEY few letters": ({"SECRET_KEY": "abcabd" * 20}, "SECRET_KEY can be guessed"),
    "SECRET_KEY periodic": ({"SECRET_KEY": GOOD[:20] * 3}, "SECRET_KEY can be guessed"),
    "FERNET_KEYS unset": ({"FERNET_KEYS": None}, "FERNET_KEYS is not set"),
    "FERNET_KEYS commas": ({"FERNET_KEYS": " , ,"}, "FERNET_KEYS is not set"),
    "FERNET_KEYS short": ({"FERNET_KEYS": SHORT}, "FERNET_KEYS holds 24 bytes"),
    "FERNET_KEYS short hex": ({"FERNET_KEYS": "0123456789abcdef" * 3}, "FERNET_KEYS holds 24 bytes"),
    "FERNET_KEYS not base64": ({"FERNET_KEYS": GOOD[:-1] + "!"}, "FERNET_KEYS is not urlsafe base64"),
    "FERNET_KEYS not urlsafe": ({"FERNET_KEYS": GOOD[:-1] + "/"}, "FERNET_KEYS is not urlsafe base64"),
    "FERNET_KEYS passphrase": ({"FERNET_KEYS": PASSPHRASE}, "FERNET_KEYS can be guessed"),
    "FERNET_KEYS zeros": ({"FERNET_KEYS": ZEROS}, "FERNET_KEYS can be guessed"),
    "FERNET_KEYS second short": ({"FERNET_KEYS": f"{GOOD},{SHORT}"}, "FERNET_KEYS, key 2, holds 24 bytes"),
    "FERNET_KEYS repeated": ({"FERNET_KEYS": f"{GOOD},{GOOD}"}, "key 1 and key 2 are the same"),
    "FERNET_KEYS is SECRET_KEY": (
        {"FERNET_KEYS": GOOD, "SECRET_KEY": GOOD},
        "FERNET_KEYS, key 1, is the SECRET_KEY",
    ),
    "FERNET_KEYS is FINGERPRINT_KEY": (
        {"FERNET_KEYS": GOOD, "FINGERPRINT_KEY": GOOD},
        "FERNET_KEYS, key 1, is the FINGERPRINT_KEY",
    ),
    "FINGERPRINT_KEY unset": ({"FINGERPRINT_KEY": ""}, "FINGERPRINT_KEY is not set"),
    "FINGERPRINT_KEY short": ({"FINGERPRINT_KEY": SHORT}, "FINGERPRINT_KEY holds 24 bytes"),
    "FINGERPRINT_KEY two": (
        {"FINGERPRINT_KEY": f"{GOOD},{fake_key('second')}"},
        "FINGERPRINT_KEY holds 2 keys",
    ),
    "FINGERPRINT_KEY is SECRET_KEY": (
        {"FINGERPRINT_KEY": GOOD, "SECRET_KEY": GOOD},
        "FINGERPRINT_KEY is the SECRET_KEY",
    ),
    "DATABASE_URL other": ({"DATABASE_URL": "mysql://ann:hunter2@h/db"}, "DATABASE_URL is not sqlite"),
    "DATABASE_URL text": ({"DATABASE_URL": "hunter2"}, "DATABASE_URL is not sqlite"),
    "DATABASE_URL port": ({"DATABASE_URL": "postgresql://ann:hunter2/x@h/db"}, "DATABASE_URL cannot be read"),
    "DATABASE_URL bracket": (
        {"DATABASE_URL": "postgresql://ann:hunter2@[h/db"},
        "DATABASE_URL cannot be read",
    ),
    "DATABASE_URL no name": (
        {"DATABASE_URL": "postgresql://ann:hunter2@h"},
        "DATABASE_URL names no database",
    ),
    "DATABASE_URL memory": ({"DATABASE_URL": "sqlite://:memory:"}, "DATABASE_URL names no file"),
    "DATABASE_URL two slashes": ({"DATABASE_URL": "sqlite://db.sqlite3"}, "DATABASE_URL names no file"),
    "DEBUG": ({"DEBUG": "maybe"}, "DEBUG is neither on nor off"),
    "HTTPS": ({"HTTPS": "2"}, "HTTPS is neither on nor off"),
    "TIME_ZONE": ({"TIME_ZONE": "Mars/Base"}, "TIME_ZONE: 'Mars/Base' is not a time zone"),
    "TIME_ZONE folder": ({"TIME_ZONE": "Europe"}, "TIME_ZONE: 'Europe' is not a time zone"),
    "TIME_ZONE path": ({"TIME_ZONE": "../../etc/passwd"}, "is not a time zone"),
    "METRICS_TOKEN short": ({"METRICS_TOKEN": "hunter2"}, "METRICS_TOKEN can be guessed"),
    "METRICS_TOKEN repeated": ({"METRICS_TOKEN": "hunter2" * 6}, "METRICS_TOKEN can be guessed"),
    "ALLOWED_HOSTS url": ({"ALLOWED_HOSTS": "https://a.example"}, "is not a host name"),
    "ALLOWED_HOSTS port": ({"ALLOWED_HOSTS": "a.example:8000"}, "is not a host name"),
    "ALLOWED_HOSTS star": ({"ALLOWED_HOSTS": "*", "HTTPS": "on"}, "ALLOWED_HOSTS is *"),
    "DEBUG for others": ({"DEBUG": "on", "ALLOWED_HOSTS": "localhost,a.example"}, "DEBUG is on although"),
    "DEBUG for all": ({"DEBUG": "on", "ALLOWED_HOSTS": "*"}, "DEBUG is on although"),
}


@pytest.mark.parametrize(("variables", "sentence"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_one_line_that_repeats_no_secret(variables, sentence):
    text = refused(sentence, **variables)
    for name, value in {**fake_keys(), **variables}.items():
        if name in ("SECRET_KEY", "FERNET_KEYS", "FINGERPRINT_KEY", "DATABASE_URL") and value:
            for key in filter(None, value.replace(" ", "").split(",")):
                assert key not in text
    assert "hunter2" not in text


def test_all_mistakes_are_said_at_once():
    refused(
        "DEBUG is neither",
        "SECRET_KEY is not set",
        "FERNET_KEYS holds 24 bytes",
        "FINGERPRINT_KEY is not set",
        "TIME_ZONE",
        "DATABASE_URL",
        DEBUG="perhaps",
        SECRET_KEY=None,
        FERNET_KEYS=SHORT,
        FINGERPRINT_KEY=None,
        TIME_ZONE="Nowhere",
        DATABASE_URL="oracle://x",
    )


PROCESSES = {
    "manage.py": ["manage.py", "migrate"],
    "gunicorn": [
        "-m",
        "gunicorn",
        "--config",
        "python:project.gunicorn",
        "--bind",
        "127.0.0.1:0",
        "--log-level",
        "critical",
        "project.wsgi",
    ],
}


@pytest.mark.parametrize("command", PROCESSES.values(), ids=PROCESSES.keys())
def test_every_kind_of_process_ends_with_status_2(command):
    refused("SECRET_KEY is not set", command=[sys.executable, *command], SECRET_KEY=None)


def test_pytest_brings_settings_of_its_own():
    result = run(
        [sys.executable, "-m", "pytest", "-q", "--collect-only", "tests/project/test_settings.py"],
        SECRET_KEY="bad",
        DATABASE_URL="mysql://x",
        DJANGO_SETTINGS_MODULE="not.there",
    )
    assert result.returncode == 0, result.stdout + result.stderr


# --- Files that hold a secret


def test_secrets_may_be_in_files(tmp_path):
    keys = fake_keys()
    for name, value in keys.items():
        (tmp_path / name).write_text(value.replace(",", "\n") + "\n")
    (tmp_path / "url").write_text("postgresql://ann:hunter2@db.example:5433/lanyard\n")
    variables = {f"{name}_FILE": tmp_path / name for name in keys} | dict.fromkeys(keys)
    variables["DATABASE_URL_FILE"] = tmp_path / "url"
    assert value_of("SECRET_KEY", **variables) == keys["SECRET_KEY"]
    assert value_of("FERNET_KEYS", **variables) == keys["FERNET_KEYS"].split(",")
    assert value_of("DATABASES['default']['PASSWORD']", **variables) == "hunter2"


def test_a_value_and_its_file_together_are_a_mistake(tmp_path):
    (tmp_path / "key").write_text(GOOD)
    refused("SECRET_KEY and SECRET_KEY_FILE are both given", SECRET_KEY_FILE=tmp_path / "key")


@pytest.mark.parametrize("name", ["SECRET_KEY", "FERNET_KEYS", "FINGERPRINT_KEY", "DATABASE_URL"])
@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: None, "No such file"),
        (lambda path: path.mkdir(), "Is a directory"),
        (lambda path: path.write_bytes(b" \n"), "is empty"),
        (lambda path: path.write_bytes(b"\xff\xfe\x00"), "not UTF-8"),
    ],
    ids=["missing", "folder", "empty", "binary"],
)
def test_a_file_that_cannot_be_read_is_a_mistake(tmp_path, name, make, reason):
    path = tmp_path / "secret"
    make(path)
    text = refused(f"{name}_FILE", **{name: None, f"{name}_FILE": path})
    assert reason in text


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_without_permission_is_a_mistake(tmp_path):
    path = tmp_path / "secret"
    path.write_text(GOOD)
    path.chmod(0)
    assert "Permission denied" in refused("SECRET_KEY_FILE", SECRET_KEY=None, SECRET_KEY_FILE=path)


# --- .env


def test_env_file_is_read_and_the_real_environment_wins(tmp_path):
    env_file = tmp_path / ".env"
    env_file.write_text(
        "# a comment\n\nexport TIME_ZONE=Europe/Berlin\nALLOWED_HOSTS='a.example, b.example'\n"
    )
    assert value_of("TIME_ZONE, ALLOWED_HOSTS", ENV_FILE=env_file) == (
        "Europe/Berlin",
        ["a.example", "b.example"],
    )
    assert value_of("TIME_ZONE", ENV_FILE=env_file, TIME_ZONE="Asia/Tokyo") == "Asia/Tokyo"


def test_a_secret_file_of_the_real_environment_replaces_the_secret_of_the_env_file(tmp_path):
    (tmp_path / ".env").write_text(f"SECRET_KEY={fake_key('in .env')}\n")
    (tmp_path / "key").write_text(GOOD)
    variables = {"ENV_FILE": tmp_path / ".env", "SECRET_KEY": None, "SECRET_KEY_FILE": tmp_path / "key"}
    assert value_of("SECRET_KEY", **variables) == GOOD


@pytest.mark.parametrize(
    "line", ["SECRET_KEY = hunter2", " SECRET_KEY=hunter2", "hunter2", "SECRET-KEY=hunter2"]
)
def test_a_line_that_sets_nothing_is_a_mistake(tmp_path, line):
    (tmp_path / ".env").write_text(f"TIME_ZONE=UTC\n{line}\n")
    assert "hunter2" not in refused("line 2: not NAME=value", ENV_FILE=tmp_path / ".env")


def test_a_name_that_stands_twice_is_a_mistake(tmp_path):
    (tmp_path / ".env").write_text("TIME_ZONE=UTC\nTIME_ZONE=Europe/Berlin\n")
    refused("line 2: TIME_ZONE was given on line 1", ENV_FILE=tmp_path / ".env")


def test_an_env_file_that_cannot_be_read_is_a_mistake(tmp_path):
    (tmp_path / ".env").mkdir()
    refused("cannot be read (Is a directory)", ENV_FILE=tmp_path / ".env")


def test_a_value_may_begin_with_a_dollar_sign():
    key = "$" + GOOD
    assert value_of("SECRET_KEY", SECRET_KEY=key) == key


# --- Databases

DEFAULT = "DATABASES['default']"


def test_sqlite_is_the_default_and_writers_wait_for_each_other():
    assert value_of(f"{DEFAULT}['NAME']") == str(ROOT / "db.sqlite3")
    asked = f"[{DEFAULT}['OPTIONS'][name] for name in ('transaction_mode', 'init_command')]"
    mode, command = value_of(asked, DATABASE_URL="sqlite:////srv/lanyard.sqlite3")
    assert mode == "IMMEDIATE"
    assert "journal_mode=WAL" in command


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("postgresql://ann:hunter2@db.example:5433/lanyard", "db.example"),
        ("postgres://ann:hunter2@%2Frun%2FPostgres/lanyard", "/run/Postgres"),
        ("postgresql://ann:hunter2@/lanyard?host=/run/Postgres", "/run/Postgres"),
    ],
)
def test_postgresql_by_host_or_socket_with_a_pool(url, host):
    database = f"{DEFAULT}['HOST'] or {DEFAULT}['OPTIONS']['host']"
    assert value_of(database, DATABASE_URL=url) == host
    assert value_of(f"{DEFAULT}['NAME'], {DEFAULT}['PASSWORD']", DATABASE_URL=url) == ("lanyard", "hunter2")
    # What is down is said in seconds, by the server's reason or by the pool.
    waits = f"{DEFAULT}['OPTIONS']['connect_timeout'], {DEFAULT}['OPTIONS']['pool']['timeout']"
    assert value_of(waits, DATABASE_URL=url) == (3, 3)
    assert value_of(f"{DEFAULT}['CONN_HEALTH_CHECKS']", DATABASE_URL=url) is True


# --- HTTPS


def test_https_brings_host_cookies_and_strict_transport_security():
    variables = {"HTTPS": "on", "ALLOWED_HOSTS": "a.example,.b.example"}
    assert value_of("SESSION_COOKIE_NAME, CSRF_COOKIE_NAME", **variables) == (
        "__Host-sessionid",
        "__Host-csrftoken",
    )
    assert value_of("SECURE_HSTS_SECONDS, SECURE_SSL_REDIRECT", **variables) == (31536000, True)
    assert value_of("CSRF_TRUSTED_ORIGINS", **variables) == ["https://a.example", "https://*.b.example"]


def test_without_https_cookies_have_ordinary_names():
    from django.conf import settings

    assert settings.SESSION_COOKIE_NAME == "sessionid"
    assert settings.SESSION_COOKIE_SECURE is False
