"""Changing what depends on what. Each change locks what it can reach, as a report does, and rolls up anew."""

from collections.abc import Iterable, Iterator
from typing import Any

from health import graph, settling
from health.graph import Id
from health.models import Component, Dependency


def rewire(component: Component, depends_on: Iterable[Component], *, actor: Any = "") -> None:
    """Let a component depend on exactly these, and roll up anew. Raises graph.Cycle."""
    wanted = {other.pk for other in depends_on}

    def step() -> None:
        affected = settling.lock({component.pk}, wanted)
        there = graph.edges().filter(component=component.pk)
        there.exclude(depends_on__in=wanted).delete()
        _add([(component.pk, other) for other in sorted(wanted)])
        settling.settle(affected, settling.rewired(actor))

    settling.retried(step)


def connect(edges: Iterable[tuple[Id, Id]], *, actor: Any = "") -> None:
    """Add dependencies, given as (component, depends on), and roll up anew. Raises graph.Cycle."""
    added = list(edges)

    def step() -> None:
        affected = settling.lock({start for start, _end in added}, {end for _start, end in added})
        _add(added)
        settling.settle(affected, settling.rewired(actor))

    settling.retried(step)


def disconnect(edges: Iterable[tuple[Id, Id]], *, actor: Any = "") -> None:
    """Remove dependencies, given as (component, depends on), and roll up anew."""
    removed = set(edges)
    starts = {start for start, _end in removed}

    def step() -> None:
        affected = settling.lock(starts, {end for _start, end in removed})
        for some in graph.chunks(starts):
            there = graph.edges().filter(component__in=some)
            found = there.values_list("pk", "component_id", "depends_on_id")
            gone = [pk for pk, start, end in found if (start, end) in removed]
            for keys in _batches(gone):
                graph.edges().filter(pk__in=keys).delete()
        settling.settle(affected, settling.rewired(actor))

    settling.retried(step)


def _batches(keys: list[int]) -> Iterator[list[int]]:
    for start in range(0, len(keys), graph.CHUNK):
        yield keys[start : start + graph.CHUNK]


def _add(edges: Iterable[tuple[Id, Id]]) -> None:
    """Insert what is not there yet. Raises graph.Cycle."""
    wanted = list(dict.fromkeys(edges))
    there: set[tuple[Id, Id]] = set()
    needed = {end for _start, end in wanted}
    for some in graph.chunks({start for start, _end in wanted}):
        there.update(graph.edges().filter(component__in=some).values_list("component_id", "depends_on_id"))
        needed.update(graph.edges().filter(depends_on__in=some).values_list("depends_on_id", flat=True))
    new = [edge for edge in wanted if edge not in there]
    # What nothing depends on closes no circle: an import adds thousands of these at once.
    easy = [Dependency(component_id=start, depends_on_id=end) for start, end in new if start not in needed]
    graph.edges().bulk_create(easy, batch_size=graph.CHUNK)
    for start, end in new:
        if start in needed:
            graph.refuse_cycle(start, end)
            graph.edges().bulk_create([Dependency(component_id=start, depends_on_id=end)])
