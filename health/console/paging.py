"""Pages of a list in the order of an index: it is read from a place on, however far from the beginning."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone

from health.fields import YEARS
from health.pages import key


@dataclass(frozen=True)
class Turned:
    """A page of rows, and the places after and before which the list goes on."""

    rows: list[Any]
    after: str | None = None
    before: str | None = None


@dataclass(frozen=True)
class Order:
    """By these columns, then by key. `newest`: the column is a time, the latest first; else texts, from A to
    Z."""

    columns: tuple[str, ...]
    newest: bool = False

    def place(self, row: Any) -> str:
        values = [getattr(row, column) for column in self.columns]
        return "~".join([str(row.pk), *(one.isoformat() if self.newest else one for one in values)])

    def read(self, text: str | None) -> tuple[Any, ...] | None:
        """What a place says, in the order of columns, then the key; None where it says nothing."""
        pk, *values = (text or "").split("~", len(self.columns))
        found = key(pk)
        if found is None or len(values) != len(self.columns):
            return None
        if not self.newest:
            return (*values, found)
        try:
            when = datetime.fromisoformat(values[0])
        except ValueError:
            return None
        return (when, found) if timezone.is_aware(when) and when.year in YEARS else None

    def beyond(self, start: tuple[Any, ...], sign: str) -> Q:
        """The condition of what comes after a place; `sign` is "gt" or "lt"."""
        names = (*self.columns, "pk")
        found, same = Q(), Q()
        for name, value in zip(names, start, strict=True):
            found |= same & Q((f"{name}__{sign}", value))
            same &= Q((name, value))
        # What the index takes.
        return found & Q((f"{names[0]}__{sign}e", start[0]))


NEWEST, BY_NAME, BY_KIND = Order(("since",), newest=True), Order(("name",)), Order(("kind", "name"))


def turn(rows: QuerySet, order: Order, size: int, *, after: str | None, before: str | None) -> Turned:
    """The page after or before a place; the first one without."""
    forwards = order.read(after)
    start = forwards or order.read(before)
    backwards = start is not None and forwards is None
    # Onwards in a list of the newest first means smaller.
    down = order.newest is not backwards
    if start:
        rows = rows.filter(order.beyond(start, "lt" if down else "gt"))
    sign = "-" if down else ""
    read: Sequence[Any] = list(rows.order_by(*(f"{sign}{one}" for one in (*order.columns, "pk")))[: size + 1])
    more, read = len(read) > size, read[:size]
    if backwards:
        read = read[::-1]
    if not read:
        return Turned([])
    return Turned(
        list(read),
        after=order.place(read[-1]) if backwards or more else None,
        before=order.place(read[0]) if (start and not backwards) or (backwards and more) else None,
    )
