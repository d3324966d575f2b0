"""Times for which nobody knows how a component is, although it was known before (13.3, 13.5): from the
replacement of its secret, or the end of a pause, until a look shows it.

The stored status stays as it was, so that the chain of flips holds; pages, commands and filters say that it
is not known, and uptime counts the time as unknown.
"""

import uuid
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from django.db import models
from django.db.models.functions import Greatest
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from health.models import Component


class DoubtQuerySet(models.QuerySet["Doubt"]):
    def windows(self, until: datetime) -> Iterable[tuple[datetime, datetime]]:
        """Their stretches up to a time, as `uptime.segments` takes them."""
        for doubt in self.filter(starts_at__lt=until):
            end = min(doubt.ended_at or until, until)
            if end > doubt.starts_at:
                yield doubt.starts_at, end


class Doubt(models.Model):
    """One such time. The open one is also its component's `unknown_since`."""

    component = models.ForeignKey("health.Component", on_delete=models.CASCADE, related_name="doubts")
    starts_at = models.DateTimeField(_("from"))
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)

    objects = DoubtQuerySet.as_manager()

    class Meta:
        verbose_name = _("doubt")
        verbose_name_plural = _("doubts")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["component"], condition=models.Q(ended_at=None), name="doubt_one_at_a_time"
            )
        ]

    def __str__(self) -> str:
        return f"{self.component}: {self.starts_at:%Y-%m-%d %H:%M}"


def begin(component: uuid.UUID, at: datetime) -> None:
    """Say that nobody knows any more how a component is, where anybody did. In a transaction.

    Nothing while it is paused, for the end of the pause does it. While it is overridden a person says it, so
    this counts from the end of that (`go_on`).
    """
    from health.models import Component

    rows = Component.objects.filter(
        pk=component, known_since__isnull=False, unknown_since=None, paused_until=None
    )
    if rows.filter(overridden_until=None).update(unknown_since=at):
        Doubt.objects.create(component_id=component, starts_at=at)
    elif rows.exists():
        Doubt.objects.create(component_id=component, starts_at=at, ended_at=at)


def go_on(component: "Component", own_since: datetime, at: datetime) -> bool:
    """Where an override ends whose status is from `own_since`: whether a doubt goes on, because nobody has
    looked since it began or the override hid it. In a transaction."""
    closed = Doubt.objects.filter(component=component).exclude(ended_at=None)
    hidden_at = closed.order_by("-ended_at").values_list("ended_at", flat=True).first()
    if (
        hidden_at is None
        or own_since >= hidden_at
        or (component.heard_at and component.heard_at >= hidden_at)
    ):
        return False
    begin(component.pk, at)
    return True


def end(component: uuid.UUID, at: datetime) -> None:
    """Say that it is known since then. In a transaction that also empties the component's `unknown_since`."""
    found = Doubt.objects.filter(component=component, ended_at=None)
    found.update(ended_at=Greatest(models.F("starts_at"), models.Value(at, models.DateTimeField())))
