"""Does the matrix of rights notice a right too many, one too few, and a guard that is gone?

`python -m tests.mutate_roles` takes each right from each role, gives each role each right that it has not,
and lets each guard of the pages say yes, one at a time, and runs the matrix of tests/project/test_roles.py.
What no cell of it notices is a survivor. The exit status is 1 when there is one.
"""

import contextlib
import importlib
import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from tests.project.role_matrix import COLUMNS, cells, database, passes

Mutant = tuple[str, Callable[[], contextlib.AbstractContextManager[Any]], tuple[str, ...]]


def noticed(columns: tuple[str, ...]) -> str:
    """The first cell of these columns that fails, or an empty string."""
    for role in columns:
        for name, test in cells(role):
            if not passes(test):
                return f"{role}: {name}"
    return ""


@contextlib.contextmanager
def right(role: str, name: str, *, held: bool) -> Iterator[None]:
    """A role with one right more or less."""
    from django.contrib.auth.models import Group

    from project import roles

    permissions = Group.objects.get(name=role).permissions
    before = list(permissions.all())
    change = permissions.add if held else permissions.remove
    change(*roles.named([name]))
    try:
        yield
    finally:
        permissions.set(before)


@contextlib.contextmanager
def swapped(owner: Any, name: str, value: Any) -> Iterator[None]:
    own = vars(owner).get(name)
    setattr(owner, name, value)
    load_addresses()
    try:
        yield
    finally:
        if own is None:
            delattr(owner, name)
        else:
            setattr(owner, name, own)
        load_addresses()


def load_addresses() -> None:
    """Addresses hold on to the views that they were made with."""
    from django.urls import clear_url_caches

    from project import urls

    importlib.reload(urls)
    clear_url_caches()


def rights() -> Iterator[Mutant]:
    from project import roles

    for role, held in roles.ROLES.items():
        for name in roles.IN_USE:
            more = name not in held
            called = f"{role} {'with' if more else 'without'} {name}"
            yield called, partial(right, role, name, held=more), (role,)


def guards() -> Iterator[Mutant]:
    from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
    from django.contrib.auth.models import Group

    from credentials.audit_admin import AuditEventAdmin
    from credentials.credential_admin import CredentialAdmin
    from credentials.kind_admin import KindAdmin
    from credentials.oauth_app_admin import OAuthAppAdmin
    from health import admin as health_admin
    from health import views
    from project import admin as people
    from project import roles, site

    def yes(self: Any, request: Any, obj: Any = None) -> bool:
        return True

    def dates(self: Any, request: Any, obj: Any = None) -> tuple[str, ...]:
        return ("last_login", "date_joined", "rights_shown")

    pages: tuple[Any, ...] = (
        *(CredentialAdmin, KindAdmin, OAuthAppAdmin, AuditEventAdmin),
        *(health_admin.ComponentAdmin, health_admin.FlipAdmin, people.UserAdmin, people.GroupAdmin),
    )
    verbs = ("view", "add", "change", "delete")
    changes: list[Any] = [(page, f"has_{verb}_permission", yes) for page in pages for verb in verbs]
    # Django lets nobody add people who may not change them, and no role has only one of the two rights.
    changes.remove((people.UserAdmin, "has_add_permission", yes))
    special: list[Any] = [
        (roles, "may_change_user", lambda user, other: True),
        (roles, "may_change_group", lambda user, group: True),
        (roles, "assignable", lambda user: Group.objects.all()),
        (roles, "grantable", lambda user: roles.named(roles.IN_USE)),
        (people.UserAdmin, "get_readonly_fields", dates),
        (people.UserAdmin, "user_change_password", DjangoUserAdmin.user_change_password),
        (site.LanyardSite, "has_permission", lambda self, request: True),
        (CredentialAdmin.restore, "allowed_permissions", ("view",)),
        (views, "report", without(views.report, 'not request.user.has_perm("health.report_component")')),
    ]
    for owner, name, value in changes + special:
        called = f"{getattr(owner, '__name__', owner)}.{name}"
        yield called, partial(swapped, owner, name, value), COLUMNS


def without(function: Any, condition: str) -> Any:
    """A function whose condition never holds."""
    import inspect

    source = inspect.getsource(function)
    if source.count(condition) != 1:
        sys.exit(f"{function.__name__} has no {condition!r}")
    names: dict[str, Any] = {}
    exec(source.replace(condition, "False"), function.__globals__, names)  # our own source
    return names[function.__name__]


def main() -> int:
    if cell := noticed(COLUMNS):
        sys.exit(f"{cell} fails without any change")
    count, survivors = 0, []
    for name, change, columns in (*rights(), *guards()):
        count += 1
        with change():
            cell = noticed(columns)
        print(f"{name}: {cell or 'NOT NOTICED'}", flush=True)
        if not cell:
            survivors.append(name)
    for name in survivors:
        print(f"not noticed: {name}")
    print(f"changes {count}, noticed {count - len(survivors)}, not noticed {len(survivors)}")
    return 1 if survivors else 0


if __name__ == "__main__":
    with database():
        sys.exit(main())
