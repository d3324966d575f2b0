"""Prove that the audit trail is whole."""

import json
import sys
from typing import Any

from django.core.management.base import CommandParser
from tqdm import tqdm

from credentials import audit
from credentials.management import base
from credentials.management.base import FAILED
from credentials.models import AuditEvent


class Command(base.Command):
    help = """Compute the chain of the audit trail again, and say where an event was changed or is missing.

  manage.py verify_audit
  manage.py verify_audit --noted 5f0c…e1
  manage.py verify_audit --json

New events are taken into the chain first. The last hash stands for all events so far. Note it down where
those who write to this database cannot: that the newest events were cut off shows only with the last hash of
an earlier run, given as --noted.

Exit status: 0, 1 where the trail is not whole, 2 for wrong usage."""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--noted", metavar="HASH", help="a last hash of an earlier run, which must still be in the chain"
        )
        parser.add_argument("--json", action="store_true", dest="as_json", help="a JSON object")

    def handle(self, *, noted: str | None, as_json: bool, **options: Any) -> None:
        audit.chain()
        total = AuditEvent.objects.exclude(number=None).count()
        with tqdm(total=total, unit="event", disable=None) as bar:
            verdict = audit.verify(bar)
        problems = list(verdict.problems)
        if noted and not AuditEvent.objects.filter(hash=noted.strip().lower()).exists():
            problems.append("the noted hash is not in the chain: events up to it were removed or changed")
        if as_json:
            found = {
                "events": verdict.chained,
                "waiting": verdict.waiting,
                "last_hash": verdict.head,
                "problems": problems,
            }
            self.stdout.write(json.dumps(found))
        else:
            for problem in problems:
                self.stdout.write(f"problem: {problem}")
            if verdict.head:
                self.stdout.write(f"last hash, to note down elsewhere: {verdict.head}")
            counts = f"events {verdict.chained}, waiting {verdict.waiting}, problems {len(problems)}"
            self.stdout.write(counts)
        if problems:
            sys.exit(FAILED)
