"""Fresh databases for benchmarks and fault runs, and the environment of processes that work on them."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.postgres_plugin import fake_keys

ROOT = Path(__file__).resolve().parent.parent
VENDORS = ("sqlite", "postgresql")


class Databases:
    """Fresh databases of one vendor, as many as are asked for, gone at the end.

    PostgreSQL is the one that a wheel brings, which the tests start without waiting for the disk.
    """

    def __init__(self, vendor: str):
        self.vendor, self.count = vendor, 0

    def __enter__(self) -> "Databases":
        self.directory = tempfile.TemporaryDirectory(prefix="lanyard-databases-")
        self.server: Any = None
        if self.vendor == "postgresql":
            self.server = subprocess.Popen(
                [sys.executable, ROOT / "tests" / "embedded_postgres.py"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            self.url = self.server.stdout.readline().strip()
            if not self.url:
                sys.exit("PostgreSQL could not start: the reason is above.")
        return self

    def __exit__(self, *_error: Any) -> None:
        if self.server:
            self.server.communicate()
        self.directory.cleanup()

    def new(self) -> str:
        """Make an empty database with all tables; returns its URL."""
        self.count += 1
        if self.server:
            import psycopg

            with psycopg.connect(self.url, autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE fresh{self.count}")
            url = urlsplit(self.url)._replace(path=f"/fresh{self.count}").geturl()
        else:
            url = f"sqlite:///{self.directory.name}/{self.count}.sqlite3"
        command = [sys.executable, "manage.py", "migrate", "-v0"]
        subprocess.run(command, cwd=ROOT, env=environment(url), check=True)
        return url


def wait_for_the_disk(url: str) -> None:
    """Let the server of a URL keep what is committed whatever happens, as servers do by default."""
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        for name in ("fsync", "synchronous_commit", "full_page_writes"):
            connection.execute(f"ALTER SYSTEM SET {name} = on")
        connection.execute("SELECT pg_reload_conf()")


def chosen(word: str) -> tuple[str, ...]:
    """The vendors that "sqlite", "postgresql" or "both" names. Ends the process at any other word."""
    if word == "both":
        return VENDORS
    if word not in VENDORS:
        sys.exit(f"{word!r} is no database: write sqlite, postgresql or both.")
    return (word,)


def environment(url: str) -> dict[str, str]:
    """The environment of a process that works on a database, with keys that everybody knows."""
    return {
        **os.environ, **fake_keys(), "DATABASE_URL": url, "ENV_FILE": "",
        "DJANGO_SETTINGS_MODULE": "project.settings",
    }  # fmt: skip


def ask(url: str, sql: str) -> tuple[Any, ...]:
    """The first row that a query gives, seen from outside of Django."""
    if url.startswith("sqlite:///"):
        import sqlite3
        from contextlib import closing

        with closing(sqlite3.connect(url.removeprefix("sqlite:///"), timeout=20)) as connection:
            return connection.execute(sql).fetchone()
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(sql).fetchone()
        assert row is not None
        return row


def load() -> str:
    """The load average of the last minute, which belongs beside every number that was measured."""
    return f"{os.getloadavg()[0]:.1f}"
