""" "Save and test" of a new credential: the provider is asked first, and only what works is stored."""

from typing import Any

from django.contrib import messages
from django.contrib.admin.utils import flatten_fieldsets
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from credentials import testing, trials

TEST = "_test"
# Sent by the page that stays as it is until it knows where to go: a redirection would be followed unseen.
STAY, GOES_TO = "X-Lanyard-Stay", "X-Lanyard-Goes-To"


class TestedSaving:
    """For the page on which a credential is added."""

    add_form_template: Any = "credentials/kind_form.html"

    def changeform_view(
        self,
        request: Any,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict | None = None,
    ) -> HttpResponse:
        """Before the transaction of the save, in which no provider may be asked."""
        page: Any = super()
        asked = object_id is None and request.method == "POST" and TEST in request.POST
        if not asked or not self.has_add_permission(request):  # type: ignore[attr-defined]  # of the ModelAdmin
            return page.changeform_view(request, object_id, form_url, extra_context)
        self._try(request)
        trial = request.trial
        context = {**(extra_context or {}), "trial": trial, "seen": trial and trial.test.observation}
        context["used_up"] = bool(trial and trial.tokens and trial.test.credential.ROTATES)
        answer = page.changeform_view(request, object_id, form_url, context)
        if answer.status_code == 302 and trial:
            trials.keep(request.added, trial)
            messages.success(request, _("%s accepts it.") % request.added.PROVIDER.name)
        if answer.status_code == 302 and request.headers.get(STAY):
            return HttpResponse(status=204, headers={GOES_TO: answer["Location"]})
        return answer

    def _try(self, request: Any) -> None:
        """Leave with the request what the try found, and why nothing may be stored."""
        request.trial, request.not_stored = None, ""
        page: Any = self
        fields = flatten_fieldsets(page.get_fieldsets(request, None))
        form = page.get_form(request, None, change=False, fields=fields)(request.POST, request.FILES)
        if not form.is_valid():
            request.not_stored = _("Nothing was tested or stored.")
        elif refused := testing.denied(request.user):
            request.not_stored = refused
        else:
            request.trial = trials.look(form.instance)
            if not request.trial.works:
                request.not_stored = _("Nothing was stored: it does not work.")

    def get_form(self, request: Any, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        page: Any = super()
        form = page.get_form(request, obj, change=change, **kwargs)
        trial, not_stored = getattr(request, "trial", None), getattr(request, "not_stored", "")
        if obj is not None or not (trial or not_stored):
            return form
        tried = trial.test.credential if trial and trial.works else None
        return type(form)("TriedForm", (TriedForm, form), {"tried": tried, "not_stored": not_stored})

    def response_post_save_add(self, request: HttpRequest, obj: Any) -> Any:
        """To its page: there is what comes next."""
        return redirect(obj.get_absolute_url())


class TriedForm:
    """A form whose entries were tried: refused, or stored together with what the try told."""

    tried: Any
    not_stored: str

    def full_clean(self) -> None:
        form: Any = self
        if self.tried is not None:
            form.instance.account = self.tried.account
        super().full_clean()  # type: ignore[misc]  # of the form
        if self.not_stored and form.is_bound and not form.errors:
            form.add_error(None, self.not_stored)
        name = self.tried.REFRESHES_WITH if self.tried is not None else ""
        # Some providers gave another one in exchange for the entered one, which is good for nothing now.
        if name and not form.errors and (fresh := self.tried.fresh(name)):
            setattr(form.instance, name, fresh)
