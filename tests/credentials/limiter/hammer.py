"""One of several processes that take leases of one limit as fast as they can, and write down when.

    python -m tests.credentials.limiter.hammer KEY SECONDS [--bucket] [--clock SECONDS] [--wait]

Prints the times of its leases, by the store's clock, as JSON. --bucket puts a token bucket in place of the
limiter's arithmetic: a bug that must be found. --clock sets this process's calendar wrong.
"""

import argparse
import json
import sys
import time


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("key")
    parser.add_argument("seconds", type=float)
    parser.add_argument("--bucket", action="store_true")
    parser.add_argument("--wait", action="store_true")
    parser.add_argument("--clock", type=float, default=0.0)
    options = parser.parse_args()
    set_clock_wrong(options.clock)

    import django

    django.setup()
    from credentials.limiter import LimiterUnavailable, RateLimited
    from credentials.models import RateLimit

    limit = RateLimit.objects.get(pk=options.key)
    if options.bucket:
        plant_token_bucket()
    if not options.wait:
        limiter_is_open(limit)
    print("ready", flush=True)
    sys.stdin.readline()
    times, failed, until = [], 0, time.monotonic() + options.seconds
    while (left := until - time.monotonic()) > 0:
        try:
            lease = limit.acquire(timeout=left) if options.wait else limit.try_acquire()
        except RateLimited:
            break  # not in this time
        except LimiterUnavailable:
            failed += 1
            time.sleep(0.01)
            continue
        if lease.granted:
            times.append(lease.granted_at)
            lease.release()
        else:
            time.sleep(min(lease.retry_after, 0.002))
    print(json.dumps({"times": times, "failed": failed}))


def limiter_is_open(limit) -> None:
    """The first lease costs a connection, which is not what is measured."""
    lease = limit.try_acquire()
    if lease.granted:
        lease.release()


def set_clock_wrong(seconds: float) -> None:
    if seconds:
        calendar, calendar_ns = time.time, time.time_ns
        time.time = lambda: calendar() + seconds
        time.time_ns = lambda: calendar_ns() + int(seconds * 1e9)


def plant_token_bucket() -> None:
    """GCRA with a burst of all that is allowed, as most libraries have it. The first cell holds when the
    bucket is full."""
    from credentials.limiter import postgresql, postgresql_schema, ring

    def next_time(state: ring.State, now: int) -> int:
        return max(now, state.cells[0] - state.window + state.window // state.allowed)

    def take(state: ring.State, time: int) -> int:
        state.cells[0] = max(state.cells[0], time) + state.window // state.allowed
        state.sequence += 1
        return state.sequence - 1

    ring.next_time, ring.take = next_time, take
    now = postgresql_schema.NOW
    full = f'GREATEST({now}, r.cells[1]) + r."window" / r.allowed'
    postgresql.TAKE_RATE = f"""
    WITH taken AS (
        UPDATE limiter_state AS r SET sequence = sequence + 1, cells[1] = {full}
         WHERE key = $1 AND revision = $2 AND $3::bigint >= 0
               AND cells[1] - "window" + "window" / allowed <= {now}
     RETURNING sequence - 1 AS place, epoch, guard
    )
    SELECT place, {now}, {now}, epoch, guard, NULL::bigint, NULL::bigint, NULL::text FROM taken
    UNION ALL
    SELECT NULL, {now} + 1000, {now}, epoch, guard, revision, 0, '' FROM limiter_state
     WHERE key = $1 AND NOT EXISTS (SELECT FROM taken)"""


if __name__ == "__main__":
    main()
