"""Does the matrix of rights notice a right too many, one too few, and a guard that is gone?

`python -m tests.mutate_roles [word]` takes each right from each role, gives each role each right that it has
not, and takes away each guard of the back office and of our own views, which it finds by itself, one at a
time, and runs the matrix of tests/project/test_roles.py. What no cell of it notices is a survivor. The exit
status is 1 when there is one. With a word only the changes that have it in their name.
"""

import contextlib
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
    from tests.view_guards import load_addresses

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


def rights() -> Iterator[Mutant]:
    from project import roles

    for role, held in roles.ROLES.items():
        for name in roles.IN_USE:
            more = name not in held
            called = f"{role} {'with' if more else 'without'} {name}"
            yield called, partial(right, role, name, held=more), (role,)


def guards() -> Iterator[Mutant]:
    from django.contrib import admin
    from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
    from django.contrib.auth.models import Group

    from credentials.credential_admin import CredentialAdmin
    from project import admin as people
    from project import roles, site
    from tests.view_guards import OWN

    def yes(self: Any, request: Any, obj: Any = None) -> bool:
        return True

    def dates(self: Any, request: Any, obj: Any = None) -> tuple[str, ...]:
        return ("last_login", "date_joined", "rights_shown")

    # Every page of the back office that is ours, by the registry.
    registered = {type(page) for page in admin.site._registry.values()}
    pages = sorted(
        (page for page in registered if page.__module__.partition(".")[0] in OWN),
        key=lambda page: page.__name__,
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
    ]
    for owner, name, value in changes + special:
        called = f"{getattr(owner, '__name__', owner)}.{name}"
        yield called, partial(swapped, owner, name, value), COLUMNS


def view_guards() -> Iterator[Mutant]:
    from tests import view_guards

    for module, name, guard, without in view_guards.guards():
        yield f"{module.__name__}.{name}: {guard}", partial(swapped, module, name, without), COLUMNS


def main() -> int:
    if cell := noticed(COLUMNS):
        sys.exit(f"{cell} fails without any change")
    count, survivors = 0, []
    word = sys.argv[1] if len(sys.argv) > 1 else ""
    for name, change, columns in (*rights(), *guards(), *view_guards()):
        if word not in name:
            continue
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
