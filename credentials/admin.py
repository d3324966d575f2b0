"""The back office of credentials and OAuth apps."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import flatten_fieldsets
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from polymorphic.admin import PolymorphicChildModelAdmin, PolymorphicParentModelAdmin
from unfold.decorators import display

from credentials import forms, kinds
from credentials.models import Conflict, Credential, OAuthApp
from credentials.sealing import secret_fields
from health.admin_base import ModelAdmin
from health.status import Status
from health.templatetags.lanyard import badge, moment


class ProviderFilter(admin.SimpleListFilter):
    title = gettext_lazy("provider")
    parameter_name = "provider"

    def lookups(self, request, model_admin):
        return [(provider.key, provider.name) for provider in kinds.PROVIDERS.values()]

    def queryset(self, request, queryset):
        return queryset.filter(provider=self.value()) if self.value() else queryset


class KindFilter(admin.SimpleListFilter):
    title = gettext_lazy("kind")
    parameter_name = "kind"

    def lookups(self, request, model_admin):
        return [(name, f"{kind.PROVIDER.name}: {kind.LABEL}") for name, kind in kinds.KINDS.items()]

    def queryset(self, request, queryset):
        return queryset.filter(kind=self.value()) if self.value() else queryset


class StatusFilter(admin.SimpleListFilter):
    title = gettext_lazy("status")
    parameter_name = "status"

    def lookups(self, request, model_admin):
        return [*Status.choices, ("unchecked", _("Not checked yet"))]

    def queryset(self, request, queryset):
        if self.value() == "unchecked":
            return queryset.filter(component__status=Status.HEALTHY, component__last_observed_at=None)
        return queryset.filter(component__status=self.value()) if self.value() else queryset


class ReadableFilter(admin.SimpleListFilter):
    title = gettext_lazy("secrets")
    parameter_name = "unreadable"

    def lookups(self, request, model_admin):
        return [("1", _("Cannot be read"))]

    def queryset(self, request, queryset):
        return queryset.filter(unreadable=True) if self.value() else queryset


class ForCredentials:
    """Rights on credentials are given once, for all kinds together."""

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("credentials.view_credential") or self.has_change_permission(request, obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("credentials.add_credential")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("credentials.change_credential")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("credentials.delete_credential")


@admin.register(Credential)
class CredentialAdmin(ForCredentials, PolymorphicParentModelAdmin, ModelAdmin):
    """The list of all credentials. It reads the base table only and opens no secret."""

    child_models = tuple(kinds.KINDS.values())
    list_display = ("title", "way_in", "status", "limit", "updated")
    list_filter = (ProviderFilter, KindFilter, StatusFilter, ReadableFilter)
    list_select_related = ("component", "rate_limit")
    search_fields = ("search",)
    search_help_text = gettext_lazy("Name, account or metadata")
    ordering = ("-updated_at", "-id")

    @display(description=gettext_lazy("name"), ordering="name", header=True)
    def title(self, credential: Credential) -> list:
        return [credential.name, credential.account or _("account not known yet")]

    @display(description=gettext_lazy("provider"), ordering="provider", header=True)
    def way_in(self, credential: Credential) -> list:
        kind = kinds.KINDS[credential.kind]
        return [kind.PROVIDER.name, kind.LABEL]

    @display(description=gettext_lazy("status"), ordering="component__status")
    def status(self, credential: Credential) -> str:
        shown = badge(credential.component)
        if not credential.unreadable:
            return shown
        return format_html('{} <span class="badge badge-red">{}</span>', shown, _("Unreadable"))

    @display(description=gettext_lazy("rate limit"))
    def limit(self, credential: Credential) -> str:
        return credential.rate_limit.words

    @display(description=gettext_lazy("updated"), ordering="updated_at")
    def updated(self, credential: Credential) -> str:
        return moment(credential.updated_at)

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: dict | None = None):
        """The kinds to choose from, by provider."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        catalogue = [
            (
                provider,
                [
                    (kind, reverse(f"admin:credentials_{kind._meta.model_name}_add"))
                    for kind in kinds.of_provider(provider.key)
                ],
            )
            for provider in kinds.PROVIDERS.values()
        ]
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Add a credential"),
            "catalogue": catalogue,
            "count": len(kinds.KINDS),
        }
        return TemplateResponse(request, "credentials/choose_kind.html", context)


