"""What is asked of a store and what it tells, besides outcomes. Durations are microseconds unless said."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID


class Asking(NamedTuple):
    """One request for a lease; `lasting` in seconds; `durable` as `ring.is_durable` says; `holder` is host,
    process and purpose."""

    key: UUID
    revision: int
    concurrency: int
    durable: bool
    lasting: float
    holder: tuple[str, int, str]


class Holder(NamedTuple):
    """Who holds a lease: since how long, and for how long yet."""

    fence: int
    host: str
    process: int
    purpose: str
    held: int
    left: int


class Reported(NamedTuple):
    """What a provider's headers said last: so many requests per interval (milliseconds), how many were left,
    and how long ago that was."""

    allowed_requests: int
    interval: int | None
    remaining: int | None
    age: int


@dataclass(frozen=True, slots=True)
class Minute:
    """The use of one limit in one minute. `waited` is in seconds, all waits together; `peak` is the most
    requests known to have been under way at once: over all processes where concurrency is bounded, else the
    most that one process had."""

    start: datetime
    grants: int
    denials: int
    waits: int
    waited: float
    peak: int

    @classmethod
    def of(cls, minute: int, grants: int, denials: int, waits: int, waited: int, peak: int) -> "Minute":
        start = datetime.fromtimestamp(minute * 60, UTC)
        return cls(start, grants, denials, waits, waited / 1e6, peak)
