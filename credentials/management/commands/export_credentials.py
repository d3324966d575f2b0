"""Write credentials out as documents, secrets masked."""

import json
from typing import Any

from django.core.management.base import CommandParser
from django.core.serializers.json import DjangoJSONEncoder

from credentials import kinds, transfer
from credentials.management import base
from health.status import Status


class Command(base.Command):
    help = """\
Write credentials as documents to standard output. Secrets are masked: an export never holds one.

  manage.py export_credentials > credentials.json
  manage.py export_credentials --provider stripe --status customer_intervention --format jsonl

Imported into the same installation again, an export changes nothing."""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--provider", choices=list(kinds.PROVIDERS), metavar="PROVIDER", help="only of this provider"
        )
        parser.add_argument("--kind", choices=list(kinds.KINDS), metavar="KIND", help="only of this kind")
        parser.add_argument("--status", choices=Status.values, metavar="STATUS", help="only with this status")
        parser.add_argument(
            "--format", choices=["json", "jsonl"], default="json", help="an array (default), or one a line"
        )

    def handle(self, *, format: str, **options: Any) -> None:
        chosen = {name: options[name] for name in ("provider", "kind", "status")}
        count = 0
        for document in transfer.export(**chosen):
            text = json.dumps(document, cls=DjangoJSONEncoder, ensure_ascii=False)
            if format == "json":
                self.stdout.write("[" if count == 0 else ",", ending="\n")
            self.stdout.write(text, ending="" if format == "json" else "\n")
            count += 1
        if format == "json":
            self.stdout.write("\n]" if count else "[]")
        self.stderr.write(f"exported {count}")
