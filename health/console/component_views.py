"""The page of one component."""

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from health import reports
from health.console import component as shown
from health.models import Component
from health.pages import address, page
from health.timeline import Place

SEE, ACT = "health.view_component", "health.report_component"
REFRESHED = 15


def found_component(pk: UUID) -> Component:
    """The component at an address, also one that is retired. Raises Http404."""
    return get_object_or_404(Component.everything.select_related("cause", "also"), pk=pk)


def gone(request: HttpRequest, component: Component) -> HttpResponse:
    """To the board, which says what became of it."""
    messages.error(request, str(reports.Gone(component)))
    return redirect("health_board")


@never_cache
@permission_required(SEE, raise_exception=True)
@require_safe
def component(request: HttpRequest, pk: UUID) -> HttpResponse:
    """One component: how it is and why, since when, what it depends on, what happened to it. `before` in the
    address turns to older entries of its timeline."""
    found = found_component(pk)
    if found.retired_at:
        return gone(request, found)
    before = Place.read(request.GET.get("before", ""))
    context = shown.about(found, before=before)
    older = context["timeline"].older
    return page(
        request,
        "health/component_now.html" if "part" in request.GET else "health/component_page.html",
        title=str(found),
        content_title=found.name,
        may_act=request.user.has_perm(ACT),
        # Who reads what is old reads on in peace.
        refreshed=None if before else REFRESHED,
        here=request.path,
        part=address(request, part="now"),
        older=older and f"{address(request, before=older)}#timeline",
        newest=f"{request.path}#timeline" if before else "",
        **context,
    )
