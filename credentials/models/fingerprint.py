"""One row for every secret that was ever held: a keyed hash, never the secret."""

import uuid

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class FingerprintQuerySet(models.QuerySet):
    def of(self, owner: uuid.UUID, field: str | None = None) -> "FingerprintQuerySet":
        """The fingerprints of one row, or of one of its fields."""
        found = self.filter(owner=owner)
        return found.filter(field=field) if field else found

    def remember(self, owner: uuid.UUID, field: str, digest: str) -> None:
        """Make `digest` the current fingerprint of a field; an empty digest leaves it without one."""
        self.of(owner, field).filter(current=True).exclude(digest=digest).update(current=False)
        if digest:
            now = {"current": True, "current_since": timezone.now()}
            self.update_or_create(owner=owner, field=field, digest=digest, defaults=now)


class Fingerprint(models.Model):
    """Finds duplicates, leaked keys and old secrets. `owner` is the id of a credential or an OAuth app."""

    owner = models.UUIDField(_("owner"))
    field = models.CharField(_("field"), max_length=64)
    digest = models.CharField(_("digest"), max_length=64)
    current = models.BooleanField(_("current"), default=True)
    current_since = models.DateTimeField(_("current since"), default=timezone.now)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    objects = FingerprintQuerySet.as_manager()

    class Meta:
        verbose_name = _("fingerprint")
        verbose_name_plural = _("fingerprints")
        indexes = [models.Index(fields=["digest"], name="fingerprint_digest")]
        constraints = [
            models.UniqueConstraint(fields=["owner", "field", "digest"], name="fingerprint_once"),
            models.UniqueConstraint(
                fields=["owner", "field"], condition=models.Q(current=True), name="fingerprint_one_current"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.field} of {self.owner}"
