"""The tables of credentials. Kinds come last, so that Django sees them; they import only what is above."""

from credentials.models.access_token import AccessToken
from credentials.models.audit_event import AuditEvent
from credentials.models.channel import Channel
from credentials.models.credential import Credential
from credentials.models.deletion import KEPT_FOR, Deleted, InUse
from credentials.models.delivery import Attempt, Delivery
from credentials.models.fingerprint import Fingerprint
from credentials.models.job import Job, JobItem
from credentials.models.key_check import KeyCheck
from credentials.models.oauth_app import OAuthApp
from credentials.models.pending_consent import PendingConsent
from credentials.models.rate_limit import Limit, RateLimit
from credentials.models.secret_holder import Conflict
from credentials.models.upload import Upload, UploadPiece

from credentials import kinds  # isort: skip

__all__ = [
    "KEPT_FOR",
    "AccessToken",
    "Attempt",
    "AuditEvent",
    "Channel",
    "Conflict",
    "Credential",
    "Deleted",
    "Delivery",
    "Fingerprint",
    "InUse",
    "Job",
    "JobItem",
    "KeyCheck",
    "Limit",
    "OAuthApp",
    "PendingConsent",
    "RateLimit",
    "Upload",
    "UploadPiece",
    "kinds",
]
