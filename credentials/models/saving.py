"""What a save of a row with secrets writes, and what it changes."""

from typing import TYPE_CHECKING, Any

from django.db import models

from credentials.sealing import Cleared, Fresh, Sealed, SecretField, secret_fields

if TYPE_CHECKING:
    from credentials.models.secret_holder import SecretHolder


def replaced(row: "SecretHolder", update_fields: Any) -> list[SecretField]:
    """The secrets that a save with these fields seals or clears."""
    return [
        field
        for field in secret_fields(type(row))
        if isinstance(field.state(row), (Fresh, Cleared))
        and (update_fields is None or field.name in update_fields)
    ]


def written(row: "SecretHolder", update_fields: set[str] | None, secrets: list[SecretField]) -> set[str]:
    """The fields that a save of a stored row writes, which replaces these secrets."""
    if update_fields is None:
        deferred = row.get_deferred_fields()
        names = {
            field.name
            for field in row._meta.concrete_fields
            if not field.primary_key and field.attname not in deferred
        }
        # What the code keeps beside people's edits: an instance loaded earlier must not take it back.
        names -= {"last_used_at", "expires_at", "unreadable"}
    else:
        names = {*update_fields, "version", "updated_at"}
    for field in secret_fields(type(row)):
        sealed = {field.name, field.version_name, field.key_name}
        names = names | sealed if field in secrets else names - sealed
    if secrets:
        names |= {"secret_version", "unreadable"} | ({"expires_at"} if hasattr(row, "expires_at") else set())
    return names


def count_from_stored(row: "SecretHolder", secrets: list[SecretField]) -> None:
    """Count the seals of secrets that are replaced from the stored ones, under a lock: a refresh may have
    raised them since this instance was loaded, and no two secrets may ever have the same number."""
    if not secrets:
        return
    versions = [field.version_name for field in secrets]
    rows: models.QuerySet = models.QuerySet(type(row)).filter(pk=row.pk).select_for_update(of=("self",))
    stored = rows.values(*versions).first() or {}
    for name in versions:
        setattr(row, name, max(getattr(row, name) or 0, stored.get(name, 0)))


def changed(row: "SecretHolder", stored: Any, names: set[str], secrets: list[SecretField]) -> set[str]:
    """Which of the fields that a save writes it changes: what people set, not what is kept beside it."""
    plain = {
        field.attname: field.name
        for field in row._meta.concrete_fields
        if field.name in names and (field.editable or field.name == "deleted_at")
    }
    for field in secret_fields(type(row)):
        plain.pop(field.attname, None)
    found = {name for attname, name in plain.items() if getattr(row, attname) != getattr(stored, attname)}
    return found | {field.name for field in secrets}


def stays_unreadable(row: "SecretHolder", secrets: list[SecretField]) -> bool:
    """Whether a secret cannot be opened after these were replaced: the others, as far as their keys tell."""
    return any(
        isinstance(field.state(row), Sealed) and not getattr(row, field.name).readable
        for field in secret_fields(type(row))
        if field not in secrets
    )


def kept(row: "SecretHolder") -> list[str]:
    """The names of the secrets that stay as they are stored."""
    return [field.name for field in secret_fields(type(row)) if isinstance(field.state(row), Sealed)]
