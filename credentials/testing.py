"""Tests that a person starts from a page: not too many in a minute, several at the same time, and an end.

Commands and the worker are not limited here; each credential's own rate limit holds for all.
"""

import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid5

from django.db import connection
from django.utils.translation import gettext as _

from credentials import audit, limiter, probes
from credentials.models import Credential
from credentials.models.rate_limit import MINUTE
from health import reports

AT_ONCE = 8
# So many may be chosen at once, which is a page of the list; and so many may one person start in any minute.
MOST = 50
PER_MINUTE = 60
# After so many seconds no further one is started: the web server ends a request that takes too long.
STARTED_WITHIN = 15.0
# Of people's limits among those of credentials.
PEOPLE = UUID("0b0b6a86-3f0e-4c53-9b52-6f5d2f0c7f6e")


@dataclass
class PerPerson:
    """How often one person may start a test, as the limiter takes it."""

    key: UUID
    provider: str = ""
    allowed_requests: int = PER_MINUTE
    interval: int = MINUTE
    max_concurrent_requests: int | None = None
    revision: int = 1

    def reload(self) -> None:
        """It is the same for everybody."""


@dataclass(frozen=True)
class Outcome:
    """What became of tests: those that were made, and the other credentials with why not. `limited` says
    that the person started too many."""

    found: list[probes.Test] = field(default_factory=list)
    left: list[tuple[Credential, str]] = field(default_factory=list)
    limited: bool = False

    def left_by_reason(self) -> dict[str, list[Credential]]:
        """Those that were not tested, by why not."""
        reasons: dict[str, list[Credential]] = {}
        for credential, why in sorted(self.left, key=lambda one: one[0].name):
            reasons.setdefault(why, []).append(credential)
        return reasons


def denied(person: Any) -> str:
    """Why this person may not start a test now; "" where they may, and then it is counted."""
    try:
        # Numbers of people who were deleted are given again, on SQLite.
        key = uuid5(PEOPLE, f"{person.pk} {person.date_joined.isoformat()}")
        lease = limiter.try_acquire(PerPerson(key), purpose="test")
    except limiter.LimiterUnavailable:
        # The test itself fails by the same, and says so.
        return ""
    if lease.granted:
        return ""
    words = _("You have started %(most)d tests within a minute: try again in %(wait)d seconds.")
    return words % {"most": PER_MINUTE, "wait": max(1, round(lease.retry_after or 0))}


def run(person: Any, chosen: Iterable[Credential]) -> Outcome:
    """Test credentials, several at the same time. Raises nothing for what a provider does."""
    allowed, left, refused = list[Credential](), list[tuple[Credential, str]](), ""
    for credential in chosen:
        refused = refused or denied(person)
        if refused:
            left.append((credential, refused))
        else:
            allowed.append(credential)
    actor, until = audit.now_acting().actor, time.monotonic() + STARTED_WITHIN
    if len(allowed) == 1:
        outcomes = [_one(allowed[0])]
    else:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            outcomes = list(pool.map(lambda one: _in_thread(actor, until, one), allowed))
    found = [one for one in outcomes if isinstance(one, probes.Test)]
    for credential, outcome in zip(allowed, outcomes, strict=True):
        if isinstance(outcome, str):
            left.append((credential, outcome))
    return Outcome(found, left, bool(refused))


def _one(credential: Credential) -> probes.Test | str:
    """A test, or why there was none."""
    try:
        return probes.test(credential)
    except reports.Busy:
        return _("Others keep changing its health, so nothing could be noted: test it again.")


def _in_thread(actor: str, until: float, credential: Credential) -> probes.Test | str:
    if time.monotonic() > until:
        return _("The others took too long: test it again.")
    try:
        with audit.acting(actor):
            return _one(credential)
    finally:
        connection.close()
