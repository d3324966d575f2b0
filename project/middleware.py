"""Middleware for every request."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.urls import resolve
from django.utils.cache import patch_cache_control

from credentials import audit

GetResponse = Callable[[HttpRequest], HttpResponse]

NUL = "\x00"
WATCHED = ("/livez", "/readyz", "/metrics")
UNREADABLE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>This request cannot be read</title></head>
<body><h1>This request cannot be read</h1>
<p>Its address holds a character that no page of Lanyard uses, or its form is not UTF-8 text. Correct it, or
<a href="/">go to the overview</a>.</p></body></html>
"""


def refuse_unreadable(get_response: GetResponse) -> GetResponse:
    """Answers 400 where a NUL character is in the address or a cookie, or a form comes in a strange encoding:
    PostgreSQL takes no NUL in a text, and either would end as a server error."""

    def middleware(request: HttpRequest) -> HttpResponse:
        query = request.META.get("QUERY_STRING", "")
        in_cookies = any(NUL in name + value for name, value in request.COOKIES.items())
        # Django would decode the form with whatever codec is named, and fail on those that decode no text.
        charset = (request.content_params or {}).get("charset", "utf-8").lower()
        if charset not in ("utf-8", "utf8", "us-ascii"):
            return HttpResponseBadRequest(UNREADABLE)
        if NUL in request.path or NUL in query or "%00" in query or in_cookies:
            return HttpResponseBadRequest(UNREADABLE)
        return get_response(request)

    return middleware


def answer_watchers(get_response: GetResponse) -> GetResponse:
    """Answers those who watch whether Lanyard works before anything asks for a host, a session or a user:
    whether this process lives must not depend on the database."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if request.path_info not in WATCHED:
            return get_response(request)
        view, args, kwargs = resolve(request.path_info)
        answer: HttpResponse = view(request, *args, **kwargs)
        return answer

    return middleware


def keep_out_of_caches(get_response: GetResponse) -> GetResponse:
    """Marks the pages of signed-in people no-store. It goes by the session cookie, which costs no query."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if settings.SESSION_COOKIE_NAME in request.COOKIES or request.session.modified:
            patch_cache_control(response, no_store=True, private=True)
        return response

    return middleware


def act_as_user(get_response: GetResponse) -> GetResponse:
    """Lets everything that a request changes be recorded in the name of the person who sent it."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if not request.user.is_authenticated:
            return get_response(request)
        with audit.acting(request.user, address=address_of(request)):
            return get_response(request)

    return middleware


def address_of(request: HttpRequest) -> str | None:
    """Where a request came from, as it is recorded; None where the server does not know."""
    return request.META.get("REMOTE_ADDR") or None
