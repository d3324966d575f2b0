"""Finds a secret in any bytes, whatever encoding it hides in: `find(canary, blob)`."""

import base64
import binascii
import codecs
import functools
import html
import json
import quopri
import re
import secrets
import subprocess
import zlib
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote, quote_plus

from django.db import connection

SHORTEST = 8
DEEPEST = 3
# Long runs of base64 and of hexadecimal digits, which are decoded and searched again.
BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{24,}={0,2}")
HEX = re.compile(rb"(?:[0-9a-fA-F]{2}){16,}")
COMPRESSED = re.compile(rb"\x1f\x8b\x08|\x78[\x01\x5e\x9c\xda]")


def make(prefix: str = "") -> str:
    """A random secret that every encoding changes: it holds quotes, an ampersand, a slash and an umlaut."""
    return f"{prefix}{secrets.token_hex(12)}<'\"/+=>ü{secrets.token_hex(12)}"


def make_plain(prefix: str = "") -> str:
    """A random secret of letters and digits."""
    return f"{prefix}{secrets.token_hex(20)}"


def find(canary: str, blob: bytes | str) -> list[str]:
    """The names of the encodings in which the canary, or its first or last third, stands in the blob."""
    data = blob.encode("utf-8", "surrogatepass") if isinstance(blob, str) else bytes(blob)
    layers = list(_layers(data, "", 0))
    if not _anywhere([canary], layers):
        return []
    return sorted({name for layer in layers for name in _found(canary, *layer)})


def _anywhere(canaries: list[str], layers: list[tuple[str, bytes, bytes]]) -> list[str]:
    """Those of the canaries that may stand in any of the layers, and all that do: each pattern is looked for
    in all of them at once, which takes a fraction of the time."""
    data = b"\0".join(layer[1] for layer in layers)
    lower = b"\0".join(layer[2] for layer in layers)
    return [canary for canary in canaries if any(_found(canary, "", data, lower))]


def _found(canary: str, path: str, data: bytes, lower: bytes) -> Iterator[str]:
    for name, pattern in encodings(canary):
        if pattern in (lower if name == "hex" else data):
            yield path + name


def _layers(data: bytes, path: str, depth: int) -> Iterator[tuple[str, bytes, bytes]]:
    """The data as they are, and what can be unpacked from them, as (how, data, the same in lower case)."""
    yield path, data, data.lower()
    if depth < DEEPEST and len(data) > SHORTEST:
        for name, inner in _unpacked(data):
            yield from _layers(inner, f"{path}{name}: ", depth + 1)


@functools.lru_cache
def encodings(canary: str) -> list[tuple[str, bytes]]:
    """Each encoding of the whole secret, with its name, and its first and last third as they are."""
    return list(_encodings(canary))


