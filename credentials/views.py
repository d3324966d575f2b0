"""Pages of the jobs around one credential: connecting it, and testing whether it works."""

from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.decorators import permission_required
from django.core.exceptions import ValidationError
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from credentials import app_tests, connect, kinds, testing
from credentials.connect_forms import ConnectForm
from credentials.models import Credential, OAuthApp
from credentials.refusals import WORDS, Refused
from health.observations import CODES

# Where a refused consent waits until its page is shown, whose address holds neither code nor state.
REFUSED = "connect_refused"
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
# Both: the account can be one that is here already, whose credential is then changed.
@permission_required(("credentials.add_credential", "credentials.change_credential"), raise_exception=True)
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
        # Not through the sign-in page, whose address would carry the code along. Nothing is stored, for
        # anybody can come here.
        return redirect("oauth_refused")
    if not request.user.has_perm("credentials.change_credential"):
        return _refused(request, provider, Refused("expired"))
    try:
        found = connect.finish(request.user, _session_key(request), provider, request.GET.dict())
    except Refused as error:
        return _refused(request, provider, error)
    words = _("“%s” is connected.") if found.created else _("“%s” is connected again.")
    messages.success(request, words % found.credential)
    if found.app_before:
        moved = _(
            "It used the app “%(before)s” until now, and from now on “%(now)s”, which was allowed here."
        )
        messages.warning(request, moved % {"before": found.app_before, "now": found.credential.oauth_app})
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
    found = request.session.get(REFUSED) or {}
    if found.get("code") not in WORDS:
        # Of somebody who came back signed out, and has signed in since.
        found = {"code": "expired", "detail": "", "provider": None, "credential": None}
    title, happened, what_to_do = WORDS[found["code"]]
    stored = Credential.objects.filter(pk=found["credential"]).first() if found["credential"] else None
    known = found["provider"]
    return page(
        request,
        "credentials/refused.html",
        str(title),
        code=found["code"],
        happened=happened,
        what_to_do=what_to_do,
        detail=found["detail"],
        provider=kinds.PROVIDERS[known] if known else None,
        redirect_uri=redirect_uri(request, known) if known else "",
        begin_again=_begin_again(known) if known else "",
        credential=stored,
        app_at_fault=found["code"] == "misconfigured",
    )


def _begin_again(provider: str) -> str:
    """Where a new account of the provider is connected; the catalogue where none can be."""
    ways = [kind for kind in kinds.of_provider(provider) if kind.CONSENT]
    return reverse("connect_new", args=[ways[0].KIND]) if ways else reverse("new_credential")


# --- testing ------------------------------------------------------------------------------------------------


@never_cache
@permission_required("credentials.change_credential", raise_exception=True)
@require_POST
def test(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Ask the provider whether a credential works, and show what it answered."""
    credential = get_object_or_404(Credential.objects.all(), pk=pk)
    return tested(request, testing.run(request.user, [credential]))


@never_cache
@permission_required("credentials.change_credential", raise_exception=True)
@require_POST
def test_app(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Ask the provider whether it knows an OAuth app, and show what it answered."""
    app = get_object_or_404(OAuthApp, pk=pk)
    if refused := testing.denied(request.user):
        messages.error(request, refused)
        return redirect("admin:credentials_oauthapp_change", app.pk)
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
    chosen = list(rows.values_list("pk", flat=True)[: testing.MOST + 1])
    if len(chosen) > testing.MOST:
        many = _("These are too many at once: choose at most %d, or use manage.py test_credential.")
        messages.error(request, many % testing.MOST)
        return None
    return tested(request, testing.run(request.user, Credential.objects.filter(pk__in=chosen)))


def tested(request: HttpRequest, outcome: testing.Outcome) -> HttpResponse:
    """What tests found: of one all there is, of several all about those that fail; and what is left."""
    found = sorted(outcome.found, key=lambda one: (one.works, one.credential.name))
    works = [one for one in found if one.works]
    if not found:
        title = _("Nothing was tested")
    elif len(found) == 1 and not outcome.left:
        title = (_("“%s” works") if works else _("“%s” does not work")) % found[0].credential
    else:
        title = _("%(works)d of %(all)d work") % {"works": len(works), "all": len(found)}
    if found and outcome.left:
        title = _("%(title)s, %(left)d not tested") % {"title": title, "left": len(outcome.left)}
    closely = found if len(found) == 1 else [one for one in found if not one.works]
    apps = _apps_in_use([one.credential for one in closely if one.observation.code in MAYBE_THE_APP])
    response = page(
        request,
        "credentials/tested.html",
        title,
        closely=[{"test": one, "app": apps.get(one.credential.pk)} for one in closely],
        shortly=[
            {"credential": one.credential, "took": sum(step.ms for step in one.steps)}
            for one in works
            if one not in closely
        ],
        left=outcome.left_by_reason(),
        simulated=bool(settings.PROVIDER_SIMULATOR_URL),
    )
    if outcome.limited and not found:
        response.status_code = 429
    return response


def _apps_in_use(credentials: list[Credential]) -> dict[UUID, OAuthApp]:
    """The OAuth app of each of these credentials that uses one, by the credential's id. One query."""
    using = [one for one in credentials if one.USES_OAUTH_APP]
    if not using:
        return {}
    own = Q(pk__in=[one.oauth_app_id for one in using if one.oauth_app_id])
    apps = list(OAuthApp.objects.filter(own | Q(is_default=True)))
    by_id = {app.pk: app for app in apps}
    defaults = {app.provider: app for app in apps if app.is_default}
    found = {
        one.pk: by_id[one.oauth_app_id] if one.oauth_app_id else defaults.get(one.provider) for one in using
    }
    return {pk: app for pk, app in found.items() if app}
