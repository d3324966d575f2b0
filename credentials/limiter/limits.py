"""The limit itself, as the store knows it: made, changed, held off."""

from datetime import datetime
from typing import Protocol
from uuid import UUID

from django.conf import settings
from django.db import InterfaceError, OperationalError, connections
from django.utils import timezone

from credentials.limiter import ring
from credentials.limiter.outcomes import LimiterUnavailable
from credentials.limiter.stores import begun, store

# Added to each interval, for the way from the grant to the provider: milliseconds, but at most a tenth of the
# interval. The setting RATE_LIMIT_GUARD replaces it; a change counts for a limit when that is stored anew.
GUARD = 20
LONGEST_HOLD = 31 * 24 * 60 * 60.0


class Limited(Protocol):
    """What the limiter needs of a RateLimit."""

    allowed_requests: int
    interval: int
    max_concurrent_requests: int | None
    revision: int

    @property
    def key(self) -> UUID: ...
    @property
    def provider(self) -> str: ...
    def reload(self) -> None: ...


def guard_of(interval: int) -> int:
    """The guard of an interval (milliseconds), in microseconds."""
    return min(int(getattr(settings, "RATE_LIMIT_GUARD", GUARD)) * 1000, interval * 100)


def settle(limit: Limited, known: int | None) -> None:
    """Make the store and this instance agree, where the store knows the revision `known`, on what the
    database holds. Raises DoesNotExist, LimiterUnavailable."""
    try:
        limit.reload()
    except (OperationalError, InterfaceError) as error:
        database = connections["default"]
        if not database.in_atomic_block:
            database.close_if_unusable_or_obsolete()
        raise LimiterUnavailable(f"the database: {type(error).__name__}") from None
    if known is not None and known == limit.revision:
        return  # only the instance was old
    if known is None:
        store().after_crash()
        store().create(limit.key, _first_state(limit))
    with store().locked(limit.key) as (state, now):
        if state and known is None:
            ring.renumber(state, now)
        # Not over what somebody else stored since.
        if state and (state.revision < limit.revision or state.revision == known):
            _apply(state, limit, now)


def publish(limit: Limited) -> None:
    """Tell the store that the limit was changed, so that those who still hold an old instance notice."""
    if not begun():
        return
    with store().locked(limit.key) as (state, now):
        if state and state.revision != limit.revision:
            _apply(state, limit, now)


def _first_state(limit: Limited) -> ring.State:
    guard = guard_of(limit.interval)
    return ring.State(
        revision=limit.revision,
        provider=limit.provider,
        allowed=limit.allowed_requests,
        window=limit.interval * 1000 + guard,
        guard=guard,
        concurrency=limit.max_concurrent_requests or 0,
        sequence=0,
        cells=[ring.NEVER] * ring.number_of_cells(limit.allowed_requests),
    )


def _apply(state: ring.State, limit: Limited, now: int) -> None:
    wanted = _first_state(limit)
    if (state.allowed, state.window) != (wanted.allowed, wanted.window):
        ring.rebuild(state, allowed=wanted.allowed, window=wanted.window, now=now)
    state.revision, state.provider = wanted.revision, wanted.provider
    state.guard, state.concurrency = wanted.guard, wanted.concurrency


def _seconds(until: datetime | None, seconds: float | None) -> float:
    if until is not None and seconds is None:
        seconds = (until - timezone.now()).total_seconds()
    elif until is not None or seconds is None:
        raise TypeError("Give either until or seconds.")
    return min(max(seconds, 0.0), LONGEST_HOLD)


def hold_off(
    limit: Limited, *, until: datetime | None = None, seconds: float | None = None, reason: str = ""
) -> None:
    """Grant nothing until a time: an aware datetime by this process's clock, or so many seconds from now by
    the store's. A longer hold-off that is there already stays. At most 31 days. Raises LimiterUnavailable."""
    length = int(_seconds(until, seconds) * 1e6)
    if not _hold(limit, length, reason):
        settle(limit, None)
        _hold(limit, length, reason)


def _hold(limit: Limited, length: int, reason: str) -> bool:
    with store().locked(limit.key) as (state, now):
        if state and now + length > state.held_until:
            state.held_until, state.held_reason = now + length, reason[:200]
            # Who waits for a place must ask again.
            ring.void(state, now)
        return state is not None


def lift(limit: Limited) -> None:
    """End a hold-off before its time. Raises LimiterUnavailable."""
    with store().locked(limit.key) as (state, _now):
        if state:
            state.held_until, state.held_reason = 0, ""


def hold_off_provider(
    provider: str, *, until: datetime | None = None, seconds: float | None = None, reason: str = ""
) -> None:
    """Grant nothing to any credential of a provider until a time; 0 seconds end it. Raises
    LimiterUnavailable."""
    store().hold_provider(provider, _seconds(until, seconds), reason[:200])
