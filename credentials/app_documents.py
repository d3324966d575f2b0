"""OAuth apps as documents, `{"object": "oauth_app", ...}`. Imported as credentials are."""

import json
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from credentials import kinds
from credentials.documents import OAUTH_APP, InvalidDocument, Outcome, flat, uuid_problem
from credentials.held_secrets import fingerprints, same, superseded, to_seal_again
from credentials.json_values import ordered, problems, shown
from credentials.models import Conflict, OAuthApp
from credentials.models import properties as declared
from credentials.sealing import MASK, Fresh, SecretField, fingerprint

# In the order of documents.
FIELDS = (
    *("provider", "name", "client_id", "client_secret", "app_id", "private_key", "scopes", "is_default"),
    "metadata",
)
KEYS = {"object", "id", *FIELDS}
# What is ours to say, and is read over.
IGNORED = {"health", "created_at", "updated_at"}
REQUIRED = ("provider", "name", "client_id")
SECRETS = [name for name in FIELDS if isinstance(declared.field_of(OAuthApp, name), SecretField)]


class _Created(Exception):
    """Somebody else created the app of a document while it was about to be."""


def import_app(document: Mapping[str, Any]) -> Outcome:
    """Create or update the app of one document, or leave it. Raises InvalidDocument as for credentials."""
    values = _shape(document)
    try:
        for last_try in (False, True):
            try:
                with transaction.atomic():
                    return _upsert(document.get("id"), values)
            except (Conflict, _Created, OAuthApp.DoesNotExist):
                # Somebody else wrote the same app meanwhile: the second look finds their row.
                if last_try:
                    raise
    except ValidationError as error:
        raise InvalidDocument(
            [("" if name == NON_FIELD_ERRORS else name, message) for name, message in flat(error)]
        ) from None
    except (Conflict, _Created) as error:
        raise InvalidDocument([("", str(error))]) from None
    raise AssertionError("not reached")


def export(*, provider: str | None = None) -> Iterator[dict[str, Any]]:
    """The documents of all OAuth apps, or of those of one provider, by time of creation; secrets masked."""
    found = OAuthApp.objects.select_related("component").prefetch_related("component__notes")
    if provider:
        found = found.filter(provider=provider)
    for app in found.order_by("created_at", "id").iterator(chunk_size=1000):
        yield document_of(app)


def document_of(app: OAuthApp) -> dict[str, Any]:
    """An app in the documented shape, with each secret masked; what is not set is left out."""
    values = {name: getattr(app, name) for name in FIELDS}
    values |= {name: MASK if values[name] else None for name in SECRETS}
    values["metadata"] = ordered(app.metadata)
    return {
        "object": OAUTH_APP,
        "id": str(app.id),
        **{name: value for name, value in values.items() if value is not None},
        "health": app.component.document(),
        "created_at": app.created_at,
        "updated_at": app.updated_at,
    }


def _shape(document: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that a document gives, secrets as opaque objects, which no traceback can print."""
    found = list(problems(document)) or [
        (shown(key), _("unknown key. An OAuth app has: %s") % ", ".join(sorted(KEYS)))
        for key in document
        if key not in KEYS | IGNORED
    ]
    if found:
        raise InvalidDocument(found)
    if message := uuid_problem(document.get("id")):
        found.append(("id", message))
    provider = document.get("provider")
    known = sorted({kind.PROVIDER.key for kind in kinds.KINDS.values() if kind.USES_OAUTH_APP})
    if isinstance(provider, str) and provider not in known:
        words = {"name": shown(provider), "known": ", ".join(known)}
        found.append(
            ("provider", _("“%(name)s” is no provider with OAuth apps. These are: %(known)s") % words)
        )
    if found:
        raise InvalidDocument(found)
    values = {name: document[name] for name in FIELDS if name in document}
    if values.get("metadata", {}) is None:
        del values["metadata"]
    for name in SECRETS:
        if isinstance(values.get(name), str) and values[name] != MASK:
            values[name] = Fresh(values[name])
    return values


def _upsert(pk: str | None, values: dict[str, Any]) -> Outcome:
    stored = _stored(pk, values)
    if stored is None:
        return _create(pk, values)
    stored.take_turns()
    # Locked, so that nothing changes between the comparison and the save.
    app = OAuthApp.objects.select_for_update().get(pk=stored.pk)
    digests = {name: fingerprint(values[name]) for name in SECRETS if isinstance(values.get(name), Fresh)}
    known = fingerprints([app.pk])[app.pk]
    if superseded(known, digests):
        return Outcome.SUPERSEDED
    before = _comparable(app)
    held = same(known, digests)
    _assign(app, {name: value for name, value in values.items() if name not in held})
    _assign(app, to_seal_again(app, values, held, moved=app.provider != before["provider"]))
    if _comparable(app) == before and not any(app.fresh(name) for name in SECRETS):
        return Outcome.UNCHANGED
    app.full_clean(exclude={"component"}, validate_unique=False)
    app.save()
    return Outcome.UPDATED


def _create(pk: str | None, values: dict[str, Any]) -> Outcome:
    """Store a new app. Raises _Created where somebody else has just done so, and ValidationError."""
    app = OAuthApp(**{"id": uuid.UUID(pk)} if pk else {})
    _assign(app, values)
    try:
        with transaction.atomic():
            app.full_clean(exclude={"component"}, validate_unique=False)
            app.save()
    except (ValidationError, IntegrityError):
        if _stored(pk, values):
            raise _Created(_("Somebody else is importing the same app: import it again.")) from None
        raise
    return Outcome.CREATED


def _stored(pk: str | None, values: Mapping[str, Any]) -> OAuthApp | None:
    """The app that a document means: by id, else by provider and client id."""
    found = OAuthApp.objects.filter(pk=pk).first() if pk else None
    client_id = values.get("client_id")
    if found or not isinstance(client_id, str) or not isinstance(values.get("provider"), str):
        return found
    client_id = declared.field_of(OAuthApp, "client_id").to_python(client_id)
    return OAuthApp.objects.filter(provider=values["provider"], client_id=client_id).first()


def _assign(app: OAuthApp, values: Mapping[str, Any]) -> None:
    """Set the given fields. Raises ValidationError that names each wrong one."""
    errors: dict[str, Any] = {}
    for name, value in values.items():
        try:
            if not declared.keeps(app, name, value):
                setattr(app, name, declared.cleaned(app, declared.field_of(OAuthApp, name), value))
        except ValidationError as error:
            errors[name] = error
    if app._state.adding:
        errors |= {name: _("required") for name in REQUIRED if values.get(name) in (None, "")}
    if errors:
        raise ValidationError(errors)


def _comparable(app: OAuthApp) -> dict[str, Any]:
    plain = {name: getattr(app, name) for name in FIELDS if name not in SECRETS}
    # As text: in Python 1, 1.0 and True are equal.
    plain["metadata"] = json.dumps(app.metadata, sort_keys=True)
    return plain | {f"{name} is set": bool(getattr(app, name)) for name in SECRETS}
