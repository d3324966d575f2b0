"""The back office of components and flips. No form writes a status: people report one."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import display

from health import filters, views
from health.admin_base import ModelAdmin, ReadOnlyAdmin
from health.console import component as console
from health.forms import ComponentForm
from health.models import Component, Flip, Note
from health.templatetags.lanyard import badge, badge_of, moment

FEW = 2
# Where a column has nothing to say. On a phone, where columns are lines, it takes none.
NOTHING = mark_safe('<span class="none">–</span>')  # noqa: S308 - ours


@admin.register(Component)
class ComponentAdmin(ModelAdmin):
    """Syncs, consumers and targets are kept here; credentials and OAuth apps bring their components along."""

    form = ComponentForm
    change_form_outer_before_template = "health/component.html"
    delete_selected_confirmation_template = "admin/delete_selected_confirmation.html"
    list_display = ("title", "status_shown", "since_shown", "provider_shown", "needs")
    list_filter = (
        filters.ListedKindFilter,
        filters.StatusFilter,
        filters.OwnerFilter,
        filters.ProviderFilter,
    )
    list_select_related = ("cause", "also")
    search_fields = ("name",)
    search_help_text = gettext_lazy("Name")
    ordering = ("kind", "name", "id")

    @display(description=gettext_lazy("name"), ordering="name", header=True)
    def title(self, component: Component) -> list:
        return [component.name, component.get_kind_display()]

    @display(description=gettext_lazy("status"), ordering="status")
    def status_shown(self, component: Component) -> str:
        why = []
        if component.cause and component.cause_id != component.pk:
            why.append(_("because of %(name)s") % {"name": component.cause})
        if component.also:
            why.append(_("also: the customer, for %(name)s") % {"name": component.also})
        lines = format_html_join("", '<div class="why">{}</div>', ((line,) for line in why))
        return format_html("<div>{}{}</div>", badge(component), lines)

    @display(description=gettext_lazy("since"), ordering="since")
    def since_shown(self, component: Component) -> str:
        if component.in_doubt:
            return moment(component.unknown_since)
        return moment(component.since) if component.checked or component.sequence else NOTHING

    @display(description=gettext_lazy("provider"), ordering="provider")
    def provider_shown(self, component: Component) -> str:
        return component.provider or NOTHING

    @display(description=gettext_lazy("depends on"))
    def needs(self, component: Component) -> str:
        names = sorted(str(part) for part in component.depends_on.all())
        if not names:
            return NOTHING
        more = [_("and %d more") % (len(names) - FEW)] if len(names) > FEW else []
        return format_html('<div class="said">{}</div>', ", ".join([*names[:FEW], *more]))

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        found = super().get_queryset(request)
        match = request.resolver_match
        # Not for the autocompletion and the single pages, which show no such column.
        if match and match.url_name == "health_component_changelist":
            found = found.prefetch_related("depends_on")
        return found

    # --- who may what ------------------------------------------------------------------------------

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and (obj is None or obj.by_itself)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and (obj is None or obj.by_itself)

    # --- one component -----------------------------------------------------------------------------

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> list:
        if obj is None:
            return [(None, {"fields": ["kind", "name", "depends_on"]})]
        if not self.has_change_permission(request, obj):
            return []
        return [(_("Name and dependencies"), {"fields": ["name", "depends_on"]})]

    def changeform_view(
        self, request: HttpRequest, object_id: Any = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except ValidationError:
            # Somebody wired a circle between the check of this form and its save. Checked again, it says so.
            return super().changeform_view(request, object_id, form_url, extra_context)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        component = kwargs.get("obj")
        if component is not None:
            parts = {part.pk for _steps, part in console.parts(component)}
            context |= {
                "component": component,
                "standing": console.standing(component, parts),
                "may_act": request.user.has_perm("health.report_component"),
            }
        return super().render_change_form(request, context, *args, **kwargs)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        form.actor = request.user
        super().save_related(request, form, formsets, change)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple[list, dict, set, list]:
        """What goes and what forbids it, counted instead of listed: a component may have a million flips."""
        chosen = list(objs)
        ids = [component.pk for component in chosen]
        protected = [
            _("%(name)s: delete what it belongs to instead") % {"name": component}
            for component in chosen
            if not component.by_itself
        ]
        needing = Component.objects.filter(dependencies__depends_on__in=ids).exclude(pk__in=ids).distinct()
        for component in needing.order_by("kind", "name")[:50]:
            protected.append(format_html('<a href="{}">{}</a>', views.page_url(component), component))
        flips = Flip.objects.filter(component__in=ids).count()
        notes = Note.everything.filter(component__in=ids).count()
        listed = [str(component) for component in chosen]
        if flips or notes:
            listed.append(
                _("the history: %(flips)d flips, %(notes)d notes") % {"flips": flips, "notes": notes}
            )
        counts = {self.opts.verbose_name_plural: len(ids)}
        return listed, counts, set(), protected


@admin.register(Flip)
class FlipAdmin(ReadOnlyAdmin):
    """History, for reading."""

    list_display = ("component_shown", "change", "happened", "why", "by")
    list_display_links = None
    list_filter = (
        filters.NewStatusFilter,
        filters.FlipKindFilter,
        filters.CauseFilter,
        filters.ComponentFilter,
    )
    list_select_related = ("component",)
    search_fields = ("component__name", "code", "note", "actor")
    search_help_text = gettext_lazy("Component, code, note or person")
    ordering = ("-recorded_at", "-id")

    @display(description=gettext_lazy("component"), ordering="component__name")
    def component_shown(self, flip: Flip) -> str:
        link = '<a class="plain" href="{}"><strong>{}</strong><span>{}</span></a>'
        component = flip.component
        return format_html(link, views.page_url(component), component.name, component.get_kind_display())

    @display(description=gettext_lazy("change"), ordering="new")
    def change(self, flip: Flip) -> str:
        return format_html(
            '<span class="flip">{}<span class="arrow" aria-label="{}">→</span>{}</span>',
            badge_of(flip.old, flip.component),
            _("to"),
            badge_of(flip.new, flip.component),
        )

    @display(description=gettext_lazy("happened"), ordering="happened_at")
    def happened(self, flip: Flip) -> str:
        return moment(flip.happened_at)

    @display(description=gettext_lazy("why"))
    def why(self, flip: Flip) -> str:
        return format_html('<div class="said">{} <code>{}</code></div>', flip.note, flip.code)

    @display(description=gettext_lazy("by"), ordering="actor")
    def by(self, flip: Flip) -> str:
        return flip.actor or "–"
