"""The pages of the audit trail: for reading, by those who may."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import display

from credentials import audit_pages, audit_trail, audit_words
from credentials.audit_forms import TrailForm
from credentials.models import AuditEvent
from health.admin_base import ReadOnlyAdmin
from health.templatetags.lanyard import moment


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin):
    fieldsets = (
        (None, {"fields": ("exactly", "who", "act", "subject", "fields_shown", "reason_shown")}),
        (gettext_lazy("Where from"), {"fields": ("address", "click")}),
        (gettext_lazy("Place in the chain"), {"fields": ("number", "hash_shown")}),
    )
    readonly_fields = (
        "exactly",
        "who",
        "act",
        "subject",
        "fields_shown",
        "reason_shown",
        "click",
        "hash_shown",
    )

    def changelist_view(self, request: HttpRequest, extra_context: dict | None = None) -> HttpResponse:
        """The whole trail, with health's own record for those who may see it."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        form = TrailForm(request.GET)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Audit trail"),
            "form": form,
            **audit_pages.shown(request, form.wanted(health=request.user.has_perm("health.view_flip"))),
        }
        return TemplateResponse(request, "credentials/audit_trail.html", context)

    @display(description=gettext_lazy("when"))
    def exactly(self, event: AuditEvent) -> str:
        local = timezone.localtime(event.time)
        return format_html("{} · {}", local.isoformat(" ", "milliseconds"), moment(event.time))

    @display(description=gettext_lazy("who"))
    def who(self, event: AuditEvent) -> str:
        return self._narrowed(event.actor, who=event.actor)

    @display(description=gettext_lazy("what"))
    def act(self, event: AuditEvent) -> str:
        return audit_words.act_words(event.action)

    @display(description=gettext_lazy("object"))
    def subject(self, event: AuditEvent) -> str:
        page = getattr(event, "page", "")
        name = format_html(
            "<strong>{}</strong><span>{}</span>",
            event.object_label,
            audit_words.type_words(event.object_type),
        )
        if page:
            name = format_html('<a class="plain" href="{}">{}</a>', page, name)
        else:
            name = format_html('<span class="plain">{}</span>', name)
        if not event.object_id:
            return name
        more = self._narrowed(_("All that happened to it"), type=event.object_type, object=event.object_id)
        return format_html("{} {}", name, more)

    @display(description=gettext_lazy("fields"))
    def fields_shown(self, event: AuditEvent) -> str:
        return format_html(
            '<div class="said">{}</div>',
            ", ".join(audit_words.field_words(event.action, event.fields)) or "–",
        )

    @display(description=gettext_lazy("reason"))
    def reason_shown(self, event: AuditEvent) -> str:
        return format_html('<div class="said">{}</div>', event.reason or "–")

    @display(description=gettext_lazy("one click or command"))
    def click(self, event: AuditEvent) -> str:
        if event.request_id is None:
            return "–"
        return self._narrowed(_("All that was done with it"), request=event.request_id)

    @display(description=gettext_lazy("hash"))
    def hash_shown(self, event: AuditEvent) -> str:
        return format_html('<code class="said">{}</code>', event.hash or "–")

    def _narrowed(self, words: str, **query: Any) -> str:
        """Words that lead to the list, narrowed."""
        to = reverse("admin:credentials_auditevent_changelist", query=query)
        return format_html(
            '<a class="text-primary-600 dark:text-primary-400 underline" href="{}">{}</a>', to, words
        )

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        event = super().get_object(request, object_id, from_field)
        if event is not None:
            entry = audit_trail.EVENTS.entry(event)
            audit_pages.link([entry], request.user)
            event.page = entry.page
        return event
