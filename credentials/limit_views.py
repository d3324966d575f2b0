"""The pages of rate limits: the list of all with their use, and the page of one."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from credentials import hold_offs, kinds, limit_pages
from credentials.limit_forms import LimitForm, LimitsForm
from credentials.limiter import LimiterUnavailable
from credentials.models import Credential
from health.pages import address, key, page

SEE, CHANGE = "credentials.view_credential", "credentials.change_credential"
# In seconds, how often a page refreshes: what is going on, the chart, and a list that is narrowed by use,
# for which all limits are looked through.
REFRESHED, CHART_REFRESHED, NARROWED_REFRESHED = 5, 60, 30


def say_changed(request: HttpRequest, credential: Credential) -> None:
    credential.rate_limit.refresh_from_db()
    words = _("“%(name)s” may now make %(limit)s.")
    messages.success(request, words % {"name": credential, "limit": credential.rate_limit.words})


# --- the list -----------------------------------------------------------------------------------------------


@never_cache
@permission_required(SEE, raise_exception=True)
@require_http_methods(["GET", "POST"])
def limits(request: HttpRequest) -> HttpResponse:
    """Every limit with its use. `edit` in the address opens one for changing, where it stands."""
    if request.method == "POST" and not request.user.has_perm(CHANGE):
        raise PermissionDenied
    changed = _being_changed(request)
    if changed and changed.is_bound and changed.is_valid() and changed.save():
        say_changed(request, changed.credential)
        return redirect(f"{address(request, edit=None)}#limit-{changed.credential.pk}")
    form = LimitsForm(request.GET)
    found = limit_pages.listed(
        form, after=key(request.GET.get("after")), before=key(request.GET.get("before"))
    )
    if changed:
        _open(found, changed)
    return page(
        request,
        "credentials/limits_rows.html" if "part" in request.GET else "credentials/limits.html",
        title=_("Rate limits"),
        form=form,
        found=found,
        read_at=timezone.now(),
        refreshed=None if changed else NARROWED_REFRESHED if form.said("use") else REFRESHED,
        here=address(request, edit=None),
        part=address(request, part="rows"),
        edit=address(request, edit=""),
        older=found.after and address(request, after=found.after, before=None, edit=None),
        newer=found.before and address(request, before=found.before, after=None, edit=None),
        any=bool(found.rows) or form.narrows or Credential.objects.exists(),
    )


def _being_changed(request: HttpRequest) -> LimitForm | None:
    """The form of the limit that the address opens, for those who may change it."""
    pk = key(request.GET.get("edit"))
    if not pk or not request.user.has_perm(CHANGE):
        return None
    credential = get_object_or_404(limit_pages.credentials_with_limits(), pk=pk)
    return LimitForm(credential, request.POST if request.method == "POST" else None)


def _open(found: limit_pages.Listed, form: LimitForm) -> None:
    """Put the form into its row; where that is not on this page, into one of its own before the others."""
    for row in found.rows:
        if row.credential.pk == form.credential.pk:
            row.form = form
            return
    found.rows.insert(0, limit_pages.Row(form.credential, form=form))


# --- one limit ----------------------------------------------------------------------------------------------


@never_cache
@permission_required(SEE, raise_exception=True)
@require_http_methods(["GET", "POST"])
def limit(request: HttpRequest, pk: UUID) -> HttpResponse:
    """One limit: its use now and over time, who holds it, what its provider says."""
    credential = get_object_or_404(limit_pages.credentials_with_limits(), pk=pk)
    part = request.GET.get("part")
    last = request.GET.get("last", "hour")
    last = last if last in limit_pages.SPANS else "hour"
    context: dict[str, Any] = {"credential": credential, "provider": kinds.PROVIDERS[credential.provider]}
    if part != "use":
        context["now"] = limit_pages.now(credential)
        context["refreshed"], context["part_now"] = REFRESHED, f"{request.path}?part=now"
    if part != "now":
        context["use"] = limit_pages.use(credential, last)
        context["chart_refreshed"] = CHART_REFRESHED
        context["part_use"] = f"{request.path}?part=use&last={last}"
    if part in ("now", "use"):
        return page(request, f"credentials/limit_{part}.html", **context)
    if request.method == "POST" and not request.user.has_perm(CHANGE):
        raise PermissionDenied
    form = LimitForm(credential, request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid() and form.save():
        say_changed(request, credential)
        return redirect("rate_limit", pk)
    title = _("Rate limit of “%s”") % credential
    return page(request, "credentials/limit.html", title=title, form=form, **context)


@never_cache
@permission_required(CHANGE, raise_exception=True)
@require_POST
def lift(request: HttpRequest, pk: UUID) -> HttpResponse:
    """End the hold-off of a limit, or with `whole` that of its provider for all its credentials."""
    credential = get_object_or_404(limit_pages.credentials_with_limits(), pk=pk)
    limit_pages.limit_of(credential)
    whole = bool(request.POST.get("whole"))
    try:
        lifted = hold_offs.lift_provider(credential) if whole else hold_offs.lift(credential)
    except LimiterUnavailable as error:
        messages.error(request, _("%s Nothing was lifted.") % error)
        return redirect("rate_limit", pk)
    name = kinds.PROVIDERS[credential.provider].name if whole else str(credential)
    if lifted:
        messages.success(request, _("“%s” is not held off any more.") % name)
    else:
        messages.info(request, _("“%s” was not held off any more.") % name)
    return redirect("rate_limit", pk)


@never_cache
@permission_required(CHANGE, raise_exception=True)
@require_POST
def adopt(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Take the limit that the provider reports for the stored one."""
    credential = get_object_or_404(limit_pages.credentials_with_limits(), pk=pk)
    stored = limit_pages.limit_of(credential)
    try:
        lower = stored.disagreement()
        if lower is None:
            messages.info(request, _("The provider does not say less than what is set any more."))
        elif request.POST.get("seen") != limit_pages.seen(lower):
            messages.error(request, _("The provider says something else by now. Nothing was changed."))
        else:
            stored.adopt()
            say_changed(request, credential)
    except LimiterUnavailable as error:
        messages.error(request, _("%s Nothing was changed.") % error)
    except ValidationError as error:
        messages.error(request, _("This cannot be adopted: %s") % " ".join(error.messages))
    return redirect(reverse("rate_limit", args=[pk]))
