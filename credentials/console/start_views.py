"""Where a new credential begins: the catalogue of providers and their kinds."""

from typing import Any

from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from credentials import kinds
from credentials.console import providers as shown
from credentials.models import Credential, OAuthApp
from health.admin_base import LONGEST_SEARCH
from health.pages import page

ADD = "credentials.add_credential"


@never_cache
@permission_required(ADD, raise_exception=True)
@require_safe
def new_credential(request: HttpRequest) -> HttpResponse:
    """Every provider as a card with its kinds; those that do not have all words of `q` are hidden."""
    asked = request.GET.get("q", "")[:LONGEST_SEARCH].strip()
    words = asked.lower().split()
    with_apps = set(OAuthApp.objects.values_list("provider", flat=True))
    catalogue = []
    for key, provider in kinds.PROVIDERS.items():
        ways = [_way(kind, key in with_apps) for kind in kinds.of_provider(key)]
        for way in ways:
            way["hidden"] = not all(word in way["words"] for word in words)
        catalogue.append((provider, ways, all(way["hidden"] for way in ways)))
    return page(
        request,
        "credentials/catalogue.html",
        title=_("Add a credential"),
        catalogue=catalogue,
        asked=asked,
        none=all(hidden for _provider, _ways, hidden in catalogue),
    )


def _way(kind: type[Credential], has_app: bool) -> dict[str, Any]:
    """A kind as the catalogue shows it, with the words by which it is found."""
    provider = kind.PROVIDER
    found = (provider.name, provider.category, kind.LABEL, kind.KIND, kind.KIND.replace("_", " "))
    return {
        "kind": kind,
        "address": shown.way(kind).add_address,
        "connects": kind.CONSENT is not None and has_app,
        "lacks_app": kind.CONSENT is not None and not has_app,
        "words": " ".join(map(str, found)).lower(),
    }
