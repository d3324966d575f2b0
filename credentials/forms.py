"""The forms of credentials. One form serves every kind: it follows from what the kind declares."""

from datetime import datetime
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import formats, timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from credentials import form_formats
from credentials.audit_words import who_words
from credentials.models import AuditEvent, Credential, Limit, OAuthApp, RateLimit
from credentials.models import properties as declared
from credentials.models.rate_limit import UNITS, in_units, interval_words
from credentials.sealing import Secret, SecretInput, secret_fields
from health import admin_base

UNIT_CHOICES = [
    ("second", gettext_lazy("seconds")),
    ("minute", gettext_lazy("minutes")),
    ("hour", gettext_lazy("hours")),
    ("day", gettext_lazy("days")),
    ("millisecond", gettext_lazy("milliseconds")),
]


class IntervalWidget(forms.MultiWidget):
    """A number and a unit."""

    template_name = "credentials/interval_widget.html"

    def __init__(self, attrs: dict | None = None):
        number = admin_base.UnfoldAdminIntegerFieldWidget(
            {"min": 1, "aria-label": _("Length of the interval")}
        )
        unit = admin_base.UnfoldAdminSelectWidget(
            {"aria-label": _("Unit of the interval")}, choices=UNIT_CHOICES
        )
        super().__init__([number, unit], attrs)

    def decompress(self, value: int | None) -> list:
        return list(in_units(value)) if value else [None, "second"]


class IntervalField(forms.MultiValueField):
    """An interval in people's units; gives milliseconds."""

    widget: Any = IntervalWidget

    def __init__(self, **kwargs: Any):
        # Neither is required by itself: the unit is always chosen, also where the number is left empty.
        fields = [
            forms.IntegerField(min_value=1, max_value=10**9, required=False),
            forms.ChoiceField(choices=UNIT_CHOICES, required=False),
        ]
        super().__init__(fields, require_all_fields=False, **kwargs)

    def compress(self, values: list) -> int | None:
        return values[0] * UNITS[values[1]] if values and values[0] and values[1] else None


def secret_words(secret: Secret, set_at: datetime | None) -> str:
    """What pages say of a secret that is set: since when, or that no key for it is at hand."""
    if not secret.readable:
        return _("Cannot be read: its key is missing.")
    if set_at is None:
        return _("Set.")
    return _("Set on %s.") % formats.date_format(timezone.localtime(set_at), "j F Y, H:i")


def warning_words(credential: Credential) -> list[str]:
    """What looks odd about what was entered and may be right, a sentence each."""
    words = _("Saved, but look at the %(field)s: %(message)s")
    return [
        words % {"field": declared.field_of(type(credential), name).verbose_name, "message": message}
        for name, message in credential.warnings().items()
    ]


class VersionField(forms.IntegerField):
    """The version of the row that the form was filled from. Not an edit, so it never counts as changed."""

    widget = forms.HiddenInput

    def has_changed(self, initial: Any, data: Any) -> bool:
        return False


class SecretHolderForm(forms.ModelForm):
    """Write-only secrets, and a clear conflict for the second of two people who edit the same row."""

    seen_version = VersionField(required=False)
    data: Any  # a QueryDict

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.conflict: list[tuple[Any, str, str]] = []
        self.conflict_with = ""
        self.fields["seen_version"].initial = self.instance.version
        for field in self.fields.values():
            if isinstance(field.widget, forms.Textarea):
                field.widget.attrs["rows"] = 5 if isinstance(field, forms.JSONField) else 3
        set_at = {} if self.instance._state.adding else self.instance.secret_set_at()
        for secret in secret_fields(self._meta.model):
            if secret.name in self.fields:
                self._prepare_secret(secret.name, set_at.get(secret.name))

    def _prepare_secret(self, name: str, set_at: Any) -> None:
        field = self.fields[name]
        classes = (
            admin_base.INPUT_CLASSES if isinstance(field.widget, SecretInput) else admin_base.TEXTAREA_CLASSES
        )
        field.widget.attrs["class"] = " ".join(classes)
        secret = getattr(self.instance, name)
        if self.instance._state.adding or not secret:
            return
        field.required = False
        # Beneath the input, where a phone has room for it; a placeholder would be cut off.
        field.help_text = f"{secret_words(secret, set_at)} {field.help_text}"
        field.widget.attrs["placeholder"] = (
            _("Leave empty to keep it") if secret.readable else _("Enter it again")
        )
        stored = self._meta.model._meta.get_field(name)
        if stored.blank:
            self.fields[f"remove_{name}"] = forms.BooleanField(
                label=_("Remove the %s") % stored.verbose_name,
                required=False,
                widget=admin_base.UnfoldBooleanSwitchWidget,
            )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if not self.instance._state.adding:
            self._refuse_conflict()
        return cleaned

    def _post_clean(self) -> None:
        for name in list(self.cleaned_data):
            if name.startswith("remove_") and self.cleaned_data[name]:
                setattr(self.instance, name.removeprefix("remove_"), None)
        super()._post_clean()  # type: ignore[misc]  # django-stubs leaves it out

    def _refuse_conflict(self) -> None:
        """Raise where somebody saved the row since this form was filled. Locks it until the save."""
        rows = self.instance._root_rows().select_for_update()
        version = rows.filter(pk=self.instance.pk).values_list("version", flat=True).first()
        if version is None:
            raise ValidationError(
                _("Somebody deleted this while you were editing: there is nothing to save.")
            )
        if version == self.instance.version == self.cleaned_data.get("seen_version"):
            return
        stored = type(self.instance)._base_manager.get(pk=self.instance.pk)
        self.conflict = self._differences(stored)
        # Saved again, the form overwrites what it has just shown.
        self.data = self.data.copy()
        self.data["seen_version"] = version
        self.instance.version = version
        self.conflict_with = _("%s while you were editing") % last_editor(stored)
        raise ValidationError(self.conflict_with, code="conflict")

    def _differences(self, stored: Any) -> list[tuple[Any, str, str]]:
        """What the form holds otherwise than the stored row: (label, stored, yours)."""
        found = []
        fresh = type(self)(instance=stored)
        secrets = {field.name for field in secret_fields(self._meta.model)}
        for name, field in self.fields.items():
            if name == "seen_version" or name.startswith("remove_") or name not in fresh.fields:
                continue
            if name in secrets:
                if self.data.get(name):
                    found.append((field.label, _("set"), _("entered: enter it once more")))
                continue
            data = field.widget.value_from_datadict(self.data, self.files, self.add_prefix(name))
            initial = fresh.get_initial_for_field(field, name)
            if field.has_changed(initial, data):
                found.append((field.label, _shown(field, initial), _shown(field, data)))
        return found


