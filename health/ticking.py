"""What happens by the passing of time, done by the worker beside its looks."""

import logging
import os
import platform
import secrets
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from django.db import InterfaceError, OperationalError, connections
from django.utils import timezone

from health import nightly, reports, turns, upkeep

logger = logging.getLogger(__name__)

# Seconds between two ticks; how many pieces one takes at most; how long the end waits for one.
EVERY, PIECES, PATIENCE = 5.0, 20, 8.0


class Ticking:
    """Calls reports.tick every few seconds in a thread of its own, one at a time; says that its worker is
    there; and at night does what one of all workers does."""

    def __init__(self) -> None:
        self.name = f"{platform.node()[:30]}:{os.getpid()}:{secrets.token_hex(4)}"
        self.night: threading.Thread | None = None
        self.ran_at = float("-inf")
        self.thread: threading.Thread | None = None
        self.ending = threading.Event()
        self.turns = turns.Turns()

    def run(self) -> None:
        """Begin a tick, if it is time and the last one is over."""
        self.turns.run()
        if time.monotonic() - self.ran_at < EVERY or (self.thread and self.thread.is_alive()):
            return
        self.ran_at = time.monotonic()
        self.thread = threading.Thread(target=self._tick, daemon=True)
        self.thread.start()

    def end(self) -> None:
        self.ending.set()
        self.turns.end()
        for thread in (self.thread, self.night):
            if thread:
                thread.join(PATIENCE)
        if self.thread:
            with suppress(OperationalError, InterfaceError):
                upkeep.leave(self.name)

    def _tick(self) -> None:
        self._doing(self._due)

    def _due(self) -> None:
        upkeep.beat(self.name, timezone.now())
        whole(self.ending)
        for name, chore in nightly.chores().items():
            if not (self.night and self.night.is_alive()) and upkeep.take(name, timezone.now()):
                # It takes minutes where there are a million: the ticks go on meanwhile.
                work = partial(self._doing, partial(chore, self.ending))
                self.night = threading.Thread(target=work, daemon=True)
                self.night.start()

    def _doing(self, work: Callable[[], object]) -> None:
        try:
            work()
        except (OperationalError, InterfaceError, reports.Busy):
            pass  # the next tick does it; the worker itself says that the database does not answer
        except Exception:
            logger.exception("What is due by time could not be done")
        finally:
            connections.close_all()


def whole(ending: threading.Event | None = None) -> None:
    """Do what is due by time, in bounded pieces."""
    for _piece in range(PIECES):
        if not reports.tick().more or (ending and ending.is_set()):
            return
