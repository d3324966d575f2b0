"""The list of credentials: find one among a million, and choose many."""

from typing import Any

from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from credentials import finding
from credentials.console import list_forms, listing
from credentials.console.list_forms import ListForm
from credentials.job_acts import CHANGE, DELETE
from credentials.models import KEPT_FOR, Credential
from health.pages import address, page

SEE = "credentials.view_credential"
FIELDS = ("provider", "kind", "status", "owner", "app", "only", "meta")


@never_cache
@permission_required(SEE, raise_exception=True)
@require_GET
def credentials(request: HttpRequest) -> HttpResponse:
    """A page of the list, as its address narrows, sorts and turns it."""
    form = ListForm(request.GET)
    found = listing.page(
        form,
        after=listing.place(request.GET.get("after"), form.order),
        before=listing.place(request.GET.get("before"), form.order),
        last="last" in request.GET,
    )
    turned: dict[str, Any] = {"after": None, "before": None, "last": None}
    return page(
        request,
        "credentials/list.html",
        title=_("Credentials"),
        form=form,
        found=found,
        chips=_chips(request, form, turned),
        sorts=_sorts(request, form, turned),
        canonical=list_forms.canonical(form),
        first=address(request, **turned) if found.before else None,
        newer=found.before and address(request, **{**turned, "before": found.before}),
        older=found.after and address(request, **{**turned, "after": found.after}),
        last=address(request, **{**turned, "last": 1}) if found.after else None,
        any=bool(found.rows) or form.narrows or Credential.objects.exists(),
        help=finding.HELP,
        kept_for=KEPT_FOR.days,
        fields=[form[name] for name in FIELDS],
        add=reverse("new_credential"),
        # Takes the list's form: what `listing.chosen` reads, and `act`.
        bulk=reverse("bulk_credentials") if not form.deleted and _may_act(request) else None,
        import_address=reverse("import_credentials"),
    )


def _may_act(request: HttpRequest) -> bool:
    """Whether there is anything that this person may do to many."""
    return any(request.user.has_perm(right) for right in (CHANGE, DELETE))


def _chips(request: HttpRequest, form: ListForm, turned: dict[str, Any]) -> list[dict[str, str]]:
    """What the list is narrowed by, each with the address of the list without it."""
    found = []
    for name, value, label, words in list_forms.chips(form):
        query = request.GET.copy()
        for gone in turned:
            query.pop(gone, None)
        # One pair of metadata goes, the others stay.
        kept = [one for one in query.getlist(name) if _same(one, value)] if name == "meta" else []
        query.setlist(name, kept)
        found.append({"label": label, "words": words, "without": f"{request.path}?{query.urlencode()}"})
    return found


def _same(pair: str, other: str) -> bool:
    key, _equals, value = pair.partition("=")
    return f"{key.strip()}={value.strip()}" != other


def _sorts(request: HttpRequest, form: ListForm, turned: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """For each column that can be sorted by: the address that does, or turns the order round, and which way
    it is sorted now."""
    found = {}
    for name, usual in list_forms.USUAL.items():
        current = form.order.removeprefix("-") == name
        other = form.order.removeprefix("-") if form.order.startswith("-") else f"-{name}"
        wanted = other if current else usual
        found[name] = {
            "title": list_forms.SORTS[name],
            "address": address(request, **turned, sort=wanted),
            "way": ("descending" if form.order.startswith("-") else "ascending") if current else "none",
        }
    return found
