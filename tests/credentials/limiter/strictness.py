"""How strict a limiter was, and how much it granted, from the times of all grants."""

from collections.abc import Sequence


def most_in_a_window(times: Sequence[float], window: float) -> int:
    """The largest number of times in any half-open window of that length; times in order."""
    most, first = 0, 0
    for last, time in enumerate(times):
        while times[first] <= time - window:
            first += 1
        most = max(most, last - first + 1)
    return most


def most_at_once(spans: Sequence[tuple[float, float]]) -> int:
    """The largest number of spans from begin to end that overlap; one may begin where another ends."""
    changes = sorted([(begin, 1) for begin, _end in spans] + [(end, -1) for _begin, end in spans])
    most = now = 0
    for _time, change in changes:
        now += change
        most = max(most, now)
    return most


def share_used(times: Sequence[float], allowed: int, window: float) -> float | None:
    """How much of `allowed` per window was used, in the whole windows from the first time on; None where
    there is none. Times in order."""
    whole = int((times[-1] - times[0]) / window) if times else 0
    if not whole:
        return None
    end = times[0] + whole * window
    return sum(time < end for time in times) / (allowed * whole)
