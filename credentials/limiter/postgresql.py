"""The limiter's store on PostgreSQL: what is asked of it, in SQL. The schema is in postgresql_schema.py."""
# ruff: noqa: S608 - the names that are put into the SQL are our own, the values are parameters

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any
from uuid import UUID

from credentials.limiter import ring
from credentials.limiter.connections import execute, transaction
from credentials.limiter.outcomes import Granted, Outcome, Place, Refused, Stale, Void
from credentials.limiter.postgresql_schema import (
    CRASHED,
    LASTING,
    NOW,
    is_known,
    may_grant,
    place_time,
)
from credentials.limiter.postgresql_schema import after_crash as until_after_crash
from credentials.limiter.records import Asking, Holder, Minute, Reported

COLUMNS = (
    "revision", "provider", "allowed", "window", "guard", "concurrency", "sequence", "epoch", "held_until",
    "held_reason", "gone", "older", "cells",
)  # fmt: skip
QUOTED = ", ".join(f'"{column}"' for column in COLUMNS)

# Where concurrency is not bounded: one statement, which locks nothing when it refuses. PostgreSQL looks at
# the condition again when it has the lock. What could not be granted is told from the look without a lock.
TAKE_RATE = f"""
WITH taken AS (
    UPDATE limiter_state AS r
       SET sequence = sequence + 1, cells[((sequence % allowed) / size)::integer + 1] = {place_time("r")}
     WHERE key = $1 AND revision = $2 AND concurrency = 0 AND {place_time("r")} <= {NOW} + $3
           AND {may_grant("r")}
    RETURNING r.sequence - 1 AS place, r.epoch, r.guard,
              r.cells[((r.sequence - 1) % r.allowed / r.size)::integer + 1] AS time,
              CASE WHEN r.durable THEN '' ELSE set_config('synchronous_commit', 'off', true) END AS hurry
)
SELECT place, time, {NOW}, epoch, guard, NULL::bigint, NULL::bigint, NULL::text FROM taken WHERE hurry IS NOT
NULL UNION ALL
SELECT NULL, {place_time("s")}, {NOW}, epoch, guard,
       CASE WHEN concurrency = 0 AND {is_known("s")} THEN revision END, GREATEST(held_until,
                (SELECT h.held_until FROM limiter_provider_hold AS h WHERE h.provider = s.provider),
                CASE WHEN NOT durable THEN (SELECT since + s."window" FROM limiter_no_crash_since) END),
       COALESCE((SELECT h.reason FROM limiter_provider_hold AS h
                  WHERE h.provider = s.provider AND h.held_until > s.held_until), held_reason)
  FROM limiter_state AS s WHERE key = $1 AND NOT EXISTS (SELECT FROM taken)
"""
LOCK = f"""
SELECT {QUOTED}, {is_known("s")}, (SELECT {until_after_crash("s", "c")} FROM limiter_no_crash_since AS c)
  FROM limiter_state AS s WHERE key = $1 FOR UPDATE OF s
"""
TAKE = "SELECT * FROM limiter_take($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
FREE = f"UPDATE limiter_lease SET expires = 0 WHERE expires > {NOW} AND key = $1 AND fence = $2"
# Does not wait for the disk: where a crash of the server loses it, the lease expires.
HURRY = "RETURNING set_config('synchronous_commit', 'off', true)"
RELEASE = f"{FREE} AND slot = $3 {HURRY}"


def take(asking: Asking, ahead: int, place: Place | None = None) -> Outcome:
    """The next place within `ahead` microseconds, or the one that was waited for; with a lease where
    concurrency is bounded. One round trip. Raises LimiterUnavailable."""
    if not asking.concurrency and place is None:
        rows = execute(TAKE_RATE, (asking.key, asking.revision, ahead))
        return _rate_outcome(asking, rows, ahead)
    while True:
        past = (None, None, None) if place is None else (place.place, place.time, place.epoch)
        lasting = int(asking.lasting * 1e6)
        [row] = execute(TAKE, (asking.key, asking.revision, ahead, *past, lasting, *asking.holder))
        outcome, number, time, instant, epoch, guard, known, held, reason, lease = row
        match outcome:
            case "granted":
                return Granted(number, time, instant - time, guard, epoch, lease)
            case "place":
                return Place(number, time, epoch, time - instant, guard)
            case "rate":
                return Refused("rate", time - instant)
            case "concurrency":
                return Refused("concurrency", max(0, (held or instant) - instant))
            case "held_off":
                return Refused("held_off", held - instant, reason)
            case "void":
                return Void()
            case "stale":
                return Stale(known)


