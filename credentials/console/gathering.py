"""A page of a list that few rows match, on PostgreSQL: all that match are gathered by the index of what they
match by, counted, and then sorted.

Left to itself PostgreSQL walks through the rows in their order until enough match, which is quick as long as
those are spread evenly. They are not: whoever looks for "harkonnen" by name finds all of them at one place,
and none before it. So who asks says which of the two it is. SQLite gathers by itself.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connections
from django.db.models import F, QuerySet

# So many are gathered at most where words lead to them, and where anything else does: of more, enough are met
# soon on a walk.
BY_WORDS, BY_OTHERS = 100_000, 15_000

# Django can neither sort what has a limit nor count it beside its rows.
QUERY = """
WITH matching AS MATERIALIZED ({matching}),
page AS (SELECT * FROM matching WHERE {beyond} ORDER BY {order} LIMIT %s)
SELECT number, found_key, found_value, found_then
FROM (SELECT count(*) AS number FROM matching) AS counted LEFT JOIN page ON TRUE ORDER BY {order}
"""


@dataclass(frozen=True)
class Sort:
    """A way to sort: the field, and the key that orders what is equal in it, so that one index holds both."""

    by: str
    then: str
    # Whether it can be empty. Nothing comes before everything, and after it where the order is turned.
    empty: bool = False
    is_time: bool = True


@dataclass(frozen=True)
class Place:
    """Where in the order a row stands: its value, and the key that orders equal ones."""

    value: Any
    then: UUID

    def __str__(self) -> str:
        value = self.value.isoformat() if isinstance(self.value, datetime) else self.value
        return f"{self.then}{'' if value is None else f'~{value}'}"


@dataclass(frozen=True)
class Gathered:
    """The first keys beyond a place, each with its value and what orders equal ones. `number` is how many
    rows match, with those before the place."""

    keys: list[tuple[UUID, Any, UUID]]
    number: int


def gather(
    rows: QuerySet[Any], sort: Sort, *, place: Place | None, downwards: bool, size: int, most: int
) -> Gathered | None:
    """Gather the rows and return the first of them beyond a place; None where there are more than `most`."""
    named = rows.order_by().annotate(found_key=F("pk"), found_value=F(sort.by), found_then=F(sort.then))
    columns = named.values("found_key", "found_value", "found_then")
    matching, params = columns[: most + 1].query.sql_with_params()
    beyond, place_params = _beyond(place, downwards)
    way, nulls = ("DESC", "LAST") if downwards else ("ASC", "FIRST")
    order = f"found_value {way} NULLS {nulls}, found_then {way}"
    query = QUERY.format(matching=matching, beyond=beyond, order=order)
    with connections[rows.db].cursor() as cursor:
        cursor.execute(query, [*params, *place_params, size])
        found = cursor.fetchall()
    number = found[0][0]
    if number > most:
        return None
    return Gathered([(key, value, then) for _n, key, value, then in found if key], number)


def _beyond(place: Place | None, downwards: bool) -> tuple[str, list[Any]]:
    """The condition for what comes after a place. What is empty comes before everything else."""
    if place is None:
        return "TRUE", []
    than = "<" if downwards else ">"
    if place.value is None:
        same = f"(found_value IS NULL AND found_then {than} %s)"
        return same if downwards else f"({same} OR found_value IS NOT NULL)", [place.then]
    row = f"(found_value, found_then) {than} (%s, %s)"
    return f"({row} OR found_value IS NULL)" if downwards else row, [place.value, place.then]
