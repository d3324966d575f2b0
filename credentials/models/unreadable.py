"""Finding the rows whose secrets no key at hand opens."""

from django.apps import apps
from django.db import models

from credentials.models.secret_holder import SecretHolder
from credentials.sealing import keyring, secret_fields


def mark_unreadable() -> int:
    """Mark the rows with a secret whose key is not in FERNET_KEYS; returns how many were not marked yet."""
    marked = 0
    for model in apps.get_models():
        if not issubclass(model, SecretHolder):
            continue
        lost = models.Q()
        for field in secret_fields(model):
            sealed = models.Q(**{f"{field.key_name}__gt": ""})
            lost |= sealed & ~models.Q(**{f"{field.key_name}__in": list(keyring())})
        if lost:
            rows: models.QuerySet = models.QuerySet(model).filter(lost).values("pk")
            marked += model._root_rows().filter(pk__in=rows, unreadable=False).update(unreadable=True)
    return marked
