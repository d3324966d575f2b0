"""What people see of many limits at once: pages ask for it, the code that sends requests does not."""

from collections.abc import Iterable
from dataclasses import dataclass
from types import ModuleType
from uuid import UUID

from django.db import connections

from credentials.limiter import counting, watching_postgresql, watching_sqlite
from credentials.limiter.limits import Limited
from credentials.limiter.records import Holder, Minute, Reported
from credentials.limiter.stores import begun

# So many limits at most are found by how much of them is used.
MOST = 5_000


@dataclass(frozen=True, slots=True)
class Total:
    """The use of one limit over some time. `waited` is in seconds, all waits together; `busiest` is
    the most that was granted in one minute."""

    grants: int = 0
    denials: int = 0
    waits: int = 0
    waited: float = 0.0
    peak: int = 0
    busiest: int = 0

    @property
    def each_waited(self) -> float:
        return self.waited / self.waits if self.waits else 0.0


@dataclass(frozen=True, slots=True)
class Hold:
    """A hold-off that is on: for how many seconds yet, and why."""

    left: float
    reason: str


@dataclass(frozen=True, slots=True)
class Over:
    """Limits that were looked for. `more` says that there are more than `keys` holds."""

    keys: list[UUID]
    more: bool


def _store() -> ModuleType:
    return watching_postgresql if connections["default"].vendor == "postgresql" else watching_sqlite


def totals(limits: Iterable[Limited], minutes: int = 60) -> dict[UUID, Total]:
    """By key, the use over the last minutes of each limit that was used. Raises LimiterUnavailable."""
    counting.flush()
    if not begun():
        return {}
    return {
        key: Total(grants, denials, waits, waited / 1e6, peak, busiest)
        for key, grants, denials, waits, waited, peak, busiest in _store().totals(
            [one.key for one in limits], minutes
        )
    }


def stretches(limit: Limited, minutes: int, each: int) -> list[Minute]:
    """The use over the last minutes, added up to stretches of `each` minutes, which begin where the count of
    minutes since 1970 is a multiple of it; only those in which anything was asked for, the oldest first.
    Raises LimiterUnavailable."""
    counting.flush()
    if not begun():
        return []
    return [Minute.of(*row) for row in _store().stretches(limit.key, minutes, each)]


def first_holders(limits: Iterable[Limited], most: int) -> dict[UUID, list[Holder]]:
    """By key, the holders of each limit that has any, the oldest first, `most` of each. Raises
    LimiterUnavailable."""
    found: dict[UUID, list[Holder]] = {}
    if begun():
        for key, *holder in _store().first_holders([one.key for one in limits], most):
            found.setdefault(key, []).append(Holder(*holder))
    return found


def over(share: float) -> Over:
    """The limits of which more than this share is used: now, of the requests or of those at once, or in the
    busiest minute of the last hour; with those that are held off. As `Live.saturation` has it, but that
    leases count only where one was given within an hour, and without their providers.
    Raises LimiterUnavailable."""
    counting.flush()
    if not begun():
        return Over([], False)
    keys = _store().over(share, MOST + 1)
    return Over(keys[:MOST], len(keys) > MOST)


def lower() -> Over:
    """The limits that let more through than their providers said last, as `is_lower` has it. Raises
    LimiterUnavailable."""
    keys = _store().lower(MOST + 1) if begun() else []
    return Over(keys[:MOST], len(keys) > MOST)


def reported(limits: Iterable[Limited]) -> dict[UUID, Reported]:
    """By key, what the providers of many limits said last. Raises LimiterUnavailable."""
    rows = _store().reported([one.key for one in limits]) if begun() else []
    return {key: Reported(*told) for key, *told in rows}


def provider_holds() -> dict[str, Hold]:
    """The providers that are held off as a whole. Raises LimiterUnavailable."""
    held = _store().provider_holds() if begun() else []
    return {provider: Hold(left / 1e6, reason) for provider, left, reason in held}


def of_providers(minutes: int) -> dict[str, tuple[int, int]]:
    """By provider, what was granted and denied over the last minutes. Raises LimiterUnavailable."""
    counting.flush()
    rows = _store().of_providers(minutes) if begun() else []
    return {provider: (granted, denied) for provider, granted, denied in rows}


def reach() -> None:
    """Ask the store for anything at all. Raises LimiterUnavailable where it does not answer."""
    if begun():
        _store().reach()


def own_hold(limit: Limited) -> Hold | None:
    """The hold-off of a limit itself, whatever holds its provider off. Raises LimiterUnavailable."""
    row = _store().own_hold(limit.key) if begun() else None
    return Hold(row[0] / 1e6, row[1]) if row and row[0] > 0 else None
