"""Documents as CSV: one row each, a column for every key, `properties.` and `rate_limit.` before nested ones.

Spreadsheets take a cell that begins with = + - @ for a formula and run it. Such a cell is written with an
apostrophe in front, as people write them, and read without it, so that what goes out comes back the same.
"""

import csv
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from django.db import models
from django.utils.translation import gettext as _

from credentials import app_documents, csv_records, kinds
from credentials.documents import IGNORED, KEYS, LIMIT_KEYS, OAUTH_APP
from credentials.fields import StringListField
from credentials.json_values import decoder, shown
from credentials.models import Credential, OAuthApp
from credentials.models import properties as declared
from credentials.text_stream import TextStream, UnusableFile

# Full-width signs too: some programs read them alike. Space in front hides a formula from a simple check.
FORMULA = re.compile(r"\s*[=+\-@＝＋－＠]|[\t\r\n]")
ESCAPED = re.compile(r"'+(?:\s*[=+\-@＝＋－＠]|[\t\r\n])")
NESTED = ("properties", "rate_limit", "metadata")
KIND = "properties.kind"
PLAIN = (KEYS | app_documents.KEYS) - {"properties", "rate_limit"}


class Output(Protocol):
    """What can be written to: a file, or a command's output."""

    def write(self, text: str, /) -> Any: ...


