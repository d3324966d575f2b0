"""The base of the commands that change or show credentials: they work in the name of whoever runs them."""

from typing import Any

from django.db import connection

from credentials import audit
from health.management.base import FAILED, USAGE, LanyardCommand, actor

__all__ = ["FAILED", "USAGE", "Command"]


class Command(LanyardCommand):
    """Every change is recorded as made by `cli:name@host`."""

    def execute(self, *args: Any, **options: Any) -> str | None:
        with audit.acting(actor()) as who:
            result = super().execute(*args, **options)
        if who.recorded and not connection.in_atomic_block:
            audit.chain()
        return result
