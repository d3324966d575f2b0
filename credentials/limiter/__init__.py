"""Rate limits that hold, over threads, processes and hosts.

    with credential.rate_limit.acquire(timeout=30) as lease: ...     waits its turn
    lease = credential.rate_limit.try_acquire()                      or is denied at once

Strict: in any window of `interval` there are at most `allowed_requests` grants, and at most
`max_concurrent_requests` leases are out at a time. ring.py says how that is counted with at most 64 times
kept, turns.py how one waits, and the stores (postgresql.py, sqlite.py) what is asked of the database, by its
clock. Without a store there is no lease.
"""

from credentials.limiter import asynchronous
from credentials.limiter.asynchronous import Turn
from credentials.limiter.lease import Lease
from credentials.limiter.limits import hold_off, hold_off_provider, lift, publish
from credentials.limiter.live import Live, holders, live, reported, usage
from credentials.limiter.outcomes import (
    Denied,
    LeaseLost,
    LimiterError,
    LimiterUnavailable,
    RateLimited,
)  # fmt: skip
from credentials.limiter.quota import is_lower, note_quota
from credentials.limiter.records import Holder, Minute, Reported
from credentials.limiter.turns import LASTING, acquire, try_acquire

aacquire = Turn
atry_acquire = asynchronous.try_acquire

__all__ = [
    "LASTING", "Denied", "Holder", "Lease", "LeaseLost", "LimiterError", "LimiterUnavailable", "Live",
    "Minute", "RateLimited", "Reported", "Turn", "aacquire", "acquire", "atry_acquire", "hold_off",
    "hold_off_provider", "holders", "is_lower", "lift", "live", "note_quota", "publish", "release", "renew",
    "reported", "try_acquire", "usage",
]  # fmt: skip


def release(lease: Lease) -> bool:
    """Give a lease back. False where it was over already, which changes nothing."""
    return lease.release()


def renew(lease: Lease) -> None:
    """Keep a lease for its time once more, from now. Raises LeaseLost, LimiterUnavailable."""
    lease.renew()
