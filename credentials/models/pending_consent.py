"""A consent that somebody was sent to give, until they come back."""

import hashlib
import uuid
from datetime import timedelta
from typing import Any, NoReturn

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from credentials.fields import JsonObjectField
from credentials.sealing import SecretField

# RFC 9700 wants it short; a person must find a password meanwhile.
LIFETIME = timedelta(minutes=10)


def digest(text: str) -> str:
    """How a state and a session key are stored: neither can be used by who reads the table."""
    return hashlib.sha256(text.encode()).hexdigest()


class PendingConsentQuerySet(models.QuerySet["PendingConsent"]):
    def take(self, state: str) -> "PendingConsent | None":
        """The pending consent with this state, which is used up by that; None where there is none in time.

        Of many who bring the same state, one gets it.
        """
        in_time = timezone.now() - LIFETIME
        found = self.select_related("user").filter(state=digest(state), created_at__gt=in_time).first()
        return found if found and self.filter(pk=found.pk).delete()[0] else None

    def purge(self) -> int:
        """Remove those whose time is over; returns how many."""
        return self.filter(created_at__lte=timezone.now() - LIFETIME).delete()[0]


class PendingConsent(models.Model):
    """Bound to the person, their session, the kind, the app, and the credential that is connected again."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    state = models.CharField(max_length=64, unique=True, editable=False)
    session = models.CharField(max_length=64, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, editable=False)
    kind = models.CharField(max_length=40, editable=False)
    oauth_app = models.ForeignKey("credentials.OAuthApp", on_delete=models.CASCADE, editable=False)
    credential = models.ForeignKey(
        "credentials.Credential", on_delete=models.CASCADE, null=True, editable=False, related_name="+"
    )
    # The properties that were asked for before, and the credential's name.
    given = JsonObjectField(editable=False)
    redirect_uri = models.URLField(editable=False)
    verifier = SecretField(_("PKCE verifier"), editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = PendingConsentQuerySet.as_manager()

    class Meta:
        verbose_name = _("pending consent")
        verbose_name_plural = _("pending consents")
        default_permissions = ()
        indexes = [models.Index(fields=["created_at"], name="pending_consent_created")]

    def __str__(self) -> str:
        return f"pending consent to {self.kind}"

    # --- what a SecretField asks of its row -----------------------------------------------------------------

    def destination(self) -> tuple[str, ...]:
        """Where the verifier may go: to the token endpoint of the provider of this app."""
        return ("pending_consent", self.kind, str(self.oauth_app_id))

    def secret_used(self) -> None:
        """It is used once, and the row is gone by then."""

    def secret_failed(self, field: SecretField) -> None:
        """The consent is given again: nothing to note."""

    def authorise_reveal(self, field: str, *, actor: Any, reason: str) -> NoReturn:
        raise TypeError("A verifier is not shown to people.")
