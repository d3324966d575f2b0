"""The whole content of the database, so that two ways to the same state can be compared."""

import re
import uuid
from datetime import datetime

from django.apps import apps
from django.db import transaction

from credentials.models import Credential, Fingerprint, OAuthApp
from credentials.sealing import Sealed, secret_fields, unseal

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
# What differs from one run to the next and says nothing.
ITS_OWN = {"request_id", "number", "hash", "previous_hash", "credentials.RateLimit.revision"}


def names():
    """What each id stands for, in words that are the same in another run."""
    found = {}
    for row in [*Credential.everything.all(), *OAuthApp.objects.all()]:
        held = Fingerprint.objects.of(row.pk).order_by("field", "digest")
        secrets = [(one.field, one.digest, one.current) for one in held]
        known = getattr(row, "account", None) or getattr(row, "client_id", None) or secrets
        name = f"{type(row).__name__} {known} {'deleted' if getattr(row, 'deleted_at', None) else ''}"
        found[str(row.pk)], found[str(row.component_id)] = name, f"component of {name}"
    return found


def without_ids(text, known):
    """A text with each id replaced by what it stands for."""
    return UUID.sub(lambda match: known.get(match[0], match[0]), text)


def content():
    """Every row of every table of ours as text, sorted: without ids and times, secrets opened."""
    known = names()
    rows = []
    for label in ("credentials", "health"):
        for model in apps.get_app_config(label).get_models(include_auto_created=True):
            rows += [without_ids(_row(model, row), known) for row in model._base_manager.all()]
    return sorted(rows)


def _row(model, row):
    values = {}
    sealed = {field.attname: field for field in secret_fields(model)}
    for field in model._meta.local_concrete_fields:
        value = row.__dict__.get(field.attname)
        if not ITS_OWN.isdisjoint((field.name, f"{model._meta.label}.{field.name}")) or (
            field.primary_key and not isinstance(value, uuid.UUID)
        ):
            continue
        if model._meta.label == "credentials.AuditEvent" and field.primary_key:
            continue
        if isinstance(value, datetime):
            value = "at some time"
        elif isinstance(value, Sealed):
            key = getattr(row, sealed[field.attname].key_name)
            value = unseal(value.token, key, field.place(row), row.destination())
        values[field.name] = str(value)
    return f"{model._meta.label} {values}"


def tried(run):
    """What a run gives and the content after it; it is taken back."""
    with transaction.atomic():
        given = run()
        known = names()
        found = [(number, without_ids(str(one), known)) for number, one in given], content()
        transaction.set_rollback(True)
    return found
