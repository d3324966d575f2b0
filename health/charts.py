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
# Told apart without colour: what failed stands lower. In the order in which they are drawn.
TOP = {"healthy": 0, "unknown": 0, "paused": 0, "customer": 4, "us": 8}


def strip(stretches: Iterable[Segment], start: datetime, end: datetime) -> SafeString:
    """The states from `start` to `end`, in order, as one strip; where there are none, nothing existed yet."""
    whole = (end - start).total_seconds()
    # What touches is one bar, so that there are no more of them than can be seen.
    spans: dict[str, list[tuple[float, float]]] = {state: [] for state in TOP}
    for stretch in stretches:
        left = (stretch.start - start).total_seconds() / whole * WIDTH
        width = max((stretch.end - stretch.start).total_seconds() / whole * WIDTH, NARROWEST)
        left = min(left, WIDTH - width)
        drawn = spans[stretch.state]
        if drawn and left <= drawn[-1][1]:
            before, until = drawn.pop()
            drawn.append((before, max(until, left + width)))
        else:
            drawn.append((left, left + width))
    bars = []
    # What failed is drawn last: where its least width covers more than its time, it covers what was healthy.
    for state, top in TOP.items():
        for left, right in spans[state]:
            shown = round(left, 2), round(right - left, 2)
            if top:
                bars.append(("gap", shown[0], 0, shown[1], HEIGHT))
            bars.append((state, shown[0], top, shown[1], HEIGHT - top))
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
