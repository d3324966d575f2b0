"""What happens by the passing of time, done by the worker beside its looks."""

import logging
import threading
import time

from django.db import InterfaceError, OperationalError, connections

from health import reports

logger = logging.getLogger(__name__)

# Seconds between two ticks; how many pieces one takes at most; how long the end waits for one.
EVERY, PIECES, PATIENCE = 5.0, 20, 8.0


class Ticking:
    """Calls reports.tick every few seconds in a thread of its own, one at a time."""

    def __init__(self) -> None:
        self.ran_at = float("-inf")
        self.thread: threading.Thread | None = None
        self.ending = threading.Event()

    def run(self) -> None:
        """Begin a tick, if it is time and the last one is over."""
        if time.monotonic() - self.ran_at < EVERY or (self.thread and self.thread.is_alive()):
            return
        self.ran_at = time.monotonic()
        self.thread = threading.Thread(target=self._tick, daemon=True)
        self.thread.start()

    def end(self) -> None:
        self.ending.set()
        if self.thread:
            self.thread.join(PATIENCE)

    def _tick(self) -> None:
        try:
            whole(self.ending)
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
