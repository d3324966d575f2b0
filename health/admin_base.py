"""The base of all admin pages: the one place that knows the theme, so that it could be exchanged.

It stands on the ground floor, because every app has admin pages and imports point downwards.
"""

from typing import Any

from django.http import HttpRequest
from unfold.admin import ModelAdmin as UnfoldModelAdmin
from unfold.views import ChangeList
from unfold.widgets import (
    INPUT_CLASSES,
    TEXTAREA_CLASSES,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldBooleanSwitchWidget,
)

__all__ = [
    "INPUT_CLASSES",
    "TEXTAREA_CLASSES",
    "ModelAdmin",
    "UnfoldAdminIntegerFieldWidget",
    "UnfoldAdminSelectWidget",
    "UnfoldBooleanSwitchWidget",
]

LONGEST_SEARCH = 200


class Listing(ChangeList):
    """A list that offers to "show all" only where something is filtered away."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        if not self.query and not self.has_active_filters:
            self.full_result_count = self.result_count


class ModelAdmin(UnfoldModelAdmin):
    """Lists of 50 rows whose address takes nothing but the declared filters."""

    list_per_page = 50
    list_max_show_all = 0
    list_fullwidth = True
    # The total without filters is a second count over the whole table.
    show_full_result_count = False
    warn_unsaved_form = True
    view_on_site = False

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return Listing

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:
        """Only what a filter of the page asks for: anything else looks into what the page does not show."""
        allowed = set()
        for entry in self.get_list_filter(request):
            if isinstance(entry, str):
                allowed |= {entry, f"{entry}__exact", f"{entry}__id__exact", f"{entry}__isnull"}
            else:
                allowed.add(getattr(entry, "parameter_name", None))
        return lookup in allowed

    def get_search_results(self, request, queryset, search_term):
        # Each word is a condition of its own: a pasted page of text would be too many for the database.
        return super().get_search_results(request, queryset, search_term[:LONGEST_SEARCH].casefold())

