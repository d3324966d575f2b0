"""Importing a file in the browser: choose it, say what its columns are, look at what would happen, import."""

import csv
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from credentials.console import columns, uploads
from credentials.console.upload_forms import ColumnsForm, FileForm
from credentials.models import Upload
from credentials.sealing import SecretError
from credentials.spreadsheets import escaped
from credentials.text_stream import UnusableFile
from health.pages import page

# Problems on one page; all that are named stand in the file to download.
SHOWN = 100


@never_cache
@permission_required(uploads.RIGHTS, raise_exception=True)
@require_http_methods(["GET", "POST"])
def import_credentials(request: HttpRequest) -> HttpResponse:
    """Ask for a file, and take it in."""
    form = FileForm(request.POST, request.FILES) if request.method == "POST" else FileForm()
    if request.method == "POST":
        if getattr(request, "file_too_large", False):
            form.errors.clear()
            words = _("The file is larger than %s: import it with the command below.")
            form.add_error("file", words % filesizeformat(uploads.MOST))
        elif form.is_valid():
            sent = form.cleaned_data["file"]
            try:
                return redirect("upload", uploads.taken_in(request.user, sent.name, sent.read()).pk)
            except UnusableFile as error:
                form.add_error("file", _("This file cannot be imported: %s.") % error)
    return page(
        request,
        "credentials/upload.html",
        title=_("Import a file"),
        form=form,
        most=filesizeformat(uploads.MOST),
        most_bytes=uploads.MOST,
        with_apps=request.user.has_perms(uploads.RIGHTS_ON_APPS),
    )


@never_cache
@permission_required(uploads.RIGHTS, raise_exception=True)
@require_http_methods(["GET", "POST"])
def upload(request: HttpRequest, pk: UUID) -> HttpResponse:
    """One file of one's own: its columns, what its import would do, or what it did."""
    uploads.purge()
    found = Upload.objects.filter(pk=pk, owner=request.user.pk).first()
    if found is None:
        # Of somebody else, or over: both read the same.
        answer = page(request, "credentials/upload_gone.html", title=_("This file is not here any more"))
        answer.status_code = 404
        return answer
    if found.result is not None:
        return _failures(found) if "failures" in request.GET else _result(request, found)
    if request.method == "POST" and "drop" in request.POST:
        found.delete()
        messages.success(request, _("The file was removed. Nothing was imported."))
        return redirect("import_credentials")
    try:
        if found.form == "csv" and ("columns" in request.GET or found.preview is None):
            return _choosing(request, found)
        if request.method == "POST":
            return _importing(request, found)
    except SecretError:
        found.delete()
        messages.error(request, _("The key that opens the file is gone: send it again."))
        return redirect("import_credentials")
    return _previewed(request, found)


def _choosing(request: HttpRequest, found: Upload) -> HttpResponse:
    content = found.opened()
    posted = request.POST if request.method == "POST" and "kind" in request.POST else None
    kind = (posted if posted is not None else request.GET).get("kind", found.kind)
    chosen = found.columns if kind == found.kind else None
    form = ColumnsForm(columns.columns(content, kind, chosen), kind, posted)
    if posted is not None and form.is_valid():
        try:
            uploads.choose(found, form.taken)
            return redirect("upload", found.pk)
        except UnusableFile as error:
            form.add_error(None, _("The file cannot be read so: %s.") % error)
    return page(
        request,
        "credentials/upload_columns.html",
        title=_("What are the columns?"),
        upload=found,
        form=form,
        headed=any(column.heading for column in form.found),
    )


def _importing(request: HttpRequest, found: Upload) -> HttpResponse:
    try:
        uploads.run(found, request.user)
    except uploads.AlreadyBegun:
        messages.warning(request, _("Its import has begun already: this page says what came of it."))
    except UnusableFile as error:
        messages.error(request, _("Nothing was imported: %s.") % error)
    return redirect("upload", found.pk)


def _previewed(request: HttpRequest, found: Upload) -> HttpResponse:
    seen: dict[str, Any] = found.preview or {}
    return page(
        request,
        "credentials/upload_preview.html",
        title=_("Look before you import"),
        upload=found,
        seen=seen,
        words=_words(done=False),
        rows=sum(seen[word] for word in ("created", "updated", "unchanged", "failed")),
        to_do=seen["created"] + seen["updated"],
        problems=_by_row(seen),
    )


def _result(request: HttpRequest, found: Upload) -> HttpResponse:
    seen: dict[str, Any] = found.result or {}
    before = found.preview or {}
    differs = any(before.get(word) != seen[word] for word in ("created", "updated", "failed"))
    return page(
        request,
        "credentials/upload_result.html",
        title=_("Imported"),
        upload=found,
        seen=seen,
        words=_words(done=True),
        before=before if differs else None,
        problems=_by_row(seen),
    )


def _words(*, done: bool) -> dict[str, str]:
    if done:
        return {
            "created": _("Created"),
            "updated": _("Updated"),
            "unchanged": _("Unchanged"),
            "failed": _("Failed"),
        }
    return {
        "created": _("New"),
        "updated": _("To be updated"),
        "unchanged": _("Nothing to change"),
        "failed": _("Cannot be imported"),
    }


def _by_row(seen: dict[str, Any]) -> list[tuple[int, list[tuple[str, str]]]]:
    """The problems of the first rows that fail, by row."""
    found: dict[int, list[tuple[str, str]]] = {}
    for row, path, message in seen["problems"]:
        if row not in found and len(found) == SHOWN:
            break
        found.setdefault(row, []).append((path, message))
    return list(found.items())


def _failures(found: Upload) -> HttpResponse:
    """The problems of the rows that failed, as CSV; nothing of what the rows hold."""
    answer = HttpResponse(content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = 'attachment; filename="failed-rows.csv"'
    writer = csv.writer(answer, lineterminator="\n")
    writer.writerow(["row", "place", "problem"])
    for row, path, message in (found.result or {}).get("problems", []):
        writer.writerow([row, escaped(path), escaped(message)])
    return answer
