"""What has a health, and what depends on what. Health knows nothing of credentials: it holds plain strings."""

import uuid

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from health.status import Status


class Component(models.Model):
    """Something whose health is tracked."""

    class Kind(models.TextChoices):
        SYNC = "sync", _("Sync")
        CREDENTIAL = "credential", _("Credential")
        OAUTH_APP = "oauth_app", _("OAuth app")
        CONSUMER = "consumer", _("Consumer")
        TARGET = "target", _("Target")
        PROVIDER = "provider", _("Provider")
        PLATFORM = "platform", _("Platform")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(_("kind"), max_length=16, choices=Kind.choices)
    name = models.CharField(_("name"), max_length=200)
    provider = models.CharField(_("provider"), max_length=32, blank=True)
    revision = models.CharField(
        _("revision"),
        max_length=32,
        blank=True,
        help_text=_("The version of the secret that is in force. A late result of an older one counts nothing."),
    )
    status = models.CharField(_("status"), max_length=32, choices=Status.choices, default=Status.HEALTHY)
    code = models.CharField(_("code"), max_length=64, blank=True)
    since = models.DateTimeField(_("since"), default=timezone.now)
    last_observed_at = models.DateTimeField(_("last checked"), null=True, blank=True)
    # Each change of the status is a compare-and-swap on this number.
    sequence = models.PositiveBigIntegerField(_("sequence"), default=0)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    depends_on = models.ManyToManyField(
        "self", through="Dependency", symmetrical=False, related_name="dependants", blank=True
    )

    class Meta:
        verbose_name = _("component")
        verbose_name_plural = _("components")
        indexes = [
            # Filters of lists: by who must act, newest first.
            models.Index(fields=["kind", "status", "-since"], name="component_kind_status_since"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(status__in=Status.values), name="component_status_is_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.name}"

    @property
    def checked(self) -> bool:
        """Whether anybody ever looked. A status that was never checked is a default, and pages say so."""
        return self.last_observed_at is not None

    def document(self) -> dict:
        """The health as documents show it: `{status, notes, time}`; time is the last check, or None."""
        notes = [] if self.checked else [str(_("Not checked yet."))]
        return {"status": self.status, "notes": notes, "time": self.last_observed_at}


class Dependency(models.Model):
    """`component` cannot work without `depends_on`."""

    component = models.ForeignKey(Component, on_delete=models.CASCADE, related_name="dependencies")
    depends_on = models.ForeignKey(Component, on_delete=models.CASCADE, related_name="dependents")

    class Meta:
        verbose_name = _("dependency")
        verbose_name_plural = _("dependencies")
        constraints = [
            models.UniqueConstraint(fields=["component", "depends_on"], name="dependency_once"),
            models.CheckConstraint(
                condition=~models.Q(component=models.F("depends_on")), name="dependency_not_on_itself"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.component} → {self.depends_on}"
