"""Fill an installation with a believable platform, and take it away again."""

import sys
from collections import Counter
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db.models import ProtectedError, RestrictedError
from tqdm import tqdm

from credentials import batches, demo
from credentials.documents import InvalidDocument
from credentials.management import base
from credentials.reading import Row


class Command(base.Command):
    help = """Make a believable platform: 60 credentials over all providers, OAuth apps, syncs with their
consumers and targets, and a month of health. Its secrets are made up, and are never sent anywhere.

  manage.py demo
  manage.py demo --remove
  manage.py demo --scale 100000

--scale makes that many credentials besides, evenly over all kinds. --remove takes exactly the demo away; what
was recorded of it in the audit trail stays."""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--remove", action="store_true", help="take the demo away")
        parser.add_argument("--scale", type=int, default=0, metavar="N", help="make N credentials besides")

    def handle(self, *, remove: bool, scale: int, **options: Any) -> None:
        if scale < 0 or (remove and scale):
            raise CommandError(
                "--scale takes a positive number, and does not go with --remove", returncode=base.USAGE
            )
        if remove:
            self.take_away()
            return
        if demo.exists():
            self.stdout.write("The demo is there already; manage.py demo --remove takes it away.")
        else:
            made = demo.fill()
            self.stdout.write(", ".join(f"{what} {count}" for what, count in made.items()))
        if scale:
            self.fill_more(scale)

    def take_away(self) -> None:
        try:
            self.stdout.write(f"removed {demo.remove()}")
        except (ProtectedError, RestrictedError) as error:
            users = error.protected_objects if isinstance(error, ProtectedError) else error.restricted_objects
            names = ", ".join(sorted(map(str, users))[:5])
            raise CommandError(
                f"Something else depends on the demo, so nothing was removed: {names}"
            ) from None

    def fill_more(self, scale: int) -> None:
        """Import made-up documents, as import_credentials does."""
        counts: Counter[str] = Counter()
        rows = (Row(n, one) for n, one in enumerate(demo.documents(scale, start=1_000), start=1))
        for _row, result in tqdm(batches.import_rows(rows), total=scale, disable=None):
            if isinstance(result, InvalidDocument):
                counts["failed"] += 1
                self.stderr.write(str(result))
            else:
                counts[result] += 1
        self.stdout.write(", ".join(f"{word} {counts[word]}" for word in ("created", "unchanged", "failed")))
        if counts["failed"]:
            sys.exit(base.FAILED)
