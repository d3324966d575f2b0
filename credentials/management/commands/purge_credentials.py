"""Remove deleted credentials for good."""

from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from credentials.management import base
from credentials.models import KEPT_FOR, Credential, PendingConsent


class Command(base.Command):
    help = f"""Remove the credentials for good that were deleted more than {KEPT_FOR.days} days ago.

Their secrets go with them; until then they can be brought back. Consents that nobody came back from in time
go too. Run it once a day.

  manage.py purge_credentials
  manage.py purge_credentials --dry-run"""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="count them, remove nothing")

    def handle(self, *, dry_run: bool, **options: Any) -> None:
        due = Credential.everything.non_polymorphic().filter(deleted_at__lt=timezone.now() - KEPT_FOR)
        if dry_run:
            self.stdout.write(f"due {due.count()} (dry run: nothing was removed)")
        else:
            removed = due.purge()
            PendingConsent.objects.purge()
            if removed or options["verbosity"]:
                self.stdout.write(f"removed {removed}")