def escaped(text: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{text}" if FORMULA.match(text) or ESCAPED.match(text) else text


def unescaped(cell: str) -> str:
    """The text that `escaped` was given."""
    return cell[1:] if ESCAPED.match(cell) else cell


def columns(chosen: Iterable[type[Credential]], *, with_oauth_apps: bool = False) -> list[str]:
    """The columns of an export of these kinds, and of OAuth apps."""
    names = dict.fromkeys(name for kind in chosen for name in kind.PROPERTIES)
    shared = ("id", "name", "provider", "metadata")
    apps = [name for name in app_documents.FIELDS if name not in shared] if with_oauth_apps else []
    return [
        *(["object"] if apps else []),
        "id",
        "name",
        "provider",
        *apps,
        "properties.kind",
        *(f"properties.{name}" for name in names),
        "oauth_app_id",
        *(f"rate_limit.{key}" for key in LIMIT_KEYS),
        "metadata",
        "health.status",
        "created_at",
        "updated_at",
    ]


def write(out: Output, documents: Iterable[Mapping[str, Any]], names: list[str]) -> int:
    """Write documents as rows under a header; returns how many."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(names)
    count = 0
    for document in documents:
        writer.writerow([_cell(document, name) for name in names])
        count += 1
    return count


def _cell(document: Mapping[str, Any], name: str) -> str:
    key, _dot, rest = name.partition(".")
    value = document.get(key)
    if rest:
        value = value.get(rest) if isinstance(value, Mapping) else None
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (dict, list)):
        return escaped(json.dumps(value, ensure_ascii=False))
    return escaped(value.isoformat() if hasattr(value, "isoformat") else str(value))


# --- reading ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Header:
    """The first row: its columns, what separates cells, its length, and why it cannot be a header."""

    names: list[str]
    delimiter: str
    length: int
    problem: str | None

    @property
    def like_documents(self) -> bool:
        """Whether anything of it reads like columns of documents."""
        return any(_known(name) for name in self.names)


def header(text: TextStream) -> Header:
    """The header of a text, which is not taken. Raises UnusableFile where the first row cannot be read."""
    delimiter = csv_records.delimiter(text)
    try:
        cells, length = csv_records.first_record(text, delimiter)
    except ValueError as error:
        raise UnusableFile(str(error)) from None
    names = [cell.strip() for cell in cells]
    return Header(names, delimiter, length, _header_problem(names))


@dataclass(frozen=True)
class Taken:
    """What somebody takes the columns for, in place of what the header says: a name for each, empty for one
    that is left out, and the kind of the rows that name none."""

    names: list[str]
    kind: str = ""

    @property
    def problem(self) -> str | None:
        names = [name for name in self.names if name]
        return _header_problem([*names, KIND] if self.kind and KIND not in names else names)


def documents(text: TextStream, taken: Taken | None = None) -> Iterator[tuple[int, Any, str]]:
    """(number, document, problem) of each row, numbered as spreadsheets do: the header is row 1.

    Rows without any content are left out. Raises UnusableFile where the header is wrong, or what its columns
    are taken for.
    """
    first = header(text)
    names, kind = (taken.names, taken.kind) if taken else (first.names, "")
    problem = taken.problem if taken else first.problem
    if problem:
        raise UnusableFile(problem)
    if len(names) != len(first.names):
        raise UnusableFile(_("the file has other columns than were chosen"))
    text.take(first.length)
    for number, (cells, problem) in enumerate(csv_records.records(text, first.delimiter), start=2):
        if problem:
            yield number, None, problem
        elif len(cells) != len(names) and any(cells):
            words = {"cells": len(cells), "columns": len(names)}
            yield number, None, _("%(cells)d cells under %(columns)d columns") % words
        elif any(cells):
            yield number, document(names, cells, kind), ""


def _known(name: str) -> bool:
    key, dot, rest = name.partition(".")
    if key == "rate_limit":
        return rest in LIMIT_KEYS
    return bool(rest) if dot and key in NESTED else name in PLAIN or key in IGNORED


def _header_problem(names: list[str]) -> str | None:
    """Why a first row cannot be the header of documents, or None."""
    for position, name in enumerate(names):
        if not name:
            return _("column %d has no name") % (position + 1)
        if not _known(name):
            # Not by its name: where the header is missing, that is a value, perhaps a secret.
            words = _("column %d is unknown. Write properties.NAME for a property, metadata.KEY for metadata")
            return words % (position + 1)
        if name in names[:position]:
            return _("the column “%s” stands twice") % shown(name)
    if "metadata" in names and any(name.startswith("metadata.") for name in names):
        return _("there is a column metadata beside those of single keys: give one or the other")
    if not {KIND, "kind", "object"} & set(names):
        return _("there is no column properties.kind")
    return None


def document(names: list[str], cells: list[str], usual_kind: str = "") -> dict[str, Any]:
    """The document of one row. Empty cells are left out; what does not read as its type stays a text."""
    pairs = zip(names, cells, strict=True)
    filled = {name: unescaped(cell) for name, cell in pairs if name and cell != ""}
    if usual_kind and "object" not in filled:
        filled.setdefault(KIND, usual_kind)
    is_app = filled.get("object") == OAUTH_APP
    kind = kinds.named(filled.get(KIND, filled.get("kind", "")))
    found: dict[str, Any] = {} if is_app else {"properties": {}}
    for name, text in filled.items():
        key, _dot, rest = name.partition(".")
        if name in PLAIN:
            found[name] = _beside(name, text, is_app=is_app)
        elif key == "rate_limit":
            found.setdefault(key, {})[rest] = whole_number(text)
        elif key in NESTED:
            found.setdefault(key, {})[rest] = _property(kind, rest, text) if key == "properties" else text
    return found


def _beside(key: str, text: str, *, is_app: bool) -> Any:
    """The value of a cell that stands beside the properties."""
    if key == "metadata":
        return json_value(text)
    return typed(declared.field_of(OAuthApp, key), text) if is_app and key in app_documents.FIELDS else text


def _property(kind: type[Credential] | None, name: str, text: str) -> Any:
    present = kind.OLDER_PROPERTIES.get(name, name) if kind else name
    return typed(declared.field_of(kind, present), text) if kind and present in kind.PROPERTIES else text


def typed(field: models.Field, text: str) -> Any:
    """A cell as the declared type of a property, or the text where it does not read as that."""
    if isinstance(field, StringListField):
        return json_value(text) if text.startswith("[") else text.split()
    if isinstance(field, models.BooleanField):
        return {"true": True, "false": False}.get(text.strip().casefold(), text)
    return whole_number(text) if isinstance(field, models.IntegerField) else text


def whole_number(text: str) -> int | str:
    """A cell of digits as a number, anything else as it is."""
    return int(text) if re.fullmatch(r"-?[0-9]{1,20}", text.strip(), re.ASCII) else text


def json_value(text: str) -> Any:
    """A cell that holds JSON, or the text where it does not."""
    try:
        return decoder.decode(text)
    except (ValueError, RecursionError):
        return text
