"""Bring credentials in from documents."""

import contextlib
import os
import stat
import sys
from collections import Counter
from typing import Any, BinaryIO

from django.core.management.base import CommandError, CommandParser
from tqdm import tqdm

from credentials import batches
from credentials.documents import InvalidDocument, Outcome
from credentials.management import base
from credentials.management.base import FAILED, USAGE
from credentials.reading import Row, UnusableFile, read


class Command(base.Command):
    help = """Import credentials and OAuth apps from a file of documents: a JSON array, one JSON document a
line, or CSV with columns such as name, properties.kind, properties.secret, rate_limit.interval, metadata.

A document that is there already is updated, or left alone where nothing differs; a masked secret keeps what
is stored; a secret that was replaced meanwhile is not put back. So the same file can be imported again at any
time.

  manage.py import_credentials credentials.json
  manage.py import_credentials --dry-run --on-error skip credentials.csv
  other-tool --json | manage.py import_credentials -

Exit status: 0, 1 where documents failed (each is named), 2 where the file cannot be used."""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", help="the file, or - for standard input")
        parser.add_argument("--dry-run", action="store_true", help="say what would happen, write nothing")
        parser.add_argument(
            "--on-error",
            choices=["stop", "skip"],
            default="stop",
            help="at a document that fails: stop there (default), or go on with the next",
        )

        parser.add_argument(
            "--format", choices=["json", "csv"], help="how to read it (by default, its beginning tells)"
        )

    def handle(self, *, file: str, dry_run: bool, on_error: str, format: str | None, **options: Any) -> None:
        self.counts: Counter[str] = Counter()
        with _open(file) as stream:
            try:
                self.import_all(stream, format, stop=on_error == "stop", dry_run=dry_run)
            except UnusableFile as error:
                raise CommandError(f"{file}: {error}", returncode=USAGE) from None
            except KeyboardInterrupt:
                self.say("interrupted: what is counted here is stored; import the file again to go on")
                self.counts["failed"] += 1
        line = ", ".join(
            f"{word} {self.counts[word]}" for word in ("created", "updated", "unchanged", "failed")
        )
        self.stdout.write(f"{line} (dry run: nothing was written)" if dry_run else line)
        if self.counts["failed"]:
            sys.exit(FAILED)

    def import_all(self, stream: BinaryIO, format: str | None, *, stop: bool, dry_run: bool) -> None:
        """Import one row after the other, counting."""
        with tqdm(total=_size(stream), unit="B", unit_scale=True, disable=None) as bar:
            for row, result in batches.import_rows(read(stream, format), dry_run=dry_run):
                if bar.total:
                    bar.update(stream.tell() - bar.n)
                if not self.count(row, result) and stop:
                    self.say("stopped at the first failure; --on-error skip goes on with the next document")
                    return

    def count(self, row: Row, result: Outcome | InvalidDocument) -> bool:
        """Say and count what came of a row; returns whether that went well."""
        if isinstance(result, InvalidDocument):
            for path, message in result.problems:
                self.say(f"row {row.number}, {path}: {message}" if path else f"row {row.number}: {message}")
            self.counts["failed"] += 1
            return False
        if result is Outcome.SUPERSEDED:
            self.say(f"row {row.number}: unchanged (superseded): a newer secret is stored")
            result = Outcome.UNCHANGED
        self.counts[result] += 1
        return True

    def say(self, message: str) -> None:
        """A line beside the progress bar."""
        with tqdm.external_write_mode():
            self.stderr.write(message)


def _open(name: str) -> BinaryIO:
    if name == "-":
        if sys.stdin is None:
            raise CommandError("standard input is closed: nothing can be read from it", returncode=USAGE)
        return sys.stdin.buffer
    try:
        return open(name, "rb")
    except OSError as error:
        raise CommandError(f"{name}: {error.strerror or error}", returncode=USAGE) from None
    except ValueError:
        raise CommandError("the name of the file holds a NUL character", returncode=USAGE) from None


def _size(stream: BinaryIO) -> int | None:
    """The length of a regular file in bytes; None where it cannot be told."""
    with contextlib.suppress(OSError, ValueError):
        status = os.fstat(stream.fileno())
        return status.st_size if stat.S_ISREG(status.st_mode) else None
    return None
