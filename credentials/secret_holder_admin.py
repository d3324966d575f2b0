"""What the pages of credentials and of OAuth apps have in common: how rows with secrets are saved."""

from collections.abc import Callable
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.http import HttpRequest
from django.utils.translation import gettext as _
from unfold.decorators import display

from credentials import forms
from credentials.models import Conflict
from credentials.sealing import SecretField, secret_fields
from health.admin_base import ModelAdmin


def state_of(field: SecretField) -> Callable[[Any], str]:
    """A read-only column which says whether a secret is set, and nothing about what it is."""

    @display(description=field.verbose_name)
    def state(holder: Any) -> str:
        secret = getattr(holder, field.name)
        return forms.secret_words(secret, holder.secret_set_at().get(field.name)) if secret else _("Not set.")

    state.__name__ = field.name
    return state


class SecretHolderAdmin(ModelAdmin):
    """Saving for rows with secrets: the loser of a race sees the form again, with what was entered."""

    change_form_before_template = "credentials/form_head.html"
    delete_selected_confirmation_template: Any = "admin/delete_selected_confirmation.html"

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict | None = None,
    ) -> Any:
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except (Conflict, ValidationError, IntegrityError):
            # Somebody saved between the check of this form and its save. Checked again, it says so.
            return super().changeform_view(request, object_id, form_url, extra_context)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        # Django expects fields of the model only: neither boxes to tick nor columns.
        if kwargs.get("fields"):
            names = [name for name in kwargs["fields"] if isinstance(name, str)]
            kwargs["fields"] = [name for name in names if not name.startswith(("remove_", "confirm_"))]
        # polymorphic drops `change`, without which a page that only shows has a form that edits.
        return super().get_form(request, obj, change=obj is not None, **kwargs)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Nothing: an address must not fill a form, least of all with a secret."""
        return {}

    def with_secrets(self, request: HttpRequest, names: list[str], obj: Any) -> list[str | Callable]:
        """The fields as somebody sees them.

        An optional secret that is set is followed by the box that removes it. Who may not change the row sees
        of a secret only whether it is set.
        """
        secrets = {field.name: field for field in secret_fields(self.model)} if obj else {}
        editable = self.has_change_permission(request, obj)
        shown: list[str | Callable] = []
        for name in names:
            secret = secrets.get(name)
            shown.append(state_of(secret) if secret and not editable else name)
            if secret and editable and secret.blank and getattr(obj, name):
                shown.append(f"remove_{name}")
        return shown
