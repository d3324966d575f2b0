"""Keeps secrets out of addresses that people search with."""

from collections.abc import Callable

from csp.decorators import csp_replace
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.loader import render_to_string
from django.views.decorators.cache import never_cache

from credentials import leaked
from project.middleware import GetResponse
from project.site import STRICT

# What people type to find something, by its name in an address.
SEARCHES = ("q", "s", "meta")


def refuse_secrets(get_response: GetResponse) -> Callable[[HttpRequest], HttpResponseBase]:
    """Answers a search for what is probably a secret with a page that says why: an address is written down in
    many places, and whatever comes after this could add one."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        if request.method in ("GET", "HEAD") and request.META.get("QUERY_STRING"):
            sent = (text for name in SEARCHES for text in request.GET.getlist(name))
            if any(leaked.looks_secret(text) for text in sent):
                return refused(request)
        return get_response(request)

    return middleware


@never_cache
@csp_replace(STRICT)
def refused(request: HttpRequest) -> HttpResponse:
    """The page for an address that holds a secret: nothing of the address is in it, or sent on from it."""
    page = render_to_string("project/find_refused.html")
    response = HttpResponse(page, status=400, headers={"Referrer-Policy": "no-referrer"})
    # Django would hand the request with its address to whatever takes log records.
    response._has_been_logged = True  # type: ignore[attr-defined]
    return response
