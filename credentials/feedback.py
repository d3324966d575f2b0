"""What sessions see, told on: to the rate limit, which waits and notes quotas, and to health."""

import logging
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from urllib.parse import quote, quote_plus

from django.db import DatabaseError
from django.utils import timezone

from credentials import limiter
from credentials.answers import Reading, redacted
from credentials.exchange import Answer
from credentials.models import Credential
from credentials.models.properties import secret_names
from credentials.sealing import SecretError
from health import reports
from health.observations import About, Observation

# What an answer to any request of a worker can tell of the credential. Other failures may be the request's
# own fault.
TELLING = frozenset(
    "ok revoked expired suspended insufficient_scope rate_limited quota_exhausted oauth_app_quota blocked"
    " provider_outage garbled address_not_allowed consent_required".split()
)
logger = logging.getLogger(__name__)

# How long nothing is asked where the provider does not say it, in seconds: the next refusal says it again.
WAITS = {"rate_limited": 1.0, "quota_exhausted": 60.0}
# How often one process repeats the same about one credential, in seconds.
REPEATED_AFTER = 60.0
# What was told last of each credential: the version of its secret, the code, and when.
_told: dict[uuid.UUID, tuple[int, str, float]] = {}
MOST_TOLD = 10_000


def hear(
    credential: Credential, answer: Answer, *, started_at: datetime, source: str, telling: bool = True
) -> None:
    """Take what an answer tells: a throttled one holds the limit off, health hears of failure and success.

    Without `telling` only the limit hears of it: a probe reads its answer more closely. Never raises: the
    answer is there, and whoever asked must get it.
    """
    reading = credential.read_failure(answer)
    if reading is None:
        reading = Reading("ok" if 200 <= answer.status < 300 else "unclassified")
    try:
        _heed(credential, answer, reading)
    except limiter.LimiterUnavailable as error:
        logger.warning("The limit of %s could not hear of an answer: %s", credential.pk, error)
    # What was not found may never have been there.
    if telling and reading.code in TELLING and answer.status != 404:
        tell(credential, reading, started_at=started_at, source=source)


def _heed(credential: Credential, answer: Answer, reading: Reading) -> None:
    """Let the rate limit hear what an answer says of it. Raises LimiterUnavailable."""
    if quota := credential.quota(answer):
        credential.rate_limit.note_quota(
            quota.allowed_requests, interval=quota.interval, remaining=quota.remaining
        )
    if reading.code in WAITS:
        credential.rate_limit.hold_off(
            seconds=reading.retry_after or WAITS[reading.code], reason=reading.code
        )


def tell(credential: Credential, reading: Reading, *, started_at: datetime, source: str) -> None:
    """Observe it, at most once a minute for the same code, so that busy workers cost health nothing.

    Another code in between makes the earlier one news again. Never raises: what could not be written is seen
    again by the next request.
    """
    version, code, now = credential.secret_version, reading.code, time.monotonic()
    told = _told.get(credential.pk)
    if told and told[:2] == (version, code) and now - told[2] < REPEATED_AFTER:
        return
    if len(_told) >= MOST_TOLD:
        _told.clear()
    _told[credential.pk] = (version, code, now)
    try:
        observe(credential, observation(credential, reading, started_at=started_at, source=source))
    except (reports.Busy, reports.Gone, DatabaseError) as error:
        _told.pop(credential.pk, None)
        logger.warning("What was seen of %s could not be written: %s", credential.pk, type(error).__name__)


def observation(
    credential: Credential, reading: Reading, *, started_at: datetime, source: str
) -> Observation:
    """A reading as health takes it."""
    return Observation(
        code=reading.code,
        started_at=started_at,
        finished_at=timezone.now(),
        revision=str(credential.secret_version),
        detail=redacted(reading.detail, _held(credential)) if reading.detail else "",
        retry_after=reading.retry_after,
        source=source,
    )


def _held(credential: Credential) -> Iterator[str]:
    """The secrets that a provider may have repeated, as they are and as they stand in forms."""
    for name in secret_names(type(credential)):
        try:
            secret = getattr(credential, name)
            text = secret.use(credential.destination()) if secret else ""
        except SecretError:
            continue
        yield from {text, quote(text, safe=""), quote_plus(text)}


def observe(credential: Credential, seen: Observation) -> None:
    """Hand an observation to the component that it is about: the credential's, or its OAuth app's."""
    app = credential.app_in_use() if seen.meaning.about is About.OAUTH_APP else None
    if app:
        # The app's own secret was tried, not the credential's.
        seen = replace(seen, revision=str(app.secret_version))
    reports.observe(app.component if app else credential.component, seen)
