"""How often an account may call, and how much of that is used."""

from collections import deque
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Limit:
    """So many requests in any window of so many seconds, and at the same time.

    With `burst` it is a bucket of that size which empties evenly; after an excess it stays closed for
    `penalty` seconds.
    """

    requests: int | None
    seconds: float = 1
    concurrent: int | None = None
    burst: int | None = None
    penalty: float = 0


@dataclass
class Usage:
    """How much of a limit is used, after this request. `why` says what was too much, "" where nothing was."""

    limit: int
    remaining: int
    # Wall-clock time at which there is room again, and the seconds until then.
    reset_at: float
    retry_after: float
    why: str = ""
    seconds: float = 1

    @property
    def used(self) -> int:
        return self.limit - self.remaining


@dataclass
class Counter:
    """The calls of one account under one limit."""

    calls: deque[float] = field(default_factory=deque)
    level: float = 0
    at: float = 0
    closed_until: float = 0

    def count(self, limit: Limit, now: float) -> tuple[bool, int, float]:
        """Whether one more is let in, what remains, and in how many seconds there is room."""
        if now < self.closed_until:
            return False, 0, self.closed_until - now
        allowed = limit.requests or 0
        if limit.burst:
            rate = allowed / limit.seconds
            self.level = max(0.0, self.level - (now - self.at) * rate)
            self.at = now
            inside = self.level + 1 <= limit.burst
            self.level += inside
            remaining, wait = int(limit.burst - self.level), max(0.0, (self.level + 1 - limit.burst) / rate)
        else:
            while self.calls and self.calls[0] <= now - limit.seconds:
                self.calls.popleft()
            inside = len(self.calls) < allowed
            if inside:
                self.calls.append(now)
            remaining = max(0, allowed - len(self.calls))
            wait = self.calls[0] + limit.seconds - now if self.calls else 0.0
        if not inside and limit.penalty:
            self.closed_until, wait = now + limit.penalty, limit.penalty
        return inside, remaining, wait
