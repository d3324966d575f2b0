"""Pages of the jobs around one credential: connecting it, and testing whether it works."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.decorators import permission_required
from django.core.exceptions import ValidationError
from django.db import connection
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from credentials import app_tests, audit, connect, kinds, probes
from credentials.connect_forms import ConnectForm
from credentials.models import Credential, OAuthApp
from credentials.refusals import WORDS, Refused
from health.observations import CODES

# Where a refused consent waits until its page is shown, whose address holds neither code nor state.
REFUSED = "connect_refused"
TESTS_AT_ONCE = 8
MOST_TESTED = 50
# After these it is worth a look whether the fault is the OAuth app's.
MAYBE_THE_APP = ("revoked", "expired", "token_lost", "oauth_app_rejected", "our_fault", "unclassified")


def page(request: HttpRequest, template: str, title: str, **context: Any) -> HttpResponse:
    """A page in the frame of the console."""
    found = {**admin.site.each_context(request), "title": title, "opts": Credential._meta, **context}
    return TemplateResponse(request, template, found)


# --- connecting ---------------------------------------------------------------------------------------------


def redirect_uri(request: HttpRequest, provider: str) -> str:
    """The one exact address that a provider sends people back to, registered there with the OAuth app."""
    return request.build_absolute_uri(reverse("oauth_callback", args=[provider]))


@never_cache
@permission_required("credentials.add_credential", raise_exception=True)
@require_http_methods(["GET", "POST"])
def connect_new(request: HttpRequest, kind: str) -> HttpResponse:
    """Ask for what the consent page needs, then send the person there."""
    model = kinds.KINDS.get(kind)
    if model is None or model.CONSENT is None:
        raise Http404
    form = ConnectForm(model, request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            return _leave(request, form.credential(), form.cleaned_data["oauth_app"])
        except ValidationError as error:
            form.add_error(None, error)
    return page(
        request,
        "credentials/connect.html",
        _("Connect with %s") % model.PROVIDER.name,
        form=form,
        kind=model,
        redirect_uri=redirect_uri(request, model.PROVIDER.key),
        apps=form.fields["oauth_app"].queryset,  # type: ignore[attr-defined]
    )


@never_cache
@permission_required("credentials.change_credential", raise_exception=True)
@require_POST
def connect_again(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Send a person to the consent page for a credential that is there already."""
    credential = get_object_or_404(Credential.objects.all(), pk=pk)
    app = credential.app_in_use()
    if credential.CONSENT is None:
        raise Http404
    if app is None:
        messages.error(
            request, _("There is no OAuth app for %s yet: add one first.") % credential.PROVIDER.name
        )
        return redirect(credential.get_absolute_url())
    try:
        return _leave(request, credential, app)
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
        return redirect(credential.get_absolute_url())


def _leave(request: HttpRequest, credential: Credential, app: OAuthApp) -> HttpResponse:
    """A page that goes on to the provider by itself: a form may not lead to another site."""
    provider = credential.PROVIDER
    address = connect.begin(
        request.user,
        _session_key(request),
        credential,
        app,
        redirect_uri=redirect_uri(request, provider.key),
    )
    return TemplateResponse(request, "credentials/leave.html", {"address": address, "provider": provider})


def _session_key(request: HttpRequest) -> str:
    if not request.session.session_key:
        request.session.create()
    return str(request.session.session_key)


@never_cache
@require_GET
def callback(request: HttpRequest, provider: str) -> HttpResponse:
    """Where a provider sends people back to. What comes in the address goes no further than this."""
    if provider not in kinds.PROVIDERS:
        raise Http404
    if not request.user.is_authenticated:
        # Not through the sign-in page: its address would carry the code along.
        return _refused(request, provider, Refused("expired"))
    if not request.user.has_perm("credentials.change_credential"):
        return _refused(request, provider, Refused("expired"))
    params = {name: request.GET[name] for name in request.GET}
    try:
        found = connect.finish(request.user, _session_key(request), provider, params)
    except Refused as error:
        return _refused(request, provider, error)
    words = _("“%s” is connected.") if found.created else _("“%s” is connected again.")
    messages.success(request, words % found.credential)
    if found.reading.code != "ok":
        meaning = CODES.get(found.reading.code, CODES["unclassified"])
        messages.warning(request, f"{meaning.happened} {found.reading.detail}".strip())
    return redirect(found.credential.get_absolute_url())


