"""From what was said of each component to the status of what depends on it: pure functions, no database.

The rule is section 13.4 of the security reference: drop what is paused, drop what hangs below a failing part,
and of the rest ours comes before the customer's, because our fault can look like theirs.
"""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from graphlib import CycleError, TopologicalSorter
from typing import Any

from health.status import Status


@dataclass(frozen=True)
class Part:
    """One component, as far as the roll-up looks at it. `own` is what was said of it, since when and why."""

    own: Status
    since: datetime
    code: str = ""
    known_since: datetime | None = None
    paused: bool = False
    # Nothing checks a sync itself: it is known as soon as anything is that it depends on.
    known_by_parts: bool = False
    depends_on: tuple[Hashable, ...] = ()

    @property
    def failing(self) -> bool:
        return self.own is not Status.HEALTHY and not self.paused


@dataclass(frozen=True)
class Rollup:
    """What comes of it. `cause` is the id of the part that decides; `also`, where that is ours, of a part
    that waits for the customer.
    """

    status: Status = Status.HEALTHY
    code: str = ""
    cause: Any = None
    also: Any = None
    known_since: datetime | None = None


def roll_up(parts: Mapping[Any, Part]) -> dict[Any, Rollup]:
    """The status of every part, by id. Each id in a `depends_on` must be a key.

    A part below a failing one is masked: one broken OAuth app is one cause, whatever its credentials say. The
    own word of the part in question counts in spite of that where it is ours and what fails above is the
    customer's: we do not send customers away while we say that we are broken. Of several causes with the same
    owner the oldest decides, so that a second failure does not move the blame. A paused part is rolled up as
    if nothing had been said of it; that its stored status must stay is the caller's concern. Raises
    ValueError where the parts form a circle.
    """
    causes: dict[Any, frozenset[Any]] = {}
    known: dict[Any, datetime | None] = {}
    rolled: dict[Any, Rollup] = {}
    for key in _causes_first(parts):
        part = parts[key]
        above: frozenset[Any] = frozenset().union(*(causes[parent] for parent in part.depends_on))
        alone = frozenset([key]) if part.failing else frozenset()
        causes[key] = above or alone
        known[key] = _earliest([part.known_since, *(known[parent] for parent in part.depends_on)])
        heard = known[key] if part.known_by_parts else part.known_since
        counted = above or alone
        if alone and part.own is Status.SEQUIN_INTERVENTION:
            if not any(parts[cause].own is Status.SEQUIN_INTERVENTION for cause in above):
                counted = above | alone
        rolled[key] = _decide(parts, counted, heard)
    return rolled


def _decide(parts: Mapping[Any, Part], causes: Iterable[Any], known_since: datetime | None) -> Rollup:
    """The oldest cause of the owner that comes first, beside the oldest one of the customer's."""
    oldest: dict[Status, Any] = {}
    for key in sorted(causes, key=lambda key: (parts[key].since, str(key))):
        oldest.setdefault(parts[key].own, key)
    if not oldest:
        return Rollup(known_since=known_since)
    status = max(oldest, key=lambda status: status.severity)
    cause = oldest.pop(status)
    also = oldest.get(Status.CUSTOMER_INTERVENTION)
    return Rollup(status, parts[cause].code, cause, also, known_since)


def _causes_first(parts: Mapping[Any, Part]) -> list[Any]:
    try:
        return list(TopologicalSorter({key: part.depends_on for key, part in parts.items()}).static_order())
    except CycleError as error:
        raise ValueError(f"The parts form a circle: {' → '.join(map(str, error.args[1]))}") from None


def _earliest(times: Iterable[datetime | None]) -> datetime | None:
    return min((time for time in times if time is not None), default=None)
