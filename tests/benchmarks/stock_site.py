"""The peer's admin site: the list of credentials with the same columns, filters and search as ours, and
everything else as Django has it."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.urls import path

from credentials.filters import DeletedFilter, KindFilter, ProviderFilter, ReadableFilter, StatusFilter
from credentials.models import Credential, OAuthApp
from health.models import Component

site = admin.AdminSite(name="admin")
site.register([User, Group, OAuthApp, Component])


@admin.register(Credential, site=site)
class CredentialAdmin(admin.ModelAdmin):
    list_display = ("name", "account", "provider", "kind", "status", "rate_limit", "updated_at")
    # Django's own filters by value ask for all values in the table, at each page.
    list_filter = (StatusFilter, ProviderFilter, KindFilter, ReadableFilter, DeletedFilter)
    list_select_related = ("component", "rate_limit")
    list_per_page = 50
    search_fields = ("search",)
    ordering = ("-updated_at", "-id")

    def get_queryset(self, request: Any) -> Any:
        return Credential.objects.non_polymorphic()

    @admin.display(ordering="component__status")
    def status(self, credential: Credential) -> str:
        return credential.component.get_status_display()


urlpatterns = [path("admin/", site.urls)]
