"""The text of a stream, piece by piece: of a file of any length only the part that is being read is kept."""

import codecs
import io
from typing import BinaryIO

from django.utils.translation import gettext as _

MAX_DOCUMENT = 1_048_576
CHUNK = 65_536
SPACE = " \t\r\n"


class UnusableFile(Exception):
    """The file as a whole cannot be read. The message says why and what to do."""


def too_long() -> str:
    return _("longer than %d characters: one document cannot be") % MAX_DOCUMENT


class TextStream:
    """UTF-8 text with its place in lines and columns. `buffer` is what was read and not taken yet."""

    def __init__(self, stream: BinaryIO):
        self.stream = stream
        utf8 = codecs.getincrementaldecoder("utf-8-sig")()
        self.decoder = io.IncrementalNewlineDecoder(utf8, translate=True)
        self.buffer = ""
        self.lines = 1
        self.column = 0
        self.taken = 0
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
        self.taken += length
        self.lines += taken.count("\n")
        self.column = len(taken) - taken.rfind("\n") - 1 + (0 if "\n" in taken else self.column)
        return taken

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
