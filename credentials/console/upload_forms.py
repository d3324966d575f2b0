"""The forms of importing a file: the file itself, and what its columns are."""

from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from credentials.console import columns
from credentials.console.columns import Column
from credentials.spreadsheets import KIND, Taken
from health.admin_base import UnfoldAdminSelectWidget


class FileForm(forms.Form):
    """One file. Its content is judged where it is read."""

    file = forms.FileField(
        label=gettext_lazy("File"),
        allow_empty_file=True,
        max_length=1_000,
        error_messages={
            "required": gettext_lazy("Choose the file first."),
            "max_length": gettext_lazy("The name of the file is too long."),
        },
        widget=forms.ClearableFileInput(attrs={"accept": ".json,.jsonl,.ndjson,.csv,.txt,application/json"}),
    )


class ColumnsForm(forms.Form):
    """What each column is, and the kind of all rows where no column says it."""

    kind = forms.ChoiceField(
        label=gettext_lazy("Kind"),
        required=False,
        widget=UnfoldAdminSelectWidget,
        help_text=gettext_lazy("Of every row that does not name its own."),
    )

    def __init__(self, found: list[Column], kind: str, data: Any = None):
        super().__init__(data, initial={"kind": kind})
        self.found = found
        choice: Any = self.fields["kind"]
        choice.choices = [("", _("A column says it")), *columns.kind_choices()]
        for column in found:
            self.fields[self.name_of(column)] = forms.ChoiceField(
                label=column.heading or _("Column %d") % column.number,
                required=False,
                initial=column.guess,
                choices=[("", _("Leave it out")), *columns.choices(kind, column)],
                widget=UnfoldAdminSelectWidget,
                error_messages={"invalid_choice": _("This kind has no such property: choose again.")},
            )

    @staticmethod
    def name_of(column: Column) -> str:
        return f"column_{column.number}"

    @property
    def rows(self) -> list[tuple[Column, Any]]:
        return [(column, self[self.name_of(column)]) for column in self.found]

    @property
    def taken(self) -> Taken:
        names = [self.cleaned_data[self.name_of(column)] for column in self.found]
        return Taken(names, self.cleaned_data["kind"])

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if self.errors:
            return cleaned
        names = [name for name in self.taken.names if name]
        for column in self.found:
            name = cleaned[self.name_of(column)]
            if name and names.count(name) > 1:
                self.add_error(self.name_of(column), _("Another column is taken for this too."))
        if not cleaned["kind"] and KIND not in names:
            self.add_error("kind", _("Choose the kind, or the column that says it."))
        elif not self.errors and (problem := self.taken.problem):
            self.add_error(None, problem)
        return cleaned
