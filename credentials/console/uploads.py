"""Importing a file that somebody has sent: first what would happen, then, if they want it, the import.

Both read the file with what the command reads it with. In between the file is kept in the database, sealed,
for an hour at most: so what is imported is what was looked at, nobody has to choose the file twice, and it
never lies on a disk in clear. The import removes it.
"""

import codecs
import io
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext as _

from credentials import audit, batches
from credentials.documents import InvalidDocument, Outcome, is_oauth_app
from credentials.models import Upload
from credentials.models.upload import LONGEST_NAME
from credentials.reading import Row, UnusableFile, read
from credentials.spreadsheets import Taken, header
from credentials.text_stream import TextStream
from health import turns
from health.fields import plain_text

# Bytes of one file. The command takes any length.
MOST = 5 * 1024 * 1024
# Rows that fail are named up to here; the rest are counted.
NAMED = 2_000
# What a person must be allowed to import at all, and to import OAuth apps with the rest.
RIGHTS = ("credentials.add_credential", "credentials.change_credential")
RIGHTS_ON_APPS = ("credentials.add_oauthapp", "credentials.change_oauthapp")


class AlreadyBegun(Exception):
    """The import of this file has begun already."""


def register() -> None:
    turns.register("uploads", purge)


def purge(ending: threading.Event | None = None) -> int:
    """Remove the files whose time is over; returns how many."""
    return Upload.objects.purge()


def taken_in(person: Any, name: str, content: bytes) -> Upload:
    """Keep a file, with what its import would do where its columns are known. Raises UnusableFile; then
    nothing is kept."""
    purge()
    upload = Upload(owner=person, name=_name(name), size=len(content), form=_form(content))
    if upload.form == "json" or not needs_columns(content):
        upload.preview = _previewed(upload, content)
    upload.keep(content)
    return upload


def _name(name: str) -> str:
    """The name of a file as it may be shown."""
    try:
        plain_text(name)
    except ValidationError:
        name = ""
    return name.strip()[:LONGEST_NAME] or _("file without a name")


def _form(content: bytes) -> str:
    """ "json" or "csv", by its beginning. Raises UnusableFile where it is neither."""
    if b"\0" in content[:1000] or content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise UnusableFile(
            _("this is no text, or text in UTF-16: save it as JSON, or as CSV in UTF-8, and send it again")
        )
    text = TextStream(io.BytesIO(content))
    first = text.peek()
    if not first:
        raise UnusableFile(_("the file is empty: there is nothing to import"))
    if first in "[{":
        return "json"
    names = header(text)
    if len(names.names) < 2 and not names.like_documents:
        raise UnusableFile(
            _(
                "this is neither JSON, which begins with [ or {, nor CSV, whose first row names at least two"
                " columns"
            )
        )
    return "csv"


def needs_columns(content: bytes) -> bool:
    """Whether somebody has to say what the columns of CSV are: its own header does not."""
    return header(TextStream(io.BytesIO(content))).problem is not None


def choose(upload: Upload, taken: Taken) -> None:
    """Take the columns for what somebody says, and look again what its import would do. Raises
    UnusableFile."""
    if taken.problem:
        raise UnusableFile(taken.problem)
    upload.columns, upload.kind = taken.names, taken.kind
    upload.preview = _previewed(upload, upload.opened())
    Upload.objects.filter(pk=upload.pk, begun_at=None).update(
        columns=upload.columns, kind=upload.kind, preview=upload.preview
    )


def run(upload: Upload, person: Any) -> None:
    """Import the file, leaving out what fails, and forget its content. Raises AlreadyBegun for a second one.

    Where the process dies in the middle, what is imported by then stays; the file can be sent again.
    """
    mine = Upload.objects.alive().filter(pk=upload.pk, begun_at=None)
    if not mine.update(begun_at=timezone.now()):
        raise AlreadyBegun
    try:
        rows = _rows(upload, upload.opened())
        found = _report(batches.import_rows(_allowed(rows, person)))
        audit.record("import", audit.Named("upload", str(upload.pk), upload.name), reason=_counted(found))
    except BaseException:
        Upload.objects.filter(pk=upload.pk).update(begun_at=None)
        raise
    Upload.objects.filter(pk=upload.pk).update(result=found)
    upload.forget()


def _counted(found: dict[str, Any]) -> str:
    return ", ".join(f"{found[word]} {word}" for word in ("created", "updated", "unchanged", "failed"))


def _previewed(upload: Upload, content: bytes) -> dict[str, Any]:
    rows = _allowed(_rows(upload, content), upload.owner)
    return _report(batches.import_rows(rows, dry_run=True))


def _rows(upload: Upload, content: bytes) -> Iterator[Row]:
    taken = Taken(upload.columns, upload.kind) if upload.columns else None
    return read(io.BytesIO(content), upload.form, taken)


def _allowed(rows: Iterable[Row], person: Any) -> Iterator[Row]:
    """The rows, those of OAuth apps as problems for whoever may not change apps."""
    may = person.has_perms(RIGHTS_ON_APPS)
    for row in rows:
        if not may and is_oauth_app(row.value):
            words = _("an OAuth app, which an admin may import: leave it out, or ask one")
            row = replace(row, value=None, problem=words)
        yield row


def _report(results: Iterable[batches.Result]) -> dict[str, Any]:
    """How many rows came out how, and why those that failed did: [row, place, message]."""
    counts: Counter[str] = Counter()
    problems: list[list[Any]] = []
    for row, outcome in results:
        if isinstance(outcome, InvalidDocument):
            counts["failed"] += 1
            if counts["failed"] <= NAMED:
                problems += [[row.number, path, str(message)] for path, message in outcome.problems]
            continue
        counts["unchanged" if outcome is Outcome.SUPERSEDED else outcome.value] += 1
        counts["superseded"] += outcome is Outcome.SUPERSEDED
    words = ("created", "updated", "unchanged", "superseded", "failed")
    return {**{word: counts[word] for word in words}, "problems": problems}
