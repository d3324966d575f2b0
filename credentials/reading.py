"""Reading documents from a file: a JSON array or JSON lines, one by one, in bounded memory.

The standard library's decoder reads each value, because it says where a mistake is and lets numbers and
constants that JSON cannot hold be named with their place later, instead of ending the whole file.
"""

import codecs
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from django.utils.translation import gettext as _

from credentials.json_values import decoder

MAX_DOCUMENT = 1_048_576
CHUNK = 65_536
# What the decoder may still be waiting for at the end of a piece: "-Infinity", "\u1234\u1234", "1.5e+7".
LONGEST_TOKEN = 16
SPACE = " \t\r\n"


class UnusableFile(Exception):
    """The file as a whole cannot be read. The message says why and what to do."""


@dataclass(frozen=True)
class Row:
    """One document of a file, counted from 1: its value, or the problem that kept it from being read."""

    number: int
    value: Any = None
    problem: str = ""


def read(stream: BinaryIO) -> Iterator[Row]:
    """The documents of a file. A row that cannot be read ends an array; of JSON lines only that line is lost.

    Raises UnusableFile where there is nothing to read at all.
    """
    number = 0
    try:
        for row in _rows(_Text(stream)):
            number = row.number
            yield row
    except UnusableFile as error:
        if not number:
            raise
        yield Row(number + 1, problem=str(error))


def _rows(text: "_Text") -> Iterator[Row]:
    first = text.peek()
    if not first:
        raise UnusableFile(_("the file is empty: there is nothing to import"))
    if "\0" in text.buffer[:4]:
        raise UnusableFile(_("this looks like UTF-16: save it as UTF-8"))
    if first == "[":
        yield from _array(text)
    elif first == "{":
        yield from _lines(text)
    else:
        raise UnusableFile(_("this is not JSON: it must begin with [ (an array) or { (one document a line)"))


class _Text:
    """The text of a stream, of which only the part that is being read is kept."""

    def __init__(self, stream: BinaryIO):
        self.stream = stream
        utf8 = codecs.getincrementaldecoder("utf-8-sig")()
        self.decoder = io.IncrementalNewlineDecoder(utf8, translate=True)
        self.buffer = ""
        self.lines = 1
        self.column = 0
        self.ended = False
        self.broken = False

    def more(self) -> bool:
        """Read another piece; False at the end."""
        if self.broken:
            raise UnusableFile(
                _("the file is not UTF-8 text (line %d): save it as UTF-8")
                % (self.lines + self.buffer.count("\n"))
            )
        try:
            piece = self.stream.read(CHUNK)
            self.buffer += self.decoder.decode(piece, final=not piece)
        except UnicodeDecodeError as error:
            # What stands before the mistake is read first, so that the row and line are the right ones.
            good = error.object[: error.start].decode()
            self.buffer += good.replace("\r\n", "\n").replace("\r", "\n")
            self.broken = True
            return True
        except OSError as error:
            raise UnusableFile(_("it cannot be read: %s") % (error.strerror or error)) from None
        self.ended = not piece
        return not self.ended

    def peek(self) -> str:
        """The next character that is no space, without taking it; empty at the end."""
        while True:
            self.take(len(self.buffer) - len(self.buffer.lstrip(SPACE)))
            if self.buffer or not self.more():
                return self.buffer[:1]

    def take(self, length: int) -> str:
        """Take that many characters."""
        taken, self.buffer = self.buffer[:length], self.buffer[length:]
        self.lines += taken.count("\n")
        self.column = len(taken) - taken.rfind("\n") - 1 + (0 if "\n" in taken else self.column)
        return taken

    def value(self) -> Any:
        """Take one JSON value. Raises ValueError with a message for people."""
        while True:
            try:
                value, end = decoder.raw_decode(self.buffer)
            except json.JSONDecodeError as error:
                problem = _mistake(error, self.lines, self.column)
                if not _cut_off(error, self.buffer):
                    raise ValueError(problem) from None
            except RecursionError:
                raise ValueError(_("nested too deeply (line %d)") % self.lines) from None
            else:
                # A number at the end of what was read may go on in the next piece: 1 may be 1.5e+7.
                if end + 2 < len(self.buffer) or self.ended or not self.more():
                    if end > MAX_DOCUMENT:
                        raise ValueError(_too_long())
                    self.take(end)
                    return value
                continue
            if len(self.buffer) > MAX_DOCUMENT:
                raise ValueError(_too_long())
            if self.ended or not self.more():
                raise ValueError(problem)

    def line(self) -> str:
        """Take one line, however long, of which not more than is allowed is kept."""
        while "\n" not in self.buffer and len(self.buffer) <= MAX_DOCUMENT and self.more():
            pass
        if "\n" in self.buffer:
            return self.take(self.buffer.index("\n") + 1)
        line = self.take(len(self.buffer))
        while not self.ended and "\n" not in self.buffer:
            self.buffer = ""
            self.more()
        self.take(self.buffer.find("\n") + 1)
        return line


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


def _too_long() -> str:
    return _("longer than %d characters: one document cannot be") % MAX_DOCUMENT


def _array(text: _Text) -> Iterator[Row]:
    text.take(1)
    number = 0
    mark = text.peek()
    while mark != "]":
        number += 1
        try:
            value = text.value()
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


def _lines(text: _Text) -> Iterator[Row]:
    number = 0
    while text.peek():
        number += 1
        start, column = text.lines, text.column
        line = text.line()
        if len(line.rstrip("\n")) > MAX_DOCUMENT:
            yield Row(number, problem=_too_long())
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


def _sequence(text: _Text) -> Iterator[Row]:
    number = 0
    while text.peek():
        number += 1
        try:
            yield Row(number, text.value())
        except ValueError as error:
            yield Row(number, problem=str(error))
            return
