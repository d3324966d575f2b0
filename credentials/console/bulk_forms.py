"""What an act on many credentials asks for, and the number that is typed before a dangerous one."""

import json
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from credentials import json_values, limit_forms
from credentials.console.bulk import Preflight
from credentials.job_acts import ADD, REMOVE, SET
from credentials.models import Job
from health import admin_base
from health.console.forms import SpellForm
from health.history import tidy


class Parameters(forms.Form):
    """What an act asks for: nothing, unless a form says otherwise."""

    def parameters(self) -> dict[str, Any]:
        """What was entered, as plain JSON."""
        return {}


class PauseForm(SpellForm):
    """Why, and until when."""

    field_order = ("reason", "hours", "until")

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.fields["reason"].help_text = _("Why nobody should look at them, such as maintenance there.")
        self.fields["hours"].initial = 168

    def clean_reason(self) -> str:
        reason = tidy(self.cleaned_data["reason"])
        if not reason:
            raise ValidationError(_("Say why."))
        return reason

    def clean_until(self) -> Any:
        until = self.cleaned_data["until"]
        if until and until <= timezone.now():
            raise ValidationError(_("A pause ends in the future."))
        return until

    def parameters(self) -> dict[str, Any]:
        return {"reason": self.cleaned_data["reason"], "ends_at": self.ends_at().isoformat()}


class LimitForm(limit_forms.LimitForm):
    """One limit for all of them."""

    def __init__(self, data: Any = None, initial: dict[str, Any] | None = None):
        forms.Form.__init__(self, data, initial=initial or {}, use_required_attribute=False)
        del self.fields["seen"]

    def parameters(self) -> dict[str, Any]:
        return self.limit._asdict()


class MetadataForm(Parameters):
    """One key of the metadata, and what becomes of it."""

    TEXT, JSON = "text", "json"

    how = forms.ChoiceField(
        label=gettext_lazy("What to do"),
        choices=[
            (SET, gettext_lazy("Set the key, whatever is there")),
            (ADD, gettext_lazy("Add the key only where there is none")),
            (REMOVE, gettext_lazy("Remove the key")),
        ],
        widget=admin_base.UnfoldAdminSelectWidget,
    )
    key = forms.CharField(
        label=gettext_lazy("Key"),
        max_length=json_values.MAX_KEY,
        widget=admin_base.UnfoldAdminTextInputWidget({"spellcheck": "false", "placeholder": "plan"}),
    )
    value = forms.CharField(
        label=gettext_lazy("Value"),
        required=False,
        max_length=2000,
        widget=admin_base.UnfoldAdminTextInputWidget({"spellcheck": "false", "placeholder": "growth"}),
        help_text=gettext_lazy("Metadata are shown to everybody who signs in: never put a secret there."),
    )
    form = forms.ChoiceField(
        label=gettext_lazy("The value is"),
        choices=[
            (TEXT, gettext_lazy("text")),
            (JSON, gettext_lazy("JSON: a number, true, a list, an object")),
        ],
        widget=admin_base.UnfoldAdminSelectWidget,
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("how") == REMOVE or "value" not in cleaned:
            return cleaned
        if not cleaned["value"]:
            self.add_error("value", _("Say which value, or remove the key."))
            return cleaned
        if cleaned.get("form") == self.JSON:
            try:
                cleaned["value"] = json_values.decoder.decode(cleaned["value"])
            except (ValueError, RecursionError):
                self.add_error("value", _("This is not JSON. Take it as text, or correct it."))
                return cleaned
        for _path, message in json_values.problems({cleaned.get("key", ""): cleaned["value"]}):
            self.add_error("value", message)
            break
        return cleaned

    def parameters(self) -> dict[str, Any]:
        how, key = self.cleaned_data["how"], self.cleaned_data["key"]
        return {"how": how, "key": key} | ({} if how == REMOVE else {"value": self.cleaned_data["value"]})


class ExportForm(Parameters):
    format = forms.ChoiceField(
        label=gettext_lazy("As"),
        choices=[
            ("json", gettext_lazy("JSON, one array")),
            ("jsonl", gettext_lazy("JSON, one document a line")),
            ("csv", gettext_lazy("CSV, a table")),
        ],
        widget=admin_base.UnfoldAdminSelectWidget,
        help_text=gettext_lazy("Secrets are masked: an export never holds one."),
    )

    def parameters(self) -> dict[str, Any]:
        return {"format": self.cleaned_data["format"]}


FORMS: dict[str, Any] = {
    Job.Act.PAUSE.value: PauseForm,
    Job.Act.LIMIT.value: LimitForm,
    Job.Act.METADATA.value: MetadataForm,
    "export": ExportForm,
}


def again(job: Job) -> dict[str, Any]:
    """What the form of an act holds at first, where a job is done again."""
    given = dict(job.parameters)
    if job.act == Job.Act.METADATA and not isinstance(given.get("value", ""), str):
        given |= {"form": MetadataForm.JSON, "value": json.dumps(given["value"])}
    return given


class ConfirmForm(forms.Form):
    """That what happens is what was looked at (`seen`); before a dangerous act the number or the name."""

    seen = forms.CharField(required=False, widget=forms.HiddenInput)
    confirm = forms.CharField(
        required=False, max_length=200, widget=admin_base.UnfoldAdminTextInputWidget({"autocomplete": "off"})
    )
    data: Any  # a QueryDict

    def __init__(self, found: Preflight, *, dangerous: bool, data: Any = None):
        super().__init__(data, initial={"seen": found.seen}, use_required_attribute=False)
        self.found = found
        self.wanted = found.names[0] if found.number == 1 and found.names else str(found.number)
        if not dangerous:
            del self.fields["confirm"]

    def clean_confirm(self) -> str:
        typed: str = self.cleaned_data["confirm"].strip()
        if typed.replace(",", "") != self.wanted and typed != self.wanted:
            raise ValidationError(_("Type %s, to say that you mean it.") % self.wanted)
        return typed

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("seen") != self.found.seen:
            self.data = self.data.copy()
            self.data["seen"] = self.found.seen
            self.data.pop("confirm", None)
            raise ValidationError(_("It is not the same as when you looked: look again, then start it."))
        return cleaned