def _encodings(canary: str) -> Iterator[tuple[str, bytes]]:
    raw = canary.encode("utf-8", "surrogatepass")
    length = max(SHORTEST, len(raw) // 3)
    if len(raw) > SHORTEST:
        yield "first third", raw[:length]
        yield "last third", raw[-length:]
    yield "raw", raw
    for alignment in range(3):
        yield f"base64 at {alignment}", _base64(raw, alignment, base64.b64encode)
        yield f"base64url at {alignment}", _base64(raw, alignment, base64.urlsafe_b64encode)
    yield "base32", base64.b32encode(raw).rstrip(b"=")[:-1]
    yield "url", quote(canary, safe="", errors="surrogatepass").encode()
    yield "url with slashes", quote(canary, errors="surrogatepass").encode()
    yield "url with plus", quote_plus(canary, errors="surrogatepass").encode()
    yield "html", html.escape(canary).encode("utf-8", "surrogatepass")
    yield "html of XML", _xml(canary).encode("utf-8", "surrogatepass")
    yield "json", json.dumps(canary)[1:-1].encode()
    yield "json twice", json.dumps(json.dumps(canary))[3:-3].encode()
    yield "json for scripts", _for_scripts(canary).encode("utf-8", "surrogatepass")
    yield "repr", repr(canary)[1:-1].encode("utf-8", "surrogatepass")
    yield "repr of bytes", repr(raw)[2:-1].encode()
    yield "hex", raw.hex().encode()
    yield "reversed", canary[::-1].encode("utf-8", "surrogatepass")
    yield "quoted-printable", quopri.encodestring(raw).replace(b"=\n", b"")
    yield "utf-16-le", canary.encode("utf-16-le", "surrogatepass")
    yield "utf-16-be", canary.encode("utf-16-be", "surrogatepass")
    yield "utf-32", canary.encode("utf-32-le", "surrogatepass")
    yield "latin-1", canary.encode("latin-1", "replace")
    yield "rot13", codecs.encode(canary, "rot13").encode("utf-8", "surrogatepass")
    yield "other case", canary.swapcase().encode("utf-8", "surrogatepass")
    yield "case folded", canary.casefold().encode("utf-8", "surrogatepass")


def _base64(raw: bytes, alignment: int, encode: Any) -> bytes:
    """The part of the base64 text that does not depend on what stands before and after."""
    text = encode(b"\0" * alignment + raw)
    return text[(0, 2, 3)[alignment] : len(text) - 4]


def _xml(canary: str) -> str:
    return canary.replace("&", "&amp;").replace(">", "&gt;").replace("<", "&lt;")


def _for_scripts(canary: str) -> str:
    """As Django's json_script and its escapejs write it."""
    plain = json.dumps(canary)[1:-1]
    return plain.replace(">", "\\u003E").replace("<", "\\u003C").replace("&", "\\u0026")


def _unpacked(data: bytes) -> Iterator[tuple[str, bytes]]:
    for match in COMPRESSED.finditer(data):
        try:
            # 47: gzip or zlib, whichever the header says.
            yield "compressed", zlib.decompressobj(47).decompress(data[match.start() :])
        except zlib.error:
            continue
    for match in BASE64.finditer(data):
        text = match[0].rstrip(b"=").translate(bytes.maketrans(b"-_", b"+/"))
        try:
            yield "in base64", base64.b64decode(text + b"=" * (-len(text) % 4))
        except binascii.Error:
            continue
    for match in HEX.finditer(data):
        yield "in hex", binascii.unhexlify(match[0])


# --- the whole database


def database() -> Iterator[tuple[str, bytes]]:
    """Everything that the database holds, as (table and column, bytes); on SQLite the files as well."""
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            columns = [column[0] for column in cursor.description]
            for row in cursor.fetchall():
                for column, value in zip(columns, row, strict=True):
                    yield f"{table}.{column}", as_bytes(value)
    if connection.vendor == "sqlite":
        yield "iterdump", "\n".join(connection.connection.iterdump()).encode("utf-8", "surrogatepass")
        yield from _files(str(connection.settings_dict["NAME"]))
    else:
        yield from _copies()


def as_bytes(value: Any) -> bytes:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    text = value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
    return text.encode("utf-8", "surrogatepass")


def _files(path: str) -> Iterator[tuple[str, bytes]]:
    for suffix in ("", "-wal", "-journal"):
        # By another process: closing the file here would drop SQLite's locks on it, and damage the database.
        found = subprocess.run(["cat", path + suffix], capture_output=True)
        if found.returncode == 0:
            yield f"file{suffix}", found.stdout


def _copies() -> Iterator[tuple[str, bytes]]:
    """What pg_dump would write: COPY of every table, as text and in binary."""
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            for form in ("text", "binary"):
                statement = f"COPY {connection.ops.quote_name(table)} TO STDOUT (FORMAT {form})"
                with cursor.cursor.copy(statement) as copy:
                    yield f"{table} as {form}", b"".join(bytes(part) for part in copy)


def leaks(canaries: Iterable[str], places: Iterable[tuple[str, bytes]]) -> list[str]:
    """Where any of the canaries was found: "place: encoding"."""
    places_of: dict[bytes, list[str]] = {}
    for place, blob in places:
        places_of.setdefault(blob, []).append(place)
    layers = [(blob, layer) for blob in places_of for layer in _layers(blob, "", 0)]
    leaked = _anywhere(list(set(canaries)), [layer for _blob, layer in layers])
    found = {(blob, name) for blob, layer in layers for canary in leaked for name in _found(canary, *layer)}
    return sorted({f"{place}: {name}" for blob, name in found for place in places_of[blob]})
