"""Model fields for the properties of credentials: plain texts, hosts, lists of texts, JSON objects."""

import json
import re
from collections.abc import Callable
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import MaxLengthValidator, MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from credentials import json_values
from health.fields import PlainTextField, plain_text


class ScopeField(models.TextField):
    """Scopes as one text, separated by spaces. A form's TextField checks its length, a model's does not."""

    default_validators = [plain_text]

    def __init__(self, *args: Any, **kwargs: Any):
        kwargs.setdefault("max_length", 2000)
        super().__init__(*args, **kwargs)
        self.validators.append(MaxLengthValidator(self.max_length))

    def deconstruct(self) -> Any:
        name, _path, args, kwargs = super().deconstruct()
        return name, "django.db.models.TextField", args, kwargs

    def to_python(self, value: Any) -> Any:
        value = super().to_python(value)
        return value.strip() if isinstance(value, str) else value


class HostField(PlainTextField):
    """The host of one customer at a provider. Never a URL: the pattern decides which hosts there can be.

    Takes what people paste: the bare name, the host, or a full address, of which the host is kept.
    `pattern` must match the whole host; `suffix` completes a bare name; `form` tells people how it looks,
    where that is more than a name and the suffix; `mixed_up` says by their endings what other hosts people
    take for it. None is part of the schema, so that changing them needs no migration.
    """

    ADDRESS = re.compile(r"(?:https?://)?([a-z0-9.-]+)(?:[/?#].*)?", re.IGNORECASE | re.ASCII)

    def __init__(
        self,
        *args: Any,
        pattern: str = "",
        suffix: str = "",
        form: str = "",
        mixed_up: dict | None = None,
        **kwargs: Any,
    ):
        self.pattern, self.suffix, self.mixed_up = pattern, suffix, mixed_up or {}
        self.form = form or f"name{suffix}"
        super().__init__(*args, **kwargs)

    def to_python(self, value: Any) -> Any:
        value = super().to_python(value)
        match = self.ADDRESS.fullmatch(value) if isinstance(value, str) else None
        if not match:
            return value
        host = match[1].lower()
        return host if "." in host else host + self.suffix

    def validate(self, value: Any, model_instance: Any) -> None:
        super().validate(value, model_instance)
        for ending, message in self.mixed_up.items():
            if value.endswith(ending):
                raise ValidationError(message, code="host")
        if not re.fullmatch(self.pattern, value, re.ASCII):
            raise ValidationError(
                _("This is not a host of the form %(form)s."), code="host", params={"form": self.form}
            )


class IdentifierField(PlainTextField):
    """A provider's id of an account from which its addresses are built, so that its form is strict.

    Takes what people paste: the id, or an address whose host is the id with one of `endings`. `written` gives
    the one form in which it is stored. `pattern` must match that whole; `says` is the message where it does
    not. None is part of the schema.
    """

    def __init__(
        self,
        *args: Any,
        pattern: str = "",
        says: Any = "",
        endings: tuple[str, ...] = (),
        written: Callable[[str], str] = str,
        **kwargs: Any,
    ):
        self.pattern, self.says, self.endings, self.written = pattern, says, endings, written
        super().__init__(*args, **kwargs)

    def to_python(self, value: Any) -> Any:
        value = super().to_python(value)
        # Upper case turns some letters of other scripts into plain ones: they must not pass for these.
        if not isinstance(value, str) or not value.isascii():
            return value
        match = HostField.ADDRESS.fullmatch(value)
        host = match[1].lower() if match else ""
        for ending in self.endings:
            if host.endswith(ending):
                value = host.removesuffix(ending)
        return self.written(value)

    def validate(self, value: Any, model_instance: Any) -> None:
        super().validate(value, model_instance)
        if not re.fullmatch(self.pattern, value, re.ASCII):
            raise ValidationError(self.says, code="identifier")


class WholeNumberField(models.BigIntegerField):
    """A positive number that a provider gives as an id."""

    default_validators = [
        MinValueValidator(1, _("This must be a positive number.")),
        MaxValueValidator(2**63 - 1, _("This number is too large to be an id.")),
    ]

    def formfield(self, **kwargs: Any) -> Any:
        return super().formfield(**{"form_class": WholeNumberFormField, **kwargs})


