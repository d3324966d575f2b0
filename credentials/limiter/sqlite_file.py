"""The limiter's own file beside an SQLite database: made when it is first needed, for its owner's eyes only.

In a file of its own a lease can be taken while a caller's transaction holds the database, and is not rolled
back with it. Times are microseconds since the machine was started, which processes share and nobody can set;
after a restart of the machine they are carried over by the calendar.
"""

import atexit
import contextlib
import os
import random
import shutil
import sqlite3
import struct
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from django.db import connections

from credentials.limiter import ring
from credentials.limiter.outcomes import LimiterError, LimiterUnavailable

Result = TypeVar("Result")
# Seconds until a lock that somebody else keeps counts as a failure.
ANSWERING = 2.0
SCHEMA = """
PRAGMA journal_mode = WAL;
CREATE TABLE IF NOT EXISTS state (
    key BLOB PRIMARY KEY, revision INTEGER, provider TEXT, allowed INTEGER, "window" INTEGER, guard INTEGER,
    concurrency INTEGER, sequence INTEGER, epoch INTEGER, held_until INTEGER, held_reason TEXT, gone BLOB,
    older BLOB, cells BLOB
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS lease (
    key BLOB, fence INTEGER, expires INTEGER, since INTEGER, host TEXT, process INTEGER, purpose TEXT,
    PRIMARY KEY (key, fence)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS provider_hold (provider TEXT PRIMARY KEY, held_until INTEGER, reason TEXT);
CREATE TABLE IF NOT EXISTS usage (
    minute INTEGER, key BLOB, grants INTEGER, denials INTEGER, waits INTEGER, waited INTEGER, peak INTEGER,
    PRIMARY KEY (minute, key)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS usage_key ON usage (key, minute);
CREATE TABLE IF NOT EXISTS quota (
    key BLOB PRIMARY KEY, allowed INTEGER, "interval" INTEGER, remaining INTEGER, noted INTEGER
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS clock (id INTEGER PRIMARY KEY CHECK (id = 1), boot TEXT, "offset" INTEGER);
"""
CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def now() -> int:
    return time.clock_gettime_ns(CLOCK) // 1000


def calendar() -> int:
    """Microseconds since 1970."""
    return time.time_ns() // 1000


@cache
def boot() -> str:
    """Which start of the machine this is."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        # To the minute, so that a clock that is set a little does not look like a restart.
        return str(round((calendar() - now()) / 60e6))


@cache
def _of_this_process() -> Path:
    directory = tempfile.mkdtemp(prefix="lanyard-limiter-")
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return Path(directory) / "limiter.sqlite3"


def path() -> Path:
    """db.limiter.sqlite3 beside db.sqlite3. A database in memory is this process's alone, and so is its
    file."""
    return _beside(str(connections["default"].settings_dict["NAME"]))


@cache
def _beside(name: str) -> Path:
    if ":memory:" in name or "mode=memory" in name:
        return _of_this_process()
    main = Path(name)
    return main.with_name(f"{main.stem}.limiter{main.suffix or '.sqlite3'}")


class Pool:
    """Idle connections. After a fork the child opens its own: SQLite's do not survive one."""

    def __init__(self) -> None:
        self.idle: list[sqlite3.Connection] = []
        self.path: Path | None = None
        self.inherited: list[list[sqlite3.Connection]] = []
        self.opening = threading.Lock()

    def forget(self) -> None:
        # Closing them here would drop the locks of the parent.
        self.inherited.append(self.idle)
        self.idle, self.opening = [], threading.Lock()

    def take(self) -> sqlite3.Connection:
        wanted = path()
        if wanted is not self.path:
            while self.idle:
                self.idle.pop().close()
            self.path = wanted
        try:
            return self.idle.pop()
        except IndexError:
            with self.opening:
                return _open(wanted)


pool = Pool()
os.register_at_fork(after_in_child=pool.forget)


