"""What the trail can be narrowed by."""

from datetime import date
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from credentials import audit_trail, audit_words
from health.admin_base import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

WAYS = [
    ("browser", _("Browser")),
    ("command", _("Command line")),
    ("worker", _("Worker")),
    ("door", _("Not signed in")),
]


class TrailForm(forms.Form):
    """Every field narrows the list; what cannot be read is said, and narrows nothing."""

    who = forms.CharField(
        label=_("Who"), max_length=255, widget=UnfoldAdminTextInputWidget({"placeholder": "ada"})
    )
    what = forms.ChoiceField(label=_("What"), widget=UnfoldAdminSelectWidget)
    object = forms.CharField(
        label=_("Object"), max_length=200, widget=UnfoldAdminTextInputWidget({"placeholder": _("Name or id")})
    )
    type = forms.ChoiceField(label=_("Type"), widget=UnfoldAdminSelectWidget)
    day = forms.DateField(label=_("Day"), widget=UnfoldAdminTextInputWidget({"type": "date"}))
    source = forms.ChoiceField(label=_("Source"), widget=UnfoldAdminSelectWidget)
    request = forms.UUIDField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        acts = [(act, words.title) for act, words in audit_words.ACTS.items()]
        choices: dict[str, list] = {"what": acts, "type": list(audit_words.TYPES.items()), "source": WAYS}
        for name, field in self.fields.items():
            field.required = False
            if name in choices:
                field.choices = [("", _("All")), *choices[name]]  # type: ignore[attr-defined]  # of a ChoiceField

    def clean_day(self) -> date | None:
        day: date | None = self.cleaned_data["day"]
        if day and day.year not in audit_trail.YEARS:
            raise ValidationError(_("Enter a valid date."))
        return day

    def wanted(self, *, health: bool) -> audit_trail.Wanted:
        """What was asked for, as far as it can be read; `health` adds health's own record."""
        self.is_valid()
        said = self.cleaned_data
        texts = {name: (said.get(name) or "").strip() for name in ("who", "what", "object", "type", "source")}
        return audit_trail.Wanted(
            who=texts["who"],
            what=texts["what"],
            object=texts["object"],
            type=texts["type"],
            way=texts["source"],
            day=said.get("day"),
            request=said.get("request"),
            health=health,
        )

    @property
    def narrows(self) -> bool:
        return any(self.data.get(name) for name in self.fields)
