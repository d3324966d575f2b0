"""How long a component was in which state: in the last day, week, month and quarter, and on each day."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

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


def periods(component: Component) -> dict[str, Any]:
    """`uptime`, a row for each window, and `days`, the last thirty, with their strip. Three queries."""
    now = timezone.now()
    oldest = now - max(length for _title, length in WINDOWS)
    flips = list(component.flips.filter(happened_at__gt=oldest).order_by("sequence"))
    pauses, doubts = list(component.pauses.windows(now)), list(component.doubts.windows(now))

    def stretches(start: datetime) -> list[Segment]:
        return uptime.segments(
            start,
            now,
            flips,
            status=component.status,
            created_at=component.created_at,
            known_since=component.known_since,
            pauses=pauses,
            doubts=doubts,
        )

    rows = [_row(title, stretches(now - length), now - length, now) for title, length in WINDOWS]
    days = by_day(stretches(_midnight(now, DAYS - 1)), now)
    return {
        "uptime": rows,
        "days": days,
        "days_strip": charts.days([(one.state, _said(one)) for one in days]),
    }


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
    found = []
    for start, end in zip(edges, edges[1:], strict=False):
        inside = [
            Segment(max(one.start, start), min(one.end, end), one.state)
            for one in listed
            if one.start < end and one.end > start
        ]
        found.append(Day(timezone.localdate(start), uptime.measure(inside)))
    return found


def _said(day: Day) -> str:
    return _("%(day)s: %(state)s") % {"day": f"{day.day:%Y-%m-%d}", "state": day.words}
