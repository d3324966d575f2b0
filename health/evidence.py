"""What a component's observations said that is not decided yet, and how unsteady its results are.

Plain values without a database. As JSON it stands in one column, which is empty for a component that is well
and settled: nearly all, nearly always.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Any

from health.status import Status

# Flapping after Nagios: of the last 21 results the changes count, newer ones more, in percent.
RESULTS = 21
UNSTEADY, STEADY, CALM = 50.0, 25.0, timedelta(minutes=30)
# Between two flips that nobody asked for.
DWELL = timedelta(minutes=5)


@dataclass(frozen=True)
class Evidence:
    """The runs of observations that agree, since their first one; and what else the next verdict needs."""

    # The version of the secret that it is about. Another one makes all of it void.
    revision: str | None = None
    # The last hard failure's owner, and since when hard failures name this one.
    hard_owner: Status | None = None
    hard_at: datetime | None = None
    # Whether one of them is what only a probe can take back.
    hard_stays: bool = False
    # The failures in a row that name the same owner.
    soft_owner: Status | None = None
    soft_count: int = 0
    soft_at: datetime | None = None
    soft_stays: bool = False
    # The first ok of the run that may end an intervention.
    ok_at: datetime | None = None
    # A person replaced the secret or ended a pause: one ok is enough.
    fixed: bool = False
    # When the last flip was decided that nobody asked for.
    decided_at: datetime | None = None
    # One bit for each result, the newest lowest: 1 where it failed.
    results: int = 0
    changed_at: datetime | None = None
    flapping: bool = False
    # The codes of the notes that observations brought, and that go with the next plain ok.
    notes: tuple[str, ...] = ()

    def voided(self, **values: Any) -> "Evidence":
        """Without any run: what was seen so far decides nothing any more."""
        return replace(self.without_soft().without_hard(), **({"ok_at": None} | values))

    def without_soft(self) -> "Evidence":
        return replace(self, soft_owner=None, soft_count=0, soft_at=None, soft_stays=False)

    def without_hard(self) -> "Evidence":
        return replace(self, hard_owner=None, hard_at=None, hard_stays=False)

    def answered(self) -> "Evidence":
        """Without the runs that are disproved where a worker's request is answered."""
        kept = self if self.soft_stays else self.without_soft()
        return kept if self.hard_stays else kept.without_hard()

    def settled(self, at: datetime) -> bool:
        """Whether nothing in it would change what the next observation means, if the component is well."""
        dwelt = self.decided_at is None or at - self.decided_at >= DWELL
        return dwelt and replace(self, revision=None, fixed=False, decided_at=None, changed_at=None) == NONE

    def counted(self, failing: bool, at: datetime) -> "Evidence":
        """With one more result."""
        results = (self.results << 1 | failing) & (1 << RESULTS) - 1
        changed_at = at if failing != bool(self.results & 1) else self.changed_at
        share = unsteadiness(results)
        calm = share < STEADY and (changed_at is None or at - changed_at >= CALM)
        flapping = share >= UNSTEADY or (self.flapping and not calm)
        return replace(self, results=results, changed_at=changed_at, flapping=flapping)

    def document(self) -> dict[str, Any]:
        """What differs from no evidence, as JSON holds it."""
        return {
            field.name: value.isoformat() if isinstance(value, datetime) else value
            for field in fields(self)
            if (value := getattr(self, field.name)) != field.default
        }

    @classmethod
    def of(cls, document: Mapping[str, Any] | None) -> "Evidence":
        """The reverse of `document`; members that are not known are left out."""
        values: dict[str, Any] = {}
        for field in fields(cls):
            value = (document or {}).get(field.name)
            if value is None:
                continue
            if field.name.endswith("_at"):
                value = datetime.fromisoformat(value)
            elif field.name.endswith("_owner"):
                value = Status(value)
            elif field.name == "notes":
                value = tuple(value)
            values[field.name] = value
        return cls(**values)


NONE = Evidence()


def unsteadiness(results: int) -> float:
    """How much the last results changed, in percent; the newest change counts 1.2, the oldest 0.8."""
    changes = results ^ results >> 1
    last = RESULTS - 2
    return sum(100 * (1.2 - 0.4 * n / last) for n in range(last + 1) if changes >> n & 1) / (last + 1)
