"""Prepares the environment of the tests before the settings are read: an early pytest plugin.

Nothing of the developer's own environment or .env reaches the tests. LANYARD_TEST_DATABASE=postgresql runs
them on the PostgreSQL that TEST_DATABASE_URL or DATABASE_URL names, else on one that a wheel brings.
"""

import base64
import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

PREPARED = "LANYARD_TESTS_PREPARED"
SETTINGS = (
    *("SECRET_KEY", "FERNET_KEYS", "FINGERPRINT_KEY", "DATABASE_URL"),
    *("SECRET_KEY_FILE", "FERNET_KEYS_FILE", "FINGERPRINT_KEY_FILE", "DATABASE_URL_FILE"),
    *("DEBUG", "HTTPS", "ALLOWED_HOSTS", "TIME_ZONE", "TEST_DATABASE_URL", "PROVIDER_SIMULATOR_URL"),
)

server: subprocess.Popen[str] | None = None


def fake_key(name: str) -> str:
    """Returns a key that everybody knows, of the right shape: good for tests and nothing else."""
    digest = hashlib.sha512(f"Lanyard tests, not a secret: {name}".encode()).digest()
    return base64.urlsafe_b64encode(digest[:48]).decode()


def fake_keys() -> dict[str, str]:
    return {
        "SECRET_KEY": fake_key("SECRET_KEY"),
        "FERNET_KEYS": ",".join([fake_key("FERNET_KEYS, newest"), fake_key("FERNET_KEYS, older")]),
        "FINGERPRINT_KEY": fake_key("FINGERPRINT_KEY"),
    }


def prepare() -> None:
    """Sets the environment, once: the workers of xdist inherit it."""
    if os.environ.get(PREPARED) and os.environ.get("PYTEST_XDIST_WORKER"):
        return
    named = [os.environ.get("TEST_DATABASE_URL", ""), os.environ.get("DATABASE_URL", "")]
    for name in SETTINGS:
        os.environ.pop(name, None)
    os.environ.update(fake_keys())
    os.environ["ENV_FILE"] = ""
    os.environ["DJANGO_SETTINGS_MODULE"] = "project.settings"
    os.environ["DATABASE_URL"] = database_url(os.environ.get("LANYARD_TEST_DATABASE", "sqlite"), named)
    # Playwright leaves an event loop running in the thread of the tests, in which Django then refuses to
    # query: every test after the first browser test would fail.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    os.environ[PREPARED] = "yes"


def database_url(kind: str, named: list[str]) -> str:
    if kind == "sqlite":
        return f"sqlite:///{tempfile.gettempdir()}/lanyard-tests-never-written.sqlite3"
    if kind != "postgresql":
        sys.exit(f"LANYARD_TEST_DATABASE is {kind!r}: write sqlite or postgresql.")
    for url in named:
        if url.startswith(("postgres://", "postgresql://")):
            return url
    return start_server()


def start_server() -> str:
    """Starts PostgreSQL and returns its URL. A failure ends the run: tests that were to run on PostgreSQL
    never fall back to anything else."""
    global server
    script = Path(__file__).with_name("embedded_postgres.py")
    server = subprocess.Popen(
        [sys.executable, str(script)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C stops the tests first, which then stop the server
    )
    assert server.stdout is not None
    url = server.stdout.readline().strip()
    if not url:
        server.wait()
        sys.exit("PostgreSQL could not start: the reason is above. The tests did not run.")
    # A killed run ends the server's input too; this way it is also waited for.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    return url


def stop_server() -> None:
    global server
    if server is not None:
        server.communicate(timeout=30)  # closes its input and waits
        server = None


def pytest_unconfigure() -> None:
    stop_server()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Writes the counts into the file that tests/run.py names."""
    path = os.environ.get("LANYARD_TEST_COUNTS")
    if path and not hasattr(terminalreporter.config, "workerinput"):
        stats = {name: len(terminalreporter.stats.get(name, [])) for name in COUNTED}
        Path(path).write_text(json.dumps(stats))


COUNTED = ("passed", "failed", "error", "skipped", "xfailed", "xpassed")

prepare()
