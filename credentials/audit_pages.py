"""A page of the audit trail as templates need it: by day, with the addresses of objects and pages."""

import contextlib
from collections.abc import Iterable
from itertools import groupby
from typing import Any

from django.contrib.auth.models import Group, User
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from credentials import audit_trail
from credentials.audit_trail import Entry, Place
from credentials.models import Channel, Credential, Job, OAuthApp
from health.models import Component

# By type: its table, the page of one row, and the right to see that.
PAGES: dict[str, tuple[type, str, str]] = {
    "credential": (Credential, "admin:credentials_credential_change", "credentials.view_credential"),
    "oauth_app": (OAuthApp, "admin:credentials_oauthapp_change", "credentials.view_oauthapp"),
    "channel": (Channel, "admin:credentials_channel_change", "credentials.view_channel"),
    "component": (Component, "health_component", "health.view_component"),
    "job": (Job, "job", "credentials.view_auditevent"),
    "user": (User, "admin:auth_user_change", "auth.view_user"),
    "group": (Group, "admin:auth_group_change", "auth.view_group"),
}


def link(entries: list[Entry], user: Any) -> None:
    """Give each entry the page of its object, if that is still there and this person may see it. One query
    for each type."""
    found = {}
    for name, (model, route, right) in PAGES.items():
        named = {entry.id for entry in entries if entry.type == name}
        if not named or not user.has_perm(right):
            continue
        key = model._meta.pk  # type: ignore[attr-defined]  # of a model
        keys = []
        for text in named:
            with contextlib.suppress(ValidationError):
                value = key.to_python(text)
                key.run_validators(value)
                keys.append(value)
        rows = model._default_manager.filter(pk__in=keys)  # type: ignore[attr-defined]
        for pk in rows.order_by().values_list("pk", flat=True):
            found[name, str(pk)] = reverse(route, args=[pk])
    for entry in entries:
        entry.page = found.get((entry.type, entry.id), "")


def by_day(entries: Iterable[Entry]) -> list[tuple[Any, list[Entry]]]:
    """The entries of each day together, in the time zone of the installation."""
    return [
        (day, list(some)) for day, some in groupby(entries, key=lambda entry: timezone.localdate(entry.time))
    ]


def address(request: HttpRequest, **changed: Any) -> str:
    """The query of this page with some entries changed; None takes one away."""
    query = request.GET.copy()
    for name in ("before", "after"):
        query.pop(name, None)
    for name, value in changed.items():
        query.pop(name, None)
        if value is not None:
            query[name] = str(value)
    return f"?{query.urlencode()}"


def shown(request: HttpRequest, wanted: audit_trail.Wanted) -> dict[str, Any]:
    """One page of the trail for a template, with the addresses of those beside it."""
    before, after = (Place.read(request.GET.get(name, "")) for name in ("before", "after"))
    page = audit_trail.page(wanted, before=before, after=after)
    link(page.entries, request.user)
    return {
        "days": by_day(page.entries),
        "older": page.older and address(request, before=page.older),
        "newer": page.newer and address(request, after=page.newer),
        "newest": address(request) if before or after else None,
    }
