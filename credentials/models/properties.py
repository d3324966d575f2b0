"""The declared properties of a kind: reading them, masking them, and taking new values for them.

A kind declares a property once, as a model field; its type in documents follows from the field.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast

from django.core.exceptions import ValidationError
from django.db import connection, models
from django.utils.translation import gettext as _

from credentials import finding
from credentials.fields import JsonObjectField, StringListField
from credentials.json_values import BadNumber, scalars, shown, type_name
from credentials.models.fingerprint import Fingerprint
from credentials.sealing import MASK, Fresh, SecretField, fingerprint, secret_fields

# A number of our own among PostgreSQL's advisory locks.
LOCK_OF_SECRETS = 0x6C616E78
SEARCH_LENGTH = 4_000

if TYPE_CHECKING:
    from credentials.models.credential import Credential


def field_of(model: type[models.Model], name: str) -> models.Field:
    """The model field of a property."""
    return cast(models.Field, model._meta.get_field(name))


def secret_names(kind: type["Credential"]) -> list[str]:
    """The names of the properties that are secret, in documented order."""
    return [name for name in kind.PROPERTIES if isinstance(field_of(kind, name), SecretField)]


def plain(credential: "Credential") -> dict[str, Any]:
    """The properties that are not secret, with their values."""
    secrets = secret_names(type(credential))
    return {name: getattr(credential, name) for name in credential.PROPERTIES if name not in secrets}


def masked(credential: "Credential") -> dict[str, Any]:
    """All properties in documented order, secrets as a mask; optional ones that are not set are left out."""
    found = {}
    for name in credential.PROPERTIES:
        value = getattr(credential, name)
        if isinstance(field_of(type(credential), name), SecretField):
            value = MASK if value else None
        if value not in (None, "") or not field_of(type(credential), name).blank:
            found[name] = value
    return found


def text_for_finding(credential: "Credential") -> str:
    """All that lists find a credential by, as words."""
    texts = [credential.name, credential.provider, credential.kind, credential.account]
    texts += map(str, plain(credential).values())
    texts += [str(value) for _path, value in scalars(credential.metadata)]
    return " ".join(finding.words(" ".join(text for text in texts if text)))[:SEARCH_LENGTH]


def expected_type(field: models.Field) -> tuple[type | tuple[type, ...], str]:
    """The JSON type that a property takes, and its name in words."""
    if isinstance(field, StringListField):
        return list, _("an array of texts")
    if isinstance(field, JsonObjectField):
        return dict, _("an object")
    if isinstance(field, models.BooleanField):
        return bool, _("true or false")
    if isinstance(field, models.IntegerField):
        return int, _("a whole number")
    return str, _("a text")


def type_problem(field: models.Field, value: Any) -> str | None:
    """Why a JSON value cannot be a value of this property by its type, or None. Never repeats the value."""
    if isinstance(value, BadNumber):
        return value.message
    if isinstance(value, Fresh):
        return None
    types, words = expected_type(field)
    if isinstance(value, types) and not (types is int and isinstance(value, bool)):
        return None
    return _("expected %(expected)s, found %(found)s") % {"expected": words, "found": type_name(value)}


def renamed(kind: type["Credential"], properties: Mapping[str, Any]) -> dict[str, Any]:
    """The properties under their present names, secrets as opaque objects, which no traceback can print.

    Raises ValidationError where an old and a new name clash.
    """
    secrets = secret_names(kind)
    found: dict[str, Any] = {}
    twice = {}
    for name in properties:
        present = kind.OLDER_PROPERTIES.get(name, name) if name not in kind.PROPERTIES else name
        if present in found:
            twice[shown(name)] = _("given twice, as “%s” too") % present
        opaque = present in secrets and isinstance(properties[name], str) and properties[name] != MASK
        found[present] = Fresh(properties[name]) if opaque else properties[name]
    if twice:
        del properties
        raise ValidationError(twice)
    return found


def assign(credential: "Credential", properties: Mapping[str, Any]) -> None:
    """Set the given properties. Raises ValidationError that names each wrong one; then none is set.

    Properties that are not given keep their value; on a new credential the required ones must be given.
    Exactly eleven stars keep a stored secret. null clears what is optional.
    """
    kind = type(credential)
    properties = renamed(kind, properties)
    errors: dict[str, Any] = {}
    values: dict[str, Any] = {}
    if properties.pop("kind", kind.KIND) not in (kind.KIND, *kind.OLDER_KINDS):
        errors["kind"] = _("expected “%s”") % kind.KIND
    for name, value in properties.items():
        if name not in kind.PROPERTIES:
            errors[shown(name)] = _("unknown property. %(kind)s has: %(names)s") % {
                "kind": kind.KIND,
                "names": ", ".join(kind.PROPERTIES),
            }
            continue
        try:
            if keeps(credential, name, value):
                continue
            values[name] = cleaned(credential, field_of(kind, name), value)
        except ValidationError as error:
            errors[name] = error
    if credential._state.adding:
        for name in kind.PROPERTIES:
            if name not in properties and not field_of(kind, name).blank and not getattr(credential, name):
                errors[name] = _("required")
    if errors:
        raise ValidationError(errors)
    for name, value in values.items():
        setattr(credential, name, value)


def keeps(row: models.Model, name: str, value: Any) -> bool:
    """Whether a value says "keep the stored secret"."""
    if not isinstance(field_of(type(row), name), SecretField) or value != MASK:
        return False
    if row._state.adding or getattr(row, name) is None:
        raise ValidationError(_("masked value: enter the secret"), code="masked")
    return True


def cleaned(row: models.Model, field: models.Field, value: Any) -> Any:
    """A JSON value as the field stores it. Raises ValidationError."""
    if value is None and field.blank:
        return None if field.null else ""
    if message := type_problem(field, value):
        raise ValidationError(message, code="type")
    if isinstance(field, SecretField):
        if problem := field.problem(value.text if isinstance(value, Fresh) else value):
            raise ValidationError(problem, code="secret")
        return value
    choices = [choice for choice, _label in field.flatchoices]
    if choices and value not in (*choices, ""):
        raise ValidationError(_("expected %s") % _(" or ").join(choices), code="invalid_choice")
    return field.clean(value, row)


def digests(kind: type["Credential"], properties: Mapping[str, Any]) -> dict[str, str]:
    """The fingerprints of the secrets among properties from outside, masks left out."""
    return {
        name: fingerprint(properties[name])
        for name in secret_names(kind)
        if isinstance(properties.get(name), (str, Fresh)) and properties[name] != MASK
    }


def holding_same_secret(
    credential: "Credential", among: "models.QuerySet[Credential]"
) -> "Credential | None":
    """A credential that holds a secret which this one is about to take."""
    held = _fresh_digests(credential)
    take_turns(held.values())
    return holder(held, among, current=True)


def take_turns(digests: Iterable[str]) -> None:
    """Let one transaction at a time look for the row of a secret and create it: no constraint does.

    256 locks, whatever the number of secrets in one transaction. SQLite has one writer at a time anyway.
    """
    if connection.vendor != "postgresql":
        return
    keys = sorted({int(digest[:2], 16) for digest in digests})
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(%s, key) FROM unnest(%s::int[]) AS key", [LOCK_OF_SECRETS, keys]
        )


def _fresh_digests(credential: "Credential") -> dict[str, str]:
    states = {field.name: field.state(credential) for field in secret_fields(type(credential))}
    return {name: fingerprint(state) for name, state in states.items() if isinstance(state, Fresh)}


def holder(
    held: Mapping[str, str], among: "models.QuerySet[Credential]", *, current: bool | None = None
) -> "Credential | None":
    """The credential that holds (without `current`: ever held) one of these secrets, by fingerprint."""
    for row in _holding(held.items(), current).order_by("-current", "-created_at"):
        if found := among.filter(pk=row.owner).first():
            return found
    return None


def _holding(held: Iterable[tuple[str, str]], current: bool | None) -> "models.QuerySet[Fingerprint]":
    matches = models.Q(pk__in=[])
    for name, digest in held:
        matches |= models.Q(field=name, digest=digest)
    found = Fingerprint.objects.filter(matches)
    return found if current is None else found.filter(current=current)
