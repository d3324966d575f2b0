"""Changing one rate limit, and narrowing the list of all."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from credentials import kinds
from credentials.forms import IntervalField
from credentials.models import Credential, Limit, RateLimit
from health import admin_base

OVER, LOWER = "over", "lower"


class LimitsForm(forms.Form):
    """Every field narrows the list; what cannot be read narrows nothing."""

    q = forms.CharField(
        label=gettext_lazy("Credential"),
        required=False,
        max_length=admin_base.LONGEST_SEARCH,
        widget=admin_base.UnfoldAdminTextInputWidget(
            {"placeholder": gettext_lazy("Name, account or metadata")}
        ),
    )
    provider = forms.ChoiceField(
        label=gettext_lazy("Provider"), required=False, widget=admin_base.UnfoldAdminSelectWidget
    )
    use = forms.ChoiceField(
        label=gettext_lazy("Use"),
        required=False,
        widget=admin_base.UnfoldAdminSelectWidget,
        choices=[
            ("", gettext_lazy("All")),
            (OVER, gettext_lazy("Over 80 %, or held off")),
            (LOWER, gettext_lazy("The provider allows less")),
        ],
    )

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        providers = [(one.key, one.name) for one in kinds.PROVIDERS.values()]
        self.fields["provider"].choices = [("", _("All")), *providers]  # type: ignore[attr-defined]  # of a ChoiceField
        self.is_valid()

    def said(self, name: str) -> str:
        """What was entered, where it can be read; else empty."""
        return self.cleaned_data.get(name) or ""

    @property
    def narrows(self) -> bool:
        return any(self.said(name) for name in self.fields)


class LimitForm(forms.Form):
    """The three numbers of a limit, in people's units. `data` None fills it from what is stored."""

    allowed_requests = forms.IntegerField(
        label=gettext_lazy("Requests"), widget=admin_base.UnfoldAdminIntegerFieldWidget({"min": 1})
    )
    interval = IntervalField(label=gettext_lazy("Per"))
    max_concurrent_requests = forms.IntegerField(
        label=gettext_lazy("At the same time"),
        required=False,
        widget=admin_base.UnfoldAdminIntegerFieldWidget({"min": 0}),
        help_text=gettext_lazy("Empty: no bound."),
    )
    # The revision that the form was filled from.
    seen = forms.IntegerField(widget=forms.HiddenInput, required=False)
    data: Any  # a QueryDict

    def __init__(self, credential: Credential, data: Any = None):
        self.credential = credential
        stored = credential.rate_limit
        initial = {**stored.limit._asdict(), "seen": stored.revision}
        super().__init__(data, initial=initial, use_required_attribute=False)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if "interval" in cleaned and cleaned["interval"] is None:
            # The unit is always chosen, so that Django does not find it empty.
            self.add_error("interval", self.fields["interval"].error_messages["required"])
        if not self.errors:
            try:
                RateLimit(**self.limit._asdict()).clean_fields(exclude={"credential"})
            except ValidationError as error:
                self.add_error(None, error)
        return cleaned

    @property
    def limit(self) -> Limit:
        return Limit(*(self.cleaned_data[name] for name in Limit._fields))

    def save(self) -> bool:
        """Store what was entered. False where somebody stored another limit since this form was filled: then
        it says so, and sent once more it replaces what is stored. Raises RateLimit.DoesNotExist."""
        with transaction.atomic():
            stored = RateLimit.objects.select_for_update().get(pk=self.credential.pk)
            if self.cleaned_data["seen"] == stored.revision or stored.limit == self.limit:
                self.credential.set_limit(self.limit)
                return True
        self.data = self.data.copy()
        self.data["seen"] = stored.revision
        words = _("Somebody changed this to %s while you were editing. Save again to replace that.")
        self.add_error(None, words % stored.words)
        return False
