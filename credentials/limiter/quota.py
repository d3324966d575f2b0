"""What providers say about their limits in the headers of their answers."""

import time
from uuid import UUID

from credentials.limiter.limits import Limited
from credentials.limiter.stores import store

# The same limit is written down again after so many seconds; another one at once.
AGAIN = 10.0

_noted: dict[UUID, tuple[int, int | None, float]] = {}


def note_quota(
    limit: Limited, allowed_requests: int, *, interval: int | None = None, remaining: int | None = None
) -> None:
    """Note what a provider reports: so many requests per interval (milliseconds; None where it does not say),
    and how many are left. Raises LimiterUnavailable."""
    allowed, again, at = _noted.get(limit.key, (0, None, 0.0))
    now = time.monotonic()
    if (allowed, again) == (allowed_requests, interval) and now - at < AGAIN:
        return
    store().note_quota(limit.key, allowed_requests, interval, remaining)
    _noted[limit.key] = (allowed_requests, interval, now)


def is_lower(*, allowed: int, interval: int, reported: int, reported_interval: int | None) -> bool:
    """Whether a limit lets more through in some interval of the provider's than the provider says it takes.
    An interval that it does not name is taken for the limit's own."""
    windows = -(-(reported_interval or interval) // interval)
    return reported < allowed * windows
