"""How long something was in which state within a window, from its flips: pure functions, no database."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from health.status import Status

MICROSECOND = timedelta(microseconds=1)

HEALTHY, CUSTOMER, US, PAUSED, UNKNOWN = STATES = ("healthy", "customer", "us", "paused", "unknown")


class FlipLike(Protocol):
    """A flip as far as uptime looks at it. `derived`: it followed from the flip of another component."""

    @property
    def old(self) -> str: ...
    @property
    def new(self) -> str: ...
    @property
    def happened_at(self) -> datetime: ...
    @property
    def derived(self) -> bool: ...


@dataclass(frozen=True)
class Segment:
    """A stretch of time in one state: from `start` up to, and without, `end`."""

    start: datetime
    end: datetime
    state: str

    @property
    def microseconds(self) -> int:
        return (self.end - self.start) // MICROSECOND


@dataclass(frozen=True)
class Uptime:
    """Microseconds in each state; they add up to the window, without the time before creation."""

    healthy: int = 0
    customer: int = 0
    us: int = 0
    paused: int = 0
    unknown: int = 0

    @property
    def window(self) -> int:
        return self.healthy + self.customer + self.us + self.paused + self.unknown

    def share(self, state: str) -> int | None:
        """Hundredths of a percent of the window without pauses, rounded down; None where there are no data.

        100 % of healthy means that there was nothing else, not one microsecond.
        """
        if not self.healthy + self.customer + self.us:
            return None
        return int(getattr(self, state)) * 10_000 // (self.window - self.paused)

    @property
    def percent(self) -> str:
        """The healthy share for people: "99.98 %", or "–" where there are no data."""
        return in_percent(self.share(HEALTHY))


def in_percent(hundredths: int | None) -> str:
    """As people read it: "99.98 %" for 9998, "–" for None."""
    return "–" if hundredths is None else f"{hundredths // 100}.{hundredths % 100:02} %"


def segments(
    start: datetime,
    end: datetime,
    flips: Sequence[FlipLike],
    *,
    status: str,
    derived: bool = False,
    created_at: datetime,
    known_since: datetime | None,
    pauses: Iterable[tuple[datetime, datetime]] = (),
    doubts: Iterable[tuple[datetime, datetime]] = (),
) -> list[Segment]:
    """The stretches from `start` to `end` in order, without gaps; empty where it was created after `end`.

    `flips` are those of one component in their order, at least all that happened after `start`; `status` is
    the state where there is none, and `derived` says that it follows from another component. A pause outranks
    all; then what nobody knew any more (`doubts`) is unknown, unless something that it depends on fails and
    decides; before `known_since` healthy is a default that nobody checked, and so unknown.
    """
    start = max(start, created_at)
    if start >= end:
        return []
    times = [flip.happened_at for flip in flips]
    closed, open_to_doubt = _Times(pauses), _Times(doubts)
    edges = {start, end, *times, *closed.edges, *open_to_doubt.edges}
    if known_since:
        edges.add(known_since)
    inside = sorted(edge for edge in edges if start <= edge <= end)

    def state_at(moment: datetime) -> str:
        if moment in closed:
            return PAUSED
        passed = bisect_right(times, moment)
        current = flips[passed - 1].new if passed else flips[0].old if flips else status
        owner = Status(current).owner
        # Of a status from before the flips it is not told whether it was its own.
        of_another = flips[passed - 1].derived if passed else derived and not flips
        if moment in open_to_doubt and not (owner and of_another):
            return UNKNOWN
        if not owner and (known_since is None or moment < known_since):
            return UNKNOWN
        return owner or HEALTHY

    found: list[Segment] = []
    for left, right in zip(inside, inside[1:], strict=False):
        state = state_at(left)
        if found and found[-1].state == state:
            found[-1] = Segment(found[-1].start, right, state)
        else:
            found.append(Segment(left, right, state))
    return found


class _Times:
    """Stretches of time, each without its end, of which any number may overlap."""

    def __init__(self, stretches: Iterable[tuple[datetime, datetime]]):
        self.edges: list[datetime] = []  # beginnings and ends by turns
        for begin, end in sorted(stretches):
            if self.edges and begin <= self.edges[-1]:
                self.edges[-1] = max(self.edges[-1], end)
            elif begin < end:
                self.edges += [begin, end]

    def __contains__(self, moment: datetime) -> bool:
        return bisect_right(self.edges, moment) % 2 == 1


def measure(stretches: Iterable[Segment]) -> Uptime:
    """The time in each state."""
    totals = dict.fromkeys(STATES, 0)
    for stretch in stretches:
        totals[stretch.state] += stretch.microseconds
    return Uptime(**totals)
