"""Counting the use of limits: in the process, written once a second by a thread of its own. What a killed
process had not written, a second's worth, is lost."""

import atexit
import logging
import os
import threading
import time
from uuid import UUID

from credentials.limiter.outcomes import LimiterUnavailable
from credentials.limiter.stores import store, target

logger = logging.getLogger(__name__)

EVERY = 1.0
KEPT_MINUTES = 30 * 24 * 60
PRUNED_EVERY = 3600.0

# By key: grants, denials, waits, microseconds waited, peak.
_counts: dict[UUID, list[int]] = {}
_under_way: dict[UUID, int] = {}
_of = ""
_lock = threading.Lock()
_writing = threading.Lock()
_thread: threading.Thread | None = None
_pruned = -PRUNED_EVERY
_failing = False


def _row(key: UUID) -> list[int]:
    """Call it under the lock."""
    try:
        return _counts[key]
    except KeyError:
        if not _counts:
            _begin()
        _counts[key] = row = [0, 0, 0, 0, 0]
        return row


def granted(key: UUID, waited: float, peak: int) -> None:
    with _lock:
        row = _row(key)
        row[0] += 1
        if waited:
            row[2] += 1
            row[3] += int(waited * 1e6)
        if peak > row[4]:
            row[4] = peak


def denied(key: UUID) -> None:
    with _lock:
        _row(key)[1] += 1


def entered(key: UUID) -> None:
    """A request of this process is under way."""
    with _lock:
        number = _under_way[key] = _under_way.get(key, 0) + 1
        row = _row(key)
        if number > row[4]:
            row[4] = number


def left(key: UUID) -> None:
    with _lock:
        number = _under_way.get(key, 1) - 1
        if number > 0:
            _under_way[key] = number
        else:
            _under_way.pop(key, None)


def flush() -> None:
    """Write what was counted. Raises LimiterUnavailable, and keeps it for the next time."""
    global _counts
    with _writing:
        with _lock:
            taken, _counts = _counts, {}
            stale = _of != target()
        if not taken or stale:
            return
        try:
            store().add_usage([(key, *row) for key, row in taken.items()])
        except LimiterUnavailable:
            with _lock:
                for key, row in taken.items():
                    own = _row(key)
                    own[:] = [*(a + b for a, b in zip(own[:4], row[:4], strict=True)), max(own[4], row[4])]
            raise


def _begin() -> None:
    """Start the thread with the first count; remember where it belongs."""
    global _of, _thread
    _of = target()
    if _thread is None or not _thread.is_alive():
        _thread = threading.Thread(target=_run, name="limiter-usage", daemon=True)
        _thread.start()


def _run() -> None:
    global _failing, _pruned
    while True:
        time.sleep(EVERY)
        try:
            flush()
            if time.monotonic() - _pruned > PRUNED_EVERY:
                _pruned = time.monotonic()
                store().prune(KEPT_MINUTES)
            _failing = False
        except Exception as error:  # noqa: BLE001 - the thread must live
            if not _failing:
                logger.warning("The use of rate limits could not be written: %s", error)
            _failing = True


def _at_exit() -> None:
    try:
        flush()
    except Exception:  # noqa: BLE001 - nobody is left who could be told
        logger.debug("The last counts of rate limits were not written.")


def _after_fork() -> None:
    global _lock, _writing, _thread
    _lock, _writing, _thread = threading.Lock(), threading.Lock(), None
    _counts.clear()
    _under_way.clear()


atexit.register(_at_exit)
os.register_at_fork(after_in_child=_after_fork)
