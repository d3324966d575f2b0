"""State by hand who must act before a component works again."""

import uuid
from datetime import datetime
from difflib import get_close_matches
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError, CommandParser
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from health import graph, reports
from health.management.base import USAGE, LanyardCommand, actor
from health.models import Component
from health.status import Status

LISTED = 10


class Command(LanyardCommand):
    help = """Report the health of a component. It counts at once, and for every sync that depends on it.

  manage.py report_health target:orders-db customer_intervention --note "Disk full" --code disk_full
  manage.py report_health target:orders-db healthy --note "They made room"
  manage.py report_health sync:orders sequin_intervention --code wrong_mapping --at 2026-11-24T09:30

An intervention needs a note or a code. `manage.py show_health` lists what can be reported on.

Exit status: 0; 1 where others kept changing the same components, or the component was deleted; 2 for wrong
usage, or no such component."""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("component", help="kind:name, such as target:orders-db, or the id")
        parser.add_argument("status", help=", ".join(Status.values))
        parser.add_argument("--note", default="", help="what happened, in a sentence")
        parser.add_argument("--code", default="", help="the same as a short code, such as disk_full")
        parser.add_argument(
            "--at", metavar="TIME", help="when it began, such as 2026-11-24T09:30; default: now"
        )

    def handle(
        self, *, component: str, status: str, note: str, code: str, at: str | None, **options: Any
    ) -> None:
        subject = find(component)
        affected = Component.objects.filter(pk__in=graph.below({subject.pk})).exclude(pk=subject.pk)
        before = {one.pk: one.status for one in affected}
        try:
            flip = reports.report(
                subject, status, actor=actor(), note=note, code=code, at=_time(at) if at else None
            )
        except ValidationError as error:
            raise CommandError(_line(error), returncode=USAGE) from None
        except (reports.Busy, reports.Gone) as error:
            raise CommandError(str(error)) from None
        if flip:
            self.stdout.write(f"{subject.reference}: {flip.old} → {flip.new}")
        elif subject.status != status:
            decides = Component.objects.get(pk=subject.cause_id).reference if subject.cause_id else "nothing"
            self.stdout.write(
                f"{subject.reference}: kept; it stays {subject.status}, which {decides} decides"
            )
        else:
            self.stdout.write(f"{subject.reference}: was {subject.status} already; kept the report")
        flipped = [one for one in affected.all() if one.status != before.get(one.pk, one.status)]
        for one in flipped[:LISTED]:
            self.stdout.write(f"  {one.reference}: {before[one.pk]} → {one.status}")
        if len(flipped) > LISTED:
            self.stdout.write(f"  and {len(flipped) - LISTED} more")
        self.stdout.write(f"flipped {len(flipped) + bool(flip)}, affected {len(before) + 1}")


def find(text: str) -> Component:
    """The component that a person named by kind:name or id. Raises CommandError that says what there is."""
    kind, colon, name = text.partition(":")
    if not colon:
        try:
            # With those that were deleted: reporting says so.
            return Component.everything.get(pk=uuid.UUID(text.strip()))
        except (ValueError, Component.DoesNotExist):
            raise CommandError(
                f"There is no component {text!r}. {_known_by_name(text)}Name it as kind:name, such as "
                "target:orders-db, or by its id; `manage.py show_health` lists them.",
                returncode=USAGE,
            ) from None
    if kind not in Component.Kind.values:
        raise CommandError(
            f"There is no kind {kind!r}: it is one of {', '.join(Component.Kind.values)}.", returncode=USAGE
        )
    name = Component._meta.get_field("name").to_python(name)
    found = list(Component.objects.filter(kind=kind, name=name).order_by("created_at", "pk")[: LISTED + 1])
    if len(found) == 1:
        return found[0]
    if found:
        ids = ", ".join(str(one.pk) for one in found[:LISTED]) + (", …" if len(found) > LISTED else "")
        raise CommandError(
            f"{kind}:{name} is the name of several. Name the one that you mean by its id: {ids}",
            returncode=USAGE,
        )
    raise CommandError(
        f"There is no {kind} {name!r}. {_close(kind, name)}{_how_to_add(kind)}", returncode=USAGE
    )


def _close(kind: str, name: str) -> str:
    names = Component.objects.filter(kind=kind).order_by("name").values_list("name", flat=True)
    by_folded = {one.casefold(): one for one in names[:20_000]}
    close = get_close_matches(name.casefold(), by_folded, n=3, cutoff=0.6)
    if not close:
        return ""
    return f"Did you mean {' or '.join(f'{kind}:{by_folded[one]}' for one in close)}? "


def _known_by_name(text: str) -> str:
    named = Component.objects.filter(name=text).order_by("kind", "pk")[:3]
    found = " or ".join(dict.fromkeys(one.reference for one in named))
    return f"Did you mean {found}? " if found else ""


def _how_to_add(kind: str) -> str:
    if kind in Component.BY_THEMSELVES:
        return "Add it in the browser: Health, Components, Add."
    return "It comes with its credential or app: add that first."


def _time(text: str) -> datetime:
    try:
        found = parse_datetime(text.strip())
    except ValueError:
        found = None
    if found is None:
        raise CommandError(f"--at {text!r} is no time: write 2026-11-24T09:30.", returncode=USAGE)
    try:
        return timezone.make_aware(found) if timezone.is_naive(found) else found
    except (ValueError, OverflowError):
        raise CommandError(f"--at {text!r} is no time: write 2026-11-24T09:30.", returncode=USAGE) from None


def _line(error: ValidationError) -> str:
    if not hasattr(error, "error_dict"):
        return " ".join(error.messages)
    return " ".join(f"{field}: {' '.join(messages)}" for field, messages in error.message_dict.items())
