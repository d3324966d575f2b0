"""The form that replaces the secrets of a stored credential, and holds nothing else."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from credentials.forms import SecretHolderForm, warning_words
from credentials.models import Conflict, Credential
from credentials.models import properties as declared
from credentials.sealing import SecretInput


class SecretForm(SecretHolderForm):
    """The secret fields of a kind. Of several, each one left empty stays; all empty is refused."""

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        names = declared.secret_names(self._meta.model)
        # Taking an optional secret away is an edit.
        for name in names:
            self.fields.pop(f"remove_{name}", None)
        if len(names) == 1:
            field = self.fields[names[0]]
            field.required = True
            field.error_messages["required"] = _("Enter the new secret.")
            field.widget.attrs.pop("placeholder", None)
        for name in names:
            if isinstance(self.fields[name].widget, SecretInput):
                self.fields[name].widget.attrs["autocapitalize"] = "none"

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        names = declared.secret_names(self._meta.model)
        if not self.errors and not any(cleaned.get(name) for name in names):
            raise ValidationError(_("Enter at least one new secret: empty ones stay as they are."))
        return cleaned

    def add_error(self, field: str | None, error: Any) -> None:
        """What is wrong with the rest of the row is said above the form, which has no field for it."""
        if field is None and hasattr(error, "error_dict"):
            for name, found in error.error_dict.items():
                super().add_error(name if name in self.fields else None, ValidationError(found))
            return
        super().add_error(field, error)


def form_for(credential: Credential, data: Any = None) -> SecretForm:
    """The form of this credential's kind, checked where data came: also whether somebody saved meanwhile."""
    kind = type(credential)
    made: Any = forms.modelform_factory(kind, form=SecretForm, fields=declared.secret_names(kind))
    form: SecretForm = made(data, instance=credential)
    if data is not None:
        with transaction.atomic():
            form.is_valid()
    return form


def store(form: SecretForm) -> list[str] | None:
    """Store what a checked form holds; returns what looks odd about it. None where somebody else saved at the
    same moment: then nothing was stored."""
    credential: Any = form.instance
    try:
        warnings = warning_words(credential)
        credential.save()
    except (Conflict, ValidationError, IntegrityError):
        return None
    return warnings
