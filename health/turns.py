"""What a worker does beside its looks for the floors above: each in a thread of its own, one at a time.

So whatever takes long there, such as a receiver of messages that does not answer, delays neither the looks
nor another turn.
"""

import logging
import threading
import time
from collections.abc import Callable

from django.db import InterfaceError, OperationalError, connections

logger = logging.getLogger(__name__)

# Seconds between two turns, and how long the end of a worker waits for one.
EVERY, PATIENCE = 5.0, 8.0
# It ends early when the event is set.
Turn = Callable[[threading.Event], object]

_registered: dict[str, Turn] = {}


def register(name: str, turn: Turn) -> None:
    """Let every worker do this every few seconds, and a single run of check_health once."""
    _registered[name] = turn


def whole() -> None:
    """Do each once, here and now."""
    for turn in list(_registered.values()):
        turn(threading.Event())


class Turns:
    """The turns of one worker."""

    def __init__(self) -> None:
        self.ending = threading.Event()
        self.threads: dict[str, threading.Thread] = {}
        self.ran_at: dict[str, float] = {}

    def run(self) -> None:
        """Begin each that is due and not under way."""
        now = time.monotonic()
        for name, turn in list(_registered.items()):
            before = self.threads.get(name)
            if now - self.ran_at.get(name, float("-inf")) < EVERY or (before and before.is_alive()):
                continue
            self.ran_at[name] = now
            thread = threading.Thread(target=self._take, args=(name, turn), daemon=True)
            self.threads[name] = thread
            thread.start()

    def end(self) -> None:
        self.ending.set()
        ends = time.monotonic() + PATIENCE
        for thread in self.threads.values():
            thread.join(max(0.0, ends - time.monotonic()))

    def _take(self, name: str, turn: Turn) -> None:
        try:
            turn(self.ending)
        except (OperationalError, InterfaceError):
            pass  # the next turn does it; the worker itself says that the database does not answer
        except Exception:
            logger.exception("The turn “%s” of a worker failed", name)
        finally:
            connections.close_all()
