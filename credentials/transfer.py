"""Import and export of documents. Importing is an idempotent upsert, one transaction for each document."""

import json
import uuid
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.utils.translation import gettext as _

from credentials.documents import LIMIT_KEYS, InvalidDocument, flat, placed, shape
from credentials.models import Conflict, Credential, Fingerprint, Limit, OAuthApp
from credentials.models import properties as declared

# Any number that nothing else in this database locks with.
LOCK_OF_IMPORTS = 1_279_352_148


class Outcome(StrEnum):
    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    # The row held this document's secret before, and holds a newer one now.
    SUPERSEDED = "superseded"


def import_document(document: Any) -> Outcome:
    """Create or update the credential of one document, or leave it.

    Raises InvalidDocument with every problem that was found; then nothing was written.
    """
    document, kind, properties = shape(document)
    try:
        for last_try in (False, True):
            try:
                with transaction.atomic():
                    return _upsert(document, kind, properties)
            except (Conflict, ValidationError, IntegrityError, Credential.DoesNotExist) as error:
                # Somebody else wrote the same credential meanwhile: the second look finds their row.
                if last_try or not _lost_a_race(error):
                    raise
    except ValidationError as error:
        raise InvalidDocument(placed(error, kind)) from None
    except Conflict as error:
        raise InvalidDocument([("", str(error))]) from None
    raise AssertionError("not reached")


def export(
    *, provider: str | None = None, kind: str | None = None, status: str | None = None
) -> Iterator[dict[str, Any]]:
    """The documents of all credentials, or of those of a provider, kind or status, by time of creation."""
    found = (
        Credential.objects.select_related("component", "rate_limit")
        .prefetch_related("component__notes")
        .order_by("created_at", "id")
    )
    for name, value in (("provider", provider), ("kind", kind), ("component__status", status)):
        if value:
            found = found.filter(**{name: value})
    for credential in found.iterator(chunk_size=1000):
        yield credential.document()


def _upsert(document: Mapping[str, Any], kind: type[Credential], properties: dict[str, Any]) -> Outcome:
    stored = _stored(document, kind, properties)
    if stored is None and not _account(kind, properties):
        _take_turns(declared.digests(kind, properties))
        stored = _stored(document, kind, properties)
    if stored is None:
        return _create(document, kind, properties)
    # Locked on the base table, so that nothing changes between the comparison and the save.
    Credential.objects.non_polymorphic().select_for_update().get(pk=stored.pk)
    credential = kind.objects.select_related("rate_limit").get(pk=stored.pk)
    held = declared.digests(kind, properties)
    if any(Fingerprint.objects.superseded(credential.pk, name, digest) for name, digest in held.items()):
        return Outcome.SUPERSEDED
    before = _comparable(credential)
    same = _secrets_in_force(credential, held)
    declared.assign(credential, {name: value for name, value in properties.items() if name not in same})
    _assign_rest(credential, document)
    moved = any(before[name] != value for name, value in declared.plain(credential).items() if name != "name")
    # A secret that is stored already is sealed again only where it could not be used as it is, or has to be
    # judged beside a property that changed.
    for name in same:
        if moved or not getattr(credential, name).opens():
            declared.assign(credential, {name: properties[name]})
    limit_changed = _assign_limit(credential, document.get("rate_limit"))
    credential.prepare()
    fresh = any(credential.fresh(name) for name in declared.secret_names(kind))
    if fresh or _comparable(credential) != before:
        credential.save()
    elif not limit_changed:
        return Outcome.UNCHANGED
    return Outcome.UPDATED


def _take_turns(held: Mapping[str, str]) -> None:
    """Let one import at a time look for the row of a secret and create it: no constraint keeps out a second.

    256 locks, whatever the number of secrets in one transaction. SQLite has one writer at a time anyway.
    """
    if connection.vendor != "postgresql":
        return
    with connection.cursor() as cursor:
        for key in sorted({int(digest[:2], 16) for digest in held.values()}):
            cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [LOCK_OF_IMPORTS, key])


def _secrets_in_force(credential: Credential, held: Mapping[str, str]) -> list[str]:
    """Those of the secrets, given as fingerprints, that the row holds now."""
    current = dict(Fingerprint.objects.of(credential.pk).filter(current=True).values_list("field", "digest"))
    return [name for name, digest in held.items() if current.get(name) == digest]


