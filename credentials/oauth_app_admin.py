"""The list of OAuth apps, and the pages of one."""

from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import display

from credentials import kinds, views
from credentials.filters import ProviderFilter
from credentials.models import OAuthApp
from credentials.models.app_choice import followers_by_provider
from credentials.models.deletion import users_of
from credentials.oauth_app_forms import OAuthAppForm
from credentials.secret_holder_admin import SecretHolderAdmin
from health.templatetags.lanyard import badge, moment


class OAuthAppAdmin(SecretHolderAdmin):
    class Media:
        js = ("lanyard/copy.js",)

    form = OAuthAppForm
    change_form_outer_before_template = "credentials/app_acts.html"
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
            protected = [str(component) for component in users_of(row.component_id for row in objs)]
        return lines, counts, perms_needed, protected

    @display(description=gettext_lazy("default"), ordering="is_default")
    def default(self, app: OAuthApp) -> str:
        return _("Yes") if app.is_default else "–"

    @display(description=gettext_lazy("updated"), ordering="updated_at")
    def updated(self, app: OAuthApp) -> str:
        return moment(app.updated_at)

    def render_change_form(self, request: HttpRequest, context: dict, *args: Any, **kwargs: Any) -> Any:
        """Beside the form, the address that the provider must know, and the kind that is connected by it."""
        app = context.get("original")
        ways = [kind for kind in kinds.of_provider(app.provider) if kind.CONSENT] if app else []
        context["consenting"] = ways[0] if ways else None
        context["redirect_uri"] = views.redirect_uri(request, app.provider if app else "provider")
        return super().render_change_form(request, context, *args, **kwargs)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple:
        # The provider is where the secrets may be sent: another provider is another app.
        return ("provider_name",) if obj else ()

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> list:
        provider = "provider_name" if obj else "provider"
        access = ["client_id", "client_secret", "app_id", "private_key", "scopes"]
        return [
            (None, {"fields": ["name", provider, "is_default", *self._confirmation(request, obj)]}),
            (_("Access"), {"fields": self.with_secrets(request, access, obj)}),
            (_("Metadata"), {"fields": ["metadata"]}),
        ]

    def _confirmation(self, request: HttpRequest, obj: Any) -> list[str]:
        """The tick that a change of the default app asks for, where credentials follow it."""
        counts = followers_by_provider() if obj is None or self.has_change_permission(request, obj) else {}
        return ["confirm_default"] if (obj.provider in counts if obj else counts) else []
