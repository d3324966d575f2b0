"""How strict a limiter was: the most grants in any window, from the times of all grants."""

from collections.abc import Sequence


def most_in_a_window(times: Sequence[float], window: float) -> int:
    """The largest number of times in any half-open window of that length; times in order."""
    most, first = 0, 0
    for last, time in enumerate(times):
        while times[first] <= time - window:
            first += 1
        most = max(most, last - first + 1)
    return most
