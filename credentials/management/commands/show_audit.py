"""Read the audit trail, a day at a time."""

import json
from datetime import date
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from credentials import audit_trail, audit_words
from credentials.management import base
from credentials.management.base import USAGE


class Command(base.Command):
    help = """Show what was done on one day, in the order of happening: one line for each act, with when, who,
what and to what. It holds names of fields, never a value.

  manage.py show_audit
  manage.py show_audit --day 2026-11-24 --actor ada
  manage.py show_audit --day 2026-11-24 --object "Spice Bazaar"
  manage.py show_audit --day 2026-11-24 --json > 2026-11-24.jsonl

The day is one of the installation's time zone; it is today where none is named. `manage.py verify_audit`
proves that nothing is missing. Exit status: 0; 2 for wrong usage."""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--day", help="such as 2026-11-24; by default, today")
        parser.add_argument(
            "--actor", default="", metavar="WHO", help="a user's name, or all of an actor: cli:ops@host"
        )
        parser.add_argument("--object", default="", metavar="NAME", help="a part of its name, or its id")
        parser.add_argument("--action", default="", choices=list(audit_words.ACTS), metavar="ACTION",
                            help=f"only one of {', '.join(audit_words.ACTS)}")  # fmt: skip
        parser.add_argument("--json", action="store_true", dest="as_json", help="one JSON object a line")

    def handle(
        self, *, day: str | None, actor: str, object: str, action: str, as_json: bool, **options: Any
    ) -> None:
        when = _day(day)
        wanted = audit_trail.Wanted(day=when, who=actor.strip(), object=object.strip(), what=action)
        if not as_json:
            zone = timezone.get_current_timezone_name()
            self.stdout.write(f"{when:%A}, {when:%d %B %Y}; times are of {zone}".replace(", 0", ", "))
        count = 0
        for entry in audit_trail.entries(wanted):
            self.stdout.write(json.dumps(document(entry), ensure_ascii=False) if as_json else line(entry))
            count += 1
        (self.stderr if as_json else self.stdout).write(f"acts {count}")


def line(entry: audit_trail.Entry) -> str:
    """An act as one line in words."""
    thing = audit_words.thing_words(entry.type, entry.id, entry.label)
    parts = [audit_words.sentence(entry.act, thing)]
    if fields := audit_words.field_words(entry.act, entry.fields):
        parts.append(f": {', '.join(fields)}")
    if entry.said:
        parts.append(f": {entry.said}" if entry.event is None else f", because: {entry.said}")
    if entry.address:
        parts.append(f" [from {entry.address}]")
    # One act is one line, whatever somebody called a thing.
    printable = "".join(one if one.isprintable() else " " for one in "".join(parts))
    text = " ".join(printable.split())
    return f"{timezone.localtime(entry.time):%H:%M:%S}  {entry.actor:<24}  {text}"


def document(entry: audit_trail.Entry) -> dict[str, Any]:
    """An act for programs. `number` is its place in the chain; health's own record has none."""
    return {
        "time": entry.time.isoformat(),
        "actor": entry.actor,
        "action": entry.act,
        "object_type": entry.type,
        "object_id": entry.id,
        "object": entry.label,
        "fields": entry.fields,
        "said": entry.said,
        "address": entry.address,
        "request": str(entry.request) if entry.request else None,
        "number": entry.number,
        "source": "audit" if entry.event else "health",
    }


def _day(text: str | None) -> date:
    if text is None:
        return timezone.localdate()
    try:
        day = date.fromisoformat(text.strip())
        if day.year not in audit_trail.YEARS:
            raise ValueError
    except ValueError:
        raise CommandError(f"--day {text!r} is no day: write it as 2026-11-24.", returncode=USAGE) from None
    return day
