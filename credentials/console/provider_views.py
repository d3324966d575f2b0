"""The pages of providers: all of them, and one."""

from django.contrib.auth.decorators import permission_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from credentials import kinds
from credentials.console import providers as shown
from credentials.models import OAuthApp
from health import incidents
from health.pages import page

SEE, PLAN = "credentials.view_credential", "health.report_component"
APPS = 20


@never_cache
@permission_required(SEE, raise_exception=True)
@require_safe
def providers(request: HttpRequest) -> HttpResponse:
    """Every provider as a card; those with an incident on top as well."""
    cards = shown.cards(list(kinds.PROVIDERS.values()))
    return page(
        request,
        "credentials/providers.html",
        title=_("Providers"),
        cards=cards,
        troubled=[card for card in cards if card.incident],
        meaning=shown.words(),
        read_at=timezone.now(),
    )


@never_cache
@permission_required(SEE, raise_exception=True)
@require_safe
def provider(request: HttpRequest, slug: str) -> HttpResponse:
    """One provider: what it needs, its limits, its OAuth apps, its credentials, its incidents."""
    found, now = kinds.PROVIDERS.get(slug), timezone.now()
    if found is None:
        raise Http404
    [card] = shown.cards([found], now)
    may_see_apps = request.user.has_perm("credentials.view_oauthapp")
    apps = OAuthApp.objects.filter(provider=slug).select_related("component", "component__cause")
    return page(
        request,
        "credentials/provider.html",
        title=found.name,
        card=card,
        meaning=shown.words(),
        failing_now=shown.failing_now(found, now),
        turned=shown.turned(found, now),
        apps=list(apps.order_by("-is_default", "name", "pk")[:APPS]) if may_see_apps else [],
        since_days=shown.SINCE.days,
        maintenance=shown.maintenance(found, now),
        may_plan=request.user.has_perm(PLAN),
        read_at=now,
    )


@never_cache
@permission_required((SEE, PLAN), raise_exception=True)
@require_POST
def plan_maintenance(request: HttpRequest, slug: str) -> HttpResponse:
    """To the page on which a provider is paused, and all that is there with it, now or at a later time."""
    if slug not in kinds.PROVIDERS:
        raise Http404
    component = incidents.of_provider(slug)
    address = reverse("health_act", args=[component.pk, "pause"])
    return redirect(f"{address}?next={reverse('provider', args=[slug])}")
