"""What `watching` asks of SQLite."""

import struct
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from credentials.limiter import ring
from credentials.limiter.sqlite_file import calendar, now, reading

MINUTE = 60_000_000
HOUR = 60 * MINUTE
SUMS = "sum(grants), sum(denials), sum(waits), sum(waited), max(peak)"
ONE = struct.Struct("<q")


def totals(keys: Sequence[UUID], minutes: int) -> list[tuple[Any, ...]]:
    sql = f"SELECT {SUMS}, max(grants) FROM usage WHERE key = ? AND minute > ?"  # noqa: S608 - names of our own
    first = calendar() // MINUTE - minutes
    with reading() as connection:
        rows = [(key, *connection.execute(sql, (key.bytes, first)).fetchone()) for key in keys]
    return [row for row in rows if row[1] is not None]


def stretches(key: UUID, minutes: int, each: int) -> list[tuple[Any, ...]]:
    sql = (
        f"SELECT minute / :each * :each AS start, {SUMS} FROM usage"  # noqa: S608
        " WHERE key = :key AND minute > :first GROUP BY start ORDER BY start"
    )
    first = calendar() // MINUTE - minutes
    with reading() as connection:
        return connection.execute(sql, {"key": key.bytes, "first": first, "each": each}).fetchall()


def first_holders(keys: Sequence[UUID], most: int) -> list[tuple[Any, ...]]:
    sql = (
        "SELECT fence, host, process, purpose, :now - since, expires - :now FROM lease"
        " WHERE key = :key AND expires > :now ORDER BY since LIMIT :most"
    )
    found: list[tuple[Any, ...]] = []
    with reading() as connection:
        for key in keys:
            values = {"now": now(), "key": key.bytes, "most": most}
            found += [(key, *row) for row in connection.execute(sql, values)]
    return found


def over(share: float, most: int) -> list[UUID]:
    """See watching_postgresql.py for why one cell of each ring is enough."""
    instant = now()
    found: list[UUID] = []
    with reading() as connection:
        out = dict(
            connection.execute("SELECT key, count(*) FROM lease WHERE expires > ? GROUP BY key", (instant,))
        )
        busiest = dict(
            connection.execute(
                "SELECT key, max(grants) FROM usage WHERE minute > ? GROUP BY key",
                (calendar() // MINUTE - 60,),
            )
        )
        rows = connection.execute(
            'SELECT key, allowed, "window", guard, concurrency, sequence, held_until, cells FROM state'
        )
        for key, allowed, window, guard, concurrency, sequence, held_until, cells in rows:
            interval, size = window - guard, ring.size_of(allowed)
            place = sequence - int(allowed * share) - 1
            if (
                held_until > instant
                or _cell(cells, place % allowed // size) > instant - window
                or (
                    concurrency
                    and out.get(key, 0) > concurrency * share
                    and _cell(cells, (sequence - 1) % allowed // size) > instant - HOUR
                )
                or (interval <= MINUTE and busiest.get(key, 0) * interval > allowed * MINUTE * share)
            ):
                found.append(UUID(bytes=key))
                if len(found) == most:
                    break
    return found


def _cell(cells: bytes, number: int) -> int:
    time: int = ONE.unpack_from(cells, 8 * number)[0]
    return time


def lower(most: int) -> list[UUID]:
    """`is_lower` in SQL; the window holds the guard too."""
    own = '((s."window" - s.guard) / 1000)'
    sql = (
        "SELECT q.key FROM quota AS q JOIN state AS s ON s.key = q.key"  # noqa: S608 - names of our own
        f' WHERE q.allowed < s.allowed * ((COALESCE(q."interval", {own}) + {own} - 1) / {own}) LIMIT ?'
    )
    with reading() as connection:
        return [UUID(bytes=key) for (key,) in connection.execute(sql, (most,))]


def reported(keys: Sequence[UUID]) -> list[tuple[Any, ...]]:
    sql = 'SELECT allowed, "interval", remaining, ? - noted FROM quota WHERE key = ?'
    with reading() as connection:
        rows = [(key, connection.execute(sql, (calendar(), key.bytes)).fetchone()) for key in keys]
    return [(key, *row) for key, row in rows if row]


def provider_holds() -> list[tuple[str, int, str]]:
    sql = "SELECT provider, held_until - :now, reason FROM provider_hold WHERE held_until > :now"
    with reading() as connection:
        return connection.execute(sql, {"now": now()}).fetchall()


def of_providers(minutes: int) -> list[tuple[str, int, int]]:
    sql = (
        "SELECT s.provider, sum(u.grants), sum(u.denials) FROM usage AS u JOIN state AS s ON s.key = u.key"
        " WHERE u.minute > ? GROUP BY s.provider"
    )
    with reading() as connection:
        return connection.execute(sql, (calendar() // MINUTE - minutes,)).fetchall()


def reach() -> None:
    with reading() as connection:
        connection.execute("SELECT EXISTS (SELECT 1 FROM state)").fetchone()


def own_hold(key: UUID) -> tuple[int, str] | None:
    """Microseconds yet, which may be past, and the reason."""
    sql = "SELECT held_until - ?, held_reason FROM state WHERE key = ?"
    with reading() as connection:
        row: tuple[int, str] | None = connection.execute(sql, (now(), key.bytes)).fetchone()
    return row
