"""Reads the body of an answer within bounds, whatever the other side sends. For `egress` alone."""

import http.client
import re
import zlib

from requests.structures import CaseInsensitiveDict

from credentials.egress.connections import Response

# A body's bytes are asked for in pieces of this size.
PIECE = 64 * 1024

# How zlib is told of each: we ask for none of them, and some providers send one all the same.
WINDOWS = {"gzip": 31, "x-gzip": 31, "deflate": 15}

_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")


class Unreadable(http.client.HTTPException):
    """An answer that is not HTTP, or not whole, or too large."""


class TooLarge(Unreadable):
    """An answer whose body is larger than what is read of it."""

    def __init__(self, limit: int):
        super().__init__()
        self.limit = limit


def check_head(response: http.client.HTTPResponse) -> None:
    """Raise Unreadable where the head of an answer leaves open where its body ends, or what it is."""
    head = response.msg
    if response.status < 200 or head.defects or head.get_payload():
        raise Unreadable
    transfer, lengths = head.get_all("Transfer-Encoding", []), head.get_all("Content-Length", [])
    if transfer and [text.strip().lower() for text in transfer] != ["chunked"]:
        raise Unreadable
    if len(set(lengths)) > 1 or not all(re.fullmatch(r"\s*\d+\s*", text, re.ASCII) for text in lengths):
        raise Unreadable


def ends_clearly(response: Response) -> bool:
    """Whether the connection can carry another call: the answer ended where it said, and said so once."""
    twice = response.chunked and "Content-Length" in response.msg
    return response.isclosed() and not (response.will_close or response.excess or twice)


class _Plain:
    def decoded(self, piece: bytes, room: int) -> bytes:
        return piece

    def finish(self) -> None:
        pass


class _Compressed:
    """One or more compressed members, unpacked no further than there is room."""

    def __init__(self, window: int):
        self.window, self.fed = window, False
        self.member = zlib.decompressobj(window)

    def decoded(self, piece: bytes, room: int) -> bytes:
        found = bytearray()
        self.fed = True
        while piece and len(found) < room:
            if self.member.eof:
                self.member = zlib.decompressobj(self.window)
            found += self.member.decompress(piece, room - len(found))
            piece = self.member.unused_data if self.member.eof else self.member.unconsumed_tail
        return bytes(found)

    def finish(self) -> None:
        if self.fed and not self.member.eof:
            raise Unreadable


def read(response: http.client.HTTPResponse, limit: int) -> bytes:
    """The decoded body, of at most `limit` bytes. Raises HTTPException, zlib.error, OSError."""
    encoding = ",".join(response.msg.get_all("Content-Encoding", [])).strip().lower()
    if encoding in ("", "identity"):
        decoder: _Plain | _Compressed = _Plain()
    elif encoding in WINDOWS:
        decoder = _Compressed(WINDOWS[encoding])
    else:
        raise Unreadable
    body = bytearray()
    while piece := response.read(PIECE):
        body += decoder.decoded(piece, limit + 1 - len(body))
        if len(body) > limit:
            raise TooLarge(limit)
    if response.length:
        raise Unreadable
    decoder.finish()
    return bytes(body)


def plain(text: str) -> str:
    """A text of a head on one line, without control characters."""
    return _CONTROL.sub(" ", text)


def headers_of(response: http.client.HTTPResponse) -> CaseInsensitiveDict[str]:
    """The headers of an answer, without its cookies. Those given twice are one, with a comma."""
    headers: CaseInsensitiveDict[str] = CaseInsensitiveDict()
    for name, value in response.msg.items():
        headers[name] = f"{headers[name]}, {plain(value)}" if name in headers else plain(value)
    headers.pop("Set-Cookie", None)
    return headers
