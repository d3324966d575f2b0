"""The page of the audit trail: for reading, by those who may."""

import contextlib
import uuid
from typing import Any

from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import display

from credentials.models import AuditEvent, Credential, OAuthApp
from health.admin_base import Listing, ReadOnlyAdmin
from health.templatetags.lanyard import moment

# How each act reads. One that is not here yet reads as its own name.
ACTIONS = {
    "create": gettext_lazy("Created"),
    "change": gettext_lazy("Changed"),
    "replace_secret": gettext_lazy("Secret replaced"),
    "reveal": gettext_lazy("Secret revealed"),
    "delete": gettext_lazy("Deleted"),
    "restore": gettext_lazy("Restored"),
    "purge": gettext_lazy("Removed for good"),
    "set_password": gettext_lazy("Password set"),
}
# By type: its name, its table, the page of one row, and the right to see that.
TYPES: dict[str, tuple[Any, type, str, str]] = {
    "credential": (
        *(gettext_lazy("Credential"), Credential),
        *("admin:credentials_credential_change", "credentials.view_credential"),
    ),
    "oauth_app": (
        *(gettext_lazy("OAuth app"), OAuthApp),
        *("admin:credentials_oauthapp_change", "credentials.view_oauthapp"),
    ),
    "user": (gettext_lazy("User"), User, "admin:auth_user_change", "auth.view_user"),
    "group": (gettext_lazy("Group"), Group, "admin:auth_group_change", "auth.view_group"),
}


def action_words(action: str) -> str:
    """An act in words."""
    return str(ACTIONS.get(action, action.replace("_", " ").capitalize()))


def type_words(object_type: str) -> str:
    """The type of an object in words."""
    return str(TYPES[object_type][0] if object_type in TYPES else object_type.replace("_", " ").capitalize())


class ActionFilter(admin.SimpleListFilter):
    title = gettext_lazy("what was done")
    parameter_name = "action"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list:
        return list(ACTIONS.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(action=self.value()) if self.value() else queryset


class TypeFilter(admin.SimpleListFilter):
    title = gettext_lazy("type of object")
    parameter_name = "type"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list:
        return [(name, words) for name, (words, *_rest) in TYPES.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(object_type=self.value()) if self.value() else queryset


class RequestFilter(admin.SimpleListFilter):
    """The events of one click or command: only there when the address names one."""

    title = gettext_lazy("one click or command")
    parameter_name = "request"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list:
        with contextlib.suppress(ValueError):
            return [(str(uuid.UUID(request.GET.get(self.parameter_name, ""))), _("This one"))]
        return []

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        known = [key for key, _title in self.lookup_choices]
        return queryset.filter(request_id=self.value()) if self.value() in known else queryset


class EventList(Listing):
    """A page of events that knows which of their objects are still there: one query for each type."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        shown: list[Any] = list(self.result_list)  # type: ignore[has-type]  # of Django's, which has no types
        pages = object_pages(shown, request.user)
        self.result_list = shown
        for event in shown:
            event.page = pages.get((event.object_type, event.object_id), "")


def object_pages(events: list[AuditEvent], user: Any) -> dict[tuple[str, str], str]:
    """By type and id, the address of each object that is still there and that this person may see."""
    found = {}
    for name, (_words, model, route, right) in TYPES.items():
        named = {event.object_id for event in events if event.object_type == name}
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
    return found


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin):
    list_display = ("when", "actor", "act", "subject", "fields_shown", "reason_shown")
    list_filter = (ActionFilter, TypeFilter, RequestFilter)
    search_fields = ("actor", "object_label")
    search_help_text = gettext_lazy("Person or object")
    ordering = ("-time", "-id")
    fieldsets = (
        (None, {"fields": ("exactly", "actor", "act", "subject", "fields_shown", "reason_shown")}),
        (gettext_lazy("Where from"), {"fields": ("address", "click")}),
        (gettext_lazy("Place in the chain"), {"fields": ("number", "hash")}),
    )
    readonly_fields = ("exactly", "act", "subject", "fields_shown", "reason_shown", "click")

    @display(description=gettext_lazy("when"), ordering="time")
    def when(self, event: AuditEvent) -> str:
        return moment(event.time)

    @display(description=gettext_lazy("when"))
    def exactly(self, event: AuditEvent) -> str:
        return format_html("{} · {}", event.time.isoformat(" ", "milliseconds"), moment(event.time))

    @display(description=gettext_lazy("what"), ordering="action")
    def act(self, event: AuditEvent) -> str:
        return action_words(event.action)

    @display(description=gettext_lazy("object"), ordering="object_label")
    def subject(self, event: AuditEvent) -> str:
        page = getattr(event, "page", "")
        text = format_html(
            "<strong>{}</strong><span>{}</span>", event.object_label, type_words(event.object_type)
        )
        if page:
            return format_html('<a class="plain" href="{}">{}</a>', page, text)
        return format_html('<span class="plain">{}</span>', text)

    @display(description=gettext_lazy("fields"))
    def fields_shown(self, event: AuditEvent) -> str:
        return format_html('<div class="said">{}</div>', ", ".join(event.fields) or "–")

    @display(description=gettext_lazy("reason"))
    def reason_shown(self, event: AuditEvent) -> str:
        return format_html('<div class="said">{}</div>', event.reason or "–")

    @display(description=gettext_lazy("one click or command"))
    def click(self, event: AuditEvent) -> str:
        if event.request_id is None:
            return "–"
        link = '<a class="text-primary-600 dark:text-primary-400 underline" href="{}?request={}">{}</a>'
        address = reverse("admin:credentials_auditevent_changelist")
        return format_html(link, address, event.request_id, _("All that was done with it"))

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[EventList]:
        return EventList

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        event = super().get_object(request, object_id, from_field)
        if event is not None:
            event.page = object_pages([event], request.user).get((event.object_type, event.object_id), "")
        return event
