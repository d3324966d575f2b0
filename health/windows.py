"""Maintenance of a provider: while the provider's own component is paused, so is all that is there.

That pause is the window, with its reason, who planned it, and its end. What it covers gets a pause of its
own, as part of it: so each page, list and uptime says the same as for any other pause, whoever adds a
credential meanwhile finds it paused, and one that a person resumes stays so.
"""

from datetime import datetime

from django.db.models import F, Q, QuerySet

from health import pausing, settling
from health.graph import Id
from health.models import Component, Pause
from health.settling import Change

COVERED = (Component.Kind.CREDENTIAL, Component.Kind.OAUTH_APP)
# So many are paused in one transaction.
TOGETHER = 100


def covered(provider: str) -> QuerySet[Component]:
    """What is paused with a provider."""
    return Component.objects.filter(kind__in=COVERED, provider=provider)


def spread(now: datetime, batch: int) -> int:
    """Pause what is at providers that are paused and is not paused with them yet; returns how many."""
    done = 0
    for window in _in_force(now):
        left = covered(window.component.name).exclude(pauses__part_of=window)
        while done < batch and (rows := list(left.order_by("pk")[: min(TOGETHER, batch - done)])):
            _pause(rows, window, now)
            done += len(rows)
    return done


def draw_back(now: datetime, batch: int) -> int:
    """End what is paused with a provider whose pause a person ended before its time; returns how many."""
    open_parts = Pause.objects.filter(ended_at=None, part_of__ended_at__lt=F("ends_at"))
    parts = list(open_parts.values_list("pk", "component", "part_of__ended_by")[:batch])
    for part, component, by in parts:
        pausing.end(component, Q(pk=part), by=by, now=now)
    return len(parts)


def _in_force(now: datetime) -> list[Pause]:
    rows = Pause.objects.in_force(now).filter(component__kind=Component.Kind.PROVIDER)
    return list(rows.select_related("component"))


def _pause(rows: list[Component], window: Pause, now: datetime) -> None:
    ids: set[Id] = {row.pk for row in rows}
    added = [
        Pause(
            component=row,
            part_of=window,
            reason=window.reason,
            actor=window.actor,
            starts_at=max(window.starts_at, row.created_at),
            ends_at=window.ends_at,
        )
        for row in rows
    ]

    def step() -> None:
        affected = settling.lock(ids)
        Pause.objects.bulk_create(added)
        sooner = Q(paused_until=None) | Q(paused_until__lt=window.ends_at)
        Component.objects.filter(sooner, pk__in=ids).update(paused_until=window.ends_at)
        settling.settle(affected, Change(window.actor, now, code="paused"))

    settling.retried(step)
