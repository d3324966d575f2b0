"""What a form tells the browser of the formats of its fields, so that it can say while somebody types what
the server would say in the end. `project/static/lanyard/formats.js` reads it; the server stays the judge."""

import json
from typing import Any

from django import forms
from django.db.models import Field
from django.utils.translation import gettext as _

from credentials.fields import HostField, IdentifierField, WholeNumberField
from credentials.models import properties as declared
from credentials.models.formats import REST
from credentials.sealing import SecretField

TYPED = (forms.TextInput, forms.NumberInput, forms.PasswordInput, forms.Textarea)
# A number of up to 19 digits; whether it is too large, the server says.
WHOLE = r"[1-9][0-9]{0,18}"
MASKED = r"(?![*•●]{3,}$)"


def describe(form: forms.ModelForm) -> None:
    """Give each input of a property what its kind declares of its format."""
    kind = form._meta.model
    for name in kind.PROPERTIES:
        if name in form.fields and isinstance(form.fields[name].widget, TYPED):
            field = declared.field_of(kind, name)
            if found := [*_of_field(field), *_declared(kind, name)]:
                attrs = form.fields[name].widget.attrs
                attrs["data-formats"] = json.dumps(found)
                if isinstance(field, HostField):
                    attrs["data-host"] = field.suffix
                if isinstance(field, IdentifierField):
                    attrs["data-identifier"] = ""


def _of_field(field: Field) -> list[dict[str, Any]]:
    """What the type of a property asks of its text."""
    if isinstance(field, SecretField):
        return [_said(MASKED + REST, _("This is a masked value: enter the secret itself."))]
    if isinstance(field, WholeNumberField):
        return [_said(WHOLE, _("This must be a positive number."))]
    if isinstance(field, IdentifierField):
        return [_said(field.pattern, field.says)]
    if isinstance(field, HostField):
        mixed_up = [
            _said(rf"(?!.*{ending.replace('.', '[.]')}$){REST}", says)
            for ending, says in field.mixed_up.items()
        ]
        return [*mixed_up, _said(field.pattern, _("This is not a host of the form %s.") % field.form)]
    return []


def _declared(kind: Any, name: str) -> list[dict[str, Any]]:
    return [_said(one.pattern, one.says, usual=one.usual) for one in kind.FORMATS if one.name == name]


def _said(pattern: str, says: Any, *, usual: bool = False) -> dict[str, Any]:
    return {"pattern": pattern, "says": str(says), "usual": usual}
