"""What comes of asking for a lease."""

from dataclasses import dataclass
from typing import Literal

import requests

Reason = Literal["rate", "concurrency", "held_off"]
# In the words of `reason`, for people.
WORDS: dict[str, str] = {
    "rate": "the rate limit is used up",
    "concurrency": "as many requests as allowed are under way",
    "held_off": "the limit is held off",
}


class LimiterError(requests.RequestException):
    """No lease. A RequestException, so that a session raises what requests raises."""


class RateLimited(LimiterError):
    """The turn would not come in time. `retry_after` says in how many seconds it is worth asking again."""

    def __init__(self, reason: Reason, retry_after: float, detail: str = ""):
        words = WORDS[reason] + (f" ({detail})" if detail else "")
        super().__init__(f"No request may be made now: {words}. Ask again in {retry_after:.3g} s.")
        self.reason, self.retry_after, self.detail = reason, retry_after, detail


class LimiterUnavailable(LimiterError):
    """The place where leases are kept did not answer in time, or cannot write: without it there are none."""

    def __init__(self, words: str):
        super().__init__(f"The rate limiter's store failed, so no request may be made: {words}.")


class LeaseLost(LimiterError):
    """The lease is over: it expired, or was released. What it was for must stop."""

    def __init__(self) -> None:
        super().__init__("This lease is over: it expired or was released. Take a new one.")


@dataclass(frozen=True, slots=True)
class Granted:
    """A store's yes. `time` is the place's, `late` how long after it the store said yes, in microseconds."""

    place: int
    time: int
    late: int
    guard: int
    epoch: int
    # The number of the lease where concurrency is bounded: as many are out as it says, or more.
    slot: int | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the future: to be redeemed at its time, `wait` microseconds from now."""

    place: int
    time: int
    epoch: int
    wait: int
    guard: int


@dataclass(frozen=True, slots=True)
class Refused:
    """A store's no, and for how many microseconds, as far as it can tell."""

    reason: Reason
    wait: int
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Void:
    """A place that does not count any more: ask anew."""


@dataclass(frozen=True, slots=True)
class Stale:
    """The store knows another revision of the limit, or none, or must first find out what a crash lost."""

    revision: int | None


Outcome = Granted | Place | Refused | Void | Stale


@dataclass(frozen=True, slots=True)
class Denied:
    """The answer no of `try_acquire`. `retry_after` is in seconds."""

    reason: Reason
    retry_after: float
    detail: str = ""
    granted: Literal[False] = False

    def __bool__(self) -> bool:
        return False
