"""What the page of one component shows, and the page to report on it."""

from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from health import charts, graph, reports, uptime
from health.forms import ReportForm
from health.models import Component, Dependency
from health.status import Status

WINDOWS = (
    (gettext_lazy("24 hours"), timedelta(days=1)),
    (gettext_lazy("7 days"), timedelta(days=7)),
    (gettext_lazy("30 days"), timedelta(days=30)),
    (gettext_lazy("90 days"), timedelta(days=90)),
)
SHOWN = 20


def page_url(component: Component) -> str:
    return reverse("admin:health_component_change", args=[component.pk])


def about(component: Component) -> dict[str, Any]:
    """All that the page of a component shows, in a number of queries that does not grow with it."""
    return {
        "component": component,
        "belongs_to": belongs_to(component),
        "notes": component.shown_notes(),
        "parts": parts(component),
        "dependants": component.dependants.order_by("kind", "name", "pk")[:SHOWN],
        "dependants_count": Dependency.objects.filter(depends_on=component).count(),
        "affected_count": component.affected.exclude(pk=component.pk).count(),
        "flips": component.flips.select_related("cause").order_by("-sequence")[:SHOWN],
        "uptime": uptime_rows(component),
    }


def belongs_to(component: Component) -> tuple[str, str] | None:
    """The name and address of the row whose health this is; None for a component by itself."""
    for relation in Component._meta.related_objects:
        if not relation.one_to_one or component.by_itself:
            continue
        meta = relation.related_model._meta
        key = relation.related_model._base_manager.filter(**{relation.field.name: component})
        found = key.values_list("pk", flat=True).first()
        if found:
            try:
                return str(meta.verbose_name), reverse(
                    f"admin:{meta.app_label}_{meta.model_name}_change", args=[found]
                )
            except NoReverseMatch:
                return None
    return None


def parts(component: Component) -> list[tuple[int, Component]]:
    """What it depends on, with the number of steps to it, nearest first; one query for each step."""
    found: dict[graph.Id, tuple[int, Component]] = {}
    fresh, steps = {component.pk}, 0
    while fresh:
        steps += 1
        rows = Component.objects.filter(dependents__component__in=fresh).distinct().order_by("kind", "name")
        fresh = set()
        for part in rows[: 10 * SHOWN]:
            if part.pk not in found:
                found[part.pk] = (steps, part)
                fresh.add(part.pk)
    return list(found.values())


def uptime_rows(component: Component) -> list[dict[str, Any]]:
    """For each window its strip and its shares by owner. Two queries."""
    now = timezone.now()
    oldest = now - max(length for _title, length in WINDOWS)
    flips = list(component.flips.filter(happened_at__gt=oldest).order_by("sequence"))
    pauses = list(component.pauses.windows(now))
    rows = []
    for title, length in WINDOWS:
        stretches = uptime.segments(
            now - length,
            now,
            flips,
            status=component.status,
            created_at=component.created_at,
            known_since=component.known_since,
            pauses=pauses,
        )
        measured = uptime.measure(stretches)
        rows.append(
            {
                "title": title,
                "strip": charts.strip(stretches, now - length, now),
                "percent": measured.percent,
                "customer": timedelta(microseconds=measured.customer),
                "us": timedelta(microseconds=measured.us),
                "unknown": timedelta(microseconds=measured.unknown),
                "existed": bool(stretches),
            }
        )
    return rows


def report(request: HttpRequest, component_id: str, context: dict[str, Any]) -> HttpResponse:
    """The page on which a person says how a component is; `context` is that of the admin site."""
    if not request.user.has_perm("health.report_component"):
        raise PermissionDenied
    component = get_object_or_404(Component.everything, pk=component_id)
    if component.retired_at:
        return _gone(request, reports.Gone(component))
    posted = request.POST if request.method == "POST" else None
    form = ReportForm(posted, initial={"status": component.own_status})
    if posted is not None and form.is_valid():
        said = form.cleaned_data
        try:
            flip = reports.report(component, said.pop("status"), actor=request.user, **said)
        except ValidationError as error:
            form.add_errors(error)
        except reports.Busy:
            form.add_error(None, _("Others are changing the same components: nothing was stored. Try again."))
        except reports.Gone as error:
            return _gone(request, error)
        else:
            messages.success(request, outcome(component, flip is not None))
            return redirect(page_url(component))
    context |= {
        "opts": Component._meta,
        "title": _("Report on %(name)s") % {"name": component},
        "component": component,
        "back": page_url(component),
        "form": form,
        "affected": len(graph.below({component.pk})) - 1,
    }
    return TemplateResponse(request, "health/report.html", context)


def _gone(request: HttpRequest, error: reports.Gone) -> HttpResponse:
    """To the list, which says what happened."""
    messages.error(request, str(error))
    return redirect("admin:health_component_changelist")


def outcome(component: Component, flipped: bool) -> str:
    """What a report did, in a sentence."""
    if flipped:
        return _("%(name)s: %(status)s.") % {"name": component, "status": Status(component.status).label}
    if component.masked and component.cause:
        return _("Kept. %(cause)s fails as well and decides, until it works again.") % {
            "cause": component.cause
        }
    return _("Kept. The status stays as it was.")
