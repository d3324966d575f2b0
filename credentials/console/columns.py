"""What the columns of a CSV file are: guessed by their headings, and said by whoever knows.

A file without a header has a row of values for one, and a value may be a secret. So a heading is shown only
where it reads like one.
"""

import io
import re
from dataclasses import dataclass
from typing import Any

from django.utils.text import capfirst
from django.utils.translation import gettext as _

from credentials import kinds
from credentials.documents import LIMIT_KEYS
from credentials.models import Credential
from credentials.models import properties as declared
from credentials.spreadsheets import KIND, header
from credentials.text_stream import TextStream

LONGEST_SHOWN = 40
# Keys of providers are long runs with digits in them; headings are words.
LIKE_A_VALUE = re.compile(r"[^\s]{20,}|[^\s]*\d[^\s]{8,}|[^\s]{8,}\d[^\s]*|[@*•]|://")
HEADING = re.compile(r"[\w][\w .:/()\-]*")
# What people call it, where that is no name of ours.
KNOWN_AS = {
    **dict.fromkeys(("title", "label", "customer", "customer_name", "account_name", "company"), "name"),
    **dict.fromkeys(("type", "credential_type", "kind", "credential_kind"), KIND),
    **dict.fromkeys(("uuid", "credential_id"), "id"),
    **dict.fromkeys(("requests", "rate_limit", "limit"), "rate_limit.allowed_requests"),
    **dict.fromkeys(("concurrency", "max_concurrency"), "rate_limit.max_concurrent_requests"),
    **dict.fromkeys(("tags", "labels"), "metadata"),
}
# Of a property that has one secret, whatever it is called.
SECRET = {"secret", "token", "key", "api_key", "apikey", "secret_key", "password", "credential", "access_key"}


@dataclass(frozen=True)
class Column:
    """A column of the file: its heading where that may be shown, and what it is taken for at first."""

    number: int
    heading: str
    guess: str


def columns(content: bytes, kind: str = "", names: list[str] | None = None) -> list[Column]:
    """The columns of a file, guessed for one kind where there is only one; `names` as they were chosen."""
    found = header(TextStream(io.BytesIO(content))).names
    model = kinds.named(kind)
    guesses = names if names and len(names) == len(found) else _guesses(found, model)
    # Where nothing is known, this may be no header at all.
    like_a_header = any(_guesses(found, None)) or any(_guesses(found, model))
    return [
        Column(position, heading if like_a_header and _readable(heading) else "", guess)
        for position, (heading, guess) in enumerate(zip(found, guesses, strict=True), start=1)
    ]


def choices(kind: str, column: Column) -> list[tuple[str, list[tuple[str, str]]]]:
    """What a column can be, in groups."""
    chosen = kinds.named(kind)
    names: dict[str, str] = {}
    for model in [chosen] if chosen else kinds.KINDS.values():
        for name in model.PROPERTIES:
            if name != "name":
                words = str(declared.field_of(model, name).verbose_name)
                plain = _normal(words) == name
                names.setdefault(
                    f"properties.{name}", capfirst(words) if plain else f"{capfirst(words)} ({name})"
                )
    beside = [
        ("name", _("Name")),
        (KIND, _("Kind")),
        ("id", _("Id in Lanyard")),
        ("oauth_app_id", _("Id of the OAuth app")),
        *((f"rate_limit.{key}", _("Rate limit: %s") % key.replace("_", " ")) for key in LIMIT_KEYS),
        ("metadata", _("Metadata: a JSON object")),
    ]
    if column.heading:
        key = _normal(column.heading)
        beside.append((f"metadata.{key}", _("Metadata “%s”: in clear, for no secret") % key))
    return [(_("Properties"), list(names.items())), (_("Beside them"), beside)]


def _readable(heading: str) -> bool:
    return (
        len(heading) <= LONGEST_SHOWN
        and HEADING.fullmatch(heading) is not None
        and LIKE_A_VALUE.search(heading) is None
    )


def _normal(heading: str) -> str:
    words = re.sub(r"([a-z])([A-Z])", r"\1_\2", heading)
    return re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_")


def _guesses(headings: list[str], kind: type[Credential] | None) -> list[str]:
    """What each heading most likely means; empty where that is open, and for the second of the same."""
    found: list[str] = []
    for heading in headings:
        guess = _guess(heading, kind)
        found.append("" if guess in found else guess)
    return found


def _guess(heading: str, kind: type[Credential] | None) -> str:
    plain = heading.strip().lower()
    key = _normal(plain.removeprefix("properties.") if plain.startswith("properties.") else heading)
    for model in [kind] if kind else kinds.KINDS.values():
        for name in model.PROPERTIES:
            words = _normal(str(declared.field_of(model, name).verbose_name))
            if name != "name" and key in (name, words):
                return f"properties.{name}"
        if kind and key in model.OLDER_PROPERTIES:
            return f"properties.{model.OLDER_PROPERTIES[key]}"
    secrets = declared.secret_names(kind) if kind else []
    if len(secrets) == 1 and key in SECRET:
        return f"properties.{secrets[0]}"
    if key.removeprefix("rate_limit_") in LIMIT_KEYS:
        return f"rate_limit.{key.removeprefix('rate_limit_')}"
    if plain in ("name", "id", "oauth_app_id", "metadata", "object", "provider"):
        return plain if plain not in ("object", "provider") else ""
    return KNOWN_AS.get(key, "")


def kind_choices() -> list[tuple[str, str]]:
    """Every kind by its provider, as a select shows them."""
    named: list[tuple[str, Any]] = [
        (name, f"{kind.PROVIDER.name}: {kind.LABEL}") for name, kind in kinds.KINDS.items()
    ]
    return sorted(named, key=lambda one: one[1].lower())
