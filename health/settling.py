"""What follows from a change of a component's own word or of the graph: locks, the roll-up, and the flips.

A change, the roll-up of all that hangs on it, and their flips are one transaction. All that a change can
reach is locked in the order of ids before anything is read, so that two changes which share a sync take
turns, and never wait for each other in a circle; the swap on `sequence` catches whoever writes without the
lock. Nothing else writes a rolled-up status.
"""

import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from django.db import transaction
from django.utils import timezone

from health import graph, rollup
from health.graph import Id
from health.history import actor_name
from health.models import Component, Flip
from health.status import Status

TRIES = 6
Result = TypeVar("Result")


class Busy(Exception):
    """The same components were changed by others again and again: nothing was written, try again."""


class _Stale(Exception):
    """Somebody else was faster: look again."""


@dataclass(frozen=True)
class Change:
    """What happened, when and by whom. `component` is None where not a statement but the graph changed."""

    actor: str
    at: datetime
    component: Id | None = None
    status: Status = Status.HEALTHY
    code: str = ""
    note: str = ""


def recompute(ids: Iterable[Id], *, actor: Any = "") -> int:
    """Roll up these and all that hangs on them anew; returns how many flipped."""
    roots = set(ids)
    return len(retried(lambda: settle(lock(roots), rewired(actor))))


def drift(among: set[Id] | None = None, *, stopping: threading.Event | None = None) -> list[Component]:
    """The components, of all or among these, whose stored status is not what the roll-up says: none, unless
    something is wrong. In pieces, so that a million take time and not memory; it ends early when told to."""
    found: list[Component] = []
    for some in graph.chunks(among) if among is not None else _all_ids():
        rows, rolled = _rolled(set(some))
        listed = [rows[pk] for pk in some if pk in rows]
        found += [one for one in listed if not one.paused and _stored(one) != _wanted(one.pk, rows, rolled)]
        if stopping and stopping.is_set():
            break
    return found


def _all_ids() -> Iterator[list[Id]]:
    """The ids of all components in their order, as many at a time as a statement takes."""
    rows = Component.objects.order_by("pk").values_list("pk", flat=True)
    some = list(rows[: graph.CHUNK])
    while some:
        yield some
        some = list(rows.filter(pk__gt=some[-1])[: graph.CHUNK])


def rewired(actor: Any) -> Change:
    """The change that flips name where not a statement but the graph changed."""
    return Change(actor_name(actor) if actor else "", timezone.now(), code="rewired")


def retried(step: Callable[[], Result]) -> Result:
    """Run a step in a transaction, anew where somebody else was faster; returns its result. Raises Busy."""
    for attempt in range(TRIES):
        try:
            with transaction.atomic():
                return step()
        except _Stale:
            time.sleep(random.uniform(0, 0.02 * 2**attempt))  # noqa: S311 - keeps losers apart
    raise Busy("Others keep changing the same components: nothing was written. Try again.")


def lock(ids: set[Id], others: Iterable[Id] = ()) -> set[Id]:
    """Lock all that hangs on these, and the others as well; returns the former with these."""
    affected = graph.below(ids)
    for some in graph.chunks(affected | set(others)):
        rows = Component.objects.filter(pk__in=some).order_by("pk")
        # FOR NO KEY UPDATE: a flip that names its cause takes a key lock on that row, and need not wait for
        # it.
        list(rows.select_for_update(no_key=True).values_list("pk", flat=True))
    # Somebody may have wired more to it while this waited. From here on the locks keep the graph as it is.
    if graph.below(ids) - affected:
        raise _Stale
    return affected


def settle(affected: set[Id], change: Change) -> dict[Id, Flip]:
    """Roll up what is affected and write what differs; returns the flips by component."""
    rows, rolled = _rolled(affected)
    affected = affected & rows.keys()  # what is retired has no status
    flips: dict[Id, Flip] = {}
    # Those that become the same are written together: one broken OAuth app can have ten thousand syncs.
    writes: dict[tuple[Any, ...], list[Id]] = defaultdict(list)
    for pk in affected:
        row, wanted = rows[pk], _wanted(pk, rows, rolled)
        # What is paused keeps the status that it had.
        if row.paused or wanted == _stored(row):
            continue
        values: dict[str, Any] = wanted
        if wanted["status"] != row.status:
            flips[pk] = flip = _flip(row, wanted, change, rows)
            values = wanted | {"since": flip.happened_at, "sequence": flip.sequence}
        writes[(row.sequence, *values.items())].append(pk)
    for (sequence, *items), ids in writes.items():
        for some in graph.chunks(ids):
            if Component.objects.filter(pk__in=some, sequence=sequence).update(**dict(items)) != len(some):
                raise _Stale
    Flip.objects.bulk_create(flips.values(), batch_size=100)
    return flips


def _rolled(ids: set[Id]) -> tuple[dict[Id, Component], dict[Id, rollup.Rollup]]:
    """These and all that they depend on, with what the roll-up says of them."""
    rows: dict[Id, Component] = {}
    depends_on: dict[Id, list[Id]] = defaultdict(list)
    for some in graph.chunks(graph.above(ids)):
        rows |= Component.objects.in_bulk(some)
        edges = graph.edges().filter(component__in=some)
        for start, end in edges.values_list("component_id", "depends_on_id"):
            depends_on[start].append(end)
    parts = {
        pk: rollup.Part(
            own=Status(row.own_status),
            since=row.own_since,
            code=row.own_code,
            known_since=row.known_since,
            paused=row.paused,
            known_by_parts=row.kind == Component.Kind.SYNC,
            # drift() looks without locks: what was wired meanwhile is none of its business.
            depends_on=tuple(end for end in depends_on[pk] if end in rows),
        )
        for pk, row in rows.items()
    }
    return rows, rollup.roll_up(parts)


def _wanted(pk: Id, rows: dict[Id, Component], rolled: dict[Id, rollup.Rollup]) -> dict[str, Any]:
    """What the roll-up wants to be stored. The code of another component gets its kind before it."""
    found = rolled[pk]
    code = found.code if found.cause in (None, pk) else f"{rows[found.cause].kind}:{found.code}"
    return {
        "status": found.status.value,
        "code": code,
        "cause_id": found.cause,
        "also_id": found.also,
        "known_since": found.known_since,
    }


def _stored(row: Component) -> dict[str, Any]:
    return {name: getattr(row, name) for name in ("status", "code", "cause_id", "also_id", "known_since")}


def _flip(row: Component, wanted: dict[str, Any], change: Change, rows: dict[Id, Component]) -> Flip:
    happened_at = change.at
    if row.sequence:
        happened_at = max(happened_at, row.since + timedelta(microseconds=1))
    code, note, cause = wanted["code"], "", wanted["cause_id"] or change.component
    if row.pk == change.component and cause == row.pk:
        code, note = change.code, change.note
    elif wanted["status"] == Status.HEALTHY:
        source = rows.get(change.component) if change.component else None
        code = f"{source.kind}:recovered" if source else change.code
    if cause and cause != row.pk:
        said = change.note if cause == change.component else ""
        # In words as well: the history outlives the component that brought it about.
        note = ": ".join(filter(None, [rows[cause].reference, said]))[:500] if cause in rows else ""
    return Flip(
        component_id=row.pk,
        sequence=row.sequence + 1,
        old=row.status,
        new=wanted["status"],
        code=code,
        note=note,
        cause_id=cause,
        actor=change.actor,
        happened_at=happened_at,
    )
