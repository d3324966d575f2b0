"""The records of a CSV text, piece by piece.

The standard library's reader bounds a cell by a number that the whole process shares, and goes on in the
middle of the record then. Here a record is bounded, and one that is wrong is the only one lost.
"""

import functools
import re
from collections.abc import Iterator

from django.utils.translation import gettext as _

from credentials.text_stream import MAX_DOCUMENT, TextStream, too_long

QUOTED = r'"[^"]*+(?:""[^"]*+)*+"'
CLOSED = re.compile(QUOTED)
LINE_END, QUOTE_OR_END = re.compile(r"\n"), re.compile(r'["\n]')


# What separates cells: Excel writes semicolons where the comma is the sign of decimals.
FIRST_CELL = re.compile(rf"(?:{QUOTED}|[^,;\t\n]*+)([,;\t\n])")


def delimiter(text: TextStream) -> str:
    """What separates the cells of a text whose first cell, a name of a column, holds nothing of the kind."""
    while not (found := FIRST_CELL.match(text.buffer)):
        if len(text.buffer) > MAX_DOCUMENT or not text.more():
            return ","
    return "," if found[1] == "\n" else found[1]


@functools.cache
def _cell(delimiter: str) -> re.Pattern[str]:
    """A cell and what ends it. A quote is a character like others in a cell that does not begin with one."""
    return re.compile(rf'({QUOTED}|(?:[^"{delimiter}\n][^{delimiter}\n]*+)?+)({delimiter}|\n|\Z)')


def records(text: TextStream, delimiter: str) -> Iterator[tuple[list[str], str]]:
    """The cells of each record, or the problem with it."""
    while text.buffer or text.more():
        try:
            cells, end = first_record(text, delimiter)
        except ValueError as error:
            yield [], str(error)
        else:
            text.take(end)
            yield cells, ""


def first_record(text: TextStream, delimiter: str) -> tuple[list[str], int]:
    """The cells of the next record and its length; the text is not taken.

    Raises ValueError with a message for people where it is wrong; then the record is skipped.
    """
    cells: list[str] = []
    cell, position = _cell(delimiter), 0
    while True:
        found = cell.match(text.buffer, position)
        if found is None or not found[2]:
            # What stands at the end of a piece may go on in the next one.
            closed = None if found else CLOSED.match(text.buffer, position)
            if closed and closed.end() < len(text.buffer):
                line = text.lines + text.buffer.count("\n", 0, closed.end())
                _skip(text, closed.end(), LINE_END)
                raise ValueError(
                    _("not CSV: a quoted cell goes on behind its closing quote (line %d)") % line
                )
            if len(text.buffer) <= MAX_DOCUMENT and not text.ended:
                text.more()
                continue
        if len(text.buffer if found is None else found[0]) + position > MAX_DOCUMENT:
            _skip(text, 0, QUOTE_OR_END)
            raise ValueError(too_long())
        if found is None:
            line = text.lines + text.buffer.count("\n", 0, position)
            text.take(len(text.buffer))
            raise ValueError(_("not CSV: a quote that is never closed (line %d)") % line)
        content = found[1]
        cells.append(content[1:-1].replace('""', '"') if content.startswith('"') else content)
        position = found.end()
        if found[2] != delimiter:
            return cells, position


def _skip(text: TextStream, length: int, marks: re.Pattern[str]) -> None:
    """Take that many characters and the rest of the record, however long, keeping nothing of it.

    Where `marks` finds quotes too, the end of a line within a pair of them does not end the record.
    """
    text.take(length)
    quoted = False
    while True:
        for mark in marks.finditer(text.buffer):
            if mark[0] == '"':
                quoted = not quoted
            elif not quoted:
                text.take(mark.end())
                return
        text.take(len(text.buffer))
        if not text.more():
            return
