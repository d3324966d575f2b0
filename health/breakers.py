"""A circuit breaker for each provider: while one does not answer, few of its components are tried."""

import math
from dataclasses import dataclass

from health.meaning import About
from health.observations import Observation

# Opens after so many failures in a row, for so many seconds; then so many are tried at a time. With these, 80
# looks in ten minutes still tell whether the provider has an incident (health.incidents).
FAILURES, OPEN_FOR, TRIALS = 5, 30.0, 4
# Looks that asked the provider nothing.
UNTOLD = ("internal_error", "busy", "limit_reached", "token_waits")


def answered(seen: Observation) -> bool | None:
    """Whether the provider answered; None where the look tells nothing of it, such as a fault of ours."""
    meaning = seen.meaning
    if meaning.about is About.PROVIDER:
        return not meaning.weight.failing
    if meaning.about is About.PLATFORM or seen.code in UNTOLD:
        return None
    return True


@dataclass
class Breaker:
    """Closed as long as the provider answers. `now` is a monotonic clock, in seconds."""

    failures: int = 0
    opens_until: float = -math.inf

    def room(self, share: int, now: float) -> int:
        """How many may be under way: the share, none, or a few to see whether it answers again."""
        if self.failures < FAILURES:
            return share
        return min(TRIALS, share) if now >= self.opens_until else 0

    def is_open(self, now: float) -> bool:
        return self.room(1, now) == 0

    def hear(self, has_answered: bool | None, now: float) -> None:
        """Take in the result of a look."""
        if has_answered:
            self.failures = 0
        elif has_answered is False:
            self.failures += 1
            if self.failures >= FAILURES and now >= self.opens_until:
                self.opens_until = now + OPEN_FOR
