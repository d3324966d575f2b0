"""What people state and decide about a component: a report, a note, a pause, an override."""

from datetime import timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from health import admin_base
from health.fields import sensible_time
from health.history import tidy
from health.status import Status

HOURS = (
    (1, _("1 hour")),
    (4, _("4 hours")),
    (8, _("8 hours")),
    (24, _("1 day")),
    (72, _("3 days")),
    (168, _("7 days")),
)
LONGEST_OVERRIDE = 24


def text_area(rows: int) -> Any:
    return admin_base.UnfoldAdminTextareaWidget({"rows": rows})


def time_field(label: Any, **more: Any) -> forms.DateTimeField:
    """A time that may be left empty, in the time zone of the installation."""
    widget = admin_base.UnfoldAdminTextInputWidget({"type": "datetime-local"})
    return forms.DateTimeField(label=label, required=False, widget=widget, validators=[sensible_time], **more)


def statuses() -> forms.ChoiceField:
    return forms.ChoiceField(
        label=_("Status"),
        choices=[(status.value, f"{status.label}: {status.next_step}") for status in Status],
        widget=forms.RadioSelect,
    )


class ActForm(forms.Form):
    """A form whose errors can come from the verb that it feeds. `WORDS` is the field of its words."""

    WORDS = "note"

    def add_errors(self, error: ValidationError) -> None:
        """Show what a verb refused, at the fields where it belongs."""
        found = error.error_dict if hasattr(error, "error_dict") else {self.WORDS: error}
        for name, wrong in found.items():
            self.add_error(name if name in self.fields else None, wrong)


class ReportForm(ActForm):
    """What a person states about a component."""

    status = statuses()
    note = forms.CharField(
        label=_("Note"),
        required=False,
        max_length=500,
        widget=text_area(3),
        help_text=_("What happened, in a sentence or two. It stands on every page that this status turns."),
    )
    code = forms.CharField(
        label=_("Code"),
        required=False,
        max_length=48,
        widget=admin_base.UnfoldAdminTextInputWidget({"placeholder": "disk_full"}),
        help_text=_("The same as one word, to find it by. An intervention needs a note or a code."),
    )
    at = time_field(_("Since"))

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.fields["at"].help_text = _("When it began, in the time of %(zone)s. Empty: now.") % {
            "zone": timezone.get_current_timezone_name()
        }


class NoteForm(ActForm):
    """Something to know, which stays until somebody removes it."""

    text = forms.CharField(
        label=_("Note"),
        max_length=500,
        widget=text_area(3),
        help_text=_("What others should know. It changes no status, and stays until somebody removes it."),
    )
    what_to_do = forms.CharField(
        label=_("What to do"),
        required=False,
        max_length=500,
        widget=text_area(2),
        help_text=_("If anything."),
    )

    def clean_text(self) -> str:
        return tidy(self.cleaned_data["text"])

    def clean_what_to_do(self) -> str:
        return tidy(self.cleaned_data["what_to_do"])


class SpellForm(ActForm):
    """Something that holds for a time, for a reason."""

    WORDS = "reason"

    reason = forms.CharField(label=_("Reason"), max_length=500, widget=text_area(2))
    hours = forms.TypedChoiceField(
        label=_("For"), coerce=int, choices=HOURS, widget=admin_base.UnfoldAdminSelectWidget
    )
    until = time_field(_("Or until"))

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.fields["until"].help_text = _("A time of %(zone)s, instead of a length.") % {
            "zone": timezone.get_current_timezone_name()
        }

    def ends_at(self, start: Any = None) -> Any:
        """When it ends: at the time that was entered, else after so many hours."""
        hours = timedelta(hours=self.cleaned_data["hours"])
        return self.cleaned_data["until"] or (start or timezone.now()) + hours


class PauseForm(SpellForm):
    """A component out of checks and roll-up for a time."""

    starts_at = time_field(_("From"), help_text=_("Empty: now. Later: a maintenance window."))
    field_order = ("reason", "starts_at", "hours", "until")

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.fields["reason"].help_text = _(
            "Why nobody should look at it, such as maintenance at the customer."
        )
        self.fields["hours"].initial = 168


class OverrideForm(SpellForm):
    """A status that holds for a time, whatever is observed."""

    status = statuses()
    field_order = ("status", "reason", "hours", "until")

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.fields["reason"].help_text = _("Why you know better than the checks. It is shown to everybody.")
        hours: Any = self.fields["hours"]
        hours.choices = [choice for choice in HOURS if choice[0] <= LONGEST_OVERRIDE]
        hours.initial = 4
