"""Looking whether a provider knows an OAuth app, without any customer's token.

The token endpoint is asked with a token that is none. A provider that knows the app refuses the token; one
that does not refuses the app. So a wrong client secret is told from a wrong refresh token.
"""

import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from django.db import models
from django.utils import timezone

from credentials import egress, kinds
from credentials.answers import Reading, redacted
from credentials.models import Credential, OAuthApp
from credentials.probes import Step
from credentials.sealing import SecretError
from health import reports
from health.observations import Observation

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class AppTest:
    """What a test of an OAuth app found. `observation` is None where there was nobody to ask."""

    app: OAuthApp
    observation: Observation | None
    steps: list[Step] = field(default_factory=list)
    # What this provider's answer does not tell.
    untold: "StrOrPromise" = ""

    @property
    def works(self) -> bool:
        return self.observation is not None and self.observation.code == "ok"


def test(app: OAuthApp) -> AppTest:
    """Ask the provider whether it knows the app, and tell health. Never raises for what the provider does."""
    found = look(app, source="test")
    if found.observation:
        try:
            reports.observe(app.component, found.observation)
        except reports.Busy:
            # What was found is shown all the same, and seen again by the next check.
            logger.warning("Health was not told of the test of %s: others keep changing it.", app.pk)
    return found


def look(app: OAuthApp, *, source: str) -> AppTest:
    """Ask the provider whether it knows the app, without telling anybody."""
    credential = _credential(app)
    if credential is None:
        return AppTest(app, None)
    started_at, steps = timezone.now(), list[Step]()
    reading = _asked(credential, app, steps)
    seen = Observation(
        code=reading.code,
        started_at=started_at,
        finished_at=timezone.now(),
        revision=str(app.secret_version),
        detail=redacted(reading.detail),
        retry_after=reading.retry_after,
        source=source,
    )
    return AppTest(app, seen, steps, credential.APP_TEST_LEAVES_OPEN)


def _credential(app: OAuthApp) -> Credential | None:
    """One that is thrown away, to ask with; None where each customer has a host of their own and none is
    known."""
    kind = next(kind for kind in kinds.of_provider(app.provider) if kind.USES_OAUTH_APP)
    made = kind(oauth_app=app, **kind.APP_TEST_AT)
    if made.api_host():
        return made
    mine = models.Q(oauth_app=app) | (models.Q(oauth_app=None) if app.is_default else models.Q())
    found = Credential.objects.kind(kind.KIND).filter(mine).first()
    return kind(oauth_app=app, **{name: getattr(found, name) for name in kind.DESTINATION}) if found else None


def _asked(credential: Credential, app: OAuthApp, steps: list[Step]) -> Reading:
    try:
        call = credential.app_call(app)
    except SecretError as error:
        return Reading(error.code)
    begun, status = time.monotonic(), None
    try:
        answer = egress.send(call, hosts=credential.hosts())
        status = answer.status
    except egress.EgressError as error:
        return credential.read_egress_error(error)
    finally:
        steps.append(Step(str(call), status, (time.monotonic() - begun) * 1000))
    found = credential.read_app_answer(answer)
    return Reading(found.code, redacted(found.detail, call.sent()), found.retry_after)
