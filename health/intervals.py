"""When to look again: pure functions, no database, no clock."""

import random

from health.meaning import CUSTOMER, Weight
from health.observations import Observation

# Between two looks at what is well, in seconds. Each wait is spread by a fifth either way.
EVERY, SPREAD = 300, 0.2
# After a look that leaves something to confirm. A confirmation counts from 60 s on (health.verdicts).
SOON = 65.0
# After the first, second, ... refusal in a row. Providers lock accounts after a handful of failed attempts,
# so a key that was refused twice is tried once an hour, and then less.
REFUSED = (SOON, 3600.0, 2 * 3600.0, 4 * 3600.0, 6 * 3600.0)
LONGEST = REFUSED[-1]


def is_refusal(seen: Observation) -> bool:
    """Whether an observation says that a secret, or an OAuth app, was definitely refused."""
    meaning = seen.meaning
    hard = meaning.weight is Weight.HARD and meaning.owner is CUSTOMER
    return hard or seen.code == "oauth_app_rejected"


def wait(seen: Observation, *, every: int, refusals: int, status: str) -> float:
    """Seconds until the next look after this one.

    `every` is the component's own interval, `refusals` how many there were in a row with this one, `status`
    the component's own after it.
    """
    if is_refusal(seen):
        times = min(max(refusals, 1), len(REFUSED))
        seconds = _spread(REFUSED[times - 1], earlier=times > 1)
    elif _undecided(seen, status):
        seconds = _spread(min(SOON, every), earlier=False)
    else:
        seconds = _spread(every)
    return max(seconds, min(seen.retry_after or 0, LONGEST))


def _undecided(seen: Observation, status: str) -> bool:
    """Whether one more look can decide something: a failure not confirmed yet, or a recovery."""
    meaning = seen.meaning
    if meaning.weight.failing:
        return status != meaning.owner
    return meaning.works and status != "healthy"


def _spread(seconds: float, *, earlier: bool = True) -> float:
    # A confirmation that comes too early counts nothing, so those are only ever later.
    return seconds * (1 + random.uniform(-SPREAD if earlier else 0, SPREAD))  # noqa: S311 - spreads the load
