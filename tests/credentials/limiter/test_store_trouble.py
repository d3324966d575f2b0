"""The store of leases may be down, slow, full or frozen: then there are none, with a clear error and in
time."""

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager

import pytest
from django.db import connection, transaction

from credentials.limiter import LimiterUnavailable, connections, sqlite_file
from credentials.limiter.stores import store
from tests.credentials.limiter.making import again, change, in_threads, make_limit, taken
from tests.credentials.limiter.processes import ROOT, environment

pytestmark = pytest.mark.django_db(transaction=True)
BOUND = 5.0


@pytest.fixture
def on_postgresql():
    if connection.vendor != "postgresql":
        pytest.skip("this trouble is PostgreSQL's")
    yield
    connections.pool.close()


@pytest.fixture
def on_sqlite():
    if connection.vendor != "sqlite":
        pytest.skip("this trouble is SQLite's")


@contextmanager
def no_lease(limit, words):
    """Neither at once nor in turn, and no thread is kept longer than the bound."""
    began = time.monotonic()
    with pytest.raises(LimiterUnavailable, match=words):
        limit.try_acquire()
    with pytest.raises(LimiterUnavailable):
        limit.acquire(timeout=60)
    assert time.monotonic() - began < 2 * BOUND
    yield


# --- PostgreSQL ---------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("on_postgresql")
def test_a_server_that_is_down(monkeypatch):
    limit = make_limit()
    taken(limit, 1)
    monkeypatch.setitem(connection.settings_dict, "HOST", "/nonexistent")
    monkeypatch.setitem(connection.settings_dict, "PASSWORD", "fake-password")
    with no_lease(limit, "PostgreSQL: OperationalError") as _:
        pass
    with pytest.raises(LimiterUnavailable) as caught:
        limit.try_acquire()
    assert "fake-password" not in str(caught.value) and "/nonexistent" not in str(caught.value)
    monkeypatch.undo()
    assert limit.try_acquire().granted


@pytest.mark.usefixtures("on_postgresql")
def test_a_server_that_takes_connections_and_never_answers(monkeypatch):
    limit = make_limit()
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        monkeypatch.setitem(connection.settings_dict, "HOST", "127.0.0.1")
        monkeypatch.setitem(connection.settings_dict, "PORT", server.getsockname()[1])
        with no_lease(limit, "PostgreSQL") as _:
            pass


@pytest.mark.usefixtures("on_postgresql")
def test_a_server_that_stands_still():
    limit = make_limit(100, 1_000)
    taken(limit, 1)
    pids = limiters_backends()
    try:
        send(signal.SIGSTOP, pids)
    except (PermissionError, ProcessLookupError):
        pytest.skip("the server's processes are not ours")
    try:
        began = time.monotonic()
        with pytest.raises(LimiterUnavailable):
            limit.try_acquire()
        assert time.monotonic() - began < BOUND
    finally:
        send(signal.SIGCONT, pids)
    # Its late answer is not taken for that of the next question.
    assert limit.try_acquire().granted


def send(number, pids):
    for pid in pids:
        os.kill(pid, number)


def limiters_backends():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pid FROM pg_stat_activity"
            " WHERE application_name = 'lanyard limiter' AND datname = current_database()"
        )
        return [pid for (pid,) in cursor.fetchall()]


@pytest.mark.usefixtures("on_postgresql")
def test_a_row_that_somebody_keeps_locked():
    limit = make_limit(100, 1_000)
    taken(limit, 1)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM limiter_state WHERE key = %s FOR UPDATE", [limit.pk])
        with no_lease(limit, "PostgreSQL: LockNotAvailable 55P03") as _:
            pass
    assert limit.try_acquire().granted


@pytest.mark.usefixtures("on_postgresql")
def test_a_disk_that_is_full():
    limit = make_limit(100, 1_000)
    taken(limit, 1)
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE 'no space left on device' USING ERRCODE = 'disk_full'; END $$;"
            "CREATE TRIGGER full_disk BEFORE UPDATE ON limiter_state EXECUTE FUNCTION full_disk()"
        )
        try:
            with no_lease(limit, "PostgreSQL: DiskFull 53100") as _:
                pass
        finally:
            cursor.execute("DROP TRIGGER full_disk ON limiter_state; DROP FUNCTION full_disk()")
    assert limit.try_acquire().granted


@pytest.mark.usefixtures("on_postgresql")
def test_a_server_that_was_started_again_is_not_noticed():
    limit = make_limit(100, 1_000, at_once=50)
    in_threads(3, lambda: len(taken(again(limit), 2)))
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'lanyard limiter' AND datname = current_database()"
        )
    assert limit.try_acquire().granted


@pytest.mark.usefixtures("on_postgresql")
def test_a_process_has_so_many_connections_and_no_more(monkeypatch):
    connections.pool.close()
    monkeypatch.setattr(connections.pool, "room", threading.BoundedSemaphore(2))
    monkeypatch.setattr(connections, "ANSWERING", 0.2)
    limit = make_limit(100, 1_000)
    first, second = connections.pool.take(), connections.pool.take()
    with pytest.raises(LimiterUnavailable, match="connections of this process are busy"):
        limit.try_acquire()
    connections.pool.give(first[0])
    connections.pool.give(second[0])
    assert limit.try_acquire().granted


# --- SQLite -------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("on_sqlite")
def test_a_file_that_cannot_be_made(monkeypatch, tmp_path):
    limit = make_limit()
    monkeypatch.setitem(connection.settings_dict, "NAME", str(tmp_path / "gone" / "db.sqlite3"))
    with no_lease(limit, "SQLite: No such file or directory") as _:
        pass


