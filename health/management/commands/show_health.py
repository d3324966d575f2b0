"""List the components, their status and what they depend on."""

import json
import unicodedata
from collections import Counter
from collections.abc import Iterator
from typing import Any

from django.core.management.base import CommandParser
from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import Q, QuerySet
from django.utils import timezone

from health import selection
from health.management.base import LanyardCommand
from health.models import Component
from health.status import Status

OWNERS = {status.owner: status for status in Status if status.owner}
BATCH = 500
# Kind, name, status, since and what it depends on: 100 columns with the spaces between.
WIDTHS = (10, 26, 22, 16, 22)


class Command(LanyardCommand):
    help = """List every component with its status, since when, and what it depends on.

  manage.py show_health --owner customer
  manage.py show_health --kind sync --status sequin_intervention --json

--owner customer also lists where it is our turn first and the customer's as well. A "?" after the status says
that nobody has looked yet.

Exit status: 0, or 2 for wrong usage."""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--owner", choices=[*OWNERS], help="only where these must act")
        parser.add_argument("--kind", choices=Component.Kind.values, metavar="KIND", help="only of this kind")
        parser.add_argument(
            "--status", choices=selection.VALUES, metavar="STATUS", help="only with this status, or unchecked"
        )
        parser.add_argument("--json", action="store_true", dest="as_json", help="a JSON array")

    def handle(
        self, *, owner: str | None, kind: str | None, status: str | None, as_json: bool, **options: Any
    ) -> None:
        found = components(owner=owner, kind=kind, status=status)
        counts: Counter[str] = Counter()
        if as_json:
            for component in found:
                text = json.dumps(document(component), cls=DjangoJSONEncoder, ensure_ascii=False)
                self.stdout.write(("," if counts else "[") + text)
                counts[component.status] += 1
            self.stdout.write("]" if counts else "[]")
            return
        for component in found:
            if not counts:
                self.stdout.write(row("KIND", "NAME", "STATUS", "SINCE", "DEPENDS ON"))
            counts[component.status] += 1
            self.stdout.write(
                row(
                    component.kind,
                    component.name,
                    component.status + ("" if component.checked else "?"),
                    f"{timezone.localtime(component.since):%Y-%m-%d %H:%M}",
                    needs([one.reference for one in component.depends_on.all()]),
                )
            )
        line = ", ".join(f"{counts[value]} {value}" for value in Status.values)
        self.stdout.write(f"{counts.total()} components: {line}")


def components(*, owner: str | None, kind: str | None, status: str | None) -> Iterator[Component]:
    """The components in the order of kind and name, with what they depend on; three queries for each 500."""
    rows: QuerySet[Component] = Component.objects.order_by("kind", "name", "pk")
    if owner:
        wanted = Q(status=OWNERS[owner])
        if owner == "customer":
            wanted |= Q(also__isnull=False)
        rows = rows.filter(wanted)
    if kind:
        rows = rows.filter(kind=kind)
    if status:
        rows = rows.filter(selection.with_status(status))
    rows = rows.select_related("cause", "also").prefetch_related("depends_on")
    yield from rows.iterator(chunk_size=BATCH)


def document(component: Component) -> dict[str, Any]:
    """One component for programs. `checked` is false where the status is a mere default."""
    return {
        "id": str(component.pk),
        "kind": component.kind,
        "name": component.name,
        "provider": component.provider,
        "status": component.status,
        "owner": Status(component.status).owner or None,
        "code": component.code,
        "since": component.since,
        "checked": component.checked,
        "cause": component.cause.reference if component.cause else None,
        "also": component.also.reference if component.also else None,
        "depends_on": sorted(one.reference for one in component.depends_on.all()),
    }


def needs(references: list[str]) -> str:
    """The first of what something depends on, and how many more there are, in the width of its column."""
    first, *more = sorted(references) or ["-"]
    rest = f" +{len(more)}" if more else ""
    return fitted(first, WIDTHS[-1] - len(rest)).rstrip() + rest


def row(*cells: str) -> str:
    return " ".join(fitted(cell, width) for cell, width in zip(cells, WIDTHS, strict=True)).rstrip()


def fitted(text: str, width: int) -> str:
    """A text in exactly so many columns of a terminal, where some characters take two and others none."""
    used, kept = 0, ""
    for character in text:
        takes = columns(character)
        if used + takes > width - (1 if len(text) > len(kept) + 1 else 0):
            return kept + "…" + " " * (width - used - 1)
        kept, used = kept + character, used + takes
    return kept + " " * (width - used)


def columns(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
