"""Go on with other keys than those that the database was written with."""

import sys
from typing import Any

from django.core.management.base import CommandParser

from credentials import keys
from credentials.management import base


class Command(base.Command):
    help = """Accept the keys at hand for this database, where the old ones are lost for good.

  manage.py accept_keys
  manage.py accept_keys --yes

Without --yes it only says what that would mean. Lanyard starts with another FINGERPRINT_KEY only after this.
Lost FERNET_KEYS need nothing: their rows take new secrets, and this ends the warning.

Exit status: 0; 1 where there is something to accept and --yes is not given; 2 for wrong usage."""

    takes_other_keys = True

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--yes", action="store_true", help="do it")

    def handle(self, *, yes: bool, **options: Any) -> None:
        found = keys.accept() if yes else keys.consequences()
        for sentence in found:
            self.stdout.write(sentence)
        if not found:
            self.stdout.write("The keys are those that this database was written with: nothing to accept.")
        elif yes:
            self.stdout.write("Accepted. Restart Lanyard, everywhere with the same keys.")
        else:
            self.stdout.write("Nothing was done. With --yes, the keys at hand are accepted.")
            sys.exit(base.FAILED)
