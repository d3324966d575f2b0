"""What was sent is kept for 90 days; a worker removes what is older, once a night."""

import threading
from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from credentials.models.delivery import Delivery
from health.status import Status

KEPT, PIECE = timedelta(days=90), 500
# As long as a recovery that nobody was told of yet may wait in the outbox.
SETTLED = timedelta(days=1)


def prune(ending: threading.Event | None = None, now: datetime | None = None) -> int:
    """Remove the deliveries that are older than 90 days, with their attempts; returns how many.

    Not those that wait, nor what was told of a component that still fails: who was told of that is told of
    its recovery as well.
    """
    now, removed = now or timezone.now(), 0
    while not (ending and ending.is_set()):
        found = list(_old(now).order_by("pk").values_list("pk", flat=True)[:PIECE])
        Delivery.objects.filter(pk__in=found).delete()
        removed += len(found)
        # Those that were spoken for by another one go before it.
        if not found:
            break
    return removed


def _old(now: datetime) -> QuerySet[Delivery]:
    works = Q(flip=None) | Q(flip__component__status=Status.HEALTHY, flip__component__since__lt=now - SETTLED)
    return (
        Delivery.objects.filter(works, ~Exists(Delivery.objects.filter(spoken_by=OuterRef("pk"))))
        .filter(created_at__lt=now - KEPT)
        .exclude(state=Delivery.State.PENDING)
    )