def _shown(field: forms.Field, value: Any) -> str:
    """A value as people read it in the list of differences."""
    if isinstance(field, (IntervalField, forms.ModelChoiceField)):
        try:
            value = field.clean(field.widget.decompress(value) if isinstance(value, int) else value)
        except ValidationError:
            return _("not valid")
        if isinstance(value, int):
            return interval_words(value)
        return str(value) if value else _("empty")
    value = field.prepare_value(value)
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    return str(value) if value not in (None, "") else _("empty")


def last_editor(row: Any) -> str:
    """Who changed a row last, as the beginning of a sentence."""
    event = AuditEvent.objects.filter(object_id=str(row.pk)).order_by("-time", "-id").first()
    if event and abs((event.time - row.updated_at).total_seconds()) < 5:
        return _("%s saved this") % who_words(event.actor)
    return _("This was changed")


class CredentialForm(SecretHolderForm):
    """The form of every kind: its properties, the limit, metadata."""

    allowed_requests = forms.IntegerField(
        label=gettext_lazy("Requests"),
        required=False,
        widget=admin_base.UnfoldAdminIntegerFieldWidget({"min": 1}),
    )
    interval = IntervalField(label=gettext_lazy("Per"), required=False)
    max_concurrent_requests = forms.IntegerField(
        label=gettext_lazy("At the same time"),
        required=False,
        widget=admin_base.UnfoldAdminIntegerFieldWidget({"min": 0}),
        help_text=gettext_lazy("Empty: no bound."),
    )

    LIMIT_FIELDS = ("allowed_requests", "interval", "max_concurrent_requests")

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        if not self.instance._state.adding:
            for name, value in self.instance.rate_limit.limit._asdict().items():
                self.fields[name].initial = value
            self.fields["allowed_requests"].required = self.fields["interval"].required = True
        else:
            default = RateLimit(**self._meta.model.default_limit({})._asdict()).words
            self.fields["allowed_requests"].help_text = _("Leave it all empty for the default: %s.") % default
            for one in self.fields.values():
                if isinstance(one, forms.TypedChoiceField) and one.required:
                    choices: Any = one.choices
                    # The first choice would stand there as if somebody had made it.
                    one.choices = [("", _("Choose one")), *choices]
        form_formats.describe(self)
        if "oauth_app" in self.fields:
            apps = OAuthApp.objects.filter(provider=self._meta.model.PROVIDER.key)
            field: Any = self.fields["oauth_app"]
            field.queryset = apps
            field.empty_label = _("The provider's default app")
        for name in self._meta.model.DESTINATION:
            if name in self.fields and not self.instance._state.adding:
                self.fields[name].help_text = (
                    _("%s Changing it asks for the secrets again.") % self.fields[name].help_text
                )

    @property
    def limit(self) -> Limit | None:
        """The limit that was entered; None where the form leaves it to the kind's default."""
        values: list[Any] = [self.cleaned_data.get(name) for name in self.LIMIT_FIELDS]
        return None if values == [None, None, None] else Limit(*values)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if not self.limit or self.errors.keys() & set(self.LIMIT_FIELDS):
            return cleaned
        missing = [name for name in ("allowed_requests", "interval") if self.cleaned_data.get(name) is None]
        for name in missing:
            field = self.fields[name]
            by_default = _("Enter this too, or leave the whole limit empty for the default.")
            self.add_error(name, field.error_messages["required"] if field.required else by_default)
        if not missing:
            try:
                RateLimit(**self.limit._asdict()).clean_fields(exclude={"credential"})
            except ValidationError as error:
                for name, messages in error.error_dict.items():
                    self.add_error(name, messages)
        return cleaned

    class Meta:
        model = Credential
        fields = ("name", "metadata")
