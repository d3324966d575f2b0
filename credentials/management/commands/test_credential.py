"""Look whether credentials work."""

import json
import uuid
from collections import Counter
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.core.serializers.json import DjangoJSONEncoder
from tqdm import tqdm

from credentials import kinds, probes
from credentials.management import base
from credentials.models import Credential


class Command(base.Command):
    help = """\
Ask each provider whether a credential works, and say what to do where it does not.

  manage.py test_credential 3f0c8a52-41a3-4a0e-9f67-6f2f3a1f4c11
  manage.py test_credential --provider stripe
  manage.py test_credential --all --json

What is found counts for the health, as every check does. Nothing is changed at the provider.
Exit status: 0, 1 where one does not work, or 2 for wrong usage."""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("ids", nargs="*", metavar="ID", help="the ids of credentials")
        parser.add_argument("--kind", choices=list(kinds.KINDS), metavar="KIND", help="all of this kind")
        parser.add_argument(
            "--provider", choices=list(kinds.PROVIDERS), metavar="PROVIDER", help="all of this provider"
        )
        parser.add_argument("--all", action="store_true", dest="everything", help="every credential")
        parser.add_argument("--json", action="store_true", dest="as_json", help="a JSON array")

    def handle(self, *, ids: list[str], as_json: bool, **options: Any) -> None:
        chosen = self.chosen(ids, **options)
        counts: Counter[str] = Counter()
        for pk in tqdm(chosen, unit="credential", disable=as_json or None, file=self.stderr, leave=False):
            credential = Credential.objects.filter(pk=pk).first()
            if credential is None:
                continue  # deleted meanwhile
            found = probes.test(credential)
            if as_json:
                text = json.dumps(found.document(), cls=DjangoJSONEncoder, ensure_ascii=False)
                self.stdout.write(("," if counts else "[") + text)
            else:
                for line in lines(found):
                    self.stdout.write(line)
            counts["works" if found.works else "fails"] += 1
        if as_json:
            self.stdout.write("]" if counts else "[]")
        else:
            self.stdout.write(
                f"tested {counts.total()}: {counts['works']} work, {counts['fails']} do not"
                if counts
                else "There is no such credential."
            )
        if counts["fails"]:
            raise SystemExit(base.FAILED)

    def chosen(
        self, ids: list[str], *, kind: str | None, provider: str | None, everything: bool, **options: Any
    ) -> list[uuid.UUID]:
        """The ids of what is to be tested, by name. Raises CommandError."""
        if sum(map(bool, (ids, kind or provider, everything))) != 1:
            raise CommandError(
                "Say which: ids, or --kind or --provider, or --all. See --help.", returncode=base.USAGE
            )
        rows = Credential.objects.non_polymorphic().order_by("name", "pk")
        if kind:
            rows = rows.kind(kind)
        if provider:
            rows = rows.provider(provider)
        if not ids:
            return list(rows.values_list("pk", flat=True))
        try:
            wanted = [uuid.UUID(one) for one in ids]
        except ValueError:
            raise CommandError(
                "An id is a UUID, as lists and exports show it.", returncode=base.USAGE
            ) from None
        found = set(rows.filter(pk__in=wanted).values_list("pk", flat=True))
        if missing := [str(one) for one in wanted if one not in found]:
            raise CommandError(f"There is no credential {', '.join(missing)}.", returncode=base.USAGE)
        return list(dict.fromkeys(wanted))


def lines(found: probes.Test) -> list[str]:
    """A result for people: what was asked, what came back, what it means, what to do."""
    seen, credential = found.observation, found.credential
    meaning = seen.meaning
    account = f", account {credential.account}" if credential.account else ""
    head = f"{'ok  ' if found.works else 'FAIL'}  {credential.name} ({credential.kind}{account})"
    if found.works:
        return [head]
    result = [head, f"      {meaning.happened} [{seen.code}]"]
    for step in found.steps:
        answered = f"{step.status}" if step.status is not None else "no answer"
        result.append(f"      asked: {step.asked} -> {answered}, {step.ms:.0f} ms")
    if seen.detail:
        result.append(f"      said:  {seen.detail}")
    if seen.retry_after:
        result.append(f"      wait:  {seen.retry_after:.0f} seconds")
    return [*result, f"      do:    {meaning.what_to_do}"]
