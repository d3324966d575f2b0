"""Who may what: the rights of each role, and what a person may give to others.

A right that the code begins to use is one line here and one migration that calls `establish` again, as
project/migrations/0001_roles.py does. That sets the four roles back to what stands here.
"""

from collections.abc import Iterable
from typing import Any

from django.apps import apps as current_apps
from django.contrib.auth.management import create_permissions
from django.contrib.auth.models import Group, Permission, User
from django.db.models import Q, QuerySet

SEE = (
    "credentials.view_credential",
    "credentials.view_oauthapp",
    "health.view_component",
    "health.view_flip",
)
OPERATE = (
    "credentials.view_channel",
    "credentials.add_credential",
    "credentials.change_credential",
    "health.add_component",
    "health.change_component",
    "health.report_component",
)
READ_AUDIT = ("credentials.view_auditevent",)
ADMINISTER = (
    "credentials.delete_credential",
    "credentials.add_oauthapp",
    "credentials.change_oauthapp",
    "credentials.delete_oauthapp",
    "credentials.add_channel",
    "credentials.change_channel",
    "credentials.delete_channel",
    "health.delete_component",
    "auth.view_user",
    "auth.add_user",
    "auth.change_user",
    "auth.delete_user",
    "auth.view_group",
    "auth.add_group",
    "auth.change_group",
    "auth.delete_group",
)

ROLES: dict[str, tuple[str, ...]] = {
    "viewer": SEE,
    "operator": SEE + OPERATE,
    "auditor": SEE + READ_AUDIT,
    "admin": SEE + OPERATE + READ_AUDIT + ADMINISTER,
}

# In no role: a superuser gives it to single people.
BY_SUPERUSERS_ONLY = ("credentials.reveal_credential",)

# All that the code asks for. Django has more, which nothing here looks at.
IN_USE = (*ROLES["admin"], *BY_SUPERUSERS_ONLY)


def establish(apps: Any = None, schema_editor: Any = None) -> None:
    """Create the roles where they are missing, with exactly their rights; for migrations.RunPython too.

    Django creates rights only after the last migration, so those that are not there yet are created here,
    from the models of the code at hand: what a role holds does not depend on how far the tables have come.
    """
    database = schema_editor.connection.alias if schema_editor else "default"
    for label in sorted({right.partition(".")[0] for right in IN_USE}):
        create_permissions(current_apps.get_app_config(label), verbosity=0, using=database)
    for role, rights in ROLES.items():
        found = list(named(rights).using(database))
        missing = set(rights) - {f"{one.content_type.app_label}.{one.codename}" for one in found}
        if missing:
            raise LookupError(f"The role {role} names rights that no model has: {', '.join(sorted(missing))}")
        group, _created = Group.objects.using(database).get_or_create(name=role)
        group.permissions.set(found)


def named(rights: Iterable[str]) -> QuerySet[Permission]:
    """The rights of these names, such as `auth.view_user`."""
    wanted = Q(pk__in=[])
    for right in rights:
        label, _dot, codename = right.partition(".")
        wanted |= Q(content_type__app_label=label, codename=codename)
    return Permission.objects.filter(wanted).select_related("content_type")


def grantable(user: User) -> QuerySet[Permission]:
    """The rights that a person may give to others: what they hold themselves, of what the code uses. Some
    are given by superusers only, who may give any."""
    offered = named(IN_USE)
    if not user.is_superuser:
        held = Permission.objects.filter(Q(user=user) | Q(group__user=user))
        offered = named(set(IN_USE) - set(BY_SUPERUSERS_ONLY)).filter(pk__in=held.values("pk"))
    return offered.order_by("content_type__app_label", "content_type__model", "codename")


def assignable(user: User) -> QuerySet[Group]:
    """The groups that a person may put others into: those that hold nothing else."""
    if user.is_superuser:
        return Group.objects.all()
    beyond = Permission.objects.exclude(pk__in=grantable(user).order_by().values("pk"))
    return Group.objects.exclude(permissions__in=beyond)


def may_change_user(user: User, other: User | None) -> bool:
    """Whether a person who manages users may change or delete this one: superusers are left to superusers."""
    return other is None or user.is_superuser or not other.is_superuser


def may_change_group(user: User, group: Group | None) -> bool:
    """Whether a person who manages groups may change this one. The rights of the four roles are the code's;
    only superusers bend them."""
    if group is None or user.is_superuser:
        return True
    return group.name not in ROLES and assignable(user).filter(pk=group.pk).exists()