def _rate_outcome(asking: Asking, rows: list[tuple[Any, ...]], ahead: int) -> Outcome:
    if not rows:
        return Stale(None)
    place, time, instant, epoch, guard, known, held, reason = rows[0]
    if place is not None:
        if time <= instant:
            return Granted(place, time, instant - time, guard, epoch)
        return Place(place, time, epoch, time - instant, guard)
    if known != asking.revision:
        return Stale(known)
    if held > instant:
        return Refused("held_off", held - instant, reason)
    return Refused("rate", max(0, time - instant))


def _keep_the_wait(state: ring.State, now: int, *, known: bool, until: int) -> None:
    """A limit whose grants wait for the disk from now on asks for no crash any more: what it still has to
    wait for after one becomes a hold-off."""
    if not known:
        ring.renumber(state, now)
    if until > max(now, state.held_until):
        state.held_until, state.held_reason = until, CRASHED


@contextmanager
def locked(key: UUID) -> Iterator[tuple[ring.State | None, int]]:
    """One limit's state, for changing it, and the time; stored at the end. Raises LimiterUnavailable."""
    with transaction() as cursor:
        cursor.execute(LOCK, (key,))
        row = cursor.fetchone()
        cursor.execute(f"SELECT {NOW}")  # when the lock was had
        [now] = cursor.fetchone()
        state = ring.State(*row[:-2]) if row else None
        short = state.window if state and not state.durable else None
        yield state, now
        if state:
            if short and state.durable:
                _keep_the_wait(state, now, known=row[-2], until=row[-1] or now + max(short, LASTING))
            values = asdict(state)
            changes = ", ".join(f'"{column}" = ${n}' for n, column in enumerate(COLUMNS, start=4))
            cursor.execute(
                f"UPDATE limiter_state SET size = $2, durable = $3, {changes} WHERE key = $1",
                (key, state.size, state.durable, *(values[column] for column in COLUMNS)),
            )
            _make_slots(cursor, key, state.concurrency)


def create(key: UUID, state: ring.State) -> None:
    """Store a first state, unless there is one. Raises LimiterUnavailable."""
    with transaction() as cursor:
        cursor.execute(f"SELECT {NOW}")
        state.sequence = ring.first_sequence(state.allowed, cursor.fetchone()[0])
        values = asdict(state)
        cursor.execute(
            f"INSERT INTO limiter_state (key, size, durable, {QUOTED})"
            f" VALUES ($1, $2, $3, {', '.join(f'${n}' for n in range(4, 4 + len(COLUMNS)))})"
            " ON CONFLICT DO NOTHING",
            (key, state.size, state.durable, *(values[column] for column in COLUMNS)),
        )
        _make_slots(cursor, key, state.concurrency)


def _make_slots(cursor: Any, key: UUID, number: int) -> None:
    cursor.execute(
        "INSERT INTO limiter_lease (key, slot) SELECT $1, generate_series(1, $2) ON CONFLICT DO NOTHING",
        (key, number),
    )


def after_crash() -> None:
    """Note that the server runs after a crash: short windows are waited for from here."""
    execute(f"INSERT INTO limiter_no_crash_since VALUES (1, {NOW}) ON CONFLICT DO NOTHING", ())


def release(key: UUID, slot: int, fence: int) -> bool:
    """Free a lease; False where it is not that holder's any more."""
    if execute(RELEASE, (key, fence, slot)):
        return True
    # It may have moved to another slot, when the bound was lowered.
    return bool(execute(f"{FREE} {HURRY}", (key, fence)))


def renew(key: UUID, fence: int, lasting: float) -> bool:
    """Keep a lease; False where it is over."""
    sql = (
        f"UPDATE limiter_lease SET expires = {NOW} + $3"
        f" WHERE key = $1 AND fence = $2 AND expires > {NOW} RETURNING 1"
    )
    return bool(execute(sql, (key, fence, int(lasting * 1e6))))


def hold_provider(provider: str, seconds: float, reason: str) -> None:
    sql = (
        f"INSERT INTO limiter_provider_hold AS h VALUES ($1, {NOW} + $2, $3)"
        " ON CONFLICT (provider) DO UPDATE SET held_until = EXCLUDED.held_until, reason = EXCLUDED.reason"
    )
    execute(sql, (provider, int(seconds * 1e6), reason))


# --- for people ---------------------------------------------------------------------------------------------


