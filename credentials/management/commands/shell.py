"""Django's shell, in the name of whoever opened it."""

from typing import Any

from django.core.management.commands.shell import Command as DjangoShell

from credentials import audit
from health.management.base import actor


class Command(DjangoShell):
    def handle(self, **options: Any) -> None:
        with audit.acting(actor()):
            super().handle(**options)
