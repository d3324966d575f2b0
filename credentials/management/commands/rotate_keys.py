"""Seal all secrets with the newest key."""

import json
from typing import Any

from django.core.management.base import CommandParser
from tqdm import tqdm

from credentials import rotation
from credentials.management import base
from credentials.sealing import keyring


class Command(base.Command):
    help = """\
Seal every secret with the newest key, the first in FERNET_KEYS, so that an older one can be taken out.

  1. Put the new key last in FERNET_KEYS on every host, and restart: all can read with it.
  2. Put it first on every host, and restart: all write with it.
  3. manage.py rotate_keys             it may be killed, run again, and run while people work
  4. manage.py rotate_keys --verify    exit status 0 says that no secret needs an older key
  5. Take the old key out of FERNET_KEYS.

  manage.py rotate_keys --report       counts secrets by key and changes nothing

Keys are named by eight digits that do not tell them.
Exit status: 0, 1 where secrets are left that an older key must open, or 2 for wrong usage."""

    def add_arguments(self, parser: CommandParser) -> None:
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--report", action="store_true", help="count secrets by key")
        what.add_argument("--verify", action="store_true", help="whether any secret needs an older key")
        parser.add_argument("--json", action="store_true", dest="as_json", help="the report as JSON")

    def handle(self, *, report: bool, verify: bool, as_json: bool, **options: Any) -> None:
        if report or as_json:
            self.report(as_json)
            return
        if not verify:
            with tqdm(
                total=rotation.remaining(), unit="secret", file=self.stderr, disable=None, leave=False
            ) as bar:
                counts = rotation.rotate(bar.update)
            self.stdout.write(", ".join(f"{name} {count}" for name, count in counts.items()))
        left = rotation.remaining()
        self.stdout.write(f"{left} secrets need an older key than {next(iter(keyring()))}")
        if left:
            raise SystemExit(base.FAILED)

    def report(self, as_json: bool) -> None:
        """Print how many secrets each key has sealed."""
        found = rotation.report()
        if as_json:
            self.stdout.write(json.dumps({"keys": list(keyring()), "secrets": found}))
            return
        for number, key in enumerate(keyring()):
            total = sum(counts[key] for counts in found.values())
            self.stdout.write(f"{key}  {total:>9,} secrets{', the newest key' if number == 0 else ''}")
        for key in sorted({key for counts in found.values() for key in counts} - set(keyring())):
            total = sum(counts[key] for counts in found.values())
            self.stdout.write(f"{key}  {total:>9,} secrets, and it is not in FERNET_KEYS")
