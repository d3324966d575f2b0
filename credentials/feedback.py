"""What sessions see, told on: to the rate limit, which waits and notes quotas, and to health.

That a request was answered is told as "answered", not as "ok": it shows neither whose account it was nor what
else is allowed.
"""

import logging
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from functools import partial
from urllib.parse import quote, quote_plus

from django.db import DatabaseError, transaction
from django.utils import timezone

from credentials import audit, limiter
from credentials.answers import Reading, redacted
from credentials.exchange import Answer
from credentials.models import AccessToken, Credential
from credentials.models.properties import secret_names
from credentials.sealing import SecretError
from health import reports, schedule
from health.models import Component
from health.observations import CODES, About, Observation
from health.status import Status

# What an answer to any request of a worker can tell of the credential. Other failures may be the request's
# own fault.
TELLING = frozenset(
    "answered revoked expired suspended insufficient_scope rate_limited quota_exhausted oauth_app_quota"
    " blocked provider_outage garbled address_not_allowed consent_required".split()
)
logger = logging.getLogger(__name__)

# How long nothing is asked where the provider does not say it, in seconds: the next refusal says it again.
WAITS = {"rate_limited": 1.0, "quota_exhausted": 60.0}
# How often one process repeats the same about one credential, in seconds.
REPEATED_AFTER = 60.0
# When what was told last: by credential, version of its secret, and code.
_told: dict[tuple[uuid.UUID, int, str], float] = {}
# When an OAuth app's health was last thought of: by the provider, and the app where it is not the default.
_apps: dict[tuple[str, uuid.UUID | None], float] = {}
MOST_TOLD = 10_000


def hear(
    credential: Credential, answer: Answer, *, started_at: datetime, source: str, telling: bool = True
) -> None:
    """Take what an answer tells: a throttled one holds the limit off, health hears of failure and success.

    Without `telling` only the limit hears of it: a probe reads its answer more closely. Never raises: the
    answer is there, and whoever asked must get it.
    """
    reading = Reading("unclassified")
    try:
        found = credential.read_traffic(answer)
        reading = found or Reading("answered" if 200 <= answer.status < 300 else "unclassified")
        _heed(credential, answer, reading)
    except limiter.LimiterUnavailable as error:
        logger.warning("The limit of %s could not hear of an answer: %s", credential.pk, error)
    except Exception as error:  # noqa: BLE001 - no answer is lost because a rule of ours cannot read it
        # Neither message nor traceback: they could hold what the provider sent.
        logger.error("An answer to %s could not be read: %s", credential.kind, type(error).__name__)
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

    Only that it answers is news again after a failure, which it may disprove. Never raises: what could not be
    written is seen again by the next request.
    """
    of_this_secret = credential.pk, credential.secret_version
    key, now = (*of_this_secret, reading.code), time.monotonic()
    if now - _told.get(key, float("-inf")) < REPEATED_AFTER:
        return
    if len(_told) >= MOST_TOLD:
        _told.clear()
    _told[key] = now
    if reading.code not in CODES or CODES[reading.code].weight.failing:
        _told.pop((*of_this_secret, "answered"), None)
    if not tried(credential, observation(credential, reading, started_at=started_at, source=source)):
        _told.pop(key, None)


def tried(credential: Credential, seen: Observation) -> bool:
    """Observe it, where health lets it be written now; returns whether it did. Never raises."""
    try:
        observe(credential, seen)
    except (reports.Busy, reports.Gone, DatabaseError) as error:
        logger.warning("What was seen of %s could not be written: %s", credential.pk, type(error).__name__)
        return False
    return True


def tell_at_once(credential: Credential, seen: Observation, *, mended: str) -> None:
    """Tell health what a provider has just said to a person: it counts at once, unlike a probe's. `mended` is
    the note where it failed until now and works.

    Never raises: the credential is stored by now, and what cannot be told is seen by the next check.
    """
    try:
        observe(credential, seen)
        component, actor = credential.component, audit.now_acting().actor
        component.refresh_from_db()
        if seen.code == "insufficient_scope":
            status = Status.CUSTOMER_INTERVENTION
            reports.report(component, status, actor=actor, code=seen.code, note=seen.detail)
        elif seen.code == "ok" and component.own_status != Status.HEALTHY:
            reports.report(component, Status.HEALTHY, actor=actor, note=mended)
    except (reports.Busy, reports.Gone, Component.DoesNotExist, DatabaseError) as error:
        logger.warning("Health was not told of %s: %s", credential.pk, type(error).__name__)


def token_given(credential: Credential) -> None:
    """Where a token was got through an OAuth app that fails, let the app be looked at. Never raises.

    At most once a minute for an app, and after the transaction, so that nobody waits for its end.
    """
    if not credential.USES_OAUTH_APP or credential._state.adding:
        return
    key, now = (credential.provider, credential.oauth_app_id), time.monotonic()
    if now - _apps.get(key, float("-inf")) < REPEATED_AFTER:
        return
    _apps[key] = now
    transaction.on_commit(partial(_hurry_app, credential), robust=True)


def _hurry_app(credential: Credential) -> None:
    app = credential.app_in_use()
    tokens = AccessToken.objects.filter(credential_id=credential.pk)
    given_at = tokens.values_list("obtained_at", flat=True).first()
    if app and given_at:
        schedule.sooner(app.component_id, shown_at=given_at)


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
