"""The state of one limit, and what may happen to it: pure functions, no database. Times are microseconds.

At most CELLS times are kept, however many requests are allowed. Places are numbered for ever, and `sequence`
is the next. Place p stands in the cell (p % allowed) // size; a cell holds the time of its newest place, and
its first place of the next round is not before that time and a window more. So places that are `allowed`
apart are at least a window apart, and no window holds more than `allowed` of them. Up to CELLS allowed
requests this is the exact log of all of them.

A place in the future belongs to one who waits for it. `epoch` counts when all such places became void.
PostgreSQL does `take` in SQL (postgresql.py), on the same columns; everything else is done here for both.
"""

from dataclasses import dataclass, field

CELLS = 64
# So many places given back are remembered until those behind them are given back too.
GONE = 256
# Long before any time, and a window later still.
NEVER = -(10**17)


@dataclass(slots=True)
class State:
    """The columns of one limit. `concurrency` 0 is no bound."""

    revision: int
    provider: str
    allowed: int
    window: int
    guard: int
    concurrency: int
    sequence: int
    epoch: int = 0
    held_until: int = 0
    held_reason: str = ""
    gone: list[int] = field(default_factory=list)
    # What the ring had no room for when the limit was lowered, newest first: time, how many, time, how
    # many...
    older: list[int] = field(default_factory=list)
    cells: list[int] = field(default_factory=list)

    @property
    def size(self) -> int:
        return size_of(self.allowed)

    @property
    def durable(self) -> bool:
        return is_durable(self.window)


def size_of(allowed: int) -> int:
    """How many places share a cell."""
    return -(-allowed // CELLS)


def number_of_cells(allowed: int) -> int:
    return -(-allowed // size_of(allowed))


def is_durable(window: int) -> bool:
    """Whether each grant waits for the disk: where a window is so long that after a crash of the database, or
    of the machine, nobody wants to wait for a whole one. In a short window that is what happens instead."""
    return window > 10_500_000


def first_sequence(allowed: int, now: int) -> int:
    """Where numbering begins: no number comes again, even when the state was forgotten in between."""
    return -(-now // allowed) * allowed


def next_time(state: State, now: int) -> int:
    """When the next place is free: `now` or later."""
    index = state.sequence % state.allowed
    time = max(now, state.cells[(state.sequence - 1) % state.allowed // state.size])
    if index % state.size == 0:
        time = max(time, state.cells[index // state.size] + state.window)
    return time


def take(state: State, time: int) -> int:
    """Give away the next place, for the time that `next_time` said; returns its number."""
    place = state.sequence
    state.cells[place % state.allowed // state.size] = time
    state.sequence += 1
    return place


def give_back(state: State, place: int) -> None:
    """Take back a place that was never used. It is free again at once when it is the newest, else when those
    behind it are given back too."""
    state.gone = [*state.gone, place][-GONE:]
    while state.gone and state.sequence - 1 in state.gone:
        state.sequence -= 1
        state.gone.remove(state.sequence)
        index = state.sequence % state.allowed
        if index % state.size == 0:
            # The whole round of this cell is withdrawn, and the one before it was a window earlier at least.
            state.cells[index // state.size] -= state.window


def use_late(state: State, place: int, now: int) -> bool:
    """Move a place to now. Returns whether it can be: not where the next round of its cell is given away."""
    first = place - place % state.allowed % state.size
    if state.sequence > first + state.allowed:
        return False
    cell = place % state.allowed // state.size
    state.cells[cell] = max(state.cells[cell], now)
    return True


def void(state: State, now: int) -> None:
    """Take back all places in the future; who waits for one must ask again."""
    state.epoch += 1
    state.gone = []
    if max(state.cells) <= now:
        return
    for cell, time in enumerate(state.cells):
        if time > now:
            # All places of a cell are in the future or none is; the round before was a window earlier at
            # least.
            state.cells[cell] = time + (now - time) // state.window * state.window
    oldest = state.cells.index(min(state.cells))
    state.sequence = first_sequence(state.allowed, state.sequence) + oldest * state.size


def renumber(state: State, now: int) -> None:
    """Go on after a crash that may have lost the newest grants: no number comes again, as none is ahead of
    the time in microseconds, and places in the future are void, for they may be somebody else's too."""
    void(state, now)
    newest = max(now, state.sequence)
    state.sequence = first_sequence(state.allowed, newest) + state.sequence % state.allowed


def used(state: State, now: int) -> int:
    """How many places of the window that ends now are taken, rounded up to whole cells; those of waiters
    too."""
    index, size = state.sequence % state.allowed, state.size
    young = [cell for cell, time in enumerate(state.cells) if time > now - state.window]
    total = 0
    for cell in young:
        first = cell * size
        if first <= index < first + size and index > first:
            total += index - first
        else:
            total += min(size, state.allowed - first)
    return total


def _runs(state: State) -> list[tuple[int, int]]:
    """What was granted, newest first, as (time, how many). Older ones of a cell that is half full are
    over."""
    index, size, cells = state.sequence % state.allowed, state.size, len(state.cells)
    head, part = divmod(index, size)
    found = [(state.cells[head], part)] if part else []
    # Backwards round the ring, from the cell before the head's; a head that nothing is in yet comes last.
    for back in range(1, cells + (0 if part else 1)):
        cell = (head - back) % cells
        found.append((state.cells[cell], min(size, state.allowed - cell * size)))
    return found


def rebuild(state: State, *, allowed: int, window: int, now: int) -> None:
    """Go on under another limit: the newest grants count for it as if they had been made under it. Those for
    which it has no room are kept for the case that it is raised again."""
    void(state, now)
    since = now - max(window, state.window)
    runs = [*_runs(state), *zip(state.older[::2], state.older[1::2], strict=True)]
    runs = [(time, number) for time, number in runs if time > since]
    cells, older = [NEVER] * number_of_cells(allowed), []
    size, rank = size_of(allowed), 0  # of a run's newest grant; 0 is the newest of all
    for time, number in runs:
        # The cells whose newest place is one of this run's.
        for cell in range(len(cells)):
            if rank <= allowed - min((cell + 1) * size, allowed) < rank + number:
                cells[cell] = time
        rank += number
        if rank > allowed:
            older += [time, min(number, rank - allowed)]
    state.allowed, state.window, state.cells, state.older = allowed, window, cells, _merged(older)
    state.sequence = first_sequence(allowed, state.sequence + 1)


def _merged(runs: list[int]) -> list[int]:
    """The same in CELLS runs at most: two that are merged count as if both were as new as the newer."""
    while len(runs) > 2 * CELLS:
        halved: list[int] = []
        for first in range(0, len(runs), 4):
            halved += [runs[first], sum(runs[first + 1 : first + 4 : 2])]
        runs = halved
    return runs