class WholeNumberFormField(forms.IntegerField):
    """Refuses endless digits before Python tries to read them."""

    def to_python(self, value: Any) -> Any:
        if isinstance(value, str) and len(value.strip()) > 20:
            raise ValidationError(_("This number is too large to be an id."), code="max_value")
        return super().to_python(value)


class StringListField(models.JSONField):
    """A list of texts without spaces, such as scopes; in forms one field, separated by spaces."""

    def __init__(self, *args: Any, **kwargs: Any):
        kwargs.setdefault("default", list)
        super().__init__(*args, **kwargs)

    def validate(self, value: Any, model_instance: Any) -> None:
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise ValidationError(_("This must be a list of texts."), code="list")
        if not value and not self.blank:
            raise ValidationError(_("Name at least one."), code="required")
        if len(value) > 500 or len(set(value)) != len(value):
            raise ValidationError(_("The list names one twice, or has more than 500."), code="list")
        for item in value:
            plain_text(item)
            if not item or len(item) > 255 or item.split() != [item]:
                raise ValidationError(
                    _("Each entry must be one word of at most 255 characters."), code="list"
                )

    def formfield(self, **kwargs: Any) -> Any:
        kwargs.pop("encoder", None)
        kwargs.pop("decoder", None)
        return models.Field.formfield(
            self, **{**kwargs, "form_class": StringListFormField, "show_hidden_initial": False}
        )


class StringListFormField(forms.CharField):
    """Texts separated by spaces, commas or new lines; gives a list."""

    empty_value: Any = ()

    def to_python(self, value: Any) -> Any:
        return list(dict.fromkeys(re.split(r"[\s,]+", value.strip()))) if value and value.strip() else []

    def prepare_value(self, value: Any) -> Any:
        return " ".join(value) if isinstance(value, (list, tuple)) else value

    def has_changed(self, initial: Any, data: Any) -> bool:
        return self.to_python(self.prepare_value(initial)) != self.to_python(data)


def json_object(value: Any) -> None:
    """Raise ValidationError where a value is not a JSON object that both databases keep as it is."""
    if not isinstance(value, dict):
        raise ValidationError(_("This must be a JSON object: {…}."), code="object")
    found = [f"{path}: {message}" if path else message for path, message in json_values.problems(value)]
    if found:
        raise ValidationError(found[:5])


class JsonObjectField(models.JSONField):
    """A JSON object within bounds. Not required: empty is {}."""

    default_validators = [json_object]
    # {} is a value like any other, and must not skip the validators by being "empty".
    empty_values = (None, "")

    def __init__(self, *args: Any, **kwargs: Any):
        kwargs.setdefault("default", dict)
        kwargs.setdefault("blank", True)
        super().__init__(*args, **kwargs)

    def formfield(self, **kwargs: Any) -> Any:
        kwargs.pop("encoder", None)
        kwargs.pop("decoder", None)
        return models.Field.formfield(
            self, **{**kwargs, "form_class": JsonObjectFormField, "show_hidden_initial": False}
        )


class JsonObjectFormField(forms.JSONField):
    """Reads JSON within bounds. What cannot be read stays in the form as it was typed."""

    widget = forms.Textarea(attrs={"rows": 4, "spellcheck": "false"})
    empty_values = (None, "")

    def to_python(self, value: Any) -> Any:
        if self.disabled or not isinstance(value, str):
            return value
        if not value.strip():
            return {}
        if len(value) > 10 * json_values.MAX_STRING:
            raise ValidationError(_("This is too long."), code="invalid")
        try:
            read = json_values.decoder.decode(value)
        except RecursionError:
            raise ValidationError(_("This is nested too deeply."), code="invalid") from None
        except ValueError as error:
            raise ValidationError(
                _("This is not JSON: %(error)s"), code="invalid", params={"error": error}
            ) from None
        json_object(read)
        return read

    def bound_data(self, data: Any, initial: Any) -> Any:
        return initial if self.disabled else data

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, str):
            return value
        return json.dumps(value, ensure_ascii=False, indent=2) if value else ""

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return (initial or {}) != self.to_python(data)
        except ValidationError:
            return True
