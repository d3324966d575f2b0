"""The pages of one credential, the same for every kind."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from polymorphic.admin import PolymorphicChildModelAdmin
from unfold.decorators import display

from credentials import check_intervals, forms
from credentials.credential_admin import ForCredentials, tell_of_the_deleted
from credentials.models import Credential
from credentials.secret_holder_admin import SecretHolderAdmin
from credentials.tested_saving import TestedSaving


class KindAdmin(ForCredentials, TestedSaving, PolymorphicChildModelAdmin, SecretHolderAdmin):
    """The pages of one credential, the same for every kind."""

    model: type[Credential]
    base_model = Credential
    base_form = check_intervals.KindForm
    change_form_outer_before_template = "credentials/acts.html"
    form = check_intervals.KindForm

    def changelist_view(self, request: HttpRequest, extra_context: dict | None = None) -> HttpResponse:
        """One list serves all kinds."""
        return redirect(f"{reverse('admin:credentials_credential_changelist')}?kind={self.model.KIND}")

    def response_delete(self, request: HttpRequest, obj_display: str, obj_id: Any) -> HttpResponse:
        """Beside Django's own words, the way back."""
        response = super().response_delete(request, obj_display, obj_id)
        tell_of_the_deleted(request, 1)
        return response

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> list:
        kind = self.model
        names = [name for name in kind.PROPERTIES if name != "name"]
        access = [*names, *(["oauth_app"] if kind.USES_OAUTH_APP else [])]
        editable = obj is None or self.has_change_permission(request, obj)
        if editable:
            limit = {
                "fields": list(forms.CredentialForm.LIMIT_FIELDS),
                "description": kind.PROVIDER.limits,
            }
        else:
            limit = {"fields": ["limit_words"]}
        return [
            (None, {"fields": ["name"]}),
            (_("Access"), {"fields": self.with_secrets(request, access, obj)}),
            (_("Rate limit"), limit),
            *([(_("Checks"), {"fields": ["check_every"]})] if editable else []),
            (_("Metadata"), {"fields": ["metadata"]}),
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple:
        return () if obj is None or self.has_change_permission(request, obj) else ("limit_words",)

    @display(description=gettext_lazy("rate limit"))
    def limit_words(self, credential: Credential) -> str:
        return credential.rate_limit.words

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        warnings = forms.warning_words(obj)
        obj.save()
        request.added = obj  # type: ignore[attr-defined]  # for what follows the transaction
        if form.limit:
            obj.set_limit(form.limit)
        check_intervals.set_interval(obj, form.every)
        for words in warnings:
            messages.warning(request, words)
