"""Reading documents from a file: a JSON array, JSON lines or CSV, one by one, in bounded memory.

The standard library's decoder reads each JSON value, because it says where a mistake is and lets numbers and
constants that JSON cannot hold be named with their place later, instead of ending the whole file.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, BinaryIO

from django.utils.translation import gettext as _

from credentials import spreadsheets
from credentials.json_values import decoder
from credentials.text_stream import MAX_DOCUMENT, TextStream, UnusableFile, too_long

__all__ = ["MAX_DOCUMENT", "Row", "UnusableFile", "read"]

# What the decoder may still be waiting for at the end of a piece: "-Infinity", "\u1234\u1234", "1.5e+7".
LONGEST_TOKEN = 16


@dataclass(frozen=True)
class Row:
    """One document of a file, counted from 1: its value, or the problem that kept it from being read."""

    number: int
    value: Any = None
    problem: str = ""
    # The characters that were read for it, roughly.
    size: int = field(default=0, compare=False)


def read(
    stream: BinaryIO, form: str | None = None, columns: spreadsheets.Taken | None = None
) -> Iterator[Row]:
    """The documents of a file. `form` is "json" or "csv"; without it, the beginning of the file tells. Of
    CSV, `columns` says what they are, where its header does not.

    A row that cannot be read ends an array; of lines and of CSV only that row is lost. Raises UnusableFile
    where there is nothing to read at all.
    """
    number = taken = 0
    text = TextStream(stream)
    try:
        for row in _rows(text, form, columns):
            number = row.number
            yield replace(row, size=text.taken - taken)
            taken = text.taken
    except UnusableFile as error:
        if not number:
            raise
        yield Row(number + 1, problem=str(error))


def _rows(text: TextStream, form: str | None, columns: spreadsheets.Taken | None) -> Iterator[Row]:
    first = text.peek()
    if not first:
        raise UnusableFile(_("the file is empty: there is nothing to import"))
    if "\0" in text.buffer[:4]:
        raise UnusableFile(_("this looks like UTF-16: save it as UTF-8"))
    if form == "csv":
        yield from _csv(text, columns)
    elif first == "[":
        yield from _array(text)
    elif first == "{":
        yield from _lines(text)
    elif form == "json":
        raise UnusableFile(_("this is not JSON: it must begin with [ (an array) or { (one document a line)"))
    elif spreadsheets.header(text).like_documents:
        yield from _csv(text, columns)
    else:
        raise UnusableFile(
            _(
                "this is neither JSON, which begins with [ or {, nor CSV, whose first row names columns"
                " such as properties.kind"
            )
        )


def _csv(text: TextStream, columns: spreadsheets.Taken | None) -> Iterator[Row]:
    for number, value, problem in spreadsheets.documents(text, columns):
        yield Row(number, value, problem)


def _value(text: TextStream) -> Any:
    """Take one JSON value. Raises ValueError with a message for people."""
    while True:
        try:
            value, end = decoder.raw_decode(text.buffer)
        except json.JSONDecodeError as error:
            problem = _mistake(error, text.lines, text.column)
            if not _cut_off(error, text.buffer):
                raise ValueError(problem) from None
        except RecursionError:
            raise ValueError(_("nested too deeply (line %d)") % text.lines) from None
        else:
            # A number at the end of what was read may go on in the next piece: 1 may be 1.5e+7.
            if end + 2 < len(text.buffer) or text.ended or not text.more():
                if end > MAX_DOCUMENT:
                    raise ValueError(too_long())
                text.take(end)
                return value
            continue
        if len(text.buffer) > MAX_DOCUMENT:
            raise ValueError(too_long())
        if text.ended or not text.more():
            raise ValueError(problem)


def _cut_off(error: json.JSONDecodeError, text: str) -> bool:
    """Whether a mistake may be only that the rest of the text is not there yet."""
    return error.msg.startswith("Unterminated string") or error.pos + LONGEST_TOKEN > len(text)


def _mistake(error: json.JSONDecodeError, line: int, column: int) -> str:
    """What is wrong in a text that begins at a line and behind a column."""
    words = _("not JSON: %(problem)s (line %(line)d, column %(column)d)") % {
        "problem": error.msg,
        "line": line + error.lineno - 1,
        "column": error.colno + (column if error.lineno == 1 else 0),
    }
    whole = error.pos < len(error.doc.rstrip()) and not error.msg.startswith("Unterminated string")
    return words if whole else _("%s. Is the file whole?") % words


def _array(text: TextStream) -> Iterator[Row]:
    text.take(1)
    number = 0
    mark = text.peek()
    while mark != "]":
        number += 1
        try:
            value = _value(text)
        except ValueError as error:
            yield Row(number, problem=str(error))
            return
        yield Row(number, value)
        mark = text.peek()
        if mark == ",":
            text.take(1)
            if text.peek() == "]":
                yield Row(number + 1, problem=_("not JSON: a comma before “]” (line %d)") % text.lines)
                return
        elif mark != "]":
            yield Row(
                number + 1,
                problem=_("not JSON: expected “,” or “]” (line %d). Is the file whole?") % text.lines,
            )
            return
    text.take(1)
    if text.peek():
        yield Row(number + 1, problem=_("something follows the end of the array (line %d)") % text.lines)


def _lines(text: TextStream) -> Iterator[Row]:
    number = 0
    while text.peek():
        number += 1
        start, column = text.lines, text.column
        line = text.line()
        if len(line.rstrip("\n")) > MAX_DOCUMENT:
            yield Row(number, problem=too_long())
            continue
        try:
            yield Row(number, decoder.decode(line))
        except RecursionError:
            yield Row(number, problem=_("nested too deeply (line %d)") % start)
        except json.JSONDecodeError as error:
            if number == 1 and error.pos >= len(line.rstrip()):
                # One document, or several, over many lines.
                text.buffer, text.lines, text.column = line + text.buffer, start, column
                yield from _sequence(text)
                return
            yield Row(number, problem=_mistake(error, start, column))


def _sequence(text: TextStream) -> Iterator[Row]:
    number = 0
    while text.peek():
        number += 1
        try:
            yield Row(number, _value(text))
        except ValueError as error:
            yield Row(number, problem=str(error))
            return
