"""The shape of documents: what they may say, and the words for what is wrong with one."""

import uuid
from collections.abc import Mapping
from enum import StrEnum
from types import NoneType
from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.utils.translation import gettext as _

from credentials import kinds
from credentials.json_values import problems, shown, type_name
from credentials.models import Credential, RateLimit
from credentials.models import properties as declared

# The keys of a document; those of the second line are ours to say, and are read over.
KEYS = {"object", "id", "name", "provider", "kind", "properties", "oauth_app_id", "rate_limit", "metadata"}
IGNORED = {"health", "oauth_app", "created_at", "updated_at"}
LIMIT_KEYS = ("allowed_requests", "interval", "max_concurrent_requests")
CREDENTIAL, OAUTH_APP = "credential", "oauth_app"


class Outcome(StrEnum):
    """What importing a document did."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    # The row held this document's secret before, and holds a newer one now.
    SUPERSEDED = "superseded"


class InvalidDocument(Exception):
    """A document that cannot be imported: `problems` are (path, message), the path empty for the whole."""

    def __init__(self, found: list[tuple[str, str]]):
        super().__init__("; ".join(f"{path}: {message}" if path else message for path, message in found))
        self.problems = found


def is_oauth_app(document: Any) -> bool:
    """Whether a document says that it is an OAuth app. Any other is taken for a credential."""
    return isinstance(document, dict) and document.get("object") == OAUTH_APP


def shape(document: Any) -> tuple[dict[str, Any], type[Credential], dict[str, Any]]:
    """The document, its kind and its properties under their present names.

    Raises InvalidDocument with everything that is wrong with the shape.
    """
    if found := list(problems(document)):
        raise InvalidDocument(found)
    if not isinstance(document, dict):
        raise InvalidDocument([("", _("expected an object, found %s") % type_name(document))])
    found = [
        (shown(key), _("unknown key. A document has: %s") % ", ".join(sorted(KEYS)))
        for key in document
        if key not in KEYS | IGNORED
    ]
    if document.get("object", CREDENTIAL) != CREDENTIAL:
        raise InvalidDocument([*found, ("object", _("expected “credential” or “oauth_app”"))])
    if "properties" not in document:
        raise InvalidDocument([*found, ("properties", _("required"))])
    properties = document["properties"]
    if not isinstance(properties, dict):
        raise InvalidDocument(
            [*found, ("properties", _("expected an object, found %s") % type_name(properties))]
        )
    kind = _kind(properties.get("kind", document.get("kind")), found)
    if found or kind is None:
        raise InvalidDocument(found)
    if document.get("provider") not in (None, kind.PROVIDER.key):
        found.append(
            ("provider", _("%(kind)s belongs to “%(key)s”") % {"kind": kind.KIND, "key": kind.PROVIDER.key})
        )
    if document.get("kind") not in (None, kind.KIND, *kind.OLDER_KINDS):
        found.append(("kind", _("disagrees with properties.kind")))
    if not isinstance(document.get("metadata", {}), (dict, NoneType)):
        found.append(("metadata", _("expected an object, found %s") % type_name(document["metadata"])))
    if not isinstance(document.get("name", ""), (str, NoneType)):
        found.append(("name", _("expected a text, found %s") % type_name(document["name"])))
    found += [
        (key, message) for key in ("id", "oauth_app_id") if (message := uuid_problem(document.get(key)))
    ]
    found += _limit_problems(document.get("rate_limit"))
    try:
        properties = declared.renamed(kind, properties)
    except ValidationError as error:
        found += placed(error, kind)
    if found:
        raise InvalidDocument(found)
    if "name" in kind.PROPERTIES:
        _agree_on_name(document, properties)
    elif "name" in properties:
        document = _with_older_name(document, kind, properties)
    return document, kind, properties


def _kind(name: Any, found: list[tuple[str, str]]) -> type[Credential] | None:
    kind = kinds.named(name) if isinstance(name, str) else None
    if kind is None:
        message = _("expected the name of a kind, found %s") % type_name(name)
        if name is None:
            message = _("required")
        elif isinstance(name, str):
            message = _("unknown kind “%s”") % shown(name)
        found.append(
            (
                "properties.kind",
                _("%(problem)s. Kinds: %(kinds)s")
                % {
                    "problem": message,
                    "kinds": ", ".join(kinds.KINDS),
                },
            )
        )
    return kind


def _agree_on_name(document: Mapping[str, Any], properties: dict[str, Any]) -> None:
    """The name of a Stripe credential stands among its properties too; either place will do."""
    name = document.get("name")
    if name and properties.get("name", name) != name:
        raise InvalidDocument(
            [("properties.name", _("differs from the name of the document: give one of them"))]
        )
    if name:
        properties["name"] = name


def _with_older_name(
    document: dict[str, Any], kind: type[Credential], properties: dict[str, Any]
) -> dict[str, Any]:
    """Older documents name the credential among the properties."""
    name = properties.pop("name")
    if not kind.OLDER_KINDS or not isinstance(name, str):
        raise InvalidDocument([("properties.name", _("the name stands beside the properties, as a text"))])
    return {**document, "name": document.get("name") or name}


def uuid_problem(value: Any) -> str | None:
    """Why a value cannot be an id, or None."""
    if value is None:
        return None
    try:
        uuid.UUID(value if isinstance(value, str) else "")
    except ValueError:
        return _("expected a UUID such as 123e4567-e89b-12d3-a456-426614174000")
    return None


def _limit_problems(limit: Any) -> list[tuple[str, str]]:
    if limit is None:
        return []
    if not isinstance(limit, dict):
        return [("rate_limit", _("expected an object, found %s") % type_name(limit))]
    found = [
        (f"rate_limit.{shown(key)}", _("unknown key. A rate limit has: %s") % ", ".join(LIMIT_KEYS))
        for key in limit
        if key not in LIMIT_KEYS
    ]
    for key in LIMIT_KEYS:
        value = limit.get(key)
        if value is None and key == "max_concurrent_requests":
            continue
        if value is None:
            found.append((f"rate_limit.{key}", _("required")))
        elif message := declared.type_problem(declared.field_of(RateLimit, key), value):
            found.append((f"rate_limit.{key}", message))
        elif value < 0:
            found.append((f"rate_limit.{key}", _("expected a positive number")))
    return found


def flat(error: ValidationError) -> list[tuple[str, str]]:
    if hasattr(error, "error_dict"):
        return [(name, message) for name, messages in error.message_dict.items() for message in messages]
    return [(NON_FIELD_ERRORS, message) for message in error.messages]


def placed(error: ValidationError, kind: type[Credential]) -> list[tuple[str, str]]:
    """The messages of an error with their place in the document."""
    top = {NON_FIELD_ERRORS: "", "name": "name", "metadata": "metadata", "oauth_app": "oauth_app_id"}
    if "name" in kind.PROPERTIES:
        del top["name"]
    return [(top[name] if name in top else f"properties.{name}", message) for name, message in flat(error)]
