"""The limiter's store on SQLite: the same as postgresql.py, with the arithmetic of ring.py under the one
write lock."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from sqlite3 import Connection
from typing import Any
from uuid import UUID

from credentials.limiter import ring
from credentials.limiter.outcomes import Granted, Outcome, Place, Refused, Stale, Void
from credentials.limiter.records import Asking, Holder, Minute, Reported
from credentials.limiter.sqlite_file import calendar, now, packed, reading, unpacked, write, writing

COLUMNS = (
    'revision, provider, allowed, "window", guard, concurrency, sequence, epoch, held_until, held_reason,'
    " gone, older, cells"
)
LOOK = f"""SELECT {COLUMNS},
    (SELECT h.held_until FROM provider_hold AS h WHERE h.provider = state.provider),
    (SELECT h.reason FROM provider_hold AS h WHERE h.provider = state.provider)
    FROM state WHERE key = ?"""  # noqa: S608 - names of our own


# Limits that were refused last time: those are looked at without the lock first, so that who is refused holds
# up nobody. What was granted last time is likely to be granted again.
_refused_last: set[UUID] = set()


def take(asking: Asking, ahead: int, place: Place | None = None) -> Outcome:
    """The next place within `ahead` microseconds, or the one that was waited for; with a lease where
    concurrency is bounded. Raises LimiterUnavailable."""
    if asking.key in _refused_last:
        with reading() as connection:
            row = connection.execute(LOOK, (asking.key.bytes,)).fetchone()
            if row and row[0] == asking.revision:
                if refused := _refused(connection, asking, _state(row), row[13:], ahead, place):
                    return refused
    outcome = write(partial(_take, asking, ahead, place), durable=asking.durable)
    if type(outcome) is Refused:
        _refused_last.add(asking.key)
    else:
        _refused_last.discard(asking.key)
    return outcome


def _take(asking: Asking, ahead: int, place: Place | None, connection: Connection) -> Outcome:
    key = asking.key.bytes
    row = connection.execute(LOOK, (key,)).fetchone()
    if row is None or row[0] != asking.revision:
        return Stale(row and row[0])
    state = _state(row)
    if refused := _refused(connection, asking, state, row[13:], ahead, place):
        return refused
    instant = now()
    if place is None:
        time = ring.next_time(state, instant)
        number = ring.take(state, time)
        _store_ring(connection, key, state)
        if time > instant:
            return Place(number, time, state.epoch, time - instant, state.guard)
    else:
        number, time = place.place, place.time
        if instant > time + state.guard // 4 and ring.use_late(state, number, instant):
            time = instant
            _store_ring(connection, key, state)
        elif instant > time + state.guard:
            return Void()
    slot = None
    if state.concurrency:
        slot = _leases_out(connection, key, instant) + 1
        connection.execute("DELETE FROM lease WHERE key = ? AND expires <= ?", (key, instant))
        connection.execute(
            "INSERT INTO lease VALUES (?, ?, ?, ?, ?, ?, ?)",
            (key, number, instant + int(asking.lasting * 1e6), instant, *asking.holder),
        )
    return Granted(number, time, instant - time, state.guard, state.epoch, slot)


def _refused(
    connection: Connection,
    asking: Asking,
    state: ring.State,
    of_provider: tuple[int | None, str | None],
    ahead: int,
    place: Place | None,
) -> Refused | Place | Void | None:
    """Why no lease can be had now; None where it can."""
    instant = now()
    held, reason = max((state.held_until, state.held_reason), (of_provider[0] or 0, of_provider[1] or ""))
    if held > instant:
        return Refused("held_off", held - instant, reason)
    if place is not None:
        if place.epoch != state.epoch:
            return Void()
        if place.time > instant:
            return Place(place.place, place.time, place.epoch, place.time - instant, state.guard)
        time = place.time
    else:
        time = ring.next_time(state, instant)
        if time > instant + ahead:
            return Refused("rate", time - instant)
    if (
        state.concurrency
        and time <= instant
        and _leases_out(connection, asking.key.bytes, instant) >= state.concurrency
    ):
        [first] = connection.execute(
            "SELECT min(expires) FROM lease WHERE key = ? AND expires > ?", (asking.key.bytes, instant)
        ).fetchone()
        return Refused("concurrency", max(0, (first or instant) - instant))
    return None


def _state(row: Any) -> ring.State:
    gone, older, cells = row[10:13]
    # The first two are nearly always empty, and this is asked for each lease.
    lists = (unpacked(gone) if gone else [], unpacked(older) if older else [], unpacked(cells))
    values: tuple[Any, ...] = (*row[:10], *lists)
    return ring.State(*values)


def _store_ring(connection: Connection, key: bytes, state: ring.State) -> None:
    connection.execute(
        "UPDATE state SET sequence = ?, cells = ? WHERE key = ?", (state.sequence, packed(state.cells), key)
    )


def _leases_out(connection: Connection, key: bytes, instant: int) -> int:
    sql = "SELECT count(*) FROM lease WHERE key = ? AND expires > ?"
    number: int = connection.execute(sql, (key, instant)).fetchone()[0]
    return number


@contextmanager
def locked(key: UUID) -> Iterator[tuple[ring.State | None, int]]:
    """One limit's state, for changing it, and the time; stored at the end. Raises LimiterUnavailable."""
    with writing() as connection:
        row = connection.execute(LOOK, (key.bytes,)).fetchone()
        state = _state(row) if row else None
        yield state, now()
        if state:
            _store(connection, key, state, "REPLACE")


