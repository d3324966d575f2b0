"""Signing in, with what it leaves in the audit trail: each sign-in, and each attempt that failed."""

from typing import Any

from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.contrib.auth.models import User
from django.contrib.auth.views import LoginView
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from credentials import audit
from project.middleware import address_of

# Who acts while nobody is signed in.
AT_THE_DOOR = "anonymous"


class SignInView(LoginView):
    """Django's. The password is checked before the transaction begins: that takes long, and others write."""

    authentication_form = AdminAuthenticationForm

    def form_valid(self, form: Any) -> HttpResponse:
        with transaction.atomic():
            response = super().form_valid(form)
            audit.record("sign_in", form.get_user(), actor=form.get_user())
        return response

    def form_invalid(self, form: Any) -> HttpResponse:
        audit.record("sign_in_failed", tried(form.data.get("username", "")))
        return super().form_invalid(form)


def sign_in(request: HttpRequest, site: Any, context: dict[str, Any]) -> HttpResponse:
    """The answer to an entered sign-in form, with what the page of the admin site shows around it."""
    shown = {**site.each_context(request), "title": _("Log in"), "app_path": request.get_full_path()}
    if REDIRECT_FIELD_NAME not in request.POST:
        shown[REDIRECT_FIELD_NAME] = request.GET.get(REDIRECT_FIELD_NAME, reverse("admin:index"))
    view = SignInView.as_view(template_name=site.login_template, extra_context=shown | context)
    with audit.acting(AT_THE_DOOR, address=address_of(request)):
        return view(request)  # type: ignore[return-value]  # of Django's own view


def tried(name: str) -> User | audit.Named:
    """The user that somebody tried to sign in as. What was entered is kept only where it is the name of one:
    people type passwords into that field."""
    user = User.objects.filter(username=name).first() if 0 < len(name) <= 150 else None
    return user or audit.Named("user", "", "an unknown user")
