"""The chart of a limit's use: grants and denials over time, as SVG. A table beside it says the same."""

from collections.abc import Sequence

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from credentials.limiter import Minute

WIDTH, HEIGHT = 720, 140
# A limit so many times higher than the highest bar is not drawn: nothing else could be seen beside it.
TOO_HIGH = 3

CHART = (
    '<svg class="rl-chart" viewBox="0 0 {0} {1}" preserveAspectRatio="none" aria-hidden="true"'
    ' focusable="false"><defs><pattern id="rl-hatch" width="6" height="6" patternUnits="userSpaceOnUse"'
    ' patternTransform="rotate(45)">'
    '<rect class="rl-hatch-ground" width="6" height="6"/><rect class="rl-hatch-line" width="3" height="6"/>'
    "</pattern></defs>"
    '<line class="rl-base" x1="0" y1="{1}" x2="{0}" y2="{1}"/>{2}{3}</svg>'
)
BAR = '<rect class="rl-{}" x="{}" y="{}" width="{}" height="{}"/>'
LINE = '<line class="rl-line" x1="0" y1="{1}" x2="{0}" y2="{1}"/>'


def top_of(bars: Sequence[Minute], allowed: float | None) -> int:
    """What the upper edge of the chart stands for."""
    highest = max((bar.grants + bar.denials for bar in bars), default=0)
    if allowed is not None and allowed <= highest * TOO_HIGH:
        highest = max(highest, round(allowed))
    return highest


def draw(bars: Sequence[Minute], allowed: float | None) -> SafeString:
    """A bar for each stretch of time, all of one length: what was granted, and above it, hatched, what was
    denied. `allowed` is what the limit lets through in such a stretch; None where that cannot be said."""
    top = max(1, top_of(bars, allowed))
    each = WIDTH / max(1, len(bars))
    found = []
    for number, bar in enumerate(bars):
        left, width = round(number * each + each * 0.1, 2), round(each * 0.8, 2)
        granted, denied = (_height(value, top) for value in (bar.grants, bar.denials))
        if granted:
            found.append(("granted", left, round(HEIGHT - granted, 2), width, granted))
        if denied:
            found.append(("denied", left, round(HEIGHT - granted - denied, 2), width, denied))
    line = SafeString()
    if allowed is not None and allowed <= top:
        line = format_html(LINE, WIDTH, round(HEIGHT - allowed / top * HEIGHT, 2))
    return format_html(CHART, WIDTH, HEIGHT, format_html_join("", BAR, found), line)


def _height(value: int, top: int) -> float:
    """A single request is seen as well, without the bar growing out of the chart."""
    return round(max(value / top * (HEIGHT - 4), 2), 2) if value else 0.0
