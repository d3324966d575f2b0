"""The base of the commands that change or show credentials: they work in the name of whoever runs them."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, DjangoHelpFormatter
from django.db import connection

from credentials import audit, keys
from credentials.models import AuditEvent
from health.management.base import FAILED, USAGE, LanyardCommand, actor

__all__ = ["FAILED", "USAGE", "Command"]

# A run of these is an act by itself, whether it changes something or not.
RECORDED = {"demo", "export_credentials", "import_credentials", "purge_credentials", "rotate_keys"}


def is_migrated() -> bool:
    """Whether the audit trail is there. If not, nothing can be changed, and the command says why itself."""
    return AuditEvent._meta.db_table in connection.introspection.table_names()


class RecordedCommand(BaseCommand):
    """A run leaves an event before it begins, with the names of its switches. What else it was given stays
    out, because that may be a value."""

    # Whether it may run with other keys than those that the database was written with.
    takes_other_keys = False

    def execute(self, *args: Any, **options: Any) -> str | None:
        if not self.takes_other_keys and not options.get("skip_checks"):
            try:
                keys.refuse_others()
            except keys.OtherKeys as error:
                raise CommandError(str(error), returncode=USAGE) from None
        name = type(self).__module__.rpartition(".")[2]
        if name in RECORDED and not options.get("dry_run") and is_migrated():
            switches = {option for option, given in options.items() if given is True} - self.of_django()
            audit.record("run", audit.Named("command", name, f"manage.py {name}"), fields=switches)
        return super().execute(*args, **options)

    @classmethod
    def of_django(cls) -> set[str]:
        """The switches that every command has."""
        common = {option.lstrip("-").replace("-", "_") for option in DjangoHelpFormatter.show_last}
        return {*common, *cls.base_stealth_options}


class Command(LanyardCommand, RecordedCommand):
    """Every change is recorded as made by `cli:name@host`."""

    def execute(self, *args: Any, **options: Any) -> str | None:
        with audit.acting(actor()) as who:
            result = super().execute(*args, **options)
        if who.recorded and not connection.in_atomic_block:
            audit.catch_up(whole=True)
        return result
