"""What sessions see, told on: to the rate limit, which waits and notes quotas, and to health."""

import time
from datetime import datetime

from django.utils import timezone

from credentials.answers import Reading, redacted
from credentials.exchange import Answer
from credentials.models import Credential
from health import reports
from health.models import Component
from health.observations import About, Observation

# What an answer to any request of a worker can tell of the credential. Other failures may be the request's
# own fault.
TELLING = frozenset(
    "ok revoked expired suspended insufficient_scope rate_limited quota_exhausted oauth_app_quota blocked"
    " provider_outage garbled address_not_allowed consent_required".split()
)
# How often one process repeats the same about one credential, in seconds.
REPEATED_AFTER = 60.0
_told: dict[tuple[object, str, str], float] = {}
MOST_TOLD = 10_000


def hear(credential: Credential, answer: Answer, *, source: str, telling: bool = True) -> None:
    """Take what an answer tells: a throttled one holds the limit off, health hears of failure and success.

    Without `telling` only the limit hears of it: a probe reads its answer more closely.
    """
    reading = credential.read_failure(answer)
    if quota := credential.quota(answer):
        credential.rate_limit.note_quota(
            quota.allowed_requests, interval=quota.interval, remaining=quota.remaining
        )
    if reading is None:
        reading = Reading("ok" if 200 <= answer.status < 300 else "unclassified")
    if reading.code in ("rate_limited", "quota_exhausted"):
        # Where the provider does not say how long, a second: the next refusal says it again.
        credential.rate_limit.hold_off(seconds=reading.retry_after or 1.0, reason=reading.code)
    if telling and reading.code in TELLING:
        tell(credential, reading, source=source)


def tell(credential: Credential, reading: Reading, *, source: str) -> None:
    """Observe it, at most once a minute for the same code, so that busy workers cost health nothing."""
    key, now = (credential.pk, str(credential.secret_version), reading.code), time.monotonic()
    if now - _told.get(key, -REPEATED_AFTER) < REPEATED_AFTER:
        return
    if len(_told) >= MOST_TOLD:
        _told.clear()
    # Another code in between makes the earlier one news again.
    for other in [one for one in _told if one[0] == credential.pk]:
        del _told[other]
    _told[key] = now
    at = timezone.now()
    observe(credential, observation(credential, reading, started_at=at, source=source))


def observation(
    credential: Credential, reading: Reading, *, started_at: datetime, source: str
) -> Observation:
    """A reading as health takes it."""
    return Observation(
        code=reading.code,
        started_at=started_at,
        finished_at=timezone.now(),
        revision=str(credential.secret_version),
        detail=redacted(reading.detail),
        retry_after=reading.retry_after,
        source=source,
    )


def observe(credential: Credential, seen: Observation) -> None:
    """Hand an observation to the component that it is about: the credential's, or its OAuth app's."""
    reports.observe(component_of(credential, seen), seen)


def component_of(credential: Credential, seen: Observation) -> Component:
    if seen.meaning.about is About.OAUTH_APP and (app := credential.app_in_use()):
        return app.component
    return credential.component
