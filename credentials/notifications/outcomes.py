"""What came of one try to deliver."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Outcome:
    """`status` is what the receiver answered, `reason` why it failed, in our own words; `wait` the seconds
    that the receiver asked for."""

    worked: bool
    reason: str = ""
    status: int | None = None
    wait: float = 0.0