def _refused(request: HttpRequest, provider: str, error: Refused) -> HttpResponse:
    request.session[REFUSED] = {
        "code": error.code,
        "detail": error.detail,
        "provider": provider,
        "credential": str(error.credential.pk) if error.credential else None,
    }
    return redirect("oauth_refused")


@never_cache
@require_GET
def refused(request: HttpRequest) -> HttpResponse:
    """Why a consent made no credential, and what to do."""
    found = request.session.get(REFUSED)
    if not found or found.get("code") not in WORDS:
        return redirect("admin:index")
    title, happened, what_to_do = WORDS[found["code"]]
    stored = Credential.objects.filter(pk=found["credential"]).first() if found["credential"] else None
    return page(
        request,
        "credentials/refused.html",
        str(title),
        code=found["code"],
        happened=happened,
        what_to_do=what_to_do,
        detail=found["detail"],
        provider=kinds.PROVIDERS[found["provider"]],
        redirect_uri=redirect_uri(request, found["provider"]),
        begin_again=_begin_again(found["provider"]),
        credential=stored,
        app_at_fault=found["code"] == "misconfigured",
    )


def _begin_again(provider: str) -> str:
    """Where a new account of the provider is connected; the catalogue where none can be."""
    ways = [kind for kind in kinds.of_provider(provider) if kind.CONSENT]
    return (
        reverse("connect_new", args=[ways[0].KIND]) if ways else reverse("admin:credentials_credential_add")
    )


# --- testing ------------------------------------------------------------------------------------------------


@never_cache
@permission_required("credentials.change_credential", raise_exception=True)
@require_POST
def test(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Ask the provider whether a credential works, and show what it answered."""
    credential = get_object_or_404(Credential.objects.all(), pk=pk)
    return tested(request, [probes.test(credential)])


@never_cache
@permission_required("credentials.change_credential", raise_exception=True)
@require_POST
def test_app(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Ask the provider whether it knows an OAuth app, and show what it answered."""
    app = get_object_or_404(OAuthApp, pk=pk)
    found = app_tests.test(app)
    if found.works:
        title = _("%(provider)s knows “%(app)s”")
    elif found.observation and found.observation.code == "oauth_app_rejected":
        title = _("%(provider)s does not accept “%(app)s”")
    else:
        title = _("Whether %(provider)s knows “%(app)s” is open")
    return page(
        request,
        "credentials/app_tested.html",
        title % {"provider": kinds.PROVIDERS[app.provider].name, "app": app},
        one=found,
        app=app,
        provider=kinds.PROVIDERS[app.provider],
        redirect_uri=redirect_uri(request, app.provider),
        opts=OAuthApp._meta,
        simulated=bool(settings.PROVIDER_SIMULATOR_URL),
    )


def test_many(request: HttpRequest, rows: Any) -> HttpResponse | None:
    """Test the chosen credentials at the same time, and show what came of each."""
    chosen = list(rows.values_list("pk", flat=True)[: MOST_TESTED + 1])
    if len(chosen) > MOST_TESTED:
        many = _("That are too many at once: choose at most %d, or use manage.py test_credential.")
        messages.error(request, many % MOST_TESTED)
        return None
    actor = audit.now_acting().actor
    with ThreadPoolExecutor(TESTS_AT_ONCE) as pool:
        found = list(pool.map(lambda pk: _test_in_thread(actor, pk), chosen))
    return tested(request, sorted(filter(None, found), key=lambda one: (one.works, one.credential.name)))


def _test_in_thread(actor: str, pk: UUID) -> probes.Test | None:
    try:
        with audit.acting(actor):
            credential = Credential.objects.filter(pk=pk).first()
            return probes.test(credential) if credential else None
    finally:
        connection.close()


def tested(request: HttpRequest, found: list[probes.Test]) -> HttpResponse:
    """What tests found: of one all there is, of several all about those that fail."""
    works = [one for one in found if one.works]
    if len(found) == 1:
        title = (_("“%s” works") if works else _("“%s” does not work")) % found[0].credential
    else:
        title = _("%(works)d of %(all)d work") % {"works": len(works), "all": len(found)}
    closely = found if len(found) == 1 else [one for one in found if not one.works]
    shortly = [one for one in works if one not in closely]
    return page(
        request,
        "credentials/tested.html",
        title,
        closely=closely,
        shortly=[
            {"credential": one.credential, "took": sum(step.ms for step in one.steps)} for one in shortly
        ],
        apps_too=MAYBE_THE_APP,
        simulated=bool(settings.PROVIDER_SIMULATOR_URL),
    )
