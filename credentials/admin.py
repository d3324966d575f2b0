"""The back office of credentials and OAuth apps."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import IntegrityError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from polymorphic.admin import PolymorphicChildModelAdmin, PolymorphicParentModelAdmin
from unfold.decorators import display

from credentials import audit_admin, forms, kinds  # noqa: F401 - audit_admin registers its page
from credentials.filters import DeletedFilter, KindFilter, ProviderFilter, ReadableFilter, StatusFilter
from credentials.models import KEPT_FOR, Conflict, Credential, OAuthApp
from credentials.models import properties as declared
from credentials.models.secret_holder import users_of
from credentials.sealing import SecretField, secret_fields
from health.admin_base import ModelAdmin
from health.templatetags.lanyard import badge, moment


def shortened(account: str) -> str:
    """An account as a list has room for it: the middle of a long one is left out."""
    return account if len(account) <= 40 else f"{account[:24]}…{account[-12:]}"


class ForCredentials:
    """Rights on credentials are given once, for all kinds together."""

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("credentials.view_credential") or self.has_change_permission(
            request, obj
        )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("credentials.add_credential")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("credentials.change_credential")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("credentials.delete_credential")

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple:
        """One line for each credential: Django's would tell of its rows in other tables too."""
        _lines, _counts, perms_needed, _protected = super().get_deleted_objects(objs, request)  # type: ignore[misc]  # of the ModelAdmin
        protected = [str(component) for component in users_of(row.component_id for row in objs)[:20]]
        lines = [
            _("%(provider)s: %(name)s, with its secrets, rate limit and health")
            % {"provider": kinds.KINDS[row.kind].PROVIDER.name, "name": row.name}
            for row in objs
        ]
        return lines, {Credential._meta.verbose_name_plural: len(lines)}, perms_needed, protected


@admin.register(Credential)
class CredentialAdmin(ForCredentials, PolymorphicParentModelAdmin, ModelAdmin):
    """The list of all credentials. It reads the base table only and opens no secret."""

    child_models = [*kinds.KINDS.values()]
    list_display = ("title", "way_in", "status", "limit", "updated")
    list_filter = (StatusFilter, ProviderFilter, KindFilter, ReadableFilter, DeletedFilter)
    actions = ("restore",)
    list_select_related = ("component", "rate_limit")
    search_fields = ("search",)
    search_help_text = gettext_lazy("Name, account or metadata")
    ordering = ("-updated_at", "-id")

    def get_queryset(self, request: HttpRequest) -> Any:
        if request.GET.get("deleted") != "1":
            return super().get_queryset(request)
        return Credential.everything.non_polymorphic().exclude(deleted_at=None).order_by(*self.ordering)

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        """The text for finding is kept folded, because SQLite folds only ASCII."""
        return super().get_search_results(request, queryset, search_term.casefold())

    def get_list_display_links(self, request: HttpRequest, list_display: Any) -> Any:
        """A deleted credential has no page."""
        return (
            None
            if request.GET.get("deleted") == "1"
            else super().get_list_display_links(request, list_display)
        )

    def get_actions(self, request: HttpRequest) -> dict:
        """What is deleted can be restored, the others deleted."""
        actions = super().get_actions(request)
        actions.pop("delete_selected" if request.GET.get("deleted") == "1" else "restore", None)
        return actions

    @admin.action(description=gettext_lazy("Restore"), permissions=["delete"])
    def restore(self, request: HttpRequest, queryset: Any) -> None:
        for credential in Credential.everything.filter(pk__in=[row.pk for row in queryset]):
            try:
                credential.restore()
            except (ValidationError, Conflict) as error:
                words = " ".join(getattr(error, "messages", [str(error)]))
                messages.error(
                    request, _("“%(name)s” stays deleted: %(why)s") % {"name": credential, "why": words}
                )
            else:
                messages.success(request, _("“%s” is back, as it was.") % credential)

    @display(description=gettext_lazy("name"), ordering="name", header=True)
    def title(self, credential: Credential) -> list:
        return [credential.name, shortened(credential.account or _("account not known yet"))]

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
        return format_html('<span class="whole">{}</span>', credential.rate_limit.words)

    @display(description=gettext_lazy("updated"), ordering="updated_at")
    def updated(self, credential: Credential) -> str:
        return moment(credential.updated_at)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict | None = None
    ) -> HttpResponse:
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

    def _get_real_admin(self, object_id: Any, super_if_self: bool = True) -> Any:
        """polymorphic's own lets an id that is no UUID through, to end as a server error."""
        try:
            return super()._get_real_admin(object_id, super_if_self)
        except ValidationError:
            raise Http404 from None


def state_of(field: SecretField) -> Callable[[Any], str]:
    """A read-only column which says whether a secret is set, and nothing about what it is."""

    @display(description=field.verbose_name)
    def state(holder: Any) -> str:
        secret = getattr(holder, field.name)
        return forms.secret_words(secret, holder.secret_set_at().get(field.name)) if secret else _("Not set.")

    state.__name__ = field.name
    return state


