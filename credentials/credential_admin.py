"""The list of all credentials, and of those that were deleted."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.actions import delete_selected
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.timesince import timeuntil
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from polymorphic.admin import PolymorphicParentModelAdmin
from unfold.decorators import display

from credentials import finding, kinds, views
from credentials.filters import DeletedFilter, KindFilter, ProviderFilter, ReadableFilter, StatusFilter
from credentials.models import KEPT_FOR, Conflict, Credential
from credentials.models.deletion import users_of
from credentials.paging import KeysFirst
from health.admin_base import LONGEST_SEARCH, ModelAdmin
from health.templatetags.lanyard import badge, moment


def shortened(account: str) -> str:
    """An account as a list has room for it: the middle of a long one is left out."""
    return account if len(account) <= 40 else f"{account[:24]}…{account[-12:]}"


def is_list_of_deleted(request: HttpRequest) -> bool:
    """Whether a page of the list shows the deleted credentials, and no others."""
    return request.GET.get("deleted") == "1"


def tell_of_the_deleted(request: HttpRequest, count: int) -> None:
    """Say that what was just deleted can come back, and where."""
    words = ngettext(
        "It can be brought back for %(days)d days:", "They can be brought back for %(days)d days:", count
    )
    address = f"{reverse('admin:credentials_credential_changelist')}?deleted=1"
    link = '{} <a class="link" href="{}">{}</a>'
    messages.info(
        request, format_html(link, words % {"days": KEPT_FOR.days}, address, _("deleted credentials"))
    )


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
        protected = [str(component) for component in users_of(row.component_id for row in objs)]
        lines = [
            _("%(provider)s: %(name)s, with its secrets, rate limit and health")
            % {"provider": kinds.KINDS[row.kind].PROVIDER.name, "name": row.name}
            for row in objs
        ]
        return lines, {Credential._meta.verbose_name_plural: len(lines)}, perms_needed, protected


class CredentialAdmin(ForCredentials, PolymorphicParentModelAdmin, ModelAdmin):
    """The list of all credentials. It reads the base table only and opens no secret."""

    child_models = [*kinds.KINDS.values()]
    list_display = ("title", "way_in", "status", "limit", "updated")
    list_filter = (StatusFilter, ProviderFilter, KindFilter, ReadableFilter, DeletedFilter)
    list_before_template = "credentials/deleted_list.html"
    actions = ("test_selected", "delete_selected", "restore")
    list_select_related = ("component", "rate_limit")
    search_fields = ("search",)
    search_help_text = finding.HELP
    ordering = ("-updated_at", "-id")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[KeysFirst]:
        return KeysFirst

    def get_queryset(self, request: HttpRequest) -> Any:
        if not is_list_of_deleted(request):
            return super().get_queryset(request)
        return Credential.everything.non_polymorphic().exclude(deleted_at=None).order_by("-deleted_at", "-id")

    def get_ordering(self, request: HttpRequest) -> Any:
        return ("-deleted_at", "-id") if is_list_of_deleted(request) else self.ordering

    def get_list_display(self, request: HttpRequest) -> Any:
        """Of a deleted credential: since when, until when, and the way back, for those who may go it."""
        if not is_list_of_deleted(request):
            return self.list_display
        return (
            *("title", "way_in", "deleted", "purged"),
            *(["undo"] if self.has_delete_permission(request) else []),
        )

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        """By words, as the console's list."""
        return finding.find(queryset, search_term[:LONGEST_SEARCH]), False

    def get_list_display_links(self, request: HttpRequest, list_display: Any) -> Any:
        """A deleted credential has no page."""
        links = super().get_list_display_links(request, list_display)
        return None if is_list_of_deleted(request) else links

    def get_actions(self, request: HttpRequest) -> dict:
        """What is deleted can be restored, the others deleted."""
        actions = super().get_actions(request)
        for name in ("test_selected", "delete_selected") if is_list_of_deleted(request) else ("restore",):
            actions.pop(name, None)
        return actions

    @admin.action(description=gettext_lazy("Test selected credentials"), permissions=["change"])
    def test_selected(self, request: HttpRequest, queryset: Any) -> Any:
        return views.test_many(request, queryset)

    @admin.action(description=gettext_lazy("Delete selected credentials"), permissions=["delete"])
    def delete_selected(self, request: HttpRequest, queryset: Any) -> Any:
        """Django's own, which asks first; then the way back."""
        count = queryset.count()
        question = delete_selected(self, request, queryset)
        if question is None:
            tell_of_the_deleted(request, count)
        return question

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

    # --- of deleted ones ------------------------------------------------------------------------------------

    @display(description=gettext_lazy("deleted"), ordering="deleted_at")
    def deleted(self, credential: Credential) -> str:
        return moment(credential.deleted_at)

    @display(description=gettext_lazy("gone for good"), ordering="deleted_at")
    def purged(self, credential: Credential) -> str:
        if credential.gone_at is None or credential.gone_at <= timezone.now():
            return _("with the next purge")
        return _("in %s") % timeuntil(credential.gone_at, depth=1)

    @display(description=gettext_lazy("bring back"))
    def undo(self, credential: Credential) -> str:
        """A button of the form in `credentials/deleted_list.html`."""
        if credential.gone_at is None or credential.gone_at <= timezone.now():
            return "–"
        button = '<button class="undo" form="undo" name="{}" value="{}" aria-label="{}">{}</button>'
        label = _("Undo: bring “%s” back") % credential
        return format_html(button, ACTION_CHECKBOX_NAME, credential.pk, label, _("Undo"))

    # --- adding, and single pages ---------------------------------------------------------------------------

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict | None = None
    ) -> HttpResponse:
        """The one catalogue is the console's."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        return redirect("new_credential")

    def _get_real_admin(self, object_id: Any, super_if_self: bool = True) -> Any:
        """polymorphic's own lets an id that is no UUID through, to end as a server error."""
        try:
            return super()._get_real_admin(object_id, super_if_self)
        except ValidationError:
            raise Http404 from None
