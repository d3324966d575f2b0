"""The page that says what will happen before many credentials are changed at once."""

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from credentials import audit, job_acts, jobs
from credentials.console import bulk, downloads
from credentials.console.bulk_forms import FORMS, ConfirmForm, Parameters, again
from credentials.models import KEPT_FOR, Job
from health.pages import key, page

SEE = "credentials.view_credential"


@dataclass(frozen=True)
class Words:
    """What the page says of an act: its title, what it does, what becomes of each, and its button."""

    title: Any
    lead: Any
    will: Any
    button: Any


WORDS = {
    "test": Words(
        gettext_lazy("Test %s"),
        gettext_lazy(
            "Each is asked at its provider whether it works, within its rate limit. What is found counts as a"
            " check."
        ),
        gettext_lazy("will be tested"),
        gettext_lazy("Test %s"),
    ),
    "pause": Words(
        gettext_lazy("Pause %s"),
        gettext_lazy(
            "A paused credential is not checked, does not flip, and is left out of uptime and of what depends"
            " on it. It resumes by itself."
        ),
        gettext_lazy("will be paused"),
        gettext_lazy("Pause %s"),
    ),
    "resume": Words(
        gettext_lazy("Resume %s"),
        gettext_lazy("Their pauses end now, and they are looked at soon."),
        gettext_lazy("will be resumed"),
        gettext_lazy("Resume %s"),
    ),
    "limit": Words(
        gettext_lazy("Set the rate limit of %s"),
        gettext_lazy(
            "Each gets this limit for itself, whatever it had before. It holds for the next request."
        ),
        gettext_lazy("will get this limit"),
        gettext_lazy("Set the limit of %s"),
    ),
    "metadata": Words(
        gettext_lazy("Set metadata of %s"),
        gettext_lazy("One key of the metadata of each. What else stands there stays."),
        gettext_lazy("will be changed"),
        gettext_lazy("Change %s"),
    ),
    "export": Words(
        gettext_lazy("Export %s"),
        gettext_lazy("A file of documents, as an import takes them. Nothing changes."),
        gettext_lazy("will be in the file"),
        gettext_lazy("Download %s"),
    ),
    "delete": Words(
        gettext_lazy("Delete %s"),
        gettext_lazy(
            "They leave all lists at once, and their secrets are used no more. They can be brought back for"
            " %(days)d days, then they are gone for good."
        ),
        gettext_lazy("will be deleted"),
        gettext_lazy("Delete %s"),
    ),
}


@never_cache
@require_POST
def bulk_act(request: HttpRequest) -> HttpResponseBase:
    """Say what an act (`act`) would do to the chosen credentials, and with `start` let it begin."""
    act = (
        bulk.EXPORT if request.POST.get("act") == "export" else job_acts.ACTS.get(request.POST.get("act", ""))
    )
    if act is None:
        raise Http404
    if not request.user.has_perms((SEE, *act.rights)):
        raise PermissionDenied
    try:
        rows = bulk.chosen(request.POST, request.user)
    except ValidationError as error:
        return _back(request, " ".join(error.messages))
    found = bulk.look(act, rows)
    if not found.total:
        return _back(request, _("Nothing is selected: tick the credentials that you mean."))
    starting = request.POST if "start" in request.POST else None
    form = _form(request, act, starting)
    confirm = ConfirmForm(found, dangerous=act.dangerous, data=starting)
    if starting and found.number and all([form.is_valid(), confirm.is_valid()]):
        if act is bulk.EXPORT:
            audit.record("export", audit.Named("credential", "", _them(found.number)))
            return downloads.file(form.parameters()["format"], rows)
        named = rows.order_by("name", "pk").values_list("pk", "name")[: jobs.MOST + 1]
        return redirect(jobs.start(act.name, named, parameters=form.parameters(), person=request.user))
    words = WORDS[act.name]
    return page(
        request,
        "credentials/bulk.html",
        title=words.title % _them(found.number or found.total),
        act=act,
        found=found,
        form=form,
        confirm=confirm,
        carried=[(name, value) for name in bulk.CARRIED for value in request.POST.getlist(name)],
        back=_list(request),
        lead=words.lead % {"days": KEPT_FOR.days},
        will=words.will,
        button=words.button % _them(found.number),
    )


def _form(request: HttpRequest, act: job_acts.Act, sent: QueryDict | None) -> Any:
    """The form of an act; where a job is done again, filled with what it was given."""
    initial: dict[str, Any] = {}
    if pk := key(request.POST.get("again")):
        before = Job.objects.filter(pk=pk, act=act.name).first()
        initial = again(before) if before else {}
    return FORMS.get(act.name, Parameters)(sent, initial=initial)


def _back(request: HttpRequest, words: str) -> HttpResponse:
    messages.error(request, words)
    return redirect(_list(request))


def _list(request: HttpRequest) -> str:
    """The list as it was, or the job that is done again."""
    if job := key(request.POST.get("again")):
        return reverse("job", args=[job])
    # Read and written anew: what was sent is put into no address as it is.
    query = QueryDict(request.POST.get("match", "")).urlencode()
    return f"{reverse('credentials')}?{query}" if query else reverse("credentials")


def _them(number: int) -> str:
    return ngettext("%s credential", "%s credentials", number) % f"{number:,}"
