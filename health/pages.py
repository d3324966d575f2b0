"""The frame of the console's pages, and their addresses. On the ground floor, because every app has pages."""

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.http import url_has_allowed_host_and_scheme


def page(request: HttpRequest, template: str, **context: Any) -> HttpResponse:
    """A page in the frame of the console; a part of one, which replaces what is shown of it, without.

    `title` is the title of the window and, unless `content_title` says otherwise, of the page.
    """
    if "part" not in request.GET:
        # The theme shows the title at the top where it is called so.
        context = {**admin.site.each_context(request), "content_title": context["title"], **context}
    return TemplateResponse(request, template, context)


def address(request: HttpRequest, **changed: Any) -> str:
    """This page with some entries of its query changed; None takes one away."""
    query = request.GET.copy()
    query.pop("part", None)
    for name, value in changed.items():
        query.pop(name, None)
        if value is not None:
            query[name] = str(value)
    return f"{request.path}?{query.urlencode()}" if query else request.path


def way_back(request: HttpRequest, otherwise: str) -> str:
    """Where to go on afterwards: the page of ours that `next` names, where it names one."""
    wanted = request.POST.get("next") or request.GET.get("next", "")
    # No host is allowed, so only an address on this one passes; and a name of a route is none.
    ours = wanted.startswith("/") and url_has_allowed_host_and_scheme(wanted, allowed_hosts=None)
    return wanted if ours else otherwise


def key(text: str | None) -> UUID | None:
    """A key in an address; None where it is none."""
    try:
        return UUID(text) if text else None
    except ValueError:
        return None
