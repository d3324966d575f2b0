"""The base of all admin pages: the one place that knows the theme, so that it could be exchanged.

It stands on the ground floor, because every app has admin pages and imports point downwards.
"""

from typing import Any

from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import BadRequest, ValidationError
from django.db import IntegrityError
from django.db.models import ProtectedError, QuerySet, RestrictedError
from django.http import HttpRequest
from unfold.admin import ModelAdmin as UnfoldModelAdmin
from unfold.views import ChangeList
from unfold.widgets import (
    INPUT_CLASSES,
    TEXTAREA_CLASSES,
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminMultipleAutocompleteWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

__all__ = [
    "INPUT_CLASSES",
    "TEXTAREA_CLASSES",
    "ModelAdmin",
    "ReadOnlyAdmin",
    "UnfoldAdminCheckboxSelectMultipleWidget",
    "UnfoldAdminIntegerFieldWidget",
    "UnfoldAdminMultipleAutocompleteWidget",
    "UnfoldAdminSelectWidget",
    "UnfoldAdminTextInputWidget",
    "UnfoldAdminTextareaWidget",
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
    view_on_site: Any = False

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return Listing

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:
        """Only what a filter of the page asks for: anything else looks into what the page does not show."""
        allowed: set[Any] = set()
        for entry in self.get_list_filter(request):
            if isinstance(entry, str):
                allowed |= {entry, f"{entry}__exact", f"{entry}__id__exact", f"{entry}__isnull"}
            else:
                allowed.add(getattr(entry, "parameter_name", None))
        return lookup in allowed

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        # An address may name an empty field (?_to_field=), which Django looks for.
        return super().get_object(request, object_id, from_field or None)

    def response_action(self, request: HttpRequest, queryset: QuerySet) -> Any:
        # Django would ask the database for whatever was sent as a key.
        key = self.model._meta.pk
        for value in request.POST.getlist(ACTION_CHECKBOX_NAME):
            try:
                key.run_validators(key.to_python(value))
            except ValidationError:
                raise BadRequest("A selected row has no key of this table.") from None
        try:
            return super().response_action(request, queryset)
        except (ProtectedError, RestrictedError, IntegrityError):
            # Somebody began to use a row just now. Asked again, Django names what uses it.
            return super().response_action(request, queryset)

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: dict | None = None) -> Any:
        try:
            return super().delete_view(request, object_id, extra_context)
        except (ProtectedError, RestrictedError, IntegrityError):
            return super().delete_view(request, object_id, extra_context)

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        # Each word is a condition of its own: a pasted page of text would be too many for the database.
        return super().get_search_results(request, queryset, search_term[:LONGEST_SEARCH])


class ReadOnlyAdmin(ModelAdmin):
    """A list of what is written by the code alone."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