@pytest.mark.usefixtures("on_sqlite")
def test_a_file_that_is_something_else(monkeypatch, tmp_path):
    limit = make_limit()
    (tmp_path / "db.limiter.sqlite3").write_text("not a database" * 100)
    monkeypatch.setitem(connection.settings_dict, "NAME", str(tmp_path / "db.sqlite3"))
    with no_lease(limit, "SQLite: file is not a database") as _:
        pass


@pytest.mark.usefixtures("on_sqlite")
def test_a_file_that_somebody_keeps_locked():
    limit = make_limit(100, 1_000)
    taken(limit, 1)
    with closing(sqlite3.connect(sqlite_file.path(), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with no_lease(limit, "SQLite: database is locked") as _:
            pass
        other.execute("ROLLBACK")
    assert limit.try_acquire().granted


OPENS_AND_CLOSES = """
import sqlite3, sys
other = sqlite3.connect(sys.argv[1], isolation_level=None)
other.execute("SELECT count(*) FROM state").fetchone()
other.close()
"""


@pytest.mark.usefixtures("on_sqlite")
def test_another_connection_of_the_process_takes_no_lock_away():
    """Closing any handle of a file ends all locks that the process has on it: then another process takes
    itself for the last one, and removes the log that is in use."""
    limit, path = make_limit(100, 1_000), sqlite_file.path()
    taken(limit, 1)
    log = os.stat(f"{path}-wal").st_ino
    sqlite_file._open(path).close()
    subprocess.run([sys.executable, "-c", OPENS_AND_CLOSES, str(path)], check=True, timeout=60)
    assert os.path.exists(f"{path}-wal") and os.stat(f"{path}-wal").st_ino == log
    assert limit.try_acquire().granted


@pytest.mark.usefixtures("on_sqlite")
def test_a_disk_that_is_full_for_sqlite(monkeypatch, tmp_path):
    limit = make_limit(100, 1_000)
    taken(limit, 1)
    take = sqlite_file.pool.take

    def full():
        mine = take()
        [pages] = mine.execute("PRAGMA page_count").fetchone()
        mine.execute(f"PRAGMA max_page_count = {pages}")
        return mine

    monkeypatch.setattr(sqlite_file.pool, "take", full)
    with pytest.raises(LimiterUnavailable, match="SQLite: database or disk is full"):
        for _ in range(500):
            make_limit(1_000, 1_000).try_acquire()
    monkeypatch.undo()
    while sqlite_file.pool.idle:
        sqlite_file.pool.idle.pop().close()
    assert limit.try_acquire().granted


@pytest.mark.usefixtures("on_sqlite")
def test_after_a_restart_of_the_machine_times_are_carried_over(monkeypatch):
    short, long, held = make_limit(2, 5_000, at_once=2), make_limit(2, 60_000), make_limit()
    taken(short, 1), taken(long, 1), held.hold_off(seconds=60)
    now = sqlite_file.now
    while sqlite_file.pool.idle:
        sqlite_file.pool.idle.pop().close()
    # Its clock begins anew, and 20 s have passed.
    start = now() - 5_000_000
    monkeypatch.setattr(sqlite_file, "boot", lambda: "another")
    monkeypatch.setattr(sqlite_file, "now", lambda: now() - start)
    monkeypatch.setattr("credentials.limiter.sqlite.now", lambda: now() - start)
    calendar = sqlite_file.calendar
    monkeypatch.setattr(sqlite_file, "calendar", lambda: calendar() + 20_000_000)
    try:
        assert short.holders() == [], "its holders ended with the machine"
        denied = short.try_acquire()
        assert denied.reason == "rate" and 4 < denied.retry_after <= 5.02
        assert len(taken(long, 3)) == 1
        assert 38 < long.try_acquire().retry_after <= 40.02
        assert 38 < held.try_acquire().retry_after <= 40
    finally:
        while sqlite_file.pool.idle:
            sqlite_file.pool.idle.pop().close()
        monkeypatch.undo()
        with sqlite_file.writing() as mine:
            mine.execute("DELETE FROM state")
            mine.execute("DELETE FROM clock")
        sqlite_file.pool.idle.pop().close()


# --- both ---------------------------------------------------------------------------------------------------

FORKED = """
import os, sys
import django
django.setup()
from credentials.models import RateLimit
limit = RateLimit.objects.get(pk=sys.argv[1])
assert limit.try_acquire()
child = os.fork()
if not child:
    os._exit(0 if limit.try_acquire() and limit.try_acquire() else 3)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert limit.try_acquire() and not limit.try_acquire()
"""


def test_a_forked_process_asks_by_itself():
    limit = make_limit(4, 60_000)
    command = [sys.executable, "-W", "ignore", "-c", FORKED, str(limit.pk)]
    subprocess.run(command, cwd=ROOT, env=environment(), check=True, timeout=60)


def test_a_lease_that_cannot_be_given_back_expires(monkeypatch, caplog):
    limit = make_limit(100, 1_000, at_once=1)

    def fail(*args):
        raise LimiterUnavailable("down")

    monkeypatch.setattr(store(), "release", fail)
    with limit.acquire(lasting=0.3):
        pass
    assert "could not be given back, and expires" in caplog.text
    monkeypatch.undo()
    assert not limit.try_acquire()
    time.sleep(0.35)
    assert limit.try_acquire().granted


def test_a_change_is_stored_although_the_store_does_not_hear_of_it(monkeypatch, caplog):
    limit = make_limit(3, 60_000)
    taken(limit, 1)

    def fail(*args):
        raise LimiterUnavailable("down")

    monkeypatch.setattr("credentials.limiter.publish", fail)
    change(limit, 2, 60_000)
    monkeypatch.undo()
    assert len(taken(again(limit), 3)) == 1
