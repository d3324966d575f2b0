"""Users and groups; and components, as far as the audit trail goes. Nobody raises their own rights here,
nor through somebody else: see project/roles.py.

What a person may not change is not a field of their form, whatever they send; what they may not give is no
choice of it.
"""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.html import format_html_join
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display
from unfold.forms import UserCreationForm

from credentials import audit
from health.admin import ComponentAdmin as HealthComponentAdmin
from health.admin_base import ModelAdmin, UnfoldAdminCheckboxSelectMultipleWidget
from health.models import Component
from health.templatetags.lanyard import moment
from project import roles
from project.forms import GroupForm, PasswordForm, RightsField, UserForm

CHECKBOXES = {"widget": UnfoldAdminCheckboxSelectMultipleWidget}

for model in (User, Group, Component):
    admin.site.unregister(model)


def rights_of(row: Any, names: tuple[str, ...]) -> set[str]:
    """The rights that a row holds in these fields: those that are on, and each of several."""
    found = set()
    for name in names:
        value = getattr(row, name)
        if isinstance(value, bool):
            found |= {name} if value else set()
        else:
            of = {"groups": "role", "permissions": "right", "user_permissions": "right"}[name]
            key = "name" if name == "groups" else "codename"
            found |= {f"{of} {one}" for one in value.values_list(key, flat=True)}
    return found


class Recorded(ModelAdmin):
    """Each change leaves an audit event in its own transaction. The event names fields, never a value.

    What is in GIVEN are rights: each that was given or taken is named, as if it were a field of its own.
    """

    GIVEN: tuple[str, ...] = ()
    # What everybody has who is new: no word about it.
    USUAL: tuple[str, ...] = ()

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        before = form.instance.stored_rights if change else set(self.USUAL)
        super().save_related(request, form, formsets, change)
        known = {field.name for field in self.opts.get_fields()} - set(self.GIVEN)
        after = rights_of(self.model._default_manager.get(pk=form.instance.pk), self.GIVEN)
        changed = known & set(form.changed_data)
        changed |= {f"{right} given" for right in after - before}
        changed |= {f"{right} taken" for right in before - after}
        if changed or not change:
            audit.record("change" if change else "create", form.instance, fields=changed)

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """With the rights as they are stored, before a form changes the row at hand."""
        found = super().get_object(request, object_id, from_field)
        if found is not None and request.method == "POST":
            found.stored_rights = rights_of(found, self.GIVEN)
        return found

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        audit.record("delete", obj)
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet) -> None:
        with transaction.atomic():
            audit.record_all(audit.event("delete", row) for row in queryset)
            super().delete_queryset(request, queryset)


