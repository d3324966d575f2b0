"""Starts Lanyard on this machine: `make run` calls `python -m project.launch PORT`.

What is missing is made first: keys, database, static files, first administrator. Each step can be repeated,
and a lock lets one process at a time through them.
"""

import errno
import fcntl
import os
import socket
import sys
from pathlib import Path
from typing import NoReturn

from project import dotenv, supervisor

BASE_DIR = Path(__file__).resolve().parent.parent
ADDRESS = "127.0.0.1"


def listen(port_text: str) -> socket.socket:
    """Returns a socket that listens on the port. It is opened before anything else, so that a taken port
    is said at once and nobody takes it in between."""
    if not (port_text.isascii() and port_text.isdigit() and 0 < int(port_text) < 65536):
        fail(f"PORT={port_text} is not a port: write a number from 1 to 65535, such as make run PORT=8001")
    port = int(port_text)
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((ADDRESS, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            other = port + 1 if port < 65535 else 8000
            fail(f"Port {port} is taken. Stop what uses it, or choose another: make run PORT={other}")
        fail(f"Port {port} cannot be used ({error.strerror}). Choose another: make run PORT=8000")
    return listener


def prepare() -> None:
    """Brings database and static files up to date and creates the first administrator."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "project.settings"
    import django
    from django.conf import settings
    from django.core.management import call_command
    from django.db import Error, connections

    # One connection is enough here, and its error says what is wrong where the pool's only says it waited.
    settings.DATABASES["default"].get("OPTIONS", {}).pop("pool", None)
    django.setup()
    from credentials import keys

    try:
        keys.refuse_others()  # before anything is written
        call_command("migrate", verbosity=0, interactive=False)
        if warning := keys.refuse_others():
            sys.stdout.write(f"{warning}\n")
        if not settings.DEBUG and static_files_are_stale(Path(settings.STATIC_ROOT)):
            call_command("collectstatic", verbosity=0, interactive=False)
        call_command("first_administrator")
        call_command("purge_credentials", verbosity=0)
        from credentials.models.unreadable import mark_unreadable

        if lost := mark_unreadable():
            sys.stdout.write(
                f"{lost} rows hold secrets that no key in FERNET_KEYS opens: find them by filter.\n"
            )
        connections.close_all()
    except keys.OtherKeys as error:
        fail(str(error))
    except Error as error:
        reason = str(error).strip().partition("\n")[0]
        fail(f"The database cannot be used: {reason}. Look at DATABASE_URL, and whether the server runs.")


def refuse_new_keys_for_old_secrets() -> None:
    """Ends where a database is here and its keys are not: with new ones, none of its secrets would open."""
    given = any(
        name in os.environ for name in ("FERNET_KEYS", "FERNET_KEYS_FILE", "ENV_FILE", "DATABASE_URL")
    )
    database = BASE_DIR / "db.sqlite3"
    if not given and not dotenv.DEFAULT_PATH.exists() and database.exists() and database.stat().st_size:
        fail(
            "There is a database (db.sqlite3) but no .env, which holds the keys to its secrets."
            " Put .env back, or move db.sqlite3 away to begin anew."
        )


def static_files_are_stale(root: Path) -> bool:
    """Returns whether a package or a static file of ours is newer than what was collected last."""
    manifest = root / "staticfiles.json"  # written last
    if not manifest.exists():
        return True
    sources = [Path(sys.prefix) / ".run-ok", *BASE_DIR.glob("*/static"), *BASE_DIR.glob("*/static/**/*")]
    return any(source.stat().st_mtime > manifest.stat().st_mtime for source in sources if source.exists())


def fail(sentence: str) -> NoReturn:
    sys.stderr.write(f"{sentence}\n")
    raise SystemExit(2)


def main() -> None:
    os.chdir(BASE_DIR)
    os.umask(0o077)  # the database and its side files are for this user alone
    port = sys.argv[1] if len(sys.argv) > 1 else "8000"
    listener = listen(port)
    refuse_new_keys_for_old_secrets()
    dotenv.main([])
    with Path("requirements.txt").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        prepare()
    sys.stdout.write(
        f"\nLanyard is at http://{ADDRESS}:{port}  (Ctrl-C stops it)\n"
        "Next: sign in as admin, then import the example:"
        " .venv/bin/python manage.py import_credentials tests/data/credentials.json\n"
    )
    sys.stdout.flush()
    listener.set_inheritable(True)
    raise SystemExit(supervisor.watch(programs(listener)))


def programs(listener: socket.socket) -> list[supervisor.Program]:
    """The web server on this socket, and the worker that checks what is due."""
    web = [sys.executable, "-m", "gunicorn", "--config", "python:project.gunicorn", "--log-level", "warning"]
    web += ["--bind", f"fd://{listener.fileno()}", "project.wsgi"]
    worker = [sys.executable, "manage.py", "check_health", "--loop"]
    return [
        supervisor.Program("web server", web, keep_open=(listener.fileno(),), needed=True),
        supervisor.Program("worker", worker),
    ]


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        raise SystemExit(130) from None
