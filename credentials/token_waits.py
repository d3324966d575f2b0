"""How long nobody exchanges a token after exchanges failed, whoever asks: no worker hammers the provider's
token endpoint. The first failure costs nothing, for it may be a blip; then the wait grows up to a minute.

Another secret, of the credential or of its OAuth app, ends the wait. A refused refresh token begins none: it
stays refused, and health decides how seldom it is tried.
"""

from datetime import timedelta
from typing import Any

from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from credentials.answers import Reading
from credentials.models import AccessToken, Credential, OAuthApp
from health.observations import CODES

# Seconds after the first, second, ... failure in a row. Shorter than the time between two checks of what
# fails (health.intervals.SOON), so that each of these finds out how it is.
AFTER = (0, 2, 5, 10, 20, 40, 55)
# What the provider asks for is heeded up to this.
LONGEST = 300
REFUSED = frozenset(("revoked", "expired", "token_lost", "consent_required"))
NONE = {"failures": 0, "wait_until": None, "failed_code": "", "failed_with": ""}


def after(row: AccessToken, credential: Credential, app: OAuthApp | None, found: Reading) -> dict[str, Any]:
    """The values of the row after an exchange that failed so, where its lease is given back."""
    if found.code in REFUSED:
        return dict(NONE)
    tried = _with(credential, app)
    failures = row.failures + 1 if row.failed_with == tried else 1
    own = AFTER[min(failures, len(AFTER)) - 1]
    wait = max(own, min(found.retry_after or 0, LONGEST))
    return {
        "failures": min(failures, 1000),
        "wait_until": Now() + timedelta(seconds=wait) if wait else None,
        "failed_code": found.code,
        "failed_with": tried,
    }


def reading(row: AccessToken, credential: Credential) -> Reading | None:
    """Why no exchange is tried now; None where one may be. Asks the database only while there is a wait."""
    left = (row.wait_until - timezone.now()).total_seconds() if row.wait_until else 0
    if left <= 0:
        return None
    current = Credential.objects.filter(pk=credential.pk).first()
    if current is None or row.failed_with != _with(current, current.app_in_use()):
        return None
    known = CODES.get(row.failed_code)
    said = _("Failed %(n)d times in a row. %(why)s")
    why = known.happened if known else row.failed_code
    return Reading("token_waits", said % {"n": row.failures, "why": why}, retry_after=left)


def _with(credential: Credential, app: OAuthApp | None) -> str:
    """The versions of the secrets that an exchange uses."""
    of_app = f"{app.pk}:{app.secret_version}" if app else ""
    return f"{credential.secret_version}:{of_app}"
