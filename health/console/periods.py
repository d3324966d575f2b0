"""How long a component was in which state: in the last day, week, month and quarter, and on each day."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from health import charts, uptime
from health.models import Component
from health.uptime import Segment, Uptime

WINDOWS = (
    (gettext_lazy("24 hours"), timedelta(days=1)),
    (gettext_lazy("7 days"), timedelta(days=7)),
    (gettext_lazy("30 days"), timedelta(days=30)),
    (gettext_lazy("90 days"), timedelta(days=90)),
)
DAYS = 30
# What a day is called after, where there was any of it.
WORST_FIRST = (uptime.US, uptime.CUSTOMER, uptime.UNKNOWN, uptime.PAUSED, uptime.HEALTHY)
STATES = {
    uptime.HEALTHY: gettext_lazy("Healthy"),
    uptime.CUSTOMER: gettext_lazy("Customer’s turn"),
    uptime.US: gettext_lazy("Our turn"),
    uptime.PAUSED: gettext_lazy("Paused"),
    uptime.UNKNOWN: gettext_lazy("Unknown"),
    "": gettext_lazy("Did not exist"),
}


@dataclass(frozen=True)
class Day:
    """One day in the time zone of the installation; without a state it did not exist then."""

    day: date
    measured: Uptime

    @property
    def state(self) -> str:
        return next((state for state in WORST_FIRST if getattr(self.measured, state)), "")

    @property
    def words(self) -> str:
        return str(STATES[self.state])

    @property
    def failed(self) -> timedelta:
        """For how long somebody had to act."""
        return timedelta(microseconds=self.measured.us + self.measured.customer)


class _Flip(NamedTuple):
    """As much of a flip as uptime asks for: there can be very many."""

    old: str
    new: str
    happened_at: datetime
    component: UUID
    cause: UUID | None

    @property
    def derived(self) -> bool:
        return self.cause != self.component


def periods(component: Component) -> dict[str, Any]:
    """`uptime`, a row for each window, and `days`, the last thirty, with their strip. Three queries."""
    now = timezone.now()
    oldest = now - max(length for _title, length in WINDOWS)
    rows = component.flips.filter(happened_at__gt=oldest).order_by("sequence")
    flips = [_Flip(*row) for row in rows.values_list("old", "new", "happened_at", "component", "cause")]
    whole = uptime.segments(
        oldest,
        now,
        flips,
        status=component.status,
        derived=component.cause_id not in (None, component.pk),
        created_at=component.created_at,
        known_since=component.known_since,
        pauses=component.pauses.windows(now),
        doubts=component.doubts.windows(now),
    )
    shown = [_row(title, _since(whole, now - length), now - length, now) for title, length in WINDOWS]
    days = by_day(_since(whole, _midnight(now, DAYS - 1)), now)
    return {
        "uptime": shown,
        "days": days,
        "days_strip": charts.days([(one.state, _said(one)) for one in days]),
    }


def _since(stretches: list[Segment], start: datetime) -> list[Segment]:
    return [Segment(max(one.start, start), one.end, one.state) for one in stretches if one.end > start]


def _row(title: Any, stretches: list[Segment], start: datetime, end: datetime) -> dict[str, Any]:
    measured = uptime.measure(stretches)
    return {
        "title": title,
        "strip": charts.strip(stretches, start, end),
        "percent": measured.percent,
        **{state: timedelta(microseconds=getattr(measured, state)) for state in uptime.STATES},
        "existed": bool(stretches),
    }


def _midnight(now: datetime, days_ago: int) -> datetime:
    day = timezone.localdate(now) - timedelta(days=days_ago)
    return timezone.make_aware(datetime.combine(day, time.min))


def by_day(stretches: Iterable[Segment], now: datetime) -> list[Day]:
    """The last thirty days, oldest first, each with what there was of it."""
    edges = [_midnight(now, ago) for ago in range(DAYS - 1, -1, -1)] + [now]
    listed = list(stretches)
    starts = [one.start for one in listed]
    found = []
    for start, end in zip(edges, edges[1:], strict=False):
        first = max(0, bisect_right(starts, start) - 1)
        inside = [
            Segment(max(one.start, start), min(one.end, end), one.state)
            for one in listed[first : bisect_left(starts, end)]
            if one.end > start
        ]
        found.append(Day(timezone.localdate(start), uptime.measure(inside)))
    return found


def _said(day: Day) -> str:
    return _("%(day)s: %(state)s") % {"day": f"{day.day:%Y-%m-%d}", "state": day.words}