def _stored(
    document: Mapping[str, Any], kind: type[Credential], properties: Mapping[str, Any]
) -> Credential | None:
    """The row a document means: by id, else by account, else by a secret it holds or held."""
    if document.get("id"):
        row = Credential.everything.non_polymorphic().filter(pk=document["id"]).first()
        if row is not None and row.deleted_at:
            raise InvalidDocument(
                [("id", _("this credential was deleted: leave the id out to create a new one"))]
            )
        if row is not None and row.kind != kind.KIND:
            raise InvalidDocument([("id", _("this credential is of the kind %s") % row.kind)])
        if row is not None:
            return row
    same_kind = Credential.objects.non_polymorphic().kind(kind.KIND)
    if account := _account(kind, properties):
        return same_kind.filter(account=account).first()
    return declared.holder(declared.digests(kind, properties), same_kind)


def _account(kind: type[Credential], properties: Mapping[str, Any]) -> str | None:
    """The account that a document names; None where the kind cannot tell it or the values are wrong."""
    candidate = kind()
    for name, value in properties.items():
        if name in kind.PROPERTIES and name not in declared.secret_names(kind):
            field = declared.field_of(kind, name)
            if declared.type_problem(field, value):
                continue
            try:
                setattr(candidate, name, field.clean(value, candidate))
            except ValidationError:
                continue
    return kind.account_of(declared.plain(candidate), None)


def _create(document: Mapping[str, Any], kind: type[Credential], properties: Mapping[str, Any]) -> Outcome:
    fields = {"id": uuid.UUID(document["id"])} if document.get("id") else {}
    if document.get("name"):
        fields["name"] = document["name"]
    credential = kind.from_properties(
        properties, metadata=document.get("metadata") or {}, oauth_app=_oauth_app(document), **fields
    )
    credential.save()
    _assign_limit(credential, document.get("rate_limit"))
    return Outcome.CREATED


def _assign_rest(credential: Credential, document: Mapping[str, Any]) -> None:
    """Take what stands beside the properties; what is not given stays."""
    if document.get("name"):
        try:
            credential.name = declared.field_of(type(credential), "name").clean(document["name"], credential)
        except ValidationError as error:
            raise ValidationError({"name": error}) from None
    if document.get("metadata") is not None:
        credential.metadata = document["metadata"]
    if "oauth_app_id" in document:
        credential.oauth_app = _oauth_app(document)


def _oauth_app(document: Mapping[str, Any]) -> OAuthApp | None:
    if not document.get("oauth_app_id"):
        return None
    app = OAuthApp.objects.filter(pk=document["oauth_app_id"]).first()
    if app is None:
        raise InvalidDocument([("oauth_app_id", _("there is no such OAuth app: create it first"))])
    return app


def _assign_limit(credential: Credential, document: Mapping[str, Any] | None) -> bool:
    """Store a document's limit where it differs; returns whether it did."""
    if document is None:
        return False
    try:
        values: list[Any] = [document.get(key) for key in LIMIT_KEYS]
        return credential.set_limit(Limit(*values))
    except ValidationError as error:
        raise InvalidDocument([(f"rate_limit.{path}", message) for path, message in flat(error)]) from None


def _comparable(credential: Credential) -> dict[str, Any]:
    return {
        **declared.plain(credential),
        "name": credential.name,
        # As text: in Python 1, 1.0 and True are equal.
        "metadata": json.dumps(credential.metadata, sort_keys=True),
        "oauth_app": credential.oauth_app_id,
        **{
            f"{name} is set": bool(getattr(credential, name))
            for name in declared.secret_names(type(credential))
        },
    }


def _lost_a_race(error: Exception) -> bool:
    if not isinstance(error, ValidationError):
        return True
    return any(getattr(one, "code", "") == "account_taken" for one in _leaves(error))


def _leaves(error: ValidationError) -> list[ValidationError]:
    if hasattr(error, "error_dict"):
        return [leaf for leaves in error.error_dict.values() for one in leaves for leaf in _leaves(one)]
    return error.error_list
