"""What it means that nobody looked or spoke: pure functions, no database, no clock (13.3, "timer")."""

from datetime import datetime, timedelta

GRACE = timedelta(minutes=5)
STALE = timedelta(minutes=15)
BEATS = 3


def stale_after(every: int) -> timedelta:
    """How old the last look may be before a component that we check is stale. `every` is in seconds."""
    return max(timedelta(seconds=3 * every), STALE)


def patience(every: int, *, reported: bool, heard: bool) -> timedelta:
    """How long a silence may last before it means something.

    `reported`: somebody else speaks for it (a consumer, a target), and may miss three beats. Otherwise we
    look ourselves, and twice the time after which it is stale passes. `heard`: anything ever was.
    """
    if reported:
        beats = timedelta(seconds=BEATS * every)
        return beats if heard else max(GRACE, beats)
    return 2 * stale_after(every) if heard else GRACE


def meaning(heard_at: datetime | None, every: int, now: datetime, *, reported: bool) -> str:
    """What a silence is, whose patience from the last start has passed at `now`: the code of an observation.

    "silent", "check_missing", "never_checked"; or "" where something was heard meanwhile.
    """
    if heard_at and now - heard_at <= patience(every, reported=reported, heard=True):
        return ""
    if reported:
        return "silent"
    return "check_missing" if heard_at else "never_checked"
