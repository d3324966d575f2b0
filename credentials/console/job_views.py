"""The pages of jobs: which there are, how one goes, what came of each of its credentials."""

import json
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import formats, timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from credentials import job_acts, jobs
from credentials.console import bulk
from credentials.models import Job, JobItem, RateLimit
from health.pages import address, page

SEE, CHANGE = "credentials.view_credential", "credentials.change_credential"
# In seconds, how often the page of a job refreshes while it is not done.
REFRESHED = 2
SIZE = 50
# What a person may look at of the items of a job.
SHOWN = ("", *JobItem.Result.values, bulk.LEFT)


@never_cache
@permission_required(SEE, raise_exception=True)
@require_GET
def job_list(request: HttpRequest) -> HttpResponse:
    """One's own jobs, newest first; with `whose=all` those of everybody, for who may see them."""
    sees_all = request.user.has_perm(bulk.SEE_OTHERS)
    everybody = sees_all and request.GET.get("whose") == "all"
    rows = Job.objects.order_by("-created_at", "-id")
    if not everybody:
        rows = rows.filter(person=request.user.pk)
    found = list(rows[: SIZE + 1])
    return page(
        request,
        "credentials/bulk_jobs.html",
        title=_("Jobs"),
        rows=found[:SIZE],
        more=len(found) > SIZE,
        size=SIZE,
        kept_for=jobs.KEPT_FOR.days,
        sees_all=sees_all,
        everybody=everybody,
    )


@never_cache
@require_GET
def job(request: HttpRequest, pk: UUID) -> HttpResponse:
    """How a job goes, and what came of each of its credentials. `result` narrows them, `after` turns on."""
    found = get_object_or_404(Job, pk=pk)
    if not request.user.has_perm(SEE if found.person_id == request.user.pk else bulk.SEE_OTHERS):
        raise PermissionDenied
    result = request.GET.get("result", "")
    result = result if result in SHOWN else ""
    after = request.GET.get("after", "")
    items = JobItem.objects.filter(job=found).order_by("pk")
    if result:
        items = items.filter(result="" if result == bulk.LEFT else result)
    if after.isdecimal() and len(after) < 19:
        items = items.filter(pk__gt=int(after))
    some = list(items[: SIZE + 1])
    return page(
        request,
        "credentials/bulk_job_now.html" if "part" in request.GET else "credentials/bulk_job.html",
        title=str(found),
        job=found,
        items=some[:SIZE],
        older=address(request, after=some[SIZE - 1].pk) if len(some) > SIZE else None,
        first=address(request, after=None) if after else None,
        filters=_filters(request, found, result),
        result=result,
        progress=jobs.progress(found),
        parameters=_said(found),
        may_cancel=found.is_open and _may_cancel(request, found),
        may_repeat=request.user.has_perms(job_acts.ACTS[found.act].rights),
        refreshed=REFRESHED if found.is_open else None,
        part=address(request, part="now"),
        again=address(request),
        read_at=timezone.now(),
    )


@never_cache
@require_POST
def cancel_job(request: HttpRequest, pk: UUID) -> HttpResponse:
    """End a job: one's own, or with the right to see others' and to change credentials anybody's."""
    found = get_object_or_404(Job, pk=pk)
    own = found.person_id == request.user.pk
    if not request.user.has_perms((SEE,) if own else (bulk.SEE_OTHERS, CHANGE)):
        raise PermissionDenied
    if jobs.cancel(found, person=request.user):
        messages.success(request, _("It was cancelled. What was done before stays done."))
    else:
        messages.info(request, _("It had ended already."))
    return redirect(found)


def _may_cancel(request: HttpRequest, found: Job) -> bool:
    return found.person_id == request.user.pk or request.user.has_perms((bulk.SEE_OTHERS, CHANGE))


def _filters(request: HttpRequest, found: Job, result: str) -> list[dict[str, Any]]:
    """The results to look at, each with how many there are."""
    shown = [
        ("", _("All"), found.total),
        (JobItem.Result.WORKED, _("Done"), found.worked),
        (JobItem.Result.FAILED, _("Failed"), found.failed),
        (JobItem.Result.REFUSED, _("Refused"), found.refused),
        (bulk.LEFT, _("Not done"), found.left),
    ]
    return [
        {
            "label": label,
            "number": number,
            "current": value == result,
            "address": address(request, result=value or None, after=None),
        }
        for value, label, number in shown
        if number or value == result or not value
    ]


def _said(found: Job) -> list[tuple[str, str]]:
    """What a job was given, in words."""
    given = found.parameters
    if found.act == Job.Act.PAUSE:
        ends_at = timezone.localtime(datetime.fromisoformat(given["ends_at"]))
        until = formats.date_format(ends_at, "j F Y, H:i T")
        return [(_("Reason"), given["reason"]), (_("Until"), until)]
    if found.act == Job.Act.LIMIT:
        return [(_("Rate limit"), RateLimit(**given).words)]
    if found.act == Job.Act.METADATA:
        if given["how"] == job_acts.REMOVE:
            return [(_("Remove"), given["key"])]
        shown = given["value"] if isinstance(given["value"], str) else json.dumps(given["value"])
        label = _("Set") if given["how"] == job_acts.SET else _("Add where missing")
        return [(label, f"{given['key']} = {shown}")]
    return []
