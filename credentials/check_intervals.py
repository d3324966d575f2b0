"""How often a credential is looked at: entered in people's units, kept by health in seconds."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from credentials import audit
from credentials.forms import UNIT_CHOICES, CredentialForm, IntervalField, IntervalWidget
from credentials.models import Credential
from credentials.models.rate_limit import UNITS, interval_words
from health import intervals, schedule
from health.admin_base import UnfoldAdminIntegerFieldWidget, UnfoldAdminSelectWidget

UNITS_HERE = ("second", "minute", "hour")
CHOICES = [choice for choice in UNIT_CHOICES if choice[0] in UNITS_HERE]
SECOND = UNITS["second"]


class EveryWidget(IntervalWidget):
    """A number and a unit of those that make sense here."""

    def __init__(self, attrs: dict | None = None):
        number = UnfoldAdminIntegerFieldWidget(
            {"min": 1, "aria-label": _("Length of time between two checks")}
        )
        unit = UnfoldAdminSelectWidget({"aria-label": _("Unit of that time")}, choices=CHOICES)
        forms.MultiWidget.__init__(self, [number, unit], attrs)

    def decompress(self, value: int | None) -> list:
        if not value:
            return [None, "minute"]
        unit = next(name for name in reversed(UNITS_HERE) if value % UNITS[name] == 0)
        return [value // UNITS[unit], unit]


class EveryField(IntervalField):
    """The time between two checks, in milliseconds as the other intervals of forms."""

    widget = EveryWidget

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        unit: Any = self.fields[1]
        unit.choices = CHOICES

    def clean(self, value: Any) -> int | None:
        found: int | None = super().clean(value)
        if found is not None and not schedule.LEAST <= found / SECOND <= schedule.MOST:
            words = _("Between two checks lie at least %(least)s and at most %(most)s.")
            least, most = interval_words(schedule.LEAST * SECOND), interval_words(schedule.MOST * SECOND)
            raise ValidationError(words % {"least": f"1 {least}", "most": f"1 {most}"})
        return found


class KindForm(CredentialForm):
    """The form of every kind in the back office."""

    check_every = EveryField(label=gettext_lazy("Check every"), required=False)

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        if "check_every" not in self.fields:
            return
        usual = interval_words(intervals.EVERY * SECOND)
        self.fields["check_every"].help_text = _("Empty: as usual, every %s.") % usual
        if not self.instance._state.adding and self.instance.component.check_every:
            self.fields["check_every"].initial = self.instance.component.check_every * SECOND

    @property
    def every(self) -> int | None:
        """What was entered, in seconds."""
        found = self.cleaned_data.get("check_every")
        return found // SECOND if found else None


def set_interval(credential: Credential, seconds: int | None) -> bool:
    """Let a credential be looked at every so many seconds, None: as usual; returns whether that is new."""
    with transaction.atomic():
        changed = schedule.set_interval(credential.component_id, seconds)
        if changed:
            credential.component.check_every = seconds
            audit.record("change", credential, fields=["check_every"])
    return changed
