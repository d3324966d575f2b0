"""Sealing all secrets with the newest key, so that an old one can be taken out of FERNET_KEYS.

Every column of secrets is found by looking at the models, not from a list. Each row is swapped only while it
is as it was read: a secret that somebody replaces meanwhile, or a token that is refreshed, is newer than what
was read, and under the newest key already. So runs can overlap, be killed, and go on from where they were.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db import models, transaction

from credentials.sealing import Sealed, SecretField, keyring, reseal

BATCH = 500


@dataclass(frozen=True)
class Column:
    """One column of secrets: a model's own table and a field in it."""

    model: type[models.Model]
    field: SecretField

    def __str__(self) -> str:
        return f"{self.model._meta.db_table}.{self.field.name}"

    @property
    def sealed(self) -> "models.QuerySet[Any]":
        """All rows with a secret in it, deleted credentials among them."""
        return models.QuerySet(self.model).filter(**{f"{self.field.name}__isnull": False})

    def under_older_keys(self) -> "models.QuerySet[Any]":
        newest = next(iter(keyring()))
        return self.sealed.exclude(**{self.field.key_name: newest})


def columns() -> list[Column]:
    """Every column of secrets there is."""
    return [
        Column(model, field)
        for model in apps.get_models()
        for field in model._meta.local_concrete_fields
        if isinstance(field, SecretField)
    ]


def report() -> dict[str, Counter[str]]:
    """How many secrets each key has sealed, by column. No secret is opened."""
    found: dict[str, Counter[str]] = {}
    for column in columns():
        name = column.field.key_name
        rows = column.sealed.order_by().values_list(name).annotate(models.Count("pk"))
        found[str(column)] = Counter(dict(rows))
    return found


def remaining() -> int:
    """How many secrets an older key still has to open: 0 lets it be taken away."""
    return sum(column.under_older_keys().count() for column in columns())


def rotate(progress: Callable[[int], Any] = lambda count: None) -> Counter[str]:
    """Seal every secret with the newest key; returns how many were "rotated", "unreadable" (no key at hand
    opens them: they stay as they are) and "changed" meanwhile by somebody else, who used the newest key."""
    counts: Counter[str] = Counter(rotated=0, unreadable=0, changed=0)
    for column in columns():
        for batch in _batches(column):
            with transaction.atomic():
                for pk, token, key, version in batch:
                    counts[_swap(column, pk, token, key, version)] += 1
            progress(len(batch))
    return counts


def _batches(column: Column) -> Iterator[list[tuple[Any, Any, str, int]]]:
    """What has to be sealed again, in the order of the primary key, each row once."""
    names = ("pk", column.field.name, column.field.key_name, column.field.version_name)
    last = None
    while True:
        rows = column.under_older_keys().order_by("pk")
        batch = list((rows.filter(pk__gt=last) if last else rows).values_list(*names)[:BATCH])
        if not batch:
            return
        last = batch[-1][0]
        yield batch


def _swap(column: Column, pk: Any, token: Any, key: str, version: int) -> str:
    sealed = reseal(token.token, key)
    if sealed is None:
        return "unreadable"
    newest, again = sealed
    field = column.field
    # The version counts replacements; the key changes when another run was here first.
    unchanged: models.QuerySet[Any] = models.QuerySet(column.model).filter(
        pk=pk, **{field.version_name: version, field.key_name: key}
    )
    swapped: int = unchanged.update(**{field.name: Sealed(again), field.key_name: newest})
    return "rotated" if swapped else "changed"
