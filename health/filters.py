"""The filters of the lists of components and flips."""

import uuid
from typing import Any

from django.contrib import admin
from django.db.models import F, Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from health import selection
from health.models import Component
from health.status import Status


class KindFilter(admin.SimpleListFilter):
    title = gettext_lazy("kind")
    parameter_name = "kind"
    field = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list:
        return list(Component.Kind.choices)

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(**{self.field: self.value()}) if self.value() else queryset


class ListedKindFilter(KindFilter):
    """Without a choice the internal components are left out: they explain, and are in no count."""

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if self.value():
            return super().queryset(request, queryset)
        return queryset.exclude(kind__in=Component.INTERNAL)


class StatusFilter(admin.SimpleListFilter):
    title = gettext_lazy("status")
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list:
        return selection.CHOICES

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        value = self.value()
        return queryset.filter(selection.with_status(value)) if value else queryset


class OwnerFilter(admin.SimpleListFilter):
    title = gettext_lazy("who must act")
    parameter_name = "owner"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list:
        return [
            ("us", _("We")),
            ("customer", _("Customer")),
            ("both", _("Both")),
            ("cause", _("The causes only")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        match self.value():
            case "us":
                return queryset.filter(status=Status.SEQUIN_INTERVENTION)
            case "customer":
                return queryset.filter(Q(status=Status.CUSTOMER_INTERVENTION) | Q(also__isnull=False))
            case "both":
                return queryset.filter(also__isnull=False)
            case "cause":
                return queryset.filter(cause=F("pk"))
        return queryset


class ProviderFilter(admin.SimpleListFilter):
    title = gettext_lazy("provider")
    parameter_name = "provider"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list:
        keys = Component.objects.exclude(provider="").order_by("provider").values_list("provider", flat=True)
        return [(key, key) for key in keys.distinct()]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(provider=self.value()) if self.value() else queryset


class FlipKindFilter(KindFilter):
    field = "component__kind"


class NewStatusFilter(admin.SimpleListFilter):
    title = gettext_lazy("became")
    parameter_name = "new"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list:
        return list(Status.choices)

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(new=self.value()) if self.value() else queryset


class CauseFilter(admin.SimpleListFilter):
    title = gettext_lazy("brought about by")
    parameter_name = "origin"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list:
        return [("own", _("The component itself")), ("other", _("What it depends on"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if self.value() == "own":
            return queryset.filter(cause=F("component"))
        return queryset.exclude(cause=F("component")) if self.value() == "other" else queryset


class ComponentFilter(admin.SimpleListFilter):
    """The flips of one component: only there when the address names one."""

    title = gettext_lazy("component")
    parameter_name = "component"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list:
        try:
            found = Component.objects.get(pk=uuid.UUID(request.GET.get(self.parameter_name, "")))
        except (ValueError, Component.DoesNotExist):
            return []
        return [(str(found.pk), str(found))]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        known = [key for key, _title in self.lookup_choices]
        return queryset.filter(component=self.value()) if self.value() in known else queryset