def create(key: UUID, state: ring.State) -> None:
    """Store a first state, unless there is one. Raises LimiterUnavailable."""
    # By the calendar: the clock of the times begins anew with the machine, and numbers must not.
    state.sequence = ring.first_sequence(state.allowed, calendar())
    with writing() as connection:
        _store(connection, key, state, "IGNORE")


def _store(connection: Connection, key: UUID, state: ring.State, conflict: str) -> None:
    values = [getattr(state, name.strip(' "')) for name in COLUMNS.split(",")]
    values[-3:] = packed(state.gone), packed(state.older), packed(state.cells)
    marks = ", ".join("?" for _ in values)
    connection.execute(
        f"INSERT OR {conflict} INTO state (key, {COLUMNS}) VALUES (?, {marks})",  # noqa: S608
        (key.bytes, *values),
    )


def after_crash() -> None:
    """Nothing to do: what a crash of the machine loses is seen when the file is opened."""


def release(key: UUID, slot: int, fence: int) -> bool:
    """Free a lease; False where it is not that holder's any more."""
    sql = "DELETE FROM lease WHERE key = ? AND fence = ? AND expires > ?"
    return write(lambda connection: connection.execute(sql, (key.bytes, fence, now())).rowcount > 0)


def renew(key: UUID, fence: int, lasting: float) -> bool:
    """Keep a lease; False where it is over."""
    with writing() as connection:
        sql = "UPDATE lease SET expires = ? WHERE key = ? AND fence = ? AND expires > ?"
        instant = now()
        return connection.execute(sql, (instant + int(lasting * 1e6), key.bytes, fence, instant)).rowcount > 0


def hold_provider(provider: str, seconds: float, reason: str) -> None:
    with writing() as connection:
        sql = "INSERT OR REPLACE INTO provider_hold VALUES (?, ?, ?)"
        connection.execute(sql, (provider, now() + int(seconds * 1e6), reason))


# --- for people ---------------------------------------------------------------------------------------------


def states(keys: Iterable[UUID]) -> Iterator[tuple[UUID, ring.State, int, int, int, str]]:
    """Each key that has a state: the state, leases out, the time, until when its provider is held and why."""
    with reading() as connection:
        for key in keys:
            if row := connection.execute(LOOK, (key.bytes,)).fetchone():
                instant = now()
                out = _leases_out(connection, key.bytes, instant)
                yield key, _state(row), out, instant, row[13] or 0, row[14] or ""


def holders(key: UUID) -> list[Holder]:
    """Who holds a lease now, the oldest first."""
    sql = (
        "SELECT fence, host, process, purpose, :now - since, expires - :now"
        " FROM lease WHERE key = :key AND expires > :now ORDER BY since"
    )
    with reading() as connection:
        return [Holder(*row) for row in connection.execute(sql, {"now": now(), "key": key.bytes})]


# --- usage and what providers report ------------------------------------------------------------------------


def _minute() -> int:
    return calendar() // 60_000_000


def add_usage(counts: Iterable[tuple[UUID, int, int, int, int, int]]) -> None:
    """Add grants, denials, waits, microseconds waited and the peak of each key to the minute of now."""
    sql = (
        "INSERT INTO usage VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (minute, key) DO UPDATE SET"
        " grants = grants + excluded.grants, denials = denials + excluded.denials,"
        " waits = waits + excluded.waits, waited = waited + excluded.waited,"
        " peak = max(peak, excluded.peak)"
    )
    minute = _minute()
    rows = [(minute, key.bytes, *numbers) for key, *numbers in counts]
    write(lambda connection: connection.executemany(sql, rows))


def usage(keys: Iterable[UUID], minutes: int) -> list[tuple[UUID, Minute]]:
    """The minutes with anything in them, of the last so many, by time."""
    sql = (
        "SELECT minute, grants, denials, waits, waited, peak FROM usage"
        " WHERE key = ? AND minute > ? ORDER BY minute"
    )
    with reading() as connection:
        first = _minute() - minutes
        return [(key, Minute.of(*row)) for key in keys for row in connection.execute(sql, (key.bytes, first))]


def note_quota(key: UUID, allowed: int, interval: int | None, remaining: int | None) -> None:
    sql = "INSERT OR REPLACE INTO quota VALUES (?, ?, ?, ?, ?)"
    row = (key.bytes, allowed, interval, remaining, calendar())
    write(lambda connection: connection.execute(sql, row))


def quota(key: UUID) -> Reported | None:
    sql = 'SELECT allowed, "interval", remaining, ? - noted FROM quota WHERE key = ?'
    with reading() as connection:
        row = connection.execute(sql, (calendar(), key.bytes)).fetchone()
    return Reported(*row) if row else None


def prune(minutes: int) -> None:
    """Remove usage older than so many minutes, and the state of limits that nobody has used for a day longer
    than their window: without it they begin as they would with it."""
    with writing() as connection:
        instant = now()
        connection.execute("DELETE FROM usage WHERE minute < ?", (_minute() - minutes,))
        connection.execute("DELETE FROM provider_hold WHERE held_until < ?", (instant,))
        connection.execute("DELETE FROM lease WHERE expires <= ?", (instant,))
        rows = connection.execute(
            'SELECT key, "window", cells FROM state WHERE held_until < ?'
            " AND NOT EXISTS (SELECT 1 FROM lease WHERE lease.key = state.key)",
            (instant,),
        )
        unused = [
            (key,) for key, window, cells in rows if max(unpacked(cells)) + window + 86_400_000_000 < instant
        ]
        connection.executemany("DELETE FROM state WHERE key = ?", unused)
        connection.executemany("DELETE FROM quota WHERE key = ?", unused)
