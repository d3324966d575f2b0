"""What is going on at limits, for people: pages and commands."""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from credentials.limiter import counting, ring
from credentials.limiter.limits import Limited
from credentials.limiter.outcomes import LimiterUnavailable
from credentials.limiter.records import Holder, Minute, Reported
from credentials.limiter.stores import begun, store
from credentials.limiter.watching import provider_holds

MINUTE = 60_000


@dataclass(frozen=True, slots=True)
class Live:
    """The use of one limit now. `used` counts the requests of the interval that ends now, rounded up to a
    64th of the limit; `under_way` is None where concurrency has no bound. `held_off` is in seconds, 0 for
    not. `busiest` is the share that the busiest minute of the last hour had of what the limit allows in a
    minute; None where the interval is longer than a minute."""

    allowed: int
    used: int
    bound: int
    under_way: int | None
    held_off: float
    held_reason: str
    busiest: float | None

    @property
    def saturation(self) -> float:
        """The share that is used of whatever is nearest to its limit; 1.0 is all."""
        shares = [self.used / self.allowed, self.busiest or 0.0]
        if self.bound and self.under_way is not None:
            shares.append(self.under_way / self.bound)
        return max(shares)


def live(limits: Iterable[Limited], *, busiest: bool = True) -> dict[UUID, Live]:
    """By key, the use of each limit now; the same number of queries for any number of limits on PostgreSQL.
    Raises LimiterUnavailable."""
    all_of_them = {limit.key: limit for limit in limits}
    peaks = _busiest(all_of_them) if busiest else {}
    known = {}
    if begun():
        for key, state, out, now, provider_held, reason in store().states(all_of_them):
            known[key] = _live(all_of_them[key], state, out, now, provider_held, reason, peaks.get(key))
    unused = all_of_them.keys() - known.keys()
    # What was never used has no state, but its provider may be held off as a whole.
    holds = provider_holds() if unused else {}
    for key in unused:
        limit = all_of_them[key]
        hold = holds.get(limit.provider) if holds else None
        left, reason = (hold.left, hold.reason) if hold else (0.0, "")
        bound = limit.max_concurrent_requests or 0
        known[key] = Live(
            limit.allowed_requests, 0, bound, 0 if bound else None, left, reason, peaks.get(key)
        )
    return known


def _live(
    limit: Limited, state: ring.State, out: int, now: int, held: int, reason: str, busiest: float | None
) -> Live:
    until, why = max((state.held_until, state.held_reason), (held, reason))
    held_off = max(0, until - now) / 1e6
    return Live(
        allowed=limit.allowed_requests,
        used=min(ring.used(state, now), limit.allowed_requests),
        bound=limit.max_concurrent_requests or 0,
        under_way=out if limit.max_concurrent_requests else None,
        held_off=held_off,
        held_reason=why if held_off else "",
        busiest=busiest,
    )


def _busiest(limits: dict[UUID, Limited]) -> dict[UUID, float]:
    short = {key: limit for key, limit in limits.items() if limit.interval <= MINUTE}
    found: dict[UUID, float] = {}
    for key, minute in _stored(short, 60):
        per_minute = short[key].allowed_requests * MINUTE / short[key].interval
        found[key] = max(found.get(key, 0.0), min(1.0, minute.grants / per_minute))
    return found


def usage(limit: Limited, minutes: int = 60) -> list[Minute]:
    """The minutes of the last so many in which anything was asked for, the oldest first. Other processes
    write theirs once a second. Raises LimiterUnavailable."""
    return [minute for _key, minute in _stored([limit.key], minutes)]


def _stored(keys: Iterable[UUID], minutes: int) -> list[tuple[UUID, Minute]]:
    counting.flush()
    found: list[tuple[UUID, Minute]] = store().usage(keys, minutes) if begun() else []
    return found


def holders(limit: Limited) -> list[Holder]:
    """Who holds a lease now, the oldest first; empty where concurrency has no bound. Raises
    LimiterUnavailable."""
    found: list[Holder] = store().holders(limit.key) if begun() else []
    return found


def reported(limit: Limited) -> Reported | None:
    """What the provider's headers said last, or None. Raises LimiterUnavailable."""
    found: Reported | None = store().quota(limit.key) if begun() else None
    return found


__all__ = ["LimiterUnavailable", "Live", "holders", "live", "reported", "usage"]
