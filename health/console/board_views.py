"""The board of health."""

from typing import Any

from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from health.console import board as shown
from health.console.board_forms import NOBODY, OWNER, PROVIDER, SYNC, VIEWS, BoardForm
from health.console.component_views import SEE
from health.console.paging import Turned
from health.models import Component
from health.pages import address, page

REFRESHED = 15
# What belongs to one page of a list, or to one of the lists only.
TURNED: dict[str, Any] = {"after": None, "before": None}


@never_cache
@permission_required(SEE, raise_exception=True)
@require_safe
def board(request: HttpRequest) -> HttpResponse:
    """Who must act, by owner, by sync, by component or by provider. All that narrows it is in the address."""
    form = BoardForm(request.GET)
    view = form.view
    found: dict[str, Any] = {"incidents": shown.incidents(), "counts": shown.counts()}
    turned = Turned([])
    after, before = request.GET.get("after"), request.GET.get("before")
    if view == PROVIDER:
        found["providers"] = shown.by_provider(found["incidents"])
    elif view == OWNER and not form.said("owner"):
        found["sections"] = shown.sections(form)
    elif view == OWNER:
        found["causes"], turned = shown.causes(form, after, before)
    else:
        found["rows"], turned = shown.listed(form, after, before)
    if form.because:
        found["because"] = Component.objects.filter(pk=form.because).first()
    return page(
        request,
        "health/board_rows.html" if "part" in request.GET else "health/board.html",
        title=_("Health"),
        form=form,
        view=view,
        views=[(name, words, _of_view(request, name)) for name, words in VIEWS.items()],
        by_sync=view == SYNC,
        owner=form.said("owner"),
        nobody=NOBODY,
        chips=[
            (words, value, address(request, **{name: None}, **TURNED)) for name, words, value in form.chips()
        ],
        without_cause=address(request, cause=None, **TURNED),
        clear=address(request, **dict.fromkeys(form.fields), **TURNED),
        read_at=timezone.now(),
        refreshed=REFRESHED,
        here=address(request),
        part=address(request, part="rows"),
        older=turned.after and address(request, after=turned.after, before=None),
        newer=turned.before and address(request, before=turned.before, after=None),
        **found,
    )


def _of_view(request: HttpRequest, view: str) -> str:
    """The address of another view, with what narrows this one as far as it has a meaning there."""
    without = {"cause": None, "state": None} if view == OWNER else {}
    if view == OWNER and request.GET.get("owner") == NOBODY:
        without["owner"] = None
    return address(request, view=None if view == OWNER else view, **without, **TURNED)