@admin.register(User)
class UserAdmin(DjangoUserAdmin, Recorded):
    GIVEN = ("is_active", "is_staff", "is_superuser", "groups", "user_permissions")
    USUAL = ("is_active", "is_staff")
    form = UserForm
    add_form = UserCreationForm
    change_password_form = PasswordForm
    list_display = ("title", "roles_shown", "superuser", "may_sign_in", "seen")
    list_filter = ("groups", "is_active", "is_superuser")
    search_help_text = _("Name or e-mail address")
    add_fieldsets = ((None, {"fields": ("username", "usable_password", "password1", "password2", "groups")}),)
    filter_horizontal = ()

    @display(description=_("name"), ordering="username", header=True)
    def title(self, user: User) -> list:
        return [user.username, user.get_full_name() or user.email]

    @display(description=_("roles"))
    def roles_shown(self, user: User) -> str:
        return ", ".join(sorted(group.name for group in user.groups.all())) or "–"

    @display(description=_("superuser"), ordering="is_superuser")
    def superuser(self, user: User) -> Any:
        return _("Yes") if user.is_superuser else "–"

    @display(description=_("may sign in"), ordering="is_active")
    def may_sign_in(self, user: User) -> Any:
        return _("Yes") if user.is_active and user.is_staff else _("No")

    @display(description=_("last signed in"), ordering="last_login")
    def seen(self, user: User) -> str:
        return moment(user.last_login)

    @display(description=_("rights of their own"))
    def rights_shown(self, user: User) -> str:
        names = user.user_permissions.select_related("content_type").values_list("name")
        return format_html_join(", ", "{}", names) or "–"

    def formfield_for_dbfield(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field and db_field.name == "groups":
            # No menu beside the roles to add another: they have their own pages.
            field.widget.can_add_related = False
        return field

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        return super().get_queryset(request).prefetch_related("groups")

    # --- who may what ------------------------------------------------------------------------------

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and roles.may_change_user(request.user, obj)  # type: ignore[arg-type]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and roles.may_change_user(request.user, obj)  # type: ignore[arg-type]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        dates = ("last_login", "date_joined")
        if obj is None or request.user.is_superuser:
            return dates
        # The audit trail knows people by their user names: another name would hide who acted.
        fixed = (*dates, "username", "is_superuser", "rights_shown")
        return (*fixed, "is_active", "is_staff", "groups") if obj == request.user else fixed

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return self.add_fieldsets
        above = request.user.is_superuser
        # The password's line leads to where it is changed.
        sign_in = ["username", "password"] if above or obj == request.user else ["username"]
        rights = ["is_superuser", "user_permissions" if above else "rights_shown"]
        return [
            (None, {"fields": sign_in}),
            (_("Person"), {"fields": ["first_name", "last_name", "email"]}),
            (_("Roles"), {"fields": ["groups"]}),
            (_("Access"), {"fields": ["is_active", "is_staff", *rights]}),
            (_("Dates"), {"fields": ["last_login", "date_joined"]}),
        ]

    def formfield_for_manytomany(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        if db_field.name == "groups":
            kwargs |= {
                "queryset": roles.assignable(request.user).order_by("name"),
                "help_text": _("What a person may do. Offered are those whose rights you hold yourself."),
            }
        if db_field.name == "user_permissions":
            kwargs |= {
                "form_class": RightsField,
                "queryset": roles.grantable(request.user),
                "help_text": _("Beside those of the roles. Revealing secrets is in no role."),
            }
        return super().formfield_for_manytomany(db_field, request, **(CHECKBOXES | kwargs))

    # --- saving ------------------------------------------------------------------------------------

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if not change:
            # All pages are for the staff: nobody else could do anything here.
            obj.is_staff = True
        super().save_model(request, obj, form, change)

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        """Superusers set another's password. One's own is changed where the old one is asked for."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        if id == str(request.user.pk):
            return redirect("admin:password_change")
        if not request.user.is_superuser:
            raise PermissionDenied
        return super().user_change_password(request, id, form_url)


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, Recorded):
    GIVEN = ("permissions",)
    form = GroupForm
    filter_horizontal = ()
    list_display = ("name", "rights", "people")
    search_help_text = _("Name")

    @display(description=_("rights"))
    def rights(self, group: Group) -> int:
        return len(group.permissions.all())

    @display(description=_("people"))
    def people(self, group: Group) -> int:
        return len(group.user_set.all())

    def get_queryset(self, request: HttpRequest) -> QuerySet[Group]:
        return super().get_queryset(request).prefetch_related("permissions", "user_set")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and roles.may_change_group(request.user, obj)  # type: ignore[arg-type]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # The code counts on its four roles: nobody deletes them.
        free = obj is None or (obj.name not in roles.ROLES and roles.may_change_group(request.user, obj))  # type: ignore[arg-type]
        return super().has_delete_permission(request, obj) and free

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("name",) if obj and obj.name in roles.ROLES else ()

    def formfield_for_manytomany(self, db_field: Any, request: Any = None, **kwargs: Any) -> Any:
        if db_field.name == "permissions":
            kwargs |= {
                "form_class": RightsField,
                "queryset": roles.grantable(request.user),
                "help_text": _("Offered are those that you hold yourself."),
            }
        return super().formfield_for_manytomany(db_field, request, **(CHECKBOXES | kwargs))


@admin.register(Component)
class ComponentAdmin(Recorded, HealthComponentAdmin):
    """Health's own pages. Health knows no audit trail, so what is done here is recorded from above: adding,
    renaming, wiring and deleting. Reports and flips are health's own record."""
