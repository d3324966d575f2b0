"""What narrows the board. It lives in the address, so that a view can be sent to somebody."""

from typing import Any
from uuid import UUID

from django import forms
from django.db.models import Exists, F, OuterRef, Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from health import admin_base, providers, selection
from health.models import FAILING, Component
from health.pages import key
from health.status import Status

# What counts: the platform and the providers mask and explain, and are in no list of what somebody must do.
KINDS = [kind for kind in Component.Kind if kind not in (Component.Kind.PROVIDER, Component.Kind.PLATFORM)]
OWNER, SYNC, ALL, PROVIDER = "owner", "sync", "all", "provider"
VIEWS = {
    OWNER: gettext_lazy("Who must act"),
    SYNC: gettext_lazy("Syncs"),
    ALL: gettext_lazy("All components"),
    PROVIDER: gettext_lazy("Providers"),
}
US, CUSTOMER, NOBODY = "us", "customer", "nobody"
PAUSED, UNCHECKED, FLAPPING, ALSO = "paused", "unchecked", "flapping", "also"

OURS = selection.with_status(Status.SEQUIN_INTERVENTION)
THEIRS = selection.with_status(Status.CUSTOMER_INTERVENTION)
UNPAUSED = Q(paused_until=None)
BY_OWNER = {
    US: OURS & UNPAUSED,
    CUSTOMER: (THEIRS | Q(also__isnull=False)) & UNPAUSED,
    NOBODY: selection.with_status(Status.HEALTHY) & UNPAUSED,
}
BY_STATE = {
    PAUSED: Q(paused_until__isnull=False),
    UNCHECKED: selection.with_status(selection.UNCHECKED) & UNPAUSED,
    FLAPPING: Q(evidence__isnull=False, evidence__flapping=True),
    ALSO: Q(also__isnull=False) & UNPAUSED,
}


def choice(label: Any, choices: list[tuple[str, Any]]) -> forms.ChoiceField:
    return forms.ChoiceField(
        label=label,
        required=False,
        choices=[("", gettext_lazy("All")), *choices],
        widget=admin_base.UnfoldAdminSelectWidget,
    )


class BoardForm(forms.Form):
    """Every field narrows the board; what cannot be read narrows nothing."""

    q = forms.CharField(
        label=gettext_lazy("Name"),
        required=False,
        max_length=admin_base.LONGEST_SEARCH,
        widget=admin_base.UnfoldAdminTextInputWidget({"placeholder": gettext_lazy("Part of a name")}),
    )
    owner = choice(
        gettext_lazy("Who must act"),
        [
            (US, gettext_lazy("We")),
            (CUSTOMER, gettext_lazy("The customer")),
            (NOBODY, gettext_lazy("Nobody")),
        ],
    )
    provider = choice(gettext_lazy("Provider"), [])
    kind = choice(gettext_lazy("Kind"), [(kind.value, kind.label) for kind in KINDS])
    state = choice(
        gettext_lazy("State"),
        [
            (ALSO, gettext_lazy("The customer must act as well")),
            (FLAPPING, gettext_lazy("Flapping")),
            (PAUSED, gettext_lazy("Paused")),
            (UNCHECKED, gettext_lazy("Unknown")),
        ],
    )
    # Those that fail because of one component.
    cause = forms.UUIDField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        named = sorted(providers.NAMES.items(), key=lambda entry: entry[1].casefold())
        self.fields["provider"].choices = [("", _("All")), *named]  # type: ignore[attr-defined]  # of a ChoiceField
        self.is_valid()

    def said(self, name: str) -> str:
        """What was entered, where it can be read; else empty."""
        return str(self.cleaned_data.get(name) or "")

    @property
    def view(self) -> str:
        """The view that the address names, where it can show what is asked for: who is well, paused or
        unknown is no cause of anything."""
        named = self.data.get("view", OWNER)
        view = named if named in VIEWS else OWNER
        healthy = self.said("owner") == NOBODY
        if view == OWNER and (healthy or self.because or self.said("state") not in ("", ALSO)):
            return ALL
        return view

    @property
    def because(self) -> UUID | None:
        """The component because of which all of these fail."""
        return key(self.said("cause"))

    @property
    def narrows(self) -> bool:
        return any(self.said(name) for name in self.fields)

    def chips(self) -> list[tuple[str, str, str]]:
        """What narrows the board: the name of each entry, and how it reads."""
        found = []
        for name, field in self.fields.items():
            value = self.said(name)
            if value and name != "cause":
                words = dict(getattr(field, "choices", ())).get(value, f"“{value}”")
                found.append((name, str(field.label), str(words)))
        return found

    def wanted(self) -> Q:
        """The condition of all that was entered, but for the owner and the view."""
        found = Q(kind__in=KINDS)
        if kind := self.said("kind"):
            found &= Q(kind=kind)
        if provider := self.said("provider"):
            found &= Q(provider=provider)
        if state := self.said("state"):
            found &= BY_STATE[state]
        if self.because:
            found &= (Q(cause=self.because) | Q(also=self.because)) & ~Q(pk=self.because)
        return found

    def named(self, *, with_affected: bool = False) -> Q:
        """That each word is in the name or, `with_affected`, in that of what fails because of it."""
        found = Q()
        for word in self.said("q").split():
            of_itself = Q(name__icontains=word)
            if with_affected:
                hit = Component.objects.filter(name__icontains=word).exclude(pk=OuterRef("pk"))
                of_itself |= Exists(hit.filter(cause=OuterRef("pk"))) | Exists(
                    hit.filter(also=OuterRef("pk"))
                )
            found &= of_itself
        return found


CAUSES = Q(status__in=FAILING) & (OURS | THEIRS) & UNPAUSED & Q(cause=F("pk"))
