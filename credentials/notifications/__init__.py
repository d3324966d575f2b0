"""Telling people what health found: from the flips that nobody was told of yet to messages that arrived.

- `choosing` takes flips out of health's outbox, finds the cause of each, and writes what is to be told to
  which channel: one delivery for each channel and cause. `reminding` adds to these while a cause lasts.
- `delivering` sends what is due. Each try is claimed for a time, so that one which was cut off is made
  anew; what fails is tried again for about a day.
- `messages` says it in words; `mail` and `posts` send it.
- `keeping` removes what was sent long ago, once a night.

All of it is one turn of the worker (health.turns).
"""

import threading

from credentials.notifications import choosing, delivering, keeping, reminding
from health import nightly, turns


def register() -> None:
    turns.register("notifications", turn)
    nightly.register("deliveries", keeping.prune)


def turn(ending: threading.Event | None = None) -> None:
    """Choose what is to be told, and deliver what is due."""
    ending = ending or threading.Event()
    choosing.everything(ending)
    reminding.remind()
    delivering.deliver(ending)