def states(keys: Iterable[UUID]) -> Iterator[tuple[UUID, ring.State, int, int, int, str]]:
    """Each key that has a state: the state, leases out, until when it is held off and why, and the time."""
    sql = f"""
    SELECT s.key, {", ".join(f's."{column}"' for column in COLUMNS)},
           (SELECT count(*) FROM limiter_lease AS l WHERE l.key = s.key AND l.expires > {NOW}), {NOW},
           COALESCE(h.held_until, 0), COALESCE(h.reason, '')
      FROM limiter_state AS s LEFT JOIN limiter_provider_hold AS h ON h.provider = s.provider
     WHERE s.key = ANY($1)"""
    for key, *row, out, now, held, reason in execute(sql, (list(keys),)):
        yield key, ring.State(*row), out, now, held, reason


def holders(key: UUID) -> list[Holder]:
    """Who holds a lease now, the oldest first."""
    sql = (
        f"SELECT fence, host, process, purpose, {NOW} - since, expires - {NOW}"
        f" FROM limiter_lease WHERE key = $1 AND expires > {NOW} ORDER BY since"
    )
    return [Holder(*row) for row in execute(sql, (key,))]


# --- usage and what providers report ------------------------------------------------------------------------


def add_usage(counts: Iterable[tuple[UUID, int, int, int, int, int]]) -> None:
    """Add grants, denials, waits, microseconds waited and the peak of each key to the minute of now."""
    sql = (
        "INSERT INTO limiter_usage AS u (minute, key, grants, denials, waits, waited, peak)"
        f" SELECT {NOW} / 60000000, c.* FROM"
        " unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::integer[]) AS c"
        " ON CONFLICT (minute, key) DO UPDATE SET grants = u.grants + EXCLUDED.grants,"
        " denials = u.denials + EXCLUDED.denials, waits = u.waits + EXCLUDED.waits,"
        " waited = u.waited + EXCLUDED.waited, peak = GREATEST(u.peak, EXCLUDED.peak)"
    )
    # In the order of the keys, so that two processes do not wait for each other.
    columns = [list(column) for column in zip(*sorted(counts), strict=True)]
    execute(sql, columns)


def usage(keys: Iterable[UUID], minutes: int) -> list[tuple[UUID, Minute]]:
    """The minutes with anything in them, of the last so many, by time."""
    sql = (
        "SELECT key, minute, grants, denials, waits, waited, peak FROM limiter_usage"
        f" WHERE key = ANY($1) AND minute > {NOW} / 60000000 - $2 ORDER BY minute"
    )
    return [(key, Minute.of(*row)) for key, *row in execute(sql, (list(keys), minutes))]


def note_quota(key: UUID, allowed: int, interval: int | None, remaining: int | None) -> None:
    sql = (
        f"INSERT INTO limiter_quota VALUES ($1, $2, $3, $4, {NOW}) ON CONFLICT (key) DO UPDATE SET"
        ' allowed = EXCLUDED.allowed, "interval" = EXCLUDED."interval", remaining = EXCLUDED.remaining,'
        " noted = EXCLUDED.noted"
    )
    execute(sql, (key, allowed, interval, remaining))


def quota(key: UUID) -> Reported | None:
    sql = f'SELECT allowed, "interval", remaining, {NOW} - noted FROM limiter_quota WHERE key = $1'
    rows = execute(sql, (key,))
    return Reported(*rows[0]) if rows else None


def prune(minutes: int) -> None:
    """Remove usage older than so many minutes, and the state of limits that nobody has used for a day longer
    than their window: without it they begin as they would with it."""
    execute(f"DELETE FROM limiter_usage WHERE minute < {NOW} / 60000000 - $1", (minutes,))
    execute(f"DELETE FROM limiter_provider_hold WHERE held_until < {NOW}", ())
    unused = (
        f'(SELECT max(c) FROM unnest(cells) AS c) + "window" + 86400000000 < {NOW} AND held_until < {NOW}'
        f" AND NOT EXISTS (SELECT FROM limiter_lease AS l WHERE l.key = s.key AND expires > {NOW})"
    )
    with transaction() as cursor:
        cursor.execute(f"DELETE FROM limiter_state AS s WHERE {unused} RETURNING key")
        gone = [key for (key,) in cursor.fetchall()]
        cursor.execute("DELETE FROM limiter_lease WHERE key = ANY($1)", (gone,))
        cursor.execute("DELETE FROM limiter_quota WHERE key = ANY($1)", (gone,))
