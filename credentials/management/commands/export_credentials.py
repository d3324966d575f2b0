"""Write credentials out as documents, secrets masked."""

import json
from collections.abc import Iterable
from typing import Any

from django.core.management.base import CommandParser
from django.core.serializers.json import DjangoJSONEncoder

from credentials import kinds, spreadsheets, transfer
from credentials.management import base
from health import selection


class Command(base.Command):
    help = """\
Write credentials as documents to standard output. Secrets are masked: an export never holds one.

  manage.py export_credentials > credentials.json
  manage.py export_credentials --provider stripe --status customer_intervention --format csv
  manage.py export_credentials --with-oauth-apps --format jsonl

Imported into the same installation again, an export changes nothing."""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--provider", choices=list(kinds.PROVIDERS), metavar="PROVIDER", help="only of this provider"
        )
        parser.add_argument("--kind", choices=list(kinds.KINDS), metavar="KIND", help="only of this kind")
        parser.add_argument(
            "--status", choices=selection.VALUES, metavar="STATUS", help="only with this status, or unchecked"
        )
        parser.add_argument(
            "--format",
            choices=["json", "jsonl", "csv"],
            default="json",
            help="an array (default), one document a line, or a table",
        )
        parser.add_argument(
            "--with-oauth-apps",
            action="store_true",
            help="the OAuth apps too, before the credentials that refer to them",
        )

    def handle(self, *, format: str, with_oauth_apps: bool, **options: Any) -> None:
        chosen = {name: options[name] for name in ("provider", "kind", "status")}
        documents = transfer.export(**chosen, with_oauth_apps=with_oauth_apps)
        if format == "csv":
            count = spreadsheets.write(self.stdout, documents, _columns(options, with_oauth_apps))
        else:
            count = self.write_json(documents, lines=format == "jsonl")
        self.stderr.write(f"exported {count}")

    def write_json(self, documents: Iterable[Any], *, lines: bool) -> int:
        """Write an array, or one document a line; returns how many."""
        count = 0
        for document in documents:
            text = json.dumps(document, cls=DjangoJSONEncoder, ensure_ascii=False)
            if not lines:
                self.stdout.write("[" if count == 0 else ",", ending="\n")
            self.stdout.write(text, ending="\n" if lines else "")
            count += 1
        if not lines:
            self.stdout.write("\n]" if count else "[]")
        return count


def _columns(options: dict[str, Any], with_oauth_apps: bool) -> list[str]:
    """The columns that the chosen kinds need."""
    chosen = [
        kind
        for kind in kinds.KINDS.values()
        if options["kind"] in (None, kind.KIND) and options["provider"] in (None, kind.PROVIDER.key)
    ]
    return spreadsheets.columns(chosen, with_oauth_apps=with_oauth_apps)
