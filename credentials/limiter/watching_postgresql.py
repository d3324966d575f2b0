"""What `watching` asks of PostgreSQL."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from credentials.limiter.connections import execute
from credentials.limiter.postgresql_schema import NOW

SUMS = "sum(grants)::bigint, sum(denials)::bigint, sum(waits)::bigint, sum(waited)::bigint, max(peak)"

# The grants of a ring are in the order of time: more than a share is used exactly where the place so many
# before the next one is in the window. So one cell of each ring is looked at.
OVER = f"""
WITH moment AS MATERIALIZED (SELECT {NOW} AS now)
SELECT s.key FROM limiter_state AS s, moment
 WHERE s.held_until > now
    OR s.cells[((s.sequence - floor(s.allowed * $1::float8)::bigint - 1) % s.allowed / s.size)::integer + 1]
       > now - s."window"
    OR (s.concurrency > 0
        AND s.cells[((s.sequence - 1) % s.allowed / s.size)::integer + 1] > now - 3600000000
        AND (SELECT count(*) FROM limiter_lease AS l WHERE l.key = s.key AND l.expires > now)
            > s.concurrency * $1::float8)
UNION
SELECT s.key FROM limiter_usage AS u JOIN limiter_state AS s ON s.key = u.key
 WHERE u.minute > (SELECT now / 60000000 - 60 FROM moment) AND s."window" - s.guard <= 60000000
   AND u.grants * (s."window" - s.guard) > s.allowed * 60000000::float8 * $1
 LIMIT $2
"""  # noqa: S608 - names of our own


def totals(keys: Sequence[UUID], minutes: int) -> list[tuple[Any, ...]]:
    sql = (
        f"SELECT key, {SUMS}, max(grants) FROM limiter_usage"  # noqa: S608
        f" WHERE key = ANY($1) AND minute > (SELECT {NOW} / 60000000 - $2) GROUP BY key"
    )
    return execute(sql, (list(keys), minutes))


def stretches(key: UUID, minutes: int, each: int) -> list[tuple[Any, ...]]:
    sql = (
        f"SELECT minute / $3 * $3 AS start, {SUMS} FROM limiter_usage"  # noqa: S608
        f" WHERE key = $1 AND minute > (SELECT {NOW} / 60000000 - $2) GROUP BY start ORDER BY start"
    )
    return execute(sql, (key, minutes, each))


def first_holders(keys: Sequence[UUID], most: int) -> list[tuple[Any, ...]]:
    sql = (
        "SELECT k.key, l.fence, l.host, l.process, l.purpose, l.held, l.rest"  # noqa: S608
        " FROM unnest($1::uuid[]) AS k (key), LATERAL ("
        f"SELECT fence, host, process, purpose, {NOW} - since AS held, expires - {NOW} AS rest, since"
        f" FROM limiter_lease WHERE key = k.key AND expires > {NOW} ORDER BY since LIMIT $2) AS l"
        " ORDER BY k.key, l.since"
    )
    return execute(sql, (list(keys), most))


def over(share: float, most: int) -> list[UUID]:
    return [key for (key,) in execute(OVER, (share, most))]


def lower(most: int) -> list[UUID]:
    """`is_lower` in SQL; the window holds the guard too."""
    own = '((s."window" - s.guard) / 1000)'
    sql = (
        "SELECT q.key FROM limiter_quota AS q JOIN limiter_state AS s ON s.key = q.key"  # noqa: S608
        f' WHERE q.allowed < s.allowed * ((COALESCE(q."interval", {own}) + {own} - 1) / {own}) LIMIT $1'
    )
    return [key for (key,) in execute(sql, (most,))]


def reported(keys: Sequence[UUID]) -> list[tuple[Any, ...]]:
    sql = (
        f'SELECT key, allowed, "interval", remaining, {NOW} - noted FROM limiter_quota'  # noqa: S608
        " WHERE key = ANY($1)"
    )
    return execute(sql, (list(keys),))


def provider_holds() -> list[tuple[str, int, str]]:
    sql = (
        f"SELECT provider, held_until - {NOW}, reason FROM limiter_provider_hold"  # noqa: S608
        f" WHERE held_until > {NOW}"
    )
    return execute(sql, ())


def of_providers(minutes: int) -> list[tuple[str, int, int]]:
    sql = (
        "SELECT s.provider, sum(u.grants)::bigint, sum(u.denials)::bigint"  # noqa: S608
        " FROM limiter_usage AS u JOIN limiter_state AS s ON s.key = u.key"
        f" WHERE u.minute > (SELECT {NOW} / 60000000 - $1) GROUP BY s.provider"
    )
    return execute(sql, (minutes,))


def reach() -> None:
    execute("SELECT EXISTS (SELECT FROM limiter_state)", ())


def own_hold(key: UUID) -> tuple[int, str] | None:
    """Microseconds yet, which may be past, and the reason."""
    sql = f"SELECT held_until - {NOW}, held_reason FROM limiter_state WHERE key = $1"  # noqa: S608
    rows = execute(sql, (key,))
    return rows[0] if rows else None
