"""Inserting hundreds of new credentials with a handful of statements."""

from collections.abc import Iterator
from typing import Any

from django.db import connection, models

from credentials import audit
from credentials.models import AuditEvent, Credential, Fingerprint, Limit, OAuthApp, RateLimit, app_choice
from credentials.models import properties as declared
from credentials.sealing import Sealed, secret_fields
from health import wiring
from health.models import Component


def insert(rows: list[tuple[Credential, Limit | None]]) -> None:
    """Insert new, checked credentials and all that belongs to each: what save() does, many at a time.

    Each comes with its limit, or None for its kind's default. Call it in a transaction.
    """
    credentials = [credential for credential, _limit in rows]
    app_choice.hold(one.PROVIDER.key for one in credentials if one.USES_OAUTH_APP and not one.oauth_app_id)
    for one in credentials:
        one.take_component()
        one.pre_save_polymorphic()
        # The link of the kind's own row to that of the base table.
        one.pk = one.id
    Component.everything.bulk_create([one.component for one in credentials])
    # A queryset of the base table takes rows of every kind; Django refuses it for the kinds' own tables.
    models.QuerySet[Credential](Credential).bulk_create(credentials)
    for kind in {type(one): None for one in credentials}:
        _insert_own(kind, [one for one in credentials if type(one) is kind])
    RateLimit.objects.bulk_create(
        RateLimit(credential_id=one.id, **(limit or one.default_limit(declared.plain(one)))._asdict())
        for one, limit in rows
    )
    Fingerprint.objects.bulk_create(
        Fingerprint(owner=one.id, field=field.name, digest=state.digest)
        for one in credentials
        for field in secret_fields(type(one))
        if isinstance(state := field.state(one), Sealed)
    )
    _connect(credentials)
    audit.record_all(event for one, limit in rows for event in _events(one, limit))


def _insert_own(kind: type[Credential], rows: list[Credential]) -> None:
    """Insert into the table of one kind, with what save() itself calls: no public method does it for a table
    with a parent. So each SecretField seals as it does for save(), for the row that it stands in."""
    fields = [field for field in kind._meta.local_concrete_fields if not field.generated]
    table: Any = models.QuerySet(kind)
    most = max(1, connection.ops.bulk_batch_size(fields, rows))
    for start in range(0, len(rows), most):
        table._insert(rows[start : start + most], fields=fields, using=connection.alias)


def _connect(credentials: list[Credential]) -> None:
    """Let each depend on the OAuth app that it authenticates through: its own, or its provider's default."""
    using = [one for one in credentials if one.USES_OAUTH_APP]
    defaults = {app.provider: app for app in OAuthApp.objects.filter(is_default=True)} if using else {}
    pairs = [(one, one.oauth_app or defaults.get(one.provider)) for one in using]
    if edges := [(one.component_id, app.component_id) for one, app in pairs if app]:
        wiring.connect(edges, actor=audit.now_acting().actor)


def _events(credential: Credential, limit: Limit | None) -> Iterator[AuditEvent]:
    yield audit.event("create", credential)
    if limit:
        yield audit.event("change", credential, fields=["rate_limit"])
