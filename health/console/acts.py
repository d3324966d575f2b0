"""What people do with a component: report, note, pause, resume, override, lift. Each is a verb of health."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.utils import formats, timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache

from health import graph, pausing, reports, windows
from health.console.component_views import ACT, found_component, gone
from health.console.forms import ActForm, NoteForm, OverrideForm, PauseForm, ReportForm
from health.models import Component, Note
from health.pages import page, way_back
from health.status import Status
from health.views import page_url

BUSY = gettext_lazy("Others are changing the same components: nothing was stored. Try again.")


@dataclass(frozen=True)
class Act:
    """Something that a person does. `done` does it, and returns what to say about it; `form` is what it asks
    for before, if anything."""

    done: Callable[[Component, Any, Any], str]
    form: type[ActForm] | None = None
    title: Any = ""
    lead: Any = ""
    button: Any = ""


@never_cache
@permission_required(ACT, raise_exception=True)
def act(request: HttpRequest, pk: UUID, name: str) -> HttpResponse:
    """The page on which a person does something with a component; what asks for nothing is only sent."""
    chosen = ACTS.get(name)
    if chosen is None:
        raise Http404
    component = found_component(pk)
    if component.retired_at:
        return gone(request, component)
    if chosen.form is None:
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        return _sent(request, component, chosen)
    posted = request.POST if request.method == "POST" else None
    form = chosen.form(posted, initial={"status": component.own_status})
    if posted is not None and form.is_valid():
        try:
            said = chosen.done(component, form, request.user)
        except ValidationError as error:
            form.add_errors(error)
        except reports.Busy:
            form.add_error(None, BUSY)
        except (reports.Gone, Component.DoesNotExist):
            return gone(request, component)
        else:
            messages.success(request, said)
            return redirect(way_back(request, page_url(component)))
    return page(
        request,
        "health/act.html",
        title=chosen.title % {"name": component},
        component=component,
        act=chosen,
        form=form,
        back=way_back(request, page_url(component)),
        affected=_follow(component) if name != "note" else 0,
    )


def _follow(component: Component) -> int:
    """How many others an act reaches."""
    if component.kind == Component.Kind.PROVIDER:
        return windows.covered(component.name).count()
    return len(graph.below({component.pk})) - 1


def _sent(request: HttpRequest, component: Component, chosen: Act) -> HttpResponse:
    try:
        messages.success(request, chosen.done(component, request.POST, request.user))
    except reports.Busy:
        messages.error(request, BUSY)
    except Component.DoesNotExist:
        return gone(request, component)
    return redirect(way_back(request, page_url(component)))


def report(component: Component, form: ReportForm, actor: Any) -> str:
    """State how a component is; returns what came of it, in a sentence."""
    said = dict(form.cleaned_data)
    flip = reports.report(component, said.pop("status"), actor=actor, **said)
    return _outcome(component, flip is not None)


def note(component: Component, form: NoteForm, actor: Any) -> str:
    Note.objects.write(
        component, form.cleaned_data["text"], actor=actor, what_to_do=form.cleaned_data["what_to_do"]
    )
    return _("The note stands on the page of %s.") % component


def remove_note(component: Component, posted: Any, actor: Any) -> str:
    """Remove a note that a person wrote; its timeline keeps it. Those that observations brought go with
    their cause."""
    number = posted.get("note", "")
    found = _is_key(number) and Note.objects.remove(component, int(number), actor=actor)
    return _("The note was removed.") if found else _("This note was removed already.")


def _is_key(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 19


def pause(component: Component, form: PauseForm, actor: Any) -> str:
    start = form.cleaned_data["starts_at"]
    try:
        made = pausing.pause(
            component,
            reason=form.cleaned_data["reason"],
            actor=actor,
            starts_at=start,
            ends_at=form.ends_at(start),
        )
    except ValidationError as error:
        raise _at_until(error) from None
    if component.paused:
        return _("%s is paused. Nothing checks it until the pause ends.") % component
    return _("%(name)s will be paused from %(time)s on.") % {
        "name": component,
        "time": _clock(made.starts_at),
    }


def resume(component: Component, posted: Any, actor: Any) -> str:
    if pausing.resume(component, actor=actor):
        return _("%s is not paused any more. It is looked at soon.") % component
    return _("%s was not paused any more.") % component


def cancel_pause(component: Component, posted: Any, actor: Any) -> str:
    """End one pause, also one that has not begun."""
    number = posted.get("pause", "")
    if _is_key(number) and pausing.cancel(component, int(number), actor=actor):
        return _("This pause of %s was ended.") % component
    return _("This pause was over already.")


def override(component: Component, form: OverrideForm, actor: Any) -> str:
    status = form.cleaned_data["status"]
    pausing.override(component, status, reason=form.cleaned_data["reason"], actor=actor, until=form.ends_at())
    return _("%(name)s: %(status)s, whatever is observed.") % {
        "name": component,
        "status": Status(status).label,
    }


def lift(component: Component, posted: Any, actor: Any) -> str:
    if not component.overridden:
        return _("%s was not overridden any more.") % component
    pausing.lift(component, actor=actor)
    return _("The override of %s was lifted. What is observed holds again.") % component


def _outcome(component: Component, flipped: bool) -> str:
    """What a report did, in a sentence."""
    if flipped:
        return _("%(name)s: %(status)s.") % {"name": component, "status": Status(component.status).label}
    if component.masked and component.cause:
        return _("Kept. %(cause)s fails as well and decides, until it works again.") % {
            "cause": component.cause
        }
    return _("Kept. The status stays as it was.")


def _at_until(error: ValidationError) -> ValidationError:
    """The end of a pause is entered as a length or as a time, which bears its errors."""
    found = error.error_dict if hasattr(error, "error_dict") else {"reason": error.error_list}
    return ValidationError({"until" if name == "ends_at" else name: wrong for name, wrong in found.items()})


def _clock(when: Any) -> str:
    return formats.date_format(timezone.localtime(when), "j F Y, H:i")


ACTS = {
    "report": Act(
        report,
        ReportForm,
        gettext_lazy("Report on %(name)s"),
        gettext_lazy("What you report counts at once."),
        gettext_lazy("Report"),
    ),
    "note": Act(
        note,
        NoteForm,
        gettext_lazy("Write a note on %(name)s"),
        gettext_lazy("It stands on the page of this component, and of all that fails because of it."),
        gettext_lazy("Write the note"),
    ),
    "pause": Act(
        pause,
        PauseForm,
        gettext_lazy("Pause %(name)s"),
        gettext_lazy("A paused component is not checked, does not flip, and is left out of uptime and of what"
        " depends on it. It resumes by itself."),
        gettext_lazy("Pause"),
    ),
    "override": Act(
        override,
        OverrideForm,
        gettext_lazy("Override the status of %(name)s"),
        gettext_lazy("What you set holds for at most a day, whatever is observed. A report ends it."),
        gettext_lazy("Override"),
    ),
    "resume": Act(resume),
    "lift": Act(lift),
    "remove-note": Act(remove_note),
    "cancel-pause": Act(cancel_pause),
}  # fmt: skip
