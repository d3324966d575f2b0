"""The line in which the threads of one process wait for a lease, where concurrency is bounded: only the first
asks the store, and a lease that this process gives back is asked for at once."""

import os
import threading
from uuid import UUID

_lines: dict[UUID, list[threading.Event]] = {}
_lock = threading.Lock()


def join(key: UUID) -> threading.Event:
    """Stand at the end. The event is set when one should look again."""
    place = threading.Event()
    with _lock:
        _lines.setdefault(key, []).append(place)
    return place


def is_first(key: UUID, place: threading.Event) -> bool:
    with _lock:
        return _lines[key][0] is place


def waits(key: UUID) -> bool:
    return key in _lines


def leave(key: UUID, place: threading.Event) -> None:
    with _lock:
        _lines[key].remove(place)
        if _lines[key]:
            _lines[key][0].set()
        else:
            del _lines[key]


def nudge(key: UUID) -> None:
    """Something became free."""
    if key in _lines:
        with _lock:
            if places := _lines.get(key):
                places[0].set()


def _after_fork() -> None:
    global _lock
    _lock = threading.Lock()
    _lines.clear()


os.register_at_fork(after_in_child=_after_fork)
