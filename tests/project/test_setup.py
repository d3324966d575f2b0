"""What a new installation gets: locked packages, keys, an administrator, safe answers."""

import io
import re
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from django.contrib.auth import authenticate, get_user_model
from django.core.management import call_command
from django.db import connection

from project import dotenv, launch
from project.management.commands.first_administrator import create_first_administrator

ROOT = Path(__file__).parent.parent.parent

# --- The lock


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_the_lock_names_no_host(name):
    text = (ROOT / name).read_text()
    assert "http" not in text
    assert ".org" not in text
    assert "index" not in text
    assert not re.search(r"^[ #]*/", text, re.MULTILINE)


def locked(name):
    return dict(re.findall(r"^([a-z0-9-]+)==([^ ]+)", (ROOT / name).read_text(), re.MULTILINE))


def test_both_locks_hold_the_same_versions_for_running():
    running, developing = locked("requirements.txt"), locked("requirements-dev.txt")
    assert running
    assert running.items() <= developing.items()


def test_every_locked_package_has_a_hash():
    for name in ("requirements.txt", "requirements-dev.txt"):
        blocks = re.split(r"^(?=[a-z0-9-]+==)", (ROOT / name).read_text(), flags=re.MULTILINE)[1:]
        assert all("--hash=sha256:" in block for block in blocks)


# --- .env


def test_env_file_is_created_for_its_owner_alone(tmp_path):
    assert dotenv.create(tmp_path / ".env")
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600
    assert [file.name for file in tmp_path.iterdir()] == [".env"]


def test_the_created_env_file_is_all_that_the_settings_need(tmp_path):
    dotenv.create(tmp_path / ".env")
    result = subprocess.run(
        [sys.executable, "-c", "import project.settings"],
        cwd=ROOT,
        env={"ENV_FILE": str(tmp_path / ".env")},
        capture_output=True,
        text=True,
    )
    assert (result.returncode, result.stderr) == (0, "")


def test_two_env_files_have_different_keys(tmp_path):
    dotenv.create(tmp_path / "one")
    dotenv.create(tmp_path / "two")
    ones, twos = (re.findall(r"^\w+=(.+)$", (tmp_path / n).read_text(), re.M) for n in ("one", "two"))
    assert len(set(ones + twos)) == 6


@pytest.mark.parametrize("existing", ["SECRET_KEY=mine\n", ""])
def test_an_env_file_is_never_overwritten(tmp_path, existing):
    (tmp_path / ".env").write_text(existing)
    assert not dotenv.create(tmp_path / ".env")
    assert (tmp_path / ".env").read_text() == existing


def test_a_dangling_link_is_not_followed(tmp_path):
    (tmp_path / ".env").symlink_to(tmp_path / "elsewhere")
    assert not dotenv.create(tmp_path / ".env")
    assert not (tmp_path / "elsewhere").exists()


def test_of_many_processes_one_creates_the_env_file(tmp_path):
    results = []
    threads = [
        threading.Thread(target=lambda: results.append(dotenv.create(tmp_path / ".env"))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [False] * 7 + [True]


# --- The first administrator


def run_first_administrator():
    output, errors = io.StringIO(), io.StringIO()
    call_command("first_administrator", stdout=output, stderr=errors)
    return output.getvalue(), errors.getvalue()


@pytest.mark.django_db
def test_the_first_administrator_can_sign_in_with_the_printed_password():
    output, _ = run_first_administrator()
    password = re.search(r"Password: +(\S+)", output)[1]
    assert len(password) >= 24
    user = authenticate(username="admin", password=password)
    assert user.is_superuser


@pytest.mark.django_db
def test_the_second_time_nothing_is_created_and_nothing_printed():
    run_first_administrator()
    before = get_user_model().objects.get().password
    assert run_first_administrator() == ("", "")
    assert get_user_model().objects.get().password == before


@pytest.mark.django_db
def test_another_administrator_is_enough():
    get_user_model().objects.create_superuser("grace", password="only-for-tests-0123456789")
    assert run_first_administrator() == ("", "")
    assert not get_user_model().objects.filter(username="admin").exists()


@pytest.mark.django_db
def test_a_deactivated_admin_is_left_alone_and_said():
    get_user_model().objects.create_superuser("admin", password="only-for-tests-0123456789", is_active=False)
    output, errors = run_first_administrator()
    assert output == ""
    assert "manage.py createsuperuser" in errors
    assert not get_user_model().objects.get().is_active


@pytest.mark.django_db(transaction=True)
def test_of_two_at_the_same_time_one_creates_the_administrator():
    start = threading.Barrier(4)
    passwords = []

    def create():
        try:
            start.wait()
            passwords.append(create_first_administrator())
        finally:
            connection.close()

    threads = [threading.Thread(target=create) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(passwords) == 4
    assert len([password for password in passwords if password]) == 1
    assert get_user_model().objects.count() == 1


# --- The start


def test_a_taken_port_is_said_with_another_one_to_use(capsys):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(SystemExit) as end:
            launch.listen(str(port))
    assert end.value.code == 2
    assert capsys.readouterr().err.startswith(f"Port {port} is taken. ")


@pytest.mark.parametrize("text", ["", "abc", "0", "65536", "-1", "80 80", "٨٠"])
def test_a_text_that_is_no_port_is_said(capsys, text):
    with pytest.raises(SystemExit) as end:
        launch.listen(text)
    assert end.value.code == 2
    assert "is not a port" in capsys.readouterr().err


def test_static_files_are_collected_when_there_are_none(tmp_path):
    assert launch.static_files_are_stale(tmp_path)
    (tmp_path / "staticfiles.json").write_text("{}")
    assert not launch.static_files_are_stale(tmp_path)


# --- The network


def test_the_network_cannot_be_reached():
    with socket.socket() as outside, pytest.raises(Exception, match="A test tried to use socket"):
        outside.connect(("192.0.2.1", 80))


def test_this_machine_can_be_reached():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        socket.create_connection(listener.getsockname()).close()


def test_a_database_without_its_keys_is_not_given_new_ones(tmp_path, monkeypatch, capsys):
    for name in ("FERNET_KEYS", "FERNET_KEYS_FILE", "ENV_FILE", "DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(launch, "BASE_DIR", tmp_path)
    monkeypatch.setattr(dotenv, "DEFAULT_PATH", tmp_path / ".env")
    launch.refuse_new_keys_for_old_secrets()  # nothing there yet
    (tmp_path / "db.sqlite3").write_bytes(b"rows")
    with pytest.raises(SystemExit) as stop:
        launch.refuse_new_keys_for_old_secrets()
    assert stop.value.code == 2 and "Put .env back" in capsys.readouterr().err
    (tmp_path / ".env").write_text("FERNET_KEYS=x")
    launch.refuse_new_keys_for_old_secrets()