class SecretHolderAdmin(ModelAdmin):
    """Saving for rows with secrets: the loser of a race sees the form again, with what was entered."""

    change_form_before_template = "credentials/form_head.html"
    delete_selected_confirmation_template: Any = "admin/delete_selected_confirmation.html"

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict | None = None,
    ) -> Any:
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except (Conflict, ValidationError, IntegrityError):
            # Somebody saved between the check of this form and its save. Checked again, it says so.
            return super().changeform_view(request, object_id, form_url, extra_context)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        # Django expects fields of the model only: neither the boxes that remove a secret nor columns.
        if kwargs.get("fields"):
            names = [name for name in kwargs["fields"] if isinstance(name, str)]
            kwargs["fields"] = [name for name in names if not name.startswith("remove_")]
        # polymorphic drops `change`, without which a page that only shows has a form that edits.
        return super().get_form(request, obj, change=obj is not None, **kwargs)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Nothing: an address must not fill a form, least of all with a secret."""
        return {}

    def with_secrets(self, request: HttpRequest, names: list[str], obj: Any) -> list[str | Callable]:
        """The fields as somebody sees them.

        An optional secret that is set is followed by the box that removes it. Who may not change the row sees
        of a secret only whether it is set.
        """
        secrets = {field.name: field for field in secret_fields(self.model)} if obj else {}
        editable = self.has_change_permission(request, obj)
        shown: list[str | Callable] = []
        for name in names:
            secret = secrets.get(name)
            shown.append(state_of(secret) if secret and not editable else name)
            if secret and editable and secret.blank and getattr(obj, name):
                shown.append(f"remove_{name}")
        return shown


class KindAdmin(ForCredentials, PolymorphicChildModelAdmin, SecretHolderAdmin):
    """The pages of one credential, the same for every kind."""

    model: type[Credential]
    base_model = Credential
    base_form = forms.CredentialForm
    form = forms.CredentialForm

    def changelist_view(self, request: HttpRequest, extra_context: dict | None = None) -> HttpResponse:
        """One list serves all kinds."""
        return redirect(f"{reverse('admin:credentials_credential_changelist')}?kind={self.model.KIND}")

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        """Beside Django's own entry, the way back."""
        address = f"{reverse('admin:credentials_credential_changelist')}?deleted=1"
        words = _("It can be brought back for %d days:") % KEPT_FOR.days
        link = format_html('{} <a href="{}">{}</a>', words, address, _("the deleted credentials"))
        messages.info(request, link)
        return super().log_deletions(request, queryset)

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
            (_("Access"), {"fields": self.with_secrets(request, access, obj)}),
            (_("Rate limit"), limit),
            (_("Metadata"), {"fields": ["metadata"]}),
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple:
        return () if obj is None or self.has_change_permission(request, obj) else ("limit_words",)

    @display(description=gettext_lazy("rate limit"))
    def limit_words(self, credential: Credential) -> str:
        return credential.rate_limit.words

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        warnings = obj.warnings()
        obj.save()
        if form.limit:
            obj.set_limit(form.limit)
        for name, message in warnings.items():
            label = declared.field_of(type(obj), name).verbose_name
            messages.warning(
                request,
                _("Saved, but look at the %(field)s: %(message)s") % {"field": label, "message": message},
            )


for kind in kinds.KINDS.values():
    admin.site.register(kind, KindAdmin)


@admin.register(OAuthApp)
class OAuthAppAdmin(SecretHolderAdmin):
    form = forms.OAuthAppForm
    list_display = ("title", "provider_name", "status", "default", "updated")
    ordering = ("name", "id")
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

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple:
        """Beside the credentials that name the app, those that use it as their provider's default."""
        lines, counts, perms_needed, protected = super().get_deleted_objects(objs, request)
        if not protected:
            protected = [str(component) for component in users_of(row.component_id for row in objs)[:20]]
        return lines, counts, perms_needed, protected

    @display(description=gettext_lazy("default"), ordering="is_default")
    def default(self, app: OAuthApp) -> str:
        return _("Yes") if app.is_default else "–"

    @display(description=gettext_lazy("updated"), ordering="updated_at")
    def updated(self, app: OAuthApp) -> str:
        return moment(app.updated_at)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple:
        # The provider is where the secrets may be sent: another provider is another app.
        return ("provider_name",) if obj else ()

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> list:
        provider = "provider_name" if obj else "provider"
        access = ["client_id", "client_secret", "app_id", "private_key", "scopes"]
        return [
            (None, {"fields": ["name", provider, "is_default"]}),
            (_("Access"), {"fields": self.with_secrets(request, access, obj)}),
            (_("Metadata"), {"fields": ["metadata"]}),
        ]
