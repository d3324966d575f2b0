"""The admin site. Its sign-in page needs no theme, so it gets the strictest policy for scripts and styles."""

from typing import Any
from urllib.parse import urlencode

from csp.constants import NONE, SELF
from csp.decorators import csp_replace
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.functional import SimpleLazyObject
from unfold.sites import UnfoldAdminSite

from credentials import audit
from project import signing

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

    @method_decorator(csp_replace(STRICT))
    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if request.method != "POST":
            return super().login(request, extra_context)
        return signing.sign_in(request, self, extra_context or {})

    def logout(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if request.method != "POST" or not request.user.is_authenticated:
            return super().logout(request, extra_context)
        with transaction.atomic():
            audit.record("sign_out", request.user)
            return super().logout(request, extra_context)

    def search(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The theme's search, which keeps what it found for everybody it asks for: ours instead."""
        return redirect(f"{reverse('find')}?{urlencode({'q': request.GET.get('s', '')})}")

    def password_change(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """One's own password; a new one leaves an event in the transaction of the change."""
        with transaction.atomic():
            response = super().password_change(request, extra_context)
            if isinstance(response, HttpResponseRedirect):
                audit.record("set_password", request.user, fields=["password"])  # type: ignore[arg-type]
        return response

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> Any:
        """What hardly any page shows, though all ask for it: made when somebody looks at it."""
        return SimpleLazyObject(lambda: super(LanyardSite, self).get_app_list(request, app_label))

    def get_urls(self) -> list[Any]:
        """Without the redirect to a row's own page: it asks for no right, and every row's page is here."""
        return [entry for entry in super().get_urls() if getattr(entry, "name", "") != "view_on_site"]

    def index(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponseRedirect:
        """People start at the overview, or who may not see that at the first list that they may."""
        for group in self.get_sidebar_list(request):
            for item in group["items"]:
                if item["has_permission"]:
                    return redirect(item["link"])
        raise PermissionDenied
