"""What a person decides for a time: a pause, which takes a component out of checks and roll-up, and an
override, which sets its status whatever is observed. Health's `pausing` writes both.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from health.status import Status


class Spell(models.Model):
    """Something that holds for a time, by whom and why."""

    reason = models.CharField(_("reason"), max_length=500)
    actor = models.CharField(_("by"), max_length=255)
    starts_at = models.DateTimeField(_("from"))
    ends_at = models.DateTimeField(_("until"))
    ended_at = models.DateTimeField(
        _("ended"), null=True, blank=True, help_text=_("When it was really over.")
    )
    ended_by = models.CharField(_("ended by"), max_length=255, blank=True)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    class Meta:
        abstract = True

    def in_force(self, at: datetime) -> bool:
        return self.ended_at is None and self.starts_at <= at < self.ends_at


class PauseQuerySet(models.QuerySet["Pause"]):
    def in_force(self, at: datetime) -> "PauseQuerySet":
        return self.filter(ended_at=None, starts_at__lte=at, ends_at__gt=at)

    def planned(self, at: datetime) -> "PauseQuerySet":
        """Those to come, the next one first."""
        return self.filter(ended_at=None, starts_at__gt=at).order_by("starts_at", "pk")

    def windows(self, until: datetime) -> Iterable[tuple[datetime, datetime]]:
        """The stretches of these pauses up to a time, as `uptime.segments` takes them."""
        for pause in self.filter(starts_at__lt=until):
            end = min(pause.ended_at or pause.ends_at, until)
            if end > pause.starts_at:
                yield pause.starts_at, end


class Pause(Spell):
    """A component out of checks and roll-up. With a start in the future it is a maintenance window."""

    component = models.ForeignKey("health.Component", on_delete=models.CASCADE, related_name="pauses")
    # The pause of its provider with which it came (health.windows).
    part_of = models.ForeignKey(
        "self", on_delete=models.CASCADE, null=True, editable=False, related_name="parts"
    )

    objects = PauseQuerySet.as_manager()

    class Meta:
        verbose_name = _("pause")
        verbose_name_plural = _("pauses")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(ends_at__gt=models.F("starts_at")), name="pause_ends_after_it_starts"
            )
        ]
        indexes = [
            # Those that wait for their start or end.
            models.Index(fields=["ends_at"], condition=models.Q(ended_at=None), name="pause_open"),
        ]

    def __str__(self) -> str:
        return f"{self.component}: {self.reason}"


class Override(Spell):
    """A status that a person set for a time. What the observations say meanwhile is kept beneath it."""

    component = models.ForeignKey("health.Component", on_delete=models.CASCADE, related_name="overrides")
    status = models.CharField(_("status"), max_length=32, choices=Status.choices)
    beneath_status = models.CharField(max_length=32, choices=Status.choices, editable=False)
    beneath_code = models.CharField(max_length=64, blank=True, editable=False)
    beneath_since = models.DateTimeField(editable=False)

    class Meta:
        verbose_name = _("override")
        verbose_name_plural = _("overrides")
        constraints = [
            models.UniqueConstraint(
                fields=["component"], condition=models.Q(ended_at=None), name="override_one_at_a_time"
            )
        ]
        indexes = [
            models.Index(fields=["ends_at"], condition=models.Q(ended_at=None), name="override_open"),
        ]

    def __str__(self) -> str:
        return f"{self.component}: {Status(self.status).label}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise TypeError("An override is changed by health.pausing only.")
        super().save(*args, **kwargs)
