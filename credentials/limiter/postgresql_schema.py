"""The limiter's tables and its one function on PostgreSQL. A migration installs them.

No foreign keys: the limiter works on connections of its own, which do not see what a caller's transaction has
not committed. Times are microseconds since 1970 by the clock of the database.
"""
# ruff: noqa: S608 - the names that are put into the SQL are our own, the values are parameters

from typing import Any

NOW = "(date_part('epoch', clock_timestamp()) * 1000000)::bigint"

# Written on every grant: room for the next version on the same page, and no index but the key, so that no
# index is touched (HOT); cleaned up early, because a transaction left open elsewhere keeps old versions.
HOT = "(fillfactor = 50, autovacuum_vacuum_threshold = 200, autovacuum_vacuum_scale_factor = 0)"

TABLES = (
    f"""CREATE TABLE limiter_state (
        key uuid PRIMARY KEY,
        revision bigint NOT NULL,
        provider text NOT NULL,
        allowed integer NOT NULL,
        size integer NOT NULL,
        "window" bigint NOT NULL,
        guard bigint NOT NULL,
        concurrency integer NOT NULL,
        durable boolean NOT NULL,
        sequence bigint NOT NULL,
        epoch integer NOT NULL,
        held_until bigint NOT NULL,
        held_reason text NOT NULL,
        gone bigint[] NOT NULL,
        older bigint[] NOT NULL,
        cells bigint[] NOT NULL
    ) WITH {HOT}""",
    "ALTER TABLE limiter_state ALTER COLUMN cells SET STORAGE PLAIN",
    # One row for each request that may be under way at once; free where expires is past.
    f"""CREATE TABLE limiter_lease (
        key uuid NOT NULL,
        slot integer NOT NULL,
        expires bigint NOT NULL DEFAULT 0,
        fence bigint NOT NULL DEFAULT 0,
        since bigint NOT NULL DEFAULT 0,
        host text NOT NULL DEFAULT '',
        process integer NOT NULL DEFAULT 0,
        purpose text NOT NULL DEFAULT '',
        PRIMARY KEY (key, slot)
    ) WITH {HOT}""",
    """CREATE TABLE limiter_provider_hold (
        provider text PRIMARY KEY, held_until bigint NOT NULL, reason text NOT NULL
    )""",
    # Grants of short windows do not wait for the disk, so a crash of the server can lose the newest. It also
    # empties an unlogged table: that this row is missing says that there was one. From the moment the row is
    # there again such a limit waits for a whole window, and where concurrency is bounded for as long as a
    # lease that was lost may last; longer leases wait for the disk. And its places are numbered anew: no
    # number that was lost comes again, and places in the future that were lost are void.
    """CREATE UNLOGGED TABLE limiter_no_crash_since (
        id integer PRIMARY KEY CHECK (id = 1), since bigint NOT NULL
    )""",
    "INSERT INTO limiter_no_crash_since VALUES (1, 0)",
    """CREATE TABLE limiter_usage (
        key uuid NOT NULL,
        minute bigint NOT NULL,
        grants bigint NOT NULL,
        denials bigint NOT NULL,
        waits bigint NOT NULL,
        waited bigint NOT NULL,
        peak integer NOT NULL,
        PRIMARY KEY (minute, key)
    )""",
    "CREATE INDEX limiter_usage_key ON limiter_usage (key, minute)",
    """CREATE TABLE limiter_quota (
        key uuid PRIMARY KEY, allowed bigint NOT NULL, "interval" bigint, remaining bigint, noted bigint NOT
        NULL
    )""",
)


def place_time(row: str = "") -> str:
    """When the next place of a row is free: `ring.next_time` in SQL."""
    r = f"{row}." if row else ""
    index = f"({r}sequence % {r}allowed)"
    return (
        f"GREATEST({NOW}, {r}cells[(({r}sequence - 1) % {r}allowed / {r}size)::integer + 1],"
        f" CASE WHEN {index} % {r}size = 0"
        f' THEN {r}cells[({index} / {r}size)::integer + 1] + {r}"window" ELSE 0 END)'
    )