class SecretHolderAdmin(ModelAdmin):
    """Saving for rows with secrets: the loser of a race sees the form again, with what was entered."""

    change_form_before_template = "credentials/form_head.html"
    delete_selected_confirmation_template = "admin/delete_selected_confirmation.html"

    def changeform_view(self, request: HttpRequest, object_id=None, form_url="", extra_context=None):
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except (Conflict, ValidationError):
            # Somebody saved between the check of this form and its save. Checked again, it says so.
            return super().changeform_view(request, object_id, form_url, extra_context)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any):
        # The boxes that remove a secret are fields of the form only, which Django does not expect here.
        names = flatten_fieldsets(self.get_fieldsets(request, obj))
        kwargs.setdefault("fields", [name for name in names if not name.startswith("remove_")])
        return super().get_form(request, obj, change=change, **kwargs)

    def with_removals(self, names: list[str], obj: Any) -> list[str]:
        """The names of fields, each optional secret that is set followed by the box that removes it."""
        removable = {field.name for field in secret_fields(self.model) if field.blank and obj and getattr(obj, field.name)}
        return [name for one in names for name in ([one, f"remove_{one}"] if one in removable else [one])]


class KindAdmin(ForCredentials, PolymorphicChildModelAdmin, SecretHolderAdmin):
    """The pages of one credential, the same for every kind."""

    base_model = Credential
    base_form = forms.CredentialForm
    form = forms.CredentialForm

    def changelist_view(self, request: HttpRequest, extra_context: dict | None = None):
        """One list serves all kinds."""
        return redirect(f"{reverse('admin:credentials_credential_changelist')}?kind={self.model.KIND}")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> list:
        kind = self.model
        names = [name for name in kind.PROPERTIES if name != "name"]
        access = [*names, *(["oauth_app"] if kind.USES_OAUTH_APP else [])]
        editable = obj is None or self.has_change_permission(request, obj)
        if editable:
            limit = {
                "fields": list(forms.CredentialForm.LIMIT_FIELDS),
                "description": kind.PROVIDER.limits,
            }
        else:
            limit = {"fields": ["limit_words"]}
        return [
            (None, {"fields": ["name"]}),
            (_("Access"), {"fields": self.with_removals(access, obj) if editable else access}),
            (_("Rate limit"), limit),
            (_("Metadata"), {"fields": ["metadata"]}),
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple:
        return () if obj is None or self.has_change_permission(request, obj) else ("limit_words",)

    @display(description=gettext_lazy("rate limit"))
    def limit_words(self, credential: Credential) -> str:
        return credential.rate_limit.words

    def save_model(self, request: HttpRequest, obj: Credential, form: forms.CredentialForm, change: bool) -> None:
        warnings = obj.warnings()
        obj.save()
        if form.limit:
            obj.set_limit(form.limit)
        for name, message in warnings.items():
            label = obj._meta.get_field(name).verbose_name
            messages.warning(request, _("Saved, but look at the %(field)s: %(message)s") % {"field": label, "message": message})


for kind in kinds.KINDS.values():
    admin.site.register(kind, KindAdmin)


@admin.register(OAuthApp)
class OAuthAppAdmin(SecretHolderAdmin):
    form = forms.OAuthAppForm
    list_display = ("title", "provider_name", "status", "is_default", "updated")
    list_filter = (ProviderFilter,)
    list_select_related = ("component",)
    search_fields = ("name", "client_id")
    search_help_text = gettext_lazy("Name or client id")

    @display(description=gettext_lazy("name"), ordering="name", header=True)
    def title(self, app: OAuthApp) -> list:
        return [app.name, app.client_id]

    @display(description=gettext_lazy("provider"), ordering="provider")
    def provider_name(self, app: OAuthApp) -> str:
        provider = kinds.PROVIDERS.get(app.provider)
        return provider.name if provider else app.provider

    @display(description=gettext_lazy("status"), ordering="component__status")
    def status(self, app: OAuthApp) -> str:
        return badge(app.component)

    @display(description=gettext_lazy("updated"), ordering="updated_at")
    def updated(self, app: OAuthApp) -> str:
        return moment(app.updated_at)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple:
        # The provider is where the secrets may be sent: another provider is another app.
        return ("provider_name",) if obj else ()

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> list:
        provider = "provider_name" if obj else "provider"
        access = ["client_id", "client_secret", "app_id", "private_key", "scopes"]
        if obj and self.has_change_permission(request, obj):
            access = self.with_removals(access, obj)
        return [
            (None, {"fields": ["name", provider, "is_default"]}),
            (_("Access"), {"fields": access}),
            (_("Metadata"), {"fields": ["metadata"]}),
        ]
