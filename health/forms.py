"""The form of the back office: what a component depends on."""

import uuid
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AutocompleteSelectMultiple
from django.utils.translation import gettext_lazy as _

from health import graph
from health.models import Component

BY_THEMSELVES = [(kind.value, kind.label) for kind in Component.BY_THEMSELVES]


class ComponentsWidget(AutocompleteSelectMultiple):
    """Several components, found by name."""

    def __init__(self, choices: Any):
        attrs = {"class": "unfold-admin-autocomplete admin-autocomplete"}
        super().__init__(Component._meta.get_field("depends_on"), admin.site, attrs, choices)

    def optgroups(self, name: str, value: Any, attrs: Any = None) -> Any:
        # Django would ask the database for whatever was sent as a key; the field has refused it already.
        return super().optgroups(name, [one for one in value if _is_key(one)], attrs)


def _is_key(text: str) -> bool:
    try:
        uuid.UUID(str(text))
    except ValueError:
        return False
    return True


class ComponentForm(forms.ModelForm):
    """A sync, consumer or target with what it depends on. `actor` is set before saving."""

    actor: Any = ""

    depends_on = forms.ModelMultipleChoiceField(
        Component.objects.all(),
        required=False,
        label=_("Depends on"),
        help_text=_("What it cannot work without. Search by name; each of them can turn its status."),
    )

    class Meta:
        model = Component
        fields = ("kind", "name", "depends_on")
        help_texts = {
            "kind": _("A sync moves data; a target receives them; a consumer stands between."),
            "name": _("What commands and pages call it, such as orders-db."),
        }

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        depends_on: Any = self.fields["depends_on"]
        depends_on.widget = ComponentsWidget(depends_on.choices)
        kind: Any = self.fields.get("kind")
        if kind:
            kind.choices = BY_THEMSELVES

    def clean_depends_on(self) -> list[Component]:
        chosen = list(self.cleaned_data["depends_on"])
        if not self.instance._state.adding:
            for other in chosen:
                graph.refuse_cycle(self.instance.pk, other.pk)
        return chosen

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        kind, name = cleaned.get("kind") or self.instance.kind, cleaned.get("name")
        twins = Component.objects.filter(kind=kind, name=name).exclude(pk=self.instance.pk)
        if name and twins.exists():
            self.add_error("name", _("There is one of this kind and name already."))
        return cleaned

    def _save_m2m(self) -> None:
        self.instance.rewire(self.cleaned_data["depends_on"], actor=self.actor)
