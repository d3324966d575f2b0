"""The tables of credentials. Kinds come last, so that Django sees them; they import only what is above."""

from credentials.models.audit_event import AuditEvent
from credentials.models.credential import KEPT_FOR, Credential
from credentials.models.fingerprint import Fingerprint
from credentials.models.oauth_app import OAuthApp
from credentials.models.rate_limit import Limit, RateLimit
from credentials.models.secret_holder import Conflict, InUse

from credentials import kinds  # isort: skip

__all__ = [
    "KEPT_FOR",
    "AuditEvent",
    "Conflict",
    "Credential",
    "Fingerprint",
    "InUse",
    "Limit",
    "OAuthApp",
    "RateLimit",
    "kinds",
]
