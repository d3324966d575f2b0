"""Connections of the limiter's own to PostgreSQL: outside of every transaction of its callers, and bounded in
how many there are and how long anything takes."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from django.db import connections
from psycopg import waiting
from psycopg.abc import PQGen

from credentials.limiter.outcomes import LimiterUnavailable

MOST = 16
# Seconds: for a connection to be made, for the server to answer, and for one of MOST to become free.
CONNECTING = 2
ANSWERING = 2.0
SETTINGS = (
    "SET statement_timeout = 1800; SET lock_timeout = 1500; SET idle_in_transaction_session_timeout = 1800;"
    " SET jit = off; SET plan_cache_mode = force_generic_plan; SET application_name = 'lanyard limiter'"
)


class Bounded(psycopg.Connection[Any]):
    """A connection that waits for no answer longer than ANSWERING, even when the server stands still."""

    target: Any = None

    def wait(self, gen: PQGen[Any], interval: float = 0.1, timeout: float | None = None) -> Any:
        try:
            return waiting.wait(gen, self.pgconn.socket, interval=interval, timeout=timeout or ANSWERING)
        except BaseException:
            if self.pgconn.transaction_status == psycopg.pq.TransactionStatus.ACTIVE:
                self.pgconn.finish()  # its answer would be taken for that of the next statement
            raise


class Pool:
    """Idle connections, the last used first. After a fork the child starts without any."""

    def __init__(self) -> None:
        self.idle: list[Bounded] = []
        self.room = threading.BoundedSemaphore(MOST)
        self.target: Any = None
        self.inherited: list[list[Bounded]] = []

    def forget(self) -> None:
        # Closing them here would end the connections of the parent, which owns the sockets too.
        self.inherited.append(self.idle)
        self.idle, self.room = [], threading.BoundedSemaphore(MOST)

    def take(self) -> tuple[Bounded, bool]:
        """A connection of one's own, and whether it was used before. Raises LimiterUnavailable."""
        room = self.room
        if not room.acquire(timeout=ANSWERING):
            raise LimiterUnavailable(f"all {MOST} connections of this process are busy")
        try:
            connection = self._idle()
            return (connection, True) if connection else (self._connect(), False)
        except BaseException:
            room.release()
            raise

    def give(self, connection: Bounded) -> None:
        """Give it back; one that is not fit to be used again is closed."""
        fit = connection.pgconn.transaction_status == psycopg.pq.TransactionStatus.IDLE
        if fit and connection.target == self.target:
            self.idle.append(connection)
        else:
            connection.close()
        self.room.release()

    def _target(self) -> tuple[Any, ...]:
        settings = connections["default"].settings_dict
        return tuple(settings[name] for name in ("NAME", "USER", "HOST", "PORT"))

    def _idle(self) -> Bounded | None:
        if self.target != (target := self._target()):  # tests move to a database of their own
            self.close()
            self.target = target
        try:
            return self.idle.pop()
        except IndexError:
            return None

    def _connect(self) -> Bounded:
        params = connections["default"].get_connection_params()
        for name in ("context", "cursor_factory", "prepare_threshold"):
            params.pop(name, None)
        params["connect_timeout"] = CONNECTING
        # Placeholders are PostgreSQL's own, $1: the limiter's SQL is full of % signs.
        connection = Bounded.connect(**params, autocommit=True, cursor_factory=psycopg.RawCursor)
        connection.prepare_threshold = 0
        connection.target = self.target
        connection.execute(SETTINGS, prepare=False)
        return connection

    def close(self) -> None:
        while self.idle:
            self.idle.pop().close()


pool = Pool()
os.register_at_fork(after_in_child=pool.forget)


def words_of(error: BaseException) -> str:
    """What went wrong, in one line without addresses, which may hold a password."""
    state = getattr(error, "sqlstate", None)
    kind = type(error).__name__
    return f"PostgreSQL: {kind} {state}" if state else f"PostgreSQL: {kind}"


@contextmanager
def transaction() -> Iterator[Any]:
    """A cursor in a transaction of its own. Raises LimiterUnavailable."""
    try:
        connection, _used = pool.take()
        try:
            with connection.transaction(), connection.cursor() as cursor:
                yield cursor
        finally:
            pool.give(connection)
    except psycopg.Error as error:
        raise LimiterUnavailable(words_of(error)) from None


def execute(sql: str, params: Any) -> list[tuple[Any, ...]]:
    """The rows of one statement, in a transaction of its own. Raises LimiterUnavailable.

    On a connection that broke while it was idle, as when the server was started again, it is tried once more:
    at worst a place is given away that nobody gets.
    """
    began = time.monotonic()
    while True:
        used = False
        try:
            connection, used = pool.take()
            try:
                cursor = connection.execute(sql, params, binary=True)
                return cursor.fetchall() if cursor.pgresult and cursor.pgresult.nfields else []
            finally:
                pool.give(connection)
        except psycopg.Error as error:
            if not (used and connection.closed and time.monotonic() - began < ANSWERING / 2):
                raise LimiterUnavailable(words_of(error)) from None
            pool.close()
