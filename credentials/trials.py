"""Trying secrets before they are stored: the look of a probe, with what a person has just entered.

Nothing of it is kept unless `keep` is called, once the credential is stored with these secrets.
"""

import logging
from dataclasses import dataclass, replace

from django.utils import timezone
from django.utils.translation import gettext as _

from credentials import feedback, probes, tokens
from credentials.answers import Reading
from credentials.models import Credential
from credentials.models.access import Tokens
from credentials.sealing import SecretError
from credentials.sessions import Session

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trial:
    """What a try found, and what the provider gave in exchange for the secrets, where it gives anything."""

    test: probes.Test
    tokens: Tokens | None = None

    @property
    def works(self) -> bool:
        return self.test.works


def uses_up(credential: Credential) -> str:
    """The name of the stored secret that a try would use up; "" where it uses up none.

    Some providers end a refresh token at its first use: only one that was just entered may be tried, for the
    stored one is exchanged by whoever holds its lease.
    """
    name = credential.REFRESHES_WITH
    stored = credential.ROTATES and getattr(credential, name) and credential.fresh(name) is None
    return name if stored else ""


def look(credential: Credential) -> Trial:
    """Ask the provider with the secrets that were assigned and not saved; health hears nothing of it.

    The instance takes the account along that the answer tells, and the refresh token that came in place of
    the entered one. Never raises for what the provider does.
    """
    started_at, steps, found = timezone.now(), list[probes.Step](), None
    # Opening the new secret says nothing of the stored one.
    credential.unreadable = False
    try:
        found = tokens.tried(credential) if credential.exchanges() else None
        reading = found if isinstance(found, Reading) else _asked(credential, found, steps)
    except SecretError as error:
        reading = Reading(error.code)
    except Exception as error:  # noqa: BLE001 - a fault of ours is an outcome too
        # Neither message nor traceback: they could hold what the provider sent.
        logger.error("Trying a %s failed in our own code: %s", credential.kind, type(error).__name__)
        reading = Reading("internal_error", type(error).__name__)
    seen = feedback.observation(credential, reading, started_at=started_at, source="test")
    test = probes.Test(credential, seen, steps)
    if not isinstance(found, Tokens):
        return Trial(test)
    if test.works and found.refresh_token and credential.REFRESHES_WITH:
        setattr(credential, credential.REFRESHES_WITH, found.refresh_token)
    return Trial(test, found)


def _asked(credential: Credential, found: Tokens | None, steps: list[probes.Step]) -> Reading:
    """What the probe's answer means, and whether it is of the right account."""
    if found and (wrong := credential.read_owner(found)):
        return wrong
    token = found.access_token if found else ""
    with Session(credential, token=token, wait=probes.WAIT, source="test", telling=False) as session:
        reading = probes.asked(credential, session, steps)
    if found:
        scopes = reading.scopes if reading.scopes is not None else found.scopes
        reading = replace(reading, facts={**found.facts, **reading.facts}, scopes=scopes)
    return probes.judged(credential, reading, stored=False)


def keep(credential: Credential, trial: Trial) -> None:
    """Keep the access token of a try, and tell health, once the credential is stored with what was tried."""
    if trial.tokens:
        tokens.keep(credential, trial.tokens)
    seen = replace(trial.test.observation, revision=str(credential.secret_version))
    feedback.tell_at_once(credential, seen, mended=str(_("Its secret was replaced.")))
