"""Deleting: what forbids it, what goes with a row, and the seven days of a credential."""

import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db import models, transaction
from django.db.models import ProtectedError
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from credentials import audit
from credentials.models import app_choice
from credentials.models.fingerprint import Fingerprint
from credentials.sealing import SecretError
from health import graph, wiring
from health.models import Component

if TYPE_CHECKING:
    from credentials.models.credential import Credential

# How long a deleted credential can be brought back.
KEPT_FOR = timedelta(days=7)
# How many of those that use something are loaded to name them.
MOST_USERS = 20


class InUse(ProtectedError):
    """Something still depends on what should be deleted: `protected_objects` are the components that do."""


class Deleted(SecretError):
    """The credential was deleted: its secrets are neither used nor revealed until it is back."""

    code = "deleted"


def users_of(components: Iterable[uuid.UUID]) -> list[Component]:
    """The first of the components that depend on any of these, and are none of them, by kind and name."""
    ids = set(components)
    found: set[uuid.UUID] = set()
    for some in graph.chunks(ids):
        found.update(graph.edges().filter(depends_on__in=some).values_list("component_id", flat=True))
    users: list[Component] = []
    for some in graph.chunks(found - ids):
        users += Component.objects.filter(pk__in=some).order_by("kind", "name")[:MOST_USERS]
    return sorted(users, key=lambda user: (user.kind, user.name))[:MOST_USERS]


def refuse_in_use(components: Iterable[uuid.UUID]) -> None:
    """Raise InUse where something depends on these components."""
    if users := users_of(components):
        names = ", ".join(map(str, users[:5]))
        raise InUse(_("It is in use: %(users)s.") % {"users": names}, set(users))


def forget(owned: list[tuple[uuid.UUID, uuid.UUID]]) -> None:
    """Remove the fingerprints and components of rows that were deleted, given as (id, component id)."""
    for start in range(0, len(owned), graph.CHUNK):
        rows = owned[start : start + graph.CHUNK]
        Fingerprint.objects.filter(owner__in=[row for row, _component in rows]).delete()
        Component.everything.filter(id__in=[component for _row, component in rows]).delete()


def put_away(rows: "models.QuerySet[Credential]") -> int:
    """Take credentials out of all lists and of the graph, all or none; returns how many.

    They come back by `Credential.restore`. A handful of statements for each 500. Raises InUse while
    something depends on one of them.
    """
    now = timezone.now()
    with transaction.atomic(rows.db):
        chosen = dict(rows.values_list("pk", "provider"))
        app_choice.hold(chosen.values())
        components: list[uuid.UUID] = []
        for some in graph.chunks(chosen):
            components += _mark(rows.model, some, now)
        _take_out(components)
        for ids in graph.chunks(components):
            Component.everything.filter(pk__in=ids).update(retired_at=now)
    return len(components)


def _mark(model: "type[Credential]", some: list[uuid.UUID], now: datetime) -> list[uuid.UUID]:
    """Mark rows as deleted and record it; returns the ids of their components."""
    # Those that somebody else deleted meanwhile are left out.
    there = model._root_rows().filter(pk__in=some, deleted_at=None).order_by("pk")
    found = list(there.select_for_update().only("id", "name", "component", "version"))
    model._root_rows().filter(pk__in=[row.pk for row in found]).update(
        deleted_at=now, updated_at=now, version=models.F("version") + 1
    )
    audit.record_all(audit.event("delete", row, fields=["deleted_at"]) for row in found)
    return [row.component_id for row in found]


def _take_out(components: list[uuid.UUID]) -> None:
    """Remove what components depend on. Raises InUse where something depends on one of them."""
    edges: list[tuple[uuid.UUID, uuid.UUID]] = []
    for some in graph.chunks(components):
        edges += graph.edges().filter(component__in=some).values_list("component_id", "depends_on_id")
    if edges:
        wiring.disconnect(edges, actor=audit.now_acting().actor)
    # Last, when the components are locked: nothing begins to depend on them any more.
    for some in graph.chunks(components):
        locked = Component.objects.filter(pk__in=some).order_by("pk")
        list(locked.select_for_update(no_key=True).values_list("pk", flat=True))
    refuse_in_use(components)
