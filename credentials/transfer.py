"""Import and export of documents. Importing is an idempotent upsert, one transaction for each document."""

import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from credentials import app_documents, kinds
from credentials.documents import InvalidDocument, Outcome, flat, is_oauth_app, placed, shape
from credentials.held_secrets import Known, fingerprints, same, superseded, to_seal_again
from credentials.models import Conflict, Credential, Limit, OAuthApp
from credentials.models import properties as declared

__all__ = ["Outcome", "export", "fingerprints", "import_document", "superseded"]


def import_document(document: Any) -> Outcome:
    """Create or update the credential or OAuth app of one document, or leave it.

    Raises InvalidDocument with every problem that was found; then nothing was written.
    """
    if is_oauth_app(document):
        return app_documents.import_app(document)
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
    *,
    provider: str | None = None,
    kind: str | None = None,
    status: str | None = None,
    with_oauth_apps: bool = False,
    among: QuerySet[Credential] | None = None,
) -> Iterator[dict[str, Any]]:
    """The documents of all credentials, or of those of a provider, kind or status, by time of creation; or
    `among` these only.

    A status is one of `health.selection.VALUES`: those that nobody checked yet are not among the healthy.

    Before them, if wanted, those of the OAuth apps (of the provider), in the order in which they can come in.
    """
    if with_oauth_apps:
        yield from app_documents.export(provider=kinds.KINDS[kind].PROVIDER.key if kind else provider)
    found = (
        Credential.objects.select_related("component", "rate_limit")
        .prefetch_related("component__notes")
        .order_by("created_at", "id")
    )
    for name, value in (("provider", provider), ("kind", kind)):
        if value:
            found = found.filter(**{name: value})
    if status:
        found = found.status(status)
    if among is not None:
        found = found.filter(pk__in=among.order_by().values("pk"))
    for credential in found.iterator(chunk_size=1000):
        yield credential.document()


def _upsert(document: Mapping[str, Any], kind: type[Credential], properties: dict[str, Any]) -> Outcome:
    stored = _stored(document, kind, properties)
    if stored is None and not account_of(kind, properties):
        declared.take_turns(declared.digests(kind, properties).values())
        stored = _stored(document, kind, properties)
    if stored is None:
        return _create(document, kind, properties)
    # Locked on the base table, so that nothing changes between the comparison and the save.
    Credential.objects.non_polymorphic().select_for_update().get(pk=stored.pk)
    credential = kind.objects.select_related("rate_limit").get(pk=stored.pk)
    known = fingerprints([credential.pk])[credential.pk]
    if superseded(known, declared.digests(kind, properties)):
        return Outcome.SUPERSEDED
    changed = merge(credential, document, properties, known, find_app=_oauth_app)
    limit_changed = _assign_limit(credential, document.get("rate_limit"))
    if changed:
        credential.save()
    elif not limit_changed:
        return Outcome.UNCHANGED
    return Outcome.UPDATED


def merge(
    credential: Credential,
    document: Mapping[str, Any],
    properties: dict[str, Any],
    known: Known,
    *,
    find_app: Callable[[Mapping[str, Any]], OAuthApp | None],
) -> bool:
    """Take a document into its credential, which is not saved; returns whether it has to be.

    What stands in the document and not in the row decides; the rate limit is no part of this.
    """
    kind = type(credential)
    before = _comparable(credential)
    held = same(known, declared.digests(kind, properties))
    declared.assign(credential, {name: value for name, value in properties.items() if name not in held})
    _assign_rest(credential, document, find_app)
    moved = any(before[name] != value for name, value in declared.plain(credential).items() if name != "name")
    declared.assign(credential, to_seal_again(credential, properties, held, moved))
    credential.prepare()
    fresh = any(credential.fresh(name) for name in declared.secret_names(kind))
    return fresh or _comparable(credential) != before


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
    if account := account_of(kind, properties):
        return same_kind.filter(account=account).first()
    return declared.holder(declared.digests(kind, properties), same_kind)


def account_of(kind: type[Credential], properties: Mapping[str, Any]) -> str | None:
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


def _create(document: Mapping[str, Any], kind: type[Credential], properties: dict[str, Any]) -> Outcome:
    credential = new_credential(document, kind, properties, oauth_app=_oauth_app(document))
    credential.save()
    _assign_limit(credential, document.get("rate_limit"))
    return Outcome.CREATED


def new_credential(
    document: Mapping[str, Any],
    kind: type[Credential],
    properties: Mapping[str, Any],
    *,
    oauth_app: OAuthApp | None,
    alone: bool = False,
) -> Credential:
    """The credential of a document that has none yet, checked and not saved. Raises ValidationError."""
    fields = {"id": uuid.UUID(document["id"])} if document.get("id") else {}
    if document.get("name"):
        fields["name"] = document["name"]
    return kind.from_properties(
        properties, alone=alone, metadata=document.get("metadata") or {}, oauth_app=oauth_app, **fields
    )


def _assign_rest(
    credential: Credential,
    document: Mapping[str, Any],
    find_app: Callable[[Mapping[str, Any]], OAuthApp | None],
) -> None:
    """Take what stands beside the properties; what is not given stays."""
    if document.get("name"):
        try:
            credential.name = declared.field_of(type(credential), "name").clean(document["name"], credential)
        except ValidationError as error:
            raise ValidationError({"name": error}) from None
    if document.get("metadata") is not None:
        credential.metadata = document["metadata"]
    if "oauth_app_id" in document:
        credential.oauth_app = find_app(document)


def _oauth_app(document: Mapping[str, Any]) -> OAuthApp | None:
    if not document.get("oauth_app_id"):
        return None
    app = OAuthApp.objects.filter(pk=document["oauth_app_id"]).first()
    if app is None:
        raise InvalidDocument([("oauth_app_id", _("there is no such OAuth app: create it first"))])
    return app


def _assign_limit(credential: Credential, given: Mapping[str, Any] | None) -> bool:
    """Store a document's limit where it differs; returns whether it did."""
    if given is None:
        return False
    try:
        return credential.set_limit(limit_of(given))
    except ValidationError as error:
        raise InvalidDocument([(f"rate_limit.{path}", message) for path, message in flat(error)]) from None


def limit_of(given: Mapping[str, Any]) -> Limit:
    """The limit that a document gives, whose shape is right. 0 or nothing at the same time is no bound."""
    return Limit(given["allowed_requests"], given["interval"], given.get("max_concurrent_requests") or None)


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
