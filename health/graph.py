"""Reading the graph: what hangs below, what stands above, which way leads from one to another."""

import uuid
from collections.abc import Iterable, Iterator

from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from health.models import Component, Dependency

Id = uuid.UUID
# SQLite takes 999 parameters in one statement.
CHUNK = 500


class Cycle(ValidationError):
    """A dependency that would lead back to where it starts. The message shows the way."""

    def __init__(self, path: Iterable[Component]):
        way = " → ".join(component.reference for component in path)
        super().__init__(_("These would depend on each other in a circle: %(way)s"), "cycle", {"way": way})


def chunks(ids: Iterable[Id]) -> Iterator[list[Id]]:
    """The ids in their order, as many at a time as a statement takes."""
    listed = sorted(ids)
    for start in range(0, len(listed), CHUNK):
        yield listed[start : start + CHUNK]


def edges() -> QuerySet[Dependency]:
    """All dependencies, for reading and for the writer that knows what it does."""
    return QuerySet(Dependency)


def below(ids: Iterable[Id]) -> set[Id]:
    """These and all that depends on them, directly or not. One query for each level."""
    return _closure(ids, "depends_on_id", "component_id")


def above(ids: Iterable[Id]) -> set[Id]:
    """These and all that they depend on, directly or not. One query for each level."""
    return _closure(ids, "component_id", "depends_on_id")


def _closure(ids: Iterable[Id], source: str, end: str) -> set[Id]:
    found = set(ids)
    fresh = set(found)
    while fresh:
        reached: set[Id] = set()
        for some in chunks(fresh):
            reached.update(edges().filter(**{f"{source}__in": some}).values_list(end, flat=True))
        fresh = reached - found
        found |= fresh
    return found


def way(start: Id, end: Id) -> list[Id]:
    """The shortest way along dependencies from `start` to `end`, both included; empty without one."""
    came_from: dict[Id, Id | None] = {start: None}
    fresh = [start]
    while fresh and end not in came_from:
        reached: list[Id] = []
        for some in chunks(fresh):
            rows = edges().filter(component_id__in=some).values_list("component_id", "depends_on_id")
            for component, depends_on in rows.order_by("id"):
                if depends_on not in came_from:
                    came_from[depends_on] = component
                    reached.append(depends_on)
        fresh = reached
    path: list[Id] = []
    step: Id | None = end if end in came_from else None
    while step is not None:
        path.append(step)
        step = came_from[step]
    return path[::-1]


def refuse_cycle(component: Id, depends_on: Id) -> None:
    """Raise Cycle where `component` cannot depend on that, because that depends on `component` already."""
    path = way(depends_on, component)
    if path:
        named = Component.objects.in_bulk(path)
        raise Cycle([named[component], *(named[step] for step in path)])
