"""Saying again what lasts, to the channels that want it."""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, OuterRef, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone

from credentials.models.channel import Channel
from credentials.models.delivery import Delivery
from credentials.notifications import choosing, gathering

MOST = 200


def remind(now: datetime | None = None) -> int:
    """Write the reminders that are due; returns how many."""
    now, made = now or timezone.now(), 0
    for channel in Channel.objects.filter(enabled=True, remind_every__isnull=False):
        every = timedelta(hours=channel.remind_every or 0)
        if not _lasting(channel, now - every):
            continue
        with transaction.atomic():
            if not choosing.alone():
                return made
            # Once more, now that nobody else writes them.
            for first in _lasting(channel, now - every):
                gathering.add(channel, first.flip, Delivery.Stage.REMINDER, now, number=first.last_number + 1)
                made += 1
    return made


def _lasting(channel: Channel, before: datetime) -> list:
    """What began, was last told before that time, and is still so: neither paused nor hidden by another
    cause, which would have made it flip once more."""
    its = Delivery.objects.filter(channel=channel, flip=OuterRef("flip")).order_by("-number")
    told_at = Coalesce("settled_at", "spoken_by__settled_at")
    found = Delivery.objects.filter(
        channel=channel,
        number=0,
        stage=Delivery.Stage.BEGAN,
        created_at__lte=before,
        state__in=(Delivery.State.SENT, Delivery.State.FOLDED),
        flip__component__sequence=F("flip__sequence"),
        flip__component__paused_until=None,
        flip__component__retired_at=None,
    )
    found = found.annotate(
        last_number=Subquery(its.values("number")[:1]),
        told_at=Subquery(its.annotate(told=told_at).values("told")[:1]),
    )
    return list(found.filter(told_at__lte=before).select_related("flip__component").order_by("pk")[:MOST])
