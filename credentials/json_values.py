"""JSON from outside: read within bounds, and judged before it comes near a database.

PostgreSQL and SQLite disagree on what a JSON column takes (NUL, lone surrogates, NaN, numbers beyond a
double). What either refuses or changes is a problem here, so that both give the same message and keep the
same value.
"""

import json
import math
import re
from collections.abc import Iterator
from typing import Any

from django.utils.translation import gettext as _

MAX_DEPTH = 16
MAX_VALUES = 5_000
MAX_STRING = 65_536
MAX_KEY = 200
# What a 64-bit column holds; and where a float stops being read back as it was written.
MAX_INTEGER = 2**63 - 1
MAX_FLOAT = 1e15
UNSTORABLE = re.compile("[\0\ud800-\udfff]")


class BadNumber:
    """Stands for a number that JSON or Python cannot hold, until `problems` says where it is."""

    def __init__(self, message: str):
        self.message = message


class RepeatedKey(dict):
    """An object in which one key stands twice."""

    key = ""


def _integer(digits: str) -> int | BadNumber:
    if len(digits) > 20:
        return BadNumber(_("a number of %d digits is too long") % len(digits.lstrip("-")))
    return int(digits)


def _float(text: str) -> float | BadNumber:
    # PostgreSQL does not know a negative zero.
    number = float(text) + 0.0
    return number if math.isfinite(number) else BadNumber(_("the number is too large"))


def _constant(name: str) -> BadNumber:
    return BadNumber(_("%s is not a number in JSON") % name)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    plain = dict(pairs)
    if len(plain) == len(pairs):
        return plain
    repeated, seen = RepeatedKey(plain), set()
    for key, _value in pairs:
        if key in seen:
            repeated.key = key
        seen.add(key)
    return repeated


decoder = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_float, parse_constant=_constant
)


def shown(key: str) -> str:
    """A key as a message may show it: short, on one line, without characters that hide or turn text."""
    text = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in key[:40])
    return text + ("…" if len(key) > 40 else "")


def text_problem(text: str, *, max_length: int = MAX_STRING) -> str | None:
    """Why a text cannot be stored on every database, or None."""
    if len(text) > max_length:
        return _("longer than %(max)d characters (it has %(length)d)") % {
            "max": max_length,
            "length": len(text),
        }
    found = UNSTORABLE.search(text)
    if found is None:
        return None
    if found[0] == "\0":
        return _("character %d is NUL, which cannot be stored") % (found.start() + 1)
    return _("character %d is half of a surrogate pair, which cannot be stored") % (found.start() + 1)


def problems(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Each reason why a value cannot be stored as JSON, as (path, message). Values are never repeated.

    The walk is bounded in depth and number, so that a bomb costs no more than a large document.
    """
    waiting: list[tuple[Any, str, int]] = [(value, path, 0)]
    count = 0
    while waiting:
        value, path, depth = waiting.pop()
        count += 1
        if count > MAX_VALUES:
            yield path, _("more than %d values in one document") % MAX_VALUES
            return
        if depth > MAX_DEPTH:
            yield path, _("nested more than %d levels deep") % MAX_DEPTH
            return
        if isinstance(value, BadNumber):
            yield path, value.message
        elif value is None or isinstance(value, bool):
            pass
        elif isinstance(value, str):
            if message := text_problem(value):
                yield path, message
        elif isinstance(value, int):
            if abs(value) > MAX_INTEGER:
                yield path, _("the number is too large: at most %d") % MAX_INTEGER
        elif isinstance(value, float):
            if not math.isfinite(value):
                yield path, _("%s is not a number in JSON") % value
            elif abs(value) > MAX_FLOAT:
                yield path, _("the number is too large to be kept exactly: write it as a text")
        elif isinstance(value, list):
            waiting += [(item, f"{path}[{index}]", depth + 1) for index, item in enumerate(value)][::-1]
        elif isinstance(value, dict):
            if isinstance(value, RepeatedKey):
                yield path, _("the key “%s” stands twice") % shown(value.key)
            for key, item in reversed(value.items()):
                if not isinstance(key, str):
                    yield path, _("a key must be a text")
                elif message := text_problem(key, max_length=MAX_KEY):
                    yield (
                        path,
                        _("the key “%(key)s”: %(message)s")
                        % {
                            "key": shown(key),
                            "message": message,
                        },
                    )
                else:
                    waiting.append((item, f"{path}.{shown(key)}" if path else shown(key), depth + 1))
        else:
            yield path, _("a value of type %s is not JSON") % type(value).__name__


def type_name(value: Any) -> str:
    """What a JSON value is, in the words of the format."""
    names: list[tuple[type | tuple[type, ...], str]] = [
        (bool, _("true or false")),
        (str, _("a text")),
        (float, _("a decimal number")),
        ((int, BadNumber), _("a number")),
        (dict, _("an object")),
        (list, _("an array")),
    ]
    for types, name in names:
        if isinstance(value, types):
            return name
    return _("null") if value is None else type(value).__name__


def scalars(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """The texts and numbers within a value, each with its path."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from scalars(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from scalars(item, f"{path}[{index}]")
    elif value is not None and not isinstance(value, bool):
        yield path, value


def ordered(value: Any) -> Any:
    """The same JSON value with its keys in order: PostgreSQL does not keep the order in which they came."""
    return json.loads(json.dumps(value, sort_keys=True))
