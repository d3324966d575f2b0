"""Charts, drawn on the server as SVG. Each has a table beside it that says the same."""

from collections.abc import Iterable
from datetime import datetime

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from health.uptime import Segment

WIDTH, HEIGHT = 600, 16
# A failure of a minute is seen in a strip of ninety days as well.
NARROWEST = 2

STRIP = (
    '<svg class="strip" viewBox="0 0 {} {}" preserveAspectRatio="none" aria-hidden="true" focusable="false">'
    '<rect class="strip-none" width="{}" height="{}"/>{}</svg>'
)
BAR = '<rect class="strip-{}" x="{}" y="{}" width="{}" height="{}"/>'
# Told apart without colour: what failed stands lower.
TOP = {"healthy": 0, "unknown": 0, "paused": 0, "customer": 4, "us": 8}


def strip(stretches: Iterable[Segment], start: datetime, end: datetime) -> SafeString:
    """The states from `start` to `end` as one strip; where there are none, nothing existed yet."""
    whole = (end - start).total_seconds()
    bars = []
    # What failed is drawn last: where its least width covers more than its time, it covers what was healthy.
    for stretch in sorted(stretches, key=lambda one: TOP[one.state]):
        left = (stretch.start - start).total_seconds() / whole * WIDTH
        width = max((stretch.end - stretch.start).total_seconds() / whole * WIDTH, NARROWEST)
        left = min(left, WIDTH - width)
        top = TOP[stretch.state]
        if top:
            bars.append(("gap", round(left, 2), 0, round(width, 2), HEIGHT))
        bars.append((stretch.state, round(left, 2), top, round(width, 2), HEIGHT - top))
    return format_html(STRIP, WIDTH, HEIGHT, WIDTH, HEIGHT, format_html_join("", BAR, bars))


DAY, BETWEEN, DAYS_HEIGHT = 10, 2, 24
DAYS = (
    '<svg class="strip strip-days" viewBox="0 0 {} {}" preserveAspectRatio="none" aria-hidden="true"'
    ' focusable="false">{}</svg>'
)
ONE = '<rect class="strip-{}" x="{}" y="{}" width="{}" height="{}" rx="1"><title>{}</title></rect>'


def days(states: Iterable[tuple[str, str]]) -> SafeString:
    """One bar for each day, by its state and what is said on hover; "" is a day before there was anything."""
    bars = []
    for number, (state, said) in enumerate(states):
        top = DAYS_HEIGHT * TOP.get(state, 0) // HEIGHT
        bars.append((state or "none", number * (DAY + BETWEEN), top, DAY, DAYS_HEIGHT - top, said))
    width = max(1, len(bars) * (DAY + BETWEEN) - BETWEEN)
    return format_html(DAYS, width, DAYS_HEIGHT, format_html_join("", ONE, bars))
