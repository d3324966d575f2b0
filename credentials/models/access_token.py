"""The short-lived access token of a credential, sealed, and the lease of whoever is getting a new one."""

import uuid
from typing import TYPE_CHECKING, Any, NoReturn

from django.db import models
from django.utils.translation import gettext_lazy as _

from credentials.sealing import SecretField

if TYPE_CHECKING:
    from credentials.models.credential import Credential


class AccessToken(models.Model):
    """A cache: losing a row costs one exchange. Nobody edits it, reveals it, or finds it in a document."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    credential = models.OneToOneField(
        "credentials.Credential", on_delete=models.CASCADE, related_name="access_token_cache", editable=False
    )
    token = SecretField(_("token"), null=True, blank=True, editable=False)
    # Which secret it was obtained with: another one in force means that it is not used any more.
    secret_version = models.PositiveIntegerField(default=0, editable=False)
    obtained_at = models.DateTimeField(null=True, editable=False)
    expires_at = models.DateTimeField(null=True, editable=False)
    # What was granted with it, separated by spaces; empty where the provider did not say.
    scopes = models.TextField(blank=True, editable=False)
    # One at a time exchanges: whoever holds the lease, until it ends. Each lease has a number of its own.
    leased_by = models.CharField(max_length=255, blank=True, editable=False)
    leased_until = models.DateTimeField(null=True, editable=False)
    fence = models.PositiveBigIntegerField(default=0, editable=False)
    # The fingerprint of a refresh token that was sent and whose answer was not stored yet. What stays here
    # tells of an exchange that was cut off.
    in_flight = models.CharField(max_length=64, blank=True, editable=False)

    # How often in a row an exchange failed, how the last one did, with which secrets, and until when nobody
    # tries again (credentials.token_waits).
    failures = models.PositiveSmallIntegerField(default=0, editable=False)
    wait_until = models.DateTimeField(null=True, editable=False)
    failed_code = models.CharField(max_length=64, blank=True, editable=False)
    failed_with = models.CharField(max_length=64, blank=True, editable=False)

    class Meta:
        verbose_name = _("access token")
        verbose_name_plural = _("access tokens")
        default_permissions = ()

    def __str__(self) -> str:
        return f"access token of {self.credential_id}"

    # --- what a SecretField asks of its row -----------------------------------------------------------------

    def destination(self) -> tuple[str, ...]:
        """Where the credential's own secrets may go."""
        return ("access_token", *self.credential.destination())

    def secret_used(self) -> None:
        """The use of a token is a use of its credential."""
        self.credential.secret_used()

    secret_used.alters_data = True  # type: ignore[attr-defined]

    def secret_failed(self, field: SecretField) -> None:
        """A cached token that does not open is got anew: nothing to note."""

    def authorise_reveal(self, field: str, *, actor: Any, reason: str) -> NoReturn:
        raise TypeError("An access token is not shown to people.")


def for_credential(credential: "Credential") -> AccessToken:
    """The row of a credential, made where there is none yet."""
    row, _made = AccessToken.objects.get_or_create(credential_id=credential.pk)
    row.credential = credential
    return row
