"""The page of one credential, and the one that replaces its secrets."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods

from credentials import kinds, limit_pages, testing, trials
from credentials.console import one
from credentials.console.secret_form import SecretForm, form_for, store
from credentials.models import Credential
from credentials.models import properties as declared
from health.pages import page

SEE, CHANGE = "credentials.view_credential", "credentials.change_credential"
# In seconds, how often a part of the page refreshes.
STATE_REFRESHED, LIMIT_REFRESHED = 15, 5


@never_cache
@permission_required(SEE, raise_exception=True)
@require_GET
def credential(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Everything of one credential. `part` in the address asks for what refreshes by itself."""
    found = one.loaded(pk)
    part = request.GET.get("part")
    context: dict[str, Any] = {
        "credential": found,
        "title": _("Credential"),
        "content_title": found.name,
        "here": request.path,
        "read_at": timezone.now(),
    }
    if part != "limit":
        context |= {"state": one.state(found), "state_refreshed": STATE_REFRESHED}
    if part == "state":
        return page(request, "credentials/one_state.html", **context)
    if not found.deleted_at:
        context |= {
            "provider": kinds.PROVIDERS[found.provider],
            "now": limit_pages.now(found),
            "use": limit_pages.use(found, "hour"),
            "limit_refreshed": LIMIT_REFRESHED,
        }
    if part == "limit":
        return page(request, "credentials/one_limit.html", **context)
    return page(request, "credentials/one.html", **context, **one.about(found))


# --- replacing a secret -------------------------------------------------------------------------------------


@never_cache
@sensitive_post_parameters()
@permission_required(CHANGE, raise_exception=True)
@require_http_methods(["GET", "POST"])
def replace_secret(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Ask for new secrets; with `test`, ask the provider first, and store only what works."""
    found = get_object_or_404(Credential.objects.all(), pk=pk)
    if not declared.secret_names(type(found)):
        raise Http404
    form, trial = form_for(found, request.POST if request.method == "POST" else None), None
    if form.is_bound and form.is_valid():
        if "test" in request.POST and not _may_try(request, form):
            return _replacing(request, form)
        trial = trials.look(form.instance) if "test" in request.POST else None
        if trial and not trial.works:
            return _replacing(request, form, trial)
        warnings = store(form)
        if warnings is not None:
            return _replaced(request, form.instance, trial, warnings)
        form = form_for(get_object_or_404(Credential.objects.all(), pk=pk), request.POST)
        if form.is_valid():
            form.add_error(None, _("Somebody else saved at the same moment: nothing was stored. Try again."))
    return _replacing(request, form)


def _may_try(request: HttpRequest, form: SecretForm) -> bool:
    """Whether what was entered can be tried now; else the form says why not."""
    if kept := trials.uses_up(form.instance):
        words = _("The test would use up the stored %s: enter it anew as well, or save without a test.")
        form.add_error(None, words % declared.field_of(type(form.instance), kept).verbose_name)
    elif refused := testing.denied(request.user):
        form.add_error(None, refused)
    return not form.errors


def _replacing(request: HttpRequest, form: SecretForm, trial: trials.Trial | None = None) -> HttpResponse:
    found = form.instance
    return page(
        request,
        "credentials/replace_secret.html",
        title=_("Replace the secret of “%s”") % found,
        form=form,
        credential=found,
        trial=trial,
        seen=trial.test.observation if trial else None,
        # What was tried is good for nothing any more.
        used_up=bool(trial and trial.tokens and found.ROTATES),
        users=one.users(found.component),
    )


def _replaced(
    request: HttpRequest, found: Any, trial: trials.Trial | None, warnings: list[str]
) -> HttpResponse:
    if trial:
        trials.keep(found, trial)
        messages.success(request, _("The secret was replaced. The provider accepts the new one."))
    else:
        messages.success(request, _("The secret was replaced. The next check shows whether it works."))
    for words in warnings:
        messages.warning(request, words)
    return redirect(found)