def _open(where: Path) -> sqlite3.Connection:
    # Only a file that is new: closing any handle of a file takes from SQLite the locks that this process
    # holds on it, and lets two write at once.
    with contextlib.suppress(FileExistsError):
        os.close(os.open(where, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    connection = sqlite3.connect(where, timeout=ANSWERING, isolation_level=None, check_same_thread=False)
    try:
        connection.executescript(SCHEMA)
        connection.execute("PRAGMA synchronous = NORMAL")
        if not _is_of_this_start(connection):
            connection.execute("BEGIN IMMEDIATE")
            _carry_over(connection)
            connection.execute("COMMIT")
        # A waiting writer looks again after short random times instead of SQLite's own growing ones.
        connection.execute("PRAGMA busy_timeout = 0")
    except BaseException:
        connection.close()
        raise
    return connection


def _is_of_this_start(connection: sqlite3.Connection) -> bool:
    """Whether the stored times are of this clock, and it is still known how the calendar goes with it."""
    row = connection.execute('SELECT boot, "offset" FROM clock').fetchone()
    return row is not None and row[0] == boot() and abs(row[1] - (calendar() - now())) < 1_000_000


def _carry_over(connection: sqlite3.Connection) -> None:
    """After a restart of the machine: bring the stored times onto its new clock. Leases ended with it. Of
    short windows the newest grants may not have reached the disk: each is taken for used up until now."""
    offset = calendar() - now()
    row = connection.execute('SELECT boot, "offset" FROM clock').fetchone()
    if row and row[0] != boot():
        instant, shift = now(), row[1] - offset
        connection.execute("DELETE FROM lease")
        connection.execute("UPDATE provider_hold SET held_until = held_until + ?", (shift,))
        states = connection.execute('SELECT key, "window", held_until, older, cells FROM state').fetchall()
        for key, window, held_until, older, blob in states:
            cells = [min(time + shift, instant) for time in unpacked(blob)]
            runs = [number + shift * (index % 2 == 0) for index, number in enumerate(unpacked(older))]
            if not ring.is_durable(window):
                cells = [instant] * len(cells)
            connection.execute(
                "UPDATE state SET held_until = ?, older = ?, cells = ?, epoch = epoch + 1 WHERE key = ?",
                (held_until + shift, packed(runs), packed(cells), key),
            )
    connection.execute("INSERT OR REPLACE INTO clock VALUES (1, ?, ?)", (boot(), offset))


def packed(numbers: Sequence[int]) -> bytes:
    return struct.pack(f"<{len(numbers)}q", *numbers)


def unpacked(blob: bytes) -> list[int]:
    return list(struct.unpack(f"<{len(blob) // 8}q", blob))


def write(function: Callable[[sqlite3.Connection], Result], *, durable: bool = False) -> Result:
    """What a function returns that is called in a transaction with the only write lock. Raises
    LimiterUnavailable."""
    with reading() as connection:
        if durable:
            connection.execute("PRAGMA synchronous = FULL")
        begin(connection)
        result = function(connection)
        connection.execute("COMMIT")
        if durable:
            connection.execute("PRAGMA synchronous = NORMAL")
        return result


@contextmanager
def writing() -> Iterator[sqlite3.Connection]:
    """A transaction with the only write lock, which waits for the disk. Raises LimiterUnavailable."""
    with reading() as connection:
        connection.execute("PRAGMA synchronous = FULL")
        begin(connection)
        yield connection
        connection.execute("COMMIT")
        connection.execute("PRAGMA synchronous = NORMAL")


class reading:  # noqa: N801 - a context manager; as a generator it would cost a tenth of an acquire
    """A connection of one's own; after an error it is closed, which rolls back. Raises LimiterUnavailable."""

    __slots__ = ("connection", "path")

    def __enter__(self) -> sqlite3.Connection:
        try:
            self.connection, self.path = pool.take(), pool.path
        except (sqlite3.Error, OSError) as error:
            raise LimiterUnavailable(words_of(error)) from None
        return self.connection

    def __exit__(self, kind: Any, error: BaseException | None, _traceback: Any) -> None:
        if error is None and self.path is pool.path:
            pool.idle.append(self.connection)
            return
        self.connection.close()
        if isinstance(error, (sqlite3.Error, OSError)) and not isinstance(error, LimiterError):
            raise LimiterUnavailable(words_of(error)) from None


def words_of(error: sqlite3.Error | OSError) -> str:
    """What went wrong, without paths."""
    return f"SQLite: {error.strerror if isinstance(error, OSError) else error}"


def begin(connection: sqlite3.Connection) -> None:
    """Get the write lock, or raise sqlite3.OperationalError after ANSWERING."""
    try:
        connection.execute("BEGIN IMMEDIATE")
        return
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
            raise
    give_up = time.monotonic() + ANSWERING
    longest = 0.0005
    while True:
        time.sleep(random.uniform(0.00002, longest))  # noqa: S311 - no secret
        longest = min(0.005, longest * 1.1)
        try:
            connection.execute("BEGIN IMMEDIATE")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > give_up:
                raise
