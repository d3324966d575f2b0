"""The page of the search box, and that of leaked keys, which are looked for by their fingerprints."""

from django.contrib.auth.decorators import permission_required
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from credentials import leaked
from credentials.models import KEPT_FOR
from health.pages import page
from project.console import finding

SEE = "credentials.view_credential"


@never_cache
@require_safe
def find(request: HttpRequest) -> HttpResponse:
    """What the words in the address find of all that this person may see."""
    text = request.GET.get("q", "")
    part = "part" in request.GET
    return page(
        request,
        "project/find_results.html" if part else "project/find.html",
        title=_("Find"),
        text=text[: finding.LONGEST],
        groups=finding.find(request, text),
        may_look=request.user.has_perm(SEE),
    )


@never_cache
@permission_required(SEE, raise_exception=True)
@require_http_methods(["GET", "HEAD", "POST"])
def look(request: HttpRequest) -> HttpResponse:
    """Which credential holds a secret. It is sent, never in an address, and not shown again."""
    found, wrong = None, ""
    if request.method == "POST":
        try:
            found = leaked.look(request.POST.get("leaked", ""))
        except ValidationError as error:
            wrong = " ".join(error.messages)
    return page(
        request,
        "project/find_leaked.html",
        title=_("Find a leaked key"),
        looked=found is not None,
        found=[(held, leaked.field_label(held)) for held in found or []],
        wrong=wrong,
        longest=leaked.LONGEST,
        kept_for=KEPT_FOR.days,
    )
