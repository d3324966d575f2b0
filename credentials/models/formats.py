"""The formats of properties that a pattern can say: checked when a row is saved, and while somebody types.

A pattern must match the whole text, and mean the same in Python, with \\w of ASCII only, and in JavaScript.
"""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from credentials.sealing import secret_fields

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

# Continues "(?!…)": anything but what begins so.
REST = r"[\s\S]*"


class Format(NamedTuple):
    """What the text of a property looks like, and the words where it does not. Otherwise than `usual`, it is
    refused; a format that the provider does not promise only makes a warning."""

    name: str
    pattern: str
    says: "StrOrPromise"
    usual: bool = False


def never(name: str, beginning: str, says: "StrOrPromise") -> Format:
    """A text that begins like this, as a pattern says it, is something else."""
    return Format(name, rf"(?!{beginning}){REST}", says)


def usually(name: str, pattern: str, says: "StrOrPromise") -> Format:
    return Format(name, pattern, says, usual=True)


def fits(one: Format, text: str) -> bool:
    return re.fullmatch(one.pattern, text, re.ASCII) is not None


def problems(credential: Any, formats: Iterable[Format], *, usual: bool) -> dict[str, Any]:
    """What does not fit, by property: what is refused, or with `usual` what is odd. Secrets are seen only
    while fresh."""
    secrets = {field.name for field in secret_fields(type(credential))}
    found: dict[str, Any] = {}
    for one in formats:
        if one.usual is not usual or one.name in found:
            continue
        text = credential.fresh(one.name) if one.name in secrets else getattr(credential, one.name)
        if isinstance(text, str) and text and not fits(one, text):
            found[one.name] = one.says
    return found
