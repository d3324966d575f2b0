"""The admin site: its sign-in page needs no theme, and so gets the strictest policy for scripts and styles."""

from typing import Any

from csp.constants import NONE, SELF
from csp.decorators import csp_replace
from django.http import HttpRequest, HttpResponseRedirect
from django.shortcuts import redirect
from unfold.sites import UnfoldAdminSite

STRICT = {
    "default-src": [NONE],
    "style-src": [SELF],
    "img-src": [SELF],
    "form-action": [SELF],
    "frame-ancestors": [NONE],
    "base-uri": [NONE],
}


class LanyardSite(UnfoldAdminSite):
    login_template = "admin/login.html"

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None):
        return csp_replace(STRICT)(super().login)(request, extra_context)

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponseRedirect:
        """The list of credentials is where people start, until there is an overview."""
        return redirect("admin:credentials_credential_changelist")
