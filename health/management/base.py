"""What all commands have in common: one clear line instead of a traceback, and the exit statuses."""

import getpass
import os
import socket
import sys
from argparse import RawDescriptionHelpFormatter
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

FAILED = 1
USAGE = 2


def actor() -> str:
    """Who runs a command, as it is written down: "cli:name@host"."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        # A container may run as a number that no user has.
        name = str(os.getuid())
    return f"cli:{name}@{socket.gethostname()}"[:255]


def worker(name: str) -> str:
    """Who a worker is, as what it changes is written down: "worker:name@host"."""
    return f"worker:{name}@{socket.gethostname()}"[:255]


class LanyardCommand(BaseCommand):
    """Exit status 0, 1 where some rows failed, 2 where the command was used wrongly."""

    requires_migrations_checks = False

    def create_parser(self, *args: Any, **kwargs: Any) -> CommandParser:
        # The help texts are written with examples, whose lines must stay as they are.
        return super().create_parser(*args, formatter_class=RawDescriptionHelpFormatter, **kwargs)

    def execute(self, *args: Any, **options: Any) -> str | None:
        try:
            result = super().execute(*args, **options)
            # What is still held back would fail only after this, where nothing can be said about it.
            self.stdout.flush()
            return result
        except DatabaseError as error:
            line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise CommandError(
                f"The database answered: {line}. Is it running, and migrated (manage.py migrate)?",
                returncode=USAGE,
            ) from None
        except OSError as error:
            if not isinstance(error, BrokenPipeError):
                raise CommandError(f"{error.strerror or error}", returncode=USAGE) from None
            # `| head` closed the pipe: that is how it ends, not a failure.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(0)
