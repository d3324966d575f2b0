"""The base of the commands that change or show credentials: they work in the name of whoever runs them."""

from typing import Any

from credentials import audit
from health.management.base import FAILED, USAGE, LanyardCommand, actor

__all__ = ["FAILED", "USAGE", "Command"]


class Command(LanyardCommand):
    """Every change is recorded as made by `cli:name@host`."""

    def execute(self, *args: Any, **options: Any) -> str | None:
        with audit.acting(actor()):
            return super().execute(*args, **options)