# Microseconds: the longest lease that need not wait for the disk.
LASTING = 30_000_000
CRASHED = "the database was restarted after a crash"


def after_crash(row: str, crash: str) -> str:
    """Until when a row waits after a crash."""
    return (
        f"{crash}.since + CASE WHEN {row}.concurrency > 0"
        f' THEN GREATEST({row}."window", {LASTING}) ELSE {row}."window" END'
    )


def is_known(row: str) -> str:
    """Whether nothing of a row was lost, or it was renumbered since: `ring.renumber`."""
    return (
        f"({row}.durable OR EXISTS (SELECT FROM limiter_no_crash_since AS c WHERE c.since <= {row}.sequence))"
    )


def may_grant(row: str) -> str:
    """Whether a row is neither held off, nor its provider, nor waits after a crash."""
    return (
        f"{row}.held_until <= {NOW}"
        f" AND NOT EXISTS (SELECT FROM limiter_provider_hold AS h"
        f" WHERE h.provider = {row}.provider AND h.held_until > {NOW})"
        f" AND ({row}.durable OR EXISTS (SELECT FROM limiter_no_crash_since AS c"
        f" WHERE c.since <= {row}.sequence AND {after_crash(row, 'c')} <= {NOW}))"
    )


# Rate and concurrency in one round trip: first a free lease, then the ring, so that neither is spent without
# the other. With p_place it redeems that place instead of taking a new one.
TAKE = f"""
CREATE OR REPLACE FUNCTION limiter_take(
    p_key uuid, p_revision bigint, p_ahead bigint, p_place bigint, p_time bigint, p_epoch integer,
    p_lasting bigint, p_host text, p_process integer, p_purpose text,
    OUT outcome text, OUT place bigint, OUT place_time bigint, OUT instant bigint, OUT place_epoch integer,
    OUT place_guard bigint, OUT known bigint, OUT held bigint, OUT reason text, OUT lease integer
) LANGUAGE plpgsql AS $$
DECLARE
    s limiter_state;
    over limiter_lease;
BEGIN
    -- A look without a lock: who is refused holds up nobody.
    SELECT * INTO s FROM limiter_state WHERE key = p_key;
    instant := {NOW};
    known := s.revision;
    place_epoch := s.epoch;
    place_guard := s.guard;
    IF NOT {is_known("s")} THEN
        known := NULL;
    END IF;
    IF known IS DISTINCT FROM p_revision THEN
        outcome := 'stale';
        RETURN;
    END IF;
    IF NOT ({may_grant("s")}) THEN
        outcome := 'held_off';
        SELECT h.until, h.why INTO held, reason FROM ({{holds}}) AS h ORDER BY h.until DESC LIMIT 1;
        RETURN;
    END IF;
    -- Else the commit waits for the disk, as the database is set to.
    IF NOT s.durable AND p_lasting <= {LASTING} THEN
        PERFORM set_config('synchronous_commit', 'off', true);
    END IF;
    IF p_place IS NULL THEN
        place_time := {place_time("s")};
        IF place_time > instant + p_ahead AND place_time > {NOW} THEN
            outcome := 'rate';
            RETURN;
        END IF;
        IF place_time > instant AND place_time > {NOW} THEN
            UPDATE limiter_state AS r
               SET sequence = sequence + 1, cells[((sequence % allowed) / size)::integer + 1] =
               {place_time("r")}
             WHERE key = p_key AND revision = p_revision AND {place_time("r")} <= instant + p_ahead
                   AND {may_grant("r")}
         RETURNING r.sequence - 1, r.cells[((r.sequence - 1) % r.allowed / r.size)::integer + 1], r.epoch
              INTO place, place_time, place_epoch;
            outcome := CASE WHEN FOUND THEN 'place' ELSE 'again' END;
            instant := {NOW};
            RETURN;
        END IF;
    ELSE
        place := p_place;
        place_time := p_time;
        IF s.epoch <> p_epoch THEN
            outcome := 'void';
            RETURN;
        ELSIF place_time > instant THEN
            outcome := 'place';
            RETURN;
        END IF;
    END IF;

    WHILE s.concurrency > 0 LOOP
        SELECT slot INTO lease FROM limiter_lease AS l
         WHERE key = p_key AND slot <= s.concurrency AND expires <= instant
         ORDER BY slot LIMIT 1 FOR UPDATE SKIP LOCKED;
        IF NOT FOUND THEN
            outcome := 'concurrency';
            SELECT min(expires) INTO held FROM limiter_lease WHERE key = p_key AND expires > instant;
            RETURN;
        END IF;
        -- Leases beyond the bound are left over from a higher one: they move into what becomes free.
        SELECT * INTO over FROM limiter_lease
         WHERE key = p_key AND slot > s.concurrency ORDER BY slot DESC LIMIT 1 FOR UPDATE;
        EXIT WHEN NOT FOUND;
        DELETE FROM limiter_lease WHERE key = p_key AND slot = over.slot;
        IF over.expires > instant THEN
            UPDATE limiter_lease SET expires = over.expires, fence = over.fence, since = over.since,
                   host = over.host, process = over.process, purpose = over.purpose
             WHERE key = p_key AND slot = lease;
        END IF;
    END LOOP;

    IF p_place IS NULL THEN
        UPDATE limiter_state AS r
           SET sequence = sequence + 1, cells[((sequence % allowed) / size)::integer + 1] = {place_time("r")}
         WHERE key = p_key AND revision = p_revision AND {place_time("r")} <= {NOW} AND {may_grant("r")}
     RETURNING r.sequence - 1, r.cells[((r.sequence - 1) % r.allowed / r.size)::integer + 1]
          INTO place, place_time;
        IF NOT FOUND THEN
            outcome := 'again';
            RETURN;
        END IF;
    ELSIF instant > place_time + s.guard / 4 THEN
        -- ring.use_late
        UPDATE limiter_state AS r
           SET cells[((p_place % allowed) / size)::integer + 1] =
               GREATEST(cells[((p_place % allowed) / size)::integer + 1], {NOW})
         WHERE key = p_key AND epoch = p_epoch
               AND sequence <= p_place - p_place % allowed % size + allowed AND {may_grant("r")}
     RETURNING r.cells[((p_place % r.allowed) / r.size)::integer + 1] INTO place_time;
        IF NOT FOUND AND {NOW} > p_time + s.guard THEN
            outcome := 'void';
            RETURN;
        END IF;
        place_time := COALESCE(place_time, p_time);
    END IF;
    instant := {NOW};
    IF lease IS NOT NULL THEN
        UPDATE limiter_lease
           SET expires = instant + p_lasting, fence = place, since = instant,
               host = p_host, process = p_process, purpose = p_purpose
         WHERE key = p_key AND slot = lease;
    END IF;
    outcome := 'granted';
END $$""".replace(
    "{holds}",
    """SELECT s.held_until AS until, s.held_reason AS why UNION ALL
       SELECT p.held_until, p.reason FROM limiter_provider_hold AS p WHERE p.provider = s.provider UNION ALL
       SELECT {after}, '{crashed}'
         FROM limiter_no_crash_since AS c WHERE NOT s.durable""".replace(
        "{after}", after_crash("s", "c")
    ).replace("{crashed}", CRASHED),
)

DROP = (
    "DROP FUNCTION IF EXISTS limiter_take",
    "DROP TABLE IF EXISTS limiter_state, limiter_lease, limiter_provider_hold, limiter_no_crash_since,"
    " limiter_usage, limiter_quota",
)


def install(_apps: Any, schema_editor: Any) -> None:
    """On SQLite the limiter makes a file of its own, when it first needs it."""
    if schema_editor.connection.vendor == "postgresql":
        for statement in (*TABLES, TAKE):
            schema_editor.execute(statement, params=None)


def replace_take(_apps: Any, schema_editor: Any) -> None:
    """Put the function of now in the place of that of an earlier version."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(TAKE, params=None)


def remove(_apps: Any, schema_editor: Any) -> None:
    if schema_editor.connection.vendor == "postgresql":
        for statement in DROP:
            schema_editor.execute(statement, params=None)
