"""What happens by the passing of time: silence, pauses that begin and end, overrides that end, incidents."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.utils import timezone

from health import incidents, observing, pausing, silence, windows
from health.models import Component, Override, Pause
from health.observations import Observation
from health.verdicts import TIMER

BATCH = 500
# How often one process counts a provider's failures: of a million credentials that takes a moment.
ASSESSED, NEVER = timedelta(seconds=20), datetime.min.replace(tzinfo=UTC)
_assessed: dict[str, datetime] = {}


@dataclass(frozen=True)
class Ticked:
    """What a tick did. `more`: there is more to do now, so call it again at once."""

    timers: int = 0
    silent: int = 0
    pauses: int = 0
    overrides: int = 0
    incidents: int = 0
    more: bool = False


def tick(now: datetime | None = None, *, batch: int = BATCH) -> Ticked:
    """Do what is due by time: silence, pauses, overrides, incidents of providers.

    A bounded piece of it, for the worker's loop to call every few seconds, outside a transaction; any number
    may at once.
    """
    now = now or timezone.now()
    pauses = max(_pauses(now, batch), windows.draw_back(now, batch), windows.spread(now, batch))
    overrides = list(
        Override.objects.filter(ended_at=None, ends_at__lte=now).values_list("component", flat=True)[:batch]
    )
    for pk in overrides:
        pausing.lift(pk, now=now)
    incidents.clear_platform(now)
    open_incidents = _incidents(now)
    timers, silent = _timers(now, batch)
    return Ticked(
        timers, silent, pauses, len(overrides), open_incidents, batch in (timers, pauses, len(overrides))
    )


def _incidents(now: datetime) -> int:
    """Assess the providers that need it; returns how many have an incident."""
    due = [
        one for one in sorted(incidents.suspected(now)) if abs(now - _assessed.get(one, NEVER)) >= ASSESSED
    ]
    _assessed.update(dict.fromkeys(due, now))
    return sum(incidents.assess(provider, now) for provider in due)


def _pauses(now: datetime, batch: int) -> int:
    open_pauses = Pause.objects.filter(ended_at=None)
    due = open_pauses.filter(ends_at__lte=now) | open_pauses.filter(
        starts_at__lte=now, component__paused_until=None
    )
    components = list(due.values_list("component", flat=True).distinct()[:batch])
    for pk in components:
        pausing.take_effect(pk, now)
    return len(components)


def _timers(now: datetime, batch: int) -> tuple[int, int]:
    """Wind up the timers that ran down; returns how many there were and how many were silent."""
    due = Component.objects.filter(timer_at__lte=now).order_by("timer_at")
    rows, silent = list(due[:batch]), 0
    for row in rows:
        every, reported = row.expected_every or 0, row.by_itself
        heard_at = row.heard_at if reported else row.last_observed_at
        row.timer_at = now + silence.patience(every, reported=reported, heard=True)
        if row.paused:
            continue
        code = silence.meaning(heard_at, every, now, reported=reported)
        if code:
            silent += 1
            observing.weighed(row.pk, Observation(code, now, now, source=TIMER))
        elif heard_at:
            row.timer_at = heard_at + silence.patience(every, reported=reported, heard=True)
            row.timer_at += timedelta(microseconds=1)
    Component.objects.bulk_update(rows, ["timer_at"], batch_size=200)
    return len(rows), silent
