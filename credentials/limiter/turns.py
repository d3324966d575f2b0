"""Asking for a lease, and waiting for one's turn."""

import logging
import os
import random
import socket
import threading
import time
from collections.abc import Generator
from dataclasses import dataclass
from functools import cache

from credentials.limiter import counting, line, ring
from credentials.limiter.lease import Lease
from credentials.limiter.limits import Limited, settle
from credentials.limiter.outcomes import (
    Denied,
    Granted,
    LimiterUnavailable,
    Place,
    RateLimited,
    Refused,
    Stale,
    Void,
)  # fmt: skip
from credentials.limiter.records import Asking
from credentials.limiter.stores import store

logger = logging.getLogger(__name__)

# Seconds that a lease lasts when nobody renews it.
LASTING = 30.0
# So often in a row a limit may turn out to be changed before that is an error.
TRIES = 20
# Seconds between two looks for a lease that another process must give back: first and longest.
LOOK_FIRST, LOOK_LONGEST = 0.005, 0.2
PURPOSE_LENGTH = 100


@dataclass(slots=True)
class Pause:
    """Sleep so long, or until the event is set."""

    seconds: float
    event: threading.Event | None = None


@dataclass(slots=True)
class Settle:
    """Call `limits.settle`, which asks the caller's own database."""

    known: int | None


Steps = Generator[Pause | Settle, None, Lease]


@cache
def _host() -> str:
    return socket.gethostname()[:100]


def _asking(limit: Limited, purpose: str, lasting: float) -> Asking:
    return Asking(
        limit.key,
        limit.revision,
        limit.max_concurrent_requests or 0,
        ring.is_durable(limit.interval * 1000),
        lasting,
        (_host(), os.getpid(), purpose),
    )


def _lease(
    asking: Asking, granted: Granted, before: float, waited: float = 0.0, counted: bool = False
) -> Lease:
    bounded = granted.slot is not None
    if not counted:
        counting.granted(asking.key, waited, granted.slot or 0)
    return Lease(
        key=asking.key,
        fence=granted.place,
        slot=granted.slot,
        purpose=asking.holder[2],
        granted_at=(granted.time + granted.late) / 1e6,
        deadline=before + (granted.guard - granted.late) / 1e6,
        expires=before + asking.lasting if bounded else float("inf"),
        lasting=asking.lasting,
        _of=granted,
        waited=waited,
    )


def _denied(asking: Asking, refused: Refused) -> Denied:
    counting.denied(asking.key)
    return Denied(refused.reason, refused.wait / 1e6, refused.detail)


def try_acquire(limit: Limited, *, purpose: str = "", lasting: float = LASTING) -> Lease | Denied:
    """A lease, if there is one at once. Raises LimiterUnavailable."""
    for _ in range(TRIES):
        asking = _asking(limit, purpose[:PURPOSE_LENGTH], lasting)
        before = time.monotonic()
        outcome = store().take(asking, 0)
        if type(outcome) is Granted:
            return _lease(asking, outcome, before)
        if type(outcome) is Stale:
            settle(limit, outcome.revision)
        elif type(outcome) is Refused and (outcome.wait > 0 or outcome.reason != "rate"):
            return _denied(asking, outcome)
        # Else the place that was seen free went to somebody else in between: look again.
    raise LimiterUnavailable("the limit changes faster than it can be asked for")


def steps(
    limit: Limited,
    *,
    timeout: float,
    purpose: str = "",
    lasting: float = LASTING,
    unused: Lease | None = None,
) -> Steps:
    """Asks, and gives what is to be done until the next question; returns the lease.

    A place in the future is taken when one arrives, so that who came first goes first and nobody polls; it is
    redeemed at its time. Closing the generator gives the place back. Raises RateLimited as soon as it is
    clear that the turn does not come in `timeout` seconds, and LimiterUnavailable. The place of an `unused`
    lease, that came too late, is moved to now where it can be: else one a day would be none today.
    """
    purpose = purpose[:PURPOSE_LENGTH]
    begun = time.monotonic()
    until = begun + timeout
    place = unused.place if unused and unused.key == limit.key else None
    counted = place is not None
    stood: threading.Event | None = None
    look, stale, paused = LOOK_FIRST, 0, False
    key = limit.key
    try:
        if limit.max_concurrent_requests and line.waits(key):
            stood = line.join(key)
        while True:
            if stood:
                paused = True
                stood.clear()
                if not line.is_first(key, stood):
                    _in_time(limit, Refused("concurrency", int(LOOK_LONGEST * 1e6)), until, wait=0.0)
                    yield Pause(min(max(0.0, until - time.monotonic()), 1.0), stood)
                    continue
            asking = _asking(limit, purpose, lasting)
            before = time.monotonic()
            outcome = store().take(asking, max(0, int((until - before) * 1e6)), place)
            if type(outcome) is Granted:
                place = None
                return _lease(asking, outcome, before, before - begun if paused else 0.0, counted)
            if type(outcome) is Place:
                place, paused = outcome, True
                # Places of one cell have one time: not all at the same instant.
                yield Pause(place.wait / 1e6 + random.uniform(0, place.guard / 10e6))  # noqa: S311
            elif type(outcome) is Void:
                place, counted = None, False
            elif type(outcome) is Stale:
                stale += 1
                if stale > TRIES:
                    raise LimiterUnavailable("the limit changes faster than it can be asked for")
                place, counted = None, False
                yield Settle(outcome.revision)
            elif type(outcome) is Refused and outcome.reason == "concurrency":
                _in_time(limit, outcome, until, wait=0.0)
                stood = stood or line.join(key)
                pause = min(random.uniform(look / 2, look), max(0.0, until - time.monotonic()))  # noqa: S311
                yield Pause(pause, stood)
                look = LOOK_FIRST if stood.is_set() else min(look * 1.5, LOOK_LONGEST)
            elif type(outcome) is Refused:
                if place:
                    _give_back(limit, place)
                    place, counted = None, False
                _in_time(limit, outcome, until, wait=outcome.wait / 1e6)
                paused = True
                yield Pause(outcome.wait / 1e6 + random.uniform(0, 0.002))  # noqa: S311 - no secret
    finally:
        if stood:
            line.leave(key, stood)
        if place:
            _give_back(limit, place)


def _in_time(limit: Limited, refused: Refused, until: float, wait: float) -> None:
    """Raise RateLimited where waiting so long would be too long."""
    if time.monotonic() + wait >= until:
        counting.denied(limit.key)
        raise RateLimited(refused.reason, refused.wait / 1e6, refused.detail)


def _give_back(limit: Limited, place: Place) -> None:
    try:
        with store().locked(limit.key) as (state, _now):
            if state and state.epoch == place.epoch:
                ring.give_back(state, place.place)
    except LimiterUnavailable as error:
        # The place lapses: nobody gets it.
        logger.warning("A place in a rate limit could not be given back: %s", error)


def acquire(
    limit: Limited,
    *,
    timeout: float = 30.0,
    purpose: str = "",
    lasting: float = LASTING,
    unused: Lease | None = None,
) -> Lease:
    """Wait for a lease, at most `timeout` seconds. Raises RateLimited, LimiterUnavailable."""
    going = steps(limit, timeout=timeout, purpose=purpose, lasting=lasting, unused=unused)
    try:
        while True:
            step = next(going)
            if type(step) is Settle:
                settle(limit, step.known)
            elif type(step) is Pause:
                if step.event:
                    step.event.wait(step.seconds)
                else:
                    time.sleep(step.seconds)
    except StopIteration as end:
        lease: Lease = end.value
        return lease
    finally:
        going.close()
