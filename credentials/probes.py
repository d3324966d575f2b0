"""Looking whether a credential works: one cheap call, read into an observation."""

import logging
import time
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, models, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from credentials import egress, feedback, finding, limiter
from credentials.answers import Reading
from credentials.models import AccessToken, Credential
from credentials.models import properties as declared
from credentials.sessions import Session, SignInFailed
from health.observations import Observation

logger = logging.getLogger(__name__)

# How long before a known end it is said.
SOON, VERY_SOON = timedelta(days=14), timedelta(days=3)
# A probe that finds no room within this time says so and is tried again.
WAIT = 5.0
# More calls than any probe makes: a loop in a kind must end.
MOST_CALLS = 5


@dataclass(frozen=True)
class Step:
    """One call: what was asked, without secrets; its status, None without an answer; milliseconds."""

    asked: str
    status: int | None
    ms: float

    def document(self) -> dict[str, Any]:
        return {"call": self.asked, "status": self.status, "ms": round(self.ms, 1)}


@dataclass(frozen=True)
class Test:
    """What a test of a credential found: each call, and what the last answer means."""

    credential: Credential
    observation: Observation
    steps: list[Step] = field(default_factory=list)

    @property
    def works(self) -> bool:
        return self.observation.code == "ok" or self.observation.meaning.works

    def document(self) -> dict[str, Any]:
        """The result as `test_credential --json` prints it."""
        meaning, seen = self.observation.meaning, self.observation
        return {
            "id": str(self.credential.pk),
            "name": self.credential.name,
            "kind": self.credential.kind,
            "account": self.credential.account,
            "works": self.works,
            "code": seen.code,
            "happened": str(meaning.happened),
            "what_to_do": str(meaning.what_to_do),
            "owner": meaning.owner.owner,
            "detail": seen.detail,
            "retry_after": seen.retry_after,
            "asked": [one.document() for one in self.steps],
        }


def probe(credential: Credential) -> Observation:
    """Look whether a credential works, without telling anybody. Never raises for what the provider does."""
    return look(credential)[0]


def test(credential: Credential) -> Test:
    """Look whether a credential works, tell health, and return what was asked and answered.

    What was found is returned also where health could not take it in.
    """
    seen, steps = look(credential, source="test")
    feedback.tried(credential, seen)
    return Test(credential, seen, steps)


def look(credential: Credential, *, source: str = "probe") -> tuple[Observation, list[Step]]:
    """One look: the observation and the calls made for it. A null account is filled in from the answer."""
    started_at, steps = timezone.now(), list[Step]()
    try:
        with Session(credential, wait=WAIT, source=source, telling=False) as session:
            reading = judged(credential, asked(credential, session, steps))
    except Exception as error:  # noqa: BLE001 - a fault of ours is an observation too
        # Neither message nor traceback: they could hold what the provider sent.
        if isinstance(error, RuntimeError) and transaction.get_connection().in_atomic_block:
            reading = Reading("inside_transaction")
        else:
            logger.error("The probe of %s failed in our own code: %s", credential.kind, type(error).__name__)
            reading = Reading("internal_error", type(error).__name__)
    return feedback.observation(credential, reading, started_at=started_at, source=source), steps


def asked(credential: Credential, session: Session, steps: list[Step]) -> Reading:
    """Make the calls that the kind asks for, one by one; returns what the last answer means."""
    asking = credential.probe()
    call = next(asking)
    while len(steps) < MOST_CALLS:
        begun, status = time.monotonic(), None
        try:
            answer = session.call(call)
            status = answer.status
        except SignInFailed as error:
            return error.reading
        except egress.EgressError as error:
            return credential.read_egress_error(error)
        except limiter.RateLimited as error:
            return Reading("limit_reached", retry_after=error.retry_after)
        except limiter.LimiterUnavailable as error:
            return Reading("limiter_unavailable", str(error))
        finally:
            steps.append(Step(str(call), status, (time.monotonic() - begun) * 1000))
        try:
            call = asking.send(answer)
        except StopIteration as end:
            found: Reading = end.value
            return found
    return Reading("internal_error", "Too many calls.")


def judged(credential: Credential, reading: Reading, *, stored: bool = True) -> Reading:
    """The reading, unless what works is another account's, or may not do what is needed.

    Not `stored`, its secret is one that was just entered: then the credential only takes the account along,
    and what is known of the stored secret counts nothing.
    """
    if reading.code != "ok":
        return reading
    account = credential.account_of(declared.plain(credential), reading.facts)
    if credential.account and account and account != credential.account:
        return Reading("other_account", _("It answers for the account %s.") % account, facts=reading.facts)
    if account and not credential.account:
        if taken := _learn(credential, account) if stored else _take(credential, account):
            return taken
    granted = reading.scopes if reading.scopes is not None or not stored else _granted(credential)
    if granted is not None:
        missing = credential.required(credential.app_in_use()) - granted
        if missing:
            said = _("Missing: %s.") % ", ".join(sorted(missing))
            return Reading("insufficient_scope", said, facts=reading.facts, scopes=granted)
    if stored and credential.expires_at and credential.expires_at - timezone.now() < SOON:
        urgent = credential.expires_at - timezone.now() < VERY_SOON
        return Reading("expires_in_days" if urgent else "expires_soon", f"{credential.expires_at:%Y-%m-%d}")
    return reading


def _granted(credential: Credential) -> frozenset[str] | None:
    """The scopes that came with the access token; None where the provider named none."""
    stored = AccessToken.objects.filter(credential_id=credential.pk).values_list("scopes", flat=True).first()
    return frozenset(stored.split()) if stored else None


def _learn(credential: Credential, account: str) -> Reading | None:
    """Fill in the account that only an answer could tell. It is no edit: nobody's open form goes stale.

    Returns what is wrong: another credential of the kind has it.
    """
    # Of the row as it was looked at: a late answer to an older key tells of another account.
    rows: models.QuerySet[Credential] = models.QuerySet(Credential).filter(
        pk=credential.pk,
        account=None,
        version=credential.version,
        secret_version=credential.secret_version,
    )
    search = " ".join(finding.words(f"{credential.search} {account}"))
    try:
        with transaction.atomic():
            learnt = rows.update(account=account, search=search)
    except IntegrityError:
        return _taken(credential, account)
    if learnt:
        credential.account, credential.search = account, search
    return None


def _take(credential: Credential, account: str) -> Reading | None:
    """Give an instance the account, to be stored with it. Returns what is wrong: another one has it."""
    credential.account = account
    return _taken(credential, account) if credential.twin() else None


def _taken(credential: Credential, account: str) -> Reading:
    twin = Credential.objects.kind(credential.kind).filter(account=account).first()
    return Reading("other_account", _("“%s” is the credential of this account already.") % (twin or account))
