"""A crash of PostgreSQL loses what did not wait for the disk: no limit is passed because of it."""

import time
from contextlib import contextmanager

import pytest
from django.db import connection

from credentials.limiter import connections, turns
from tests.credentials.limiter.making import change, make_limit, taken
from tests.credentials.limiter.strictness import most_in_a_window

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def on_postgresql():
    if connection.vendor != "postgresql":
        pytest.skip("on SQLite nothing is lost but with the machine, and all holders with it")
    yield
    connections.pool.close()


@pytest.fixture
def crash_is_long_ago():
    yield
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO limiter_no_crash_since VALUES (1, 0) ON CONFLICT (id) DO UPDATE SET since = 0"
        )


@pytest.mark.usefixtures("on_postgresql", "crash_is_long_ago")
@pytest.mark.parametrize("at_once", [None, 5])
def test_after_a_crash_short_windows_are_waited_for_and_long_ones_were_written_in_time(at_once):
    """Grants in short windows do not wait for the disk; a crash empties the unlogged table."""
    short, long = make_limit(5, 600, at_once), make_limit(5, 60_000, at_once)
    taken(short, 1), taken(long, 1)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relpersistence FROM pg_class WHERE relname = 'limiter_no_crash_since'",
        )
        assert cursor.fetchone() == ("u",)
        cursor.execute("DELETE FROM limiter_no_crash_since")
    denied = short.try_acquire()
    # A window, or as long as a lease may last that was lost.
    least, most = (29, 30) if at_once else (0.1, 0.62)
    assert denied.reason == "held_off" and least < denied.retry_after <= most
    assert long.try_acquire().granted
    if at_once:
        seconds_pass_after_the_crash(30)
    assert short.acquire(timeout=5).granted


@pytest.mark.usefixtures("on_postgresql", "crash_is_long_ago")
def test_a_lease_that_a_crash_lost_frees_nobody_elses():
    limit = make_limit(5, 600, at_once=1)
    taken(limit, 1)[0].release()
    with lost_in_a_crash(limit):
        [lost] = taken(limit, 1)
    assert limit.try_acquire().reason == "held_off"
    seconds_pass_after_the_crash(30)
    [lease] = taken(limit, 1)
    assert lease.fence > lost.fence
    assert lost.release() is False
    assert limit.try_acquire().reason == "concurrency"


@pytest.mark.usefixtures("on_postgresql", "crash_is_long_ago")
@pytest.mark.parametrize("asked", [False, True], ids=["not asked since", "asked since"])
@pytest.mark.parametrize("interval", [700, 60_000], ids=["still short", "long by now"])
def test_a_limit_that_is_changed_after_a_crash_waits_all_the_same(interval, asked):
    limit = make_limit(5, 600, at_once=1)
    taken(limit, 1)[0].release()
    with lost_in_a_crash(limit):
        [lost] = taken(limit, 1)
    if asked:
        assert limit.try_acquire().reason == "held_off"
    change(limit, 5, interval, 1)
    denied = limit.try_acquire()
    assert denied.reason == "held_off" and 29 < denied.retry_after <= 30
    seconds_pass_after_the_crash(30)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE limiter_state SET held_until = 0")
    [lease] = taken(limit, 1)
    assert lease.fence > lost.fence and lost.release() is False


@pytest.mark.usefixtures("on_postgresql", "crash_is_long_ago")
def test_a_place_that_a_crash_lost_is_not_given_away_twice():
    limit = make_limit(2, 600)
    taken(limit, 2)
    with lost_in_a_crash(limit):
        waiting = turns.steps(limit, timeout=10)
        next(waiting)
    leases = [limit.acquire(timeout=5) for _ in range(2)]
    with pytest.raises(StopIteration) as end:
        while True:
            time.sleep(next(waiting).seconds)
    leases.append(end.value.value)
    assert len({lease.fence for lease in leases}) == 3
    assert most_in_a_window([lease.granted_at for lease in leases], 0.6) == 2


@pytest.mark.usefixtures("on_postgresql")
@pytest.mark.parametrize(("lasting", "setting"), [(30, "off"), (31, "on")])
def test_longer_leases_than_a_crash_is_waited_for_wait_for_the_disk(lasting, setting):
    limit = make_limit(5, 1_000, at_once=5)
    taken(limit, 1)
    with seen_on_update(lambda: limit.try_acquire(lasting=lasting)) as settings:
        assert settings == [setting]


@contextmanager
def lost_in_a_crash(limit):
    """What is taken in this block was not written yet when the server crashed."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT sequence, cells FROM limiter_state WHERE key = %s", [limit.pk])
        before = cursor.fetchone()
        yield
        cursor.execute(
            "UPDATE limiter_state SET sequence = %s, cells = %s WHERE key = %s", [*before, limit.pk]
        )
        cursor.execute("UPDATE limiter_lease SET expires = 0 WHERE key = %s", [limit.pk])
        cursor.execute("DELETE FROM limiter_no_crash_since")


def seconds_pass_after_the_crash(seconds):
    with connection.cursor() as cursor:
        cursor.execute("UPDATE limiter_no_crash_since SET since = since - %s", [seconds * 1_000_000])


@pytest.mark.usefixtures("on_postgresql")
@pytest.mark.parametrize(("interval", "setting"), [(1_000, "off"), (60_000, "on")])
@pytest.mark.parametrize("at_once", [None, 5])
def test_only_short_windows_do_not_wait_for_the_disk(interval, setting, at_once):
    limit = make_limit(5, interval, at_once)
    taken(limit, 1)
    with seen_on_update(lambda: taken(limit, 1)) as settings:
        assert settings == [setting]


@contextmanager
def seen_on_update(do):
    """How the commits of the limiter waited for the disk while something was done."""
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE seen (setting text);"
            "CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN INSERT INTO seen VALUES (current_setting('synchronous_commit')); RETURN NULL; END $$;"
            "CREATE CONSTRAINT TRIGGER see AFTER UPDATE ON limiter_state"
            " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION see()"
        )
        try:
            with synchronous(cursor):
                do()
            cursor.execute("SELECT setting FROM seen")
            yield [setting for (setting,) in cursor.fetchall()]
        finally:
            cursor.execute("DROP TRIGGER see ON limiter_state; DROP FUNCTION see(); DROP TABLE seen")


@contextmanager
def synchronous(cursor):
    """The tests' own server never waits for the disk: as a real one does, for the limiter's connections."""
    cursor.execute("SELECT current_database()")
    [name] = cursor.fetchone()
    cursor.execute(f'ALTER DATABASE "{name}" SET synchronous_commit = on')
    connections.pool.close()
    try:
        yield
    finally:
        cursor.execute(f'ALTER DATABASE "{name}" RESET synchronous_commit')
        connections.pool.close()
