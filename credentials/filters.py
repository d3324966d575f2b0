"""What lists of credentials and OAuth apps can be narrowed by."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from credentials import kinds
from credentials.models import KEPT_FOR
from health import selection


class ProviderFilter(admin.SimpleListFilter):
    title = gettext_lazy("provider")
    parameter_name = "provider"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(provider.key, provider.name) for provider in kinds.PROVIDERS.values()]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(provider=self.value()) if self.value() else queryset


class KindFilter(admin.SimpleListFilter):
    title = gettext_lazy("kind")
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(name, f"{kind.PROVIDER.name}: {kind.LABEL}") for name, kind in kinds.KINDS.items()]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(kind=self.value()) if self.value() else queryset


class StatusFilter(admin.SimpleListFilter):
    title = gettext_lazy("status")
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return selection.CHOICES

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        value = self.value()
        return queryset.filter(selection.with_status(value, "component__")) if value else queryset


class ReadableFilter(admin.SimpleListFilter):
    title = gettext_lazy("secrets")
    parameter_name = "unreadable"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("1", _("Cannot be read"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(unreadable=True) if self.value() else queryset


class DeletedFilter(admin.SimpleListFilter):
    """Shows the deleted ones, which are in no list otherwise. See CredentialAdmin.get_queryset."""

    title = gettext_lazy("deleted")
    parameter_name = "deleted"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("1", _("Deleted within %d days") % KEPT_FOR.days)]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.exclude(deleted_at=None) if self.value() else queryset
