"""The matrix of rights: each role at each page, and at each act that changes something.

The two tables say who may, after section 5.4 of the security page. Whoever is not named is refused, and then
not one row of the database differs. A page that is not in the table yet fails the last test.
"""

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.test import RequestFactory
from django.urls import URLPattern, get_resolver, reverse

from credentials.kinds import KINDS
from credentials.models import Credential
from project import roles
from tests.project.role_acts import ACTS
from tests.project.role_cast import difference, make_cast, state

pytestmark = pytest.mark.django_db

COLUMNS = ("anonymous", "outsider", "nobody", "viewer", "operator", "auditor", "admin", "superuser")

STAFF = "nobody viewer operator auditor admin superuser"
SEE = "viewer operator auditor admin superuser"
OPERATE = "operator admin superuser"
AUDIT = "auditor admin superuser"
ADMIN = "admin superuser"
SUPERUSER = "superuser"
NOBODY = ""

PAGES = {
    "index": SEE,
    "search": STAFF,
    "password_change": STAFF,
    "password_change_done": STAFF,
    "app_list health": SEE,
    "app_list credentials": SEE,
    "app_list auth": ADMIN,
    "autocomplete components": SEE,
    "autocomplete people": ADMIN,
    "credentials_credential_changelist": SEE,
    "credentials_credential_add": OPERATE,
    "credentials_credential_change": SEE,
    "credentials_credential_history": SEE,
    "credentials_credential_delete": ADMIN,
    # Leads to the list of all kinds, which asks.
    "credentials_kind_changelist": STAFF,
    "credentials_kind_add": OPERATE,
    "credentials_kind_change": SEE,
    "credentials_kind_history": SEE,
    "credentials_kind_delete": ADMIN,
    "credentials_oauthapp_changelist": SEE,
    "credentials_oauthapp_add": ADMIN,
    "credentials_oauthapp_change": SEE,
    "credentials_oauthapp_history": SEE,
    "credentials_oauthapp_delete": ADMIN,
    "credentials_auditevent_changelist": AUDIT,
    "credentials_auditevent_add": NOBODY,
    "credentials_auditevent_change": AUDIT,
    "credentials_auditevent_history": AUDIT,
    "credentials_auditevent_delete": NOBODY,
    "health_component_changelist": SEE,
    "health_component_add": OPERATE,
    "health_component_change": SEE,
    "health_component_history": SEE,
    "health_component_report": OPERATE,
    "health_component_delete": ADMIN,
    "health_flip_changelist": SEE,
    "health_flip_add": NOBODY,
    "health_flip_change": SEE,
    "health_flip_history": SEE,
    "health_flip_delete": NOBODY,
    "auth_user_changelist": ADMIN,
    "auth_user_add": ADMIN,
    "auth_user_change": ADMIN,
    "auth_user_history": ADMIN,
    "auth_user_delete": ADMIN,
    "auth_user_password_change": SUPERUSER,
    "auth_group_changelist": ADMIN,
    "auth_group_add": ADMIN,
    "auth_group_change": ADMIN,
    "auth_group_history": ADMIN,
    "auth_group_delete": ADMIN,
}
# Pages that show nothing of the database.
OPEN = {"login", "logout", "jsi18n"}

WHO_MAY = {
    "add a credential": OPERATE,
    "rename a credential": OPERATE,
    "replace a secret": OPERATE,
    "change a destination": OPERATE,
    "change a rate limit": OPERATE,
    "delete a credential": ADMIN,
    "delete many credentials": ADMIN,
    "restore a credential": ADMIN,
    "add an app": ADMIN,
    "rename an app": ADMIN,
    "replace the secret of an app": ADMIN,
    "delete an app": ADMIN,
    "delete many apps": ADMIN,
    "report a status": OPERATE,
    "add a component": OPERATE,
    "rename a component": OPERATE,
    "wire a component": OPERATE,
    "delete a component": ADMIN,
    "delete many components": ADMIN,
    "add a flip": NOBODY,
    "change a flip": NOBODY,
    "delete a flip": NOBODY,
    "delete many flips": NOBODY,
    "add an event": NOBODY,
    "change an event": NOBODY,
    "delete an event": NOBODY,
    "delete many events": NOBODY,
    "change one's own password": STAFF,
    "add a person": ADMIN,
    "correct a person's name": ADMIN,
    "correct one's own name": ADMIN,
    "give a role": ADMIN,
    "take a role": ADMIN,
    "shut a person out": ADMIN,
    "delete a person": ADMIN,
    "delete many people": ADMIN,
    "add a group of rights one has": ADMIN,
    "change a group": ADMIN,
    "delete a group": ADMIN,
    "delete many groups": ADMIN,
    "rename a person": SUPERUSER,
    "set another's password": SUPERUSER,
    "set one's own password without the old one": NOBODY,
    "make another a superuser": SUPERUSER,
    "make oneself a superuser": SUPERUSER,
    "take another role oneself": SUPERUSER,
    "let another reveal": SUPERUSER,
    "let another reveal through a group": SUPERUSER,
    "let a group reveal": SUPERUSER,
    "add a group that reveals": SUPERUSER,
    "change a group that reveals": SUPERUSER,
    "delete a group that reveals": SUPERUSER,
    "change what a role may": SUPERUSER,
    "delete a role": NOBODY,
    "delete many roles": NOBODY,
    "correct a superuser's name": SUPERUSER,
    "shut a superuser out": SUPERUSER,
    "delete a superuser": SUPERUSER,
    "delete many people with a superuser": SUPERUSER,
}
SIDEBAR = {
    "Credentials": SEE,
    "OAuth apps": SEE,
    "Components": SEE,
    "Flips": SEE,
    "Users": ADMIN,
    "Groups": ADMIN,
    "Audit trail": AUDIT,
}
# Refused by a form or a list that does not take it, where the page as such may be open; else with 403.
NOT_TAKEN = {act for act in WHO_MAY if act.startswith(("delete many", "restore"))} | {
    *("rename a person", "make another a superuser", "make oneself a superuser", "take another role oneself"),
    *("let another reveal", "let another reveal through a group", "let a group reveal"),
    *("add a group that reveals", "set one's own password without the old one"),
}


def patterns(resolver=None, prefix=""):
    for entry in (resolver or get_resolver()).url_patterns:
        path = prefix + str(entry.pattern)
        if isinstance(entry, URLPattern):
            yield path, entry.name
        else:
            yield from patterns(entry, path)


def routes():
    """Each name of the table with the routes that it stands for; kinds are named together."""
    models = {kind._meta.model_name for kind in KINDS.values()}
    found = {}
    for path, name in patterns():
        parts = (name or "").split("_")
        if path.startswith("admin/") and name and name not in OPEN:
            together = ["credentials", "kind", *parts[2:]] if len(parts) > 2 and parts[1] in models else parts
            found.setdefault("_".join(together), []).append(name)
    for app in ("health", "credentials", "auth"):
        found[f"app_list {app}"] = found["app_list"]
    found["autocomplete components"] = found["autocomplete people"] = found["autocomplete"]
    del found["app_list"], found["autocomplete"]
    return found


def addresses(page, cast):
    if page.startswith("app_list"):
        return [reverse("admin:app_list", args=[page.split()[1]])]
    if page.startswith("autocomplete"):
        asked = {
            "components": "app_label=health&model_name=component&field_name=cause",
            "people": "app_label=admin&model_name=logentry&field_name=user",
        }
        return [f"{reverse('admin:autocomplete')}?{asked[page.split()[1]]}"]
    names = routes()[page]
    if not page.endswith(("_change", "_history", "_delete", "_report")) or page == "password_change":
        return [reverse(f"admin:{name}") for name in names]
    rows = {"component": cast.sync, "oauthapp": cast.app, "user": cast.other, "group": cast.shift}
    rows |= {"credential": cast.credential, "auditevent": cast.event, "flip": cast.flip}
    # The page of a kind, asked for a row of that kind.
    rows |= {type(row)._meta.model_name: row for row in (cast.credential, cast.shop)}
    return [
        reverse(f"admin:{name}", args=[rows[name.split("_")[1]].pk])
        for name in names
        if name.split("_")[1] in rows
    ]


@pytest.fixture
def cast(request):
    return make_cast(request.getfixturevalue("role"))


def refused_at_the_door(response):
    return response.status_code == 302 and response.url.startswith("/admin/login/")


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("role", COLUMNS)
def test_who_sees_what(cast, role, page):
    found = addresses(page, cast)
    assert found
    for address in found:
        response = cast.client.get(address)
        if role in ("anonymous", "outsider"):
            assert refused_at_the_door(response), address
        elif role in PAGES[page].split():
            assert response.status_code in (200, 302) and not refused_at_the_door(response), address
        else:
            assert response.status_code == (404 if page.startswith("app_list") else 403), address


@pytest.mark.parametrize("act", WHO_MAY)
@pytest.mark.parametrize("role", COLUMNS)
def test_who_does_what(cast, role, act):
    before = state()
    response = ACTS[act](cast)
    changed = difference(before, state())
    if role in WHO_MAY[act].split():
        assert response.status_code == 302 and changed
        return
    assert changed == []
    if role in ("anonymous", "outsider"):
        assert refused_at_the_door(response)
    else:
        assert response.status_code in ((200, 302, 403) if act in NOT_TAKEN else (403,))


@pytest.mark.parametrize("role", STAFF.split())
def test_who_is_led_where(cast, role):
    request = RequestFactory().get("/admin/")
    request.user = cast.me
    items = [item for group in admin.site.get_sidebar_list(request) for item in group["items"]]
    shown = [str(item["title"]) for item in items if item["has_permission"]]
    assert shown == [title for title, who in SIDEBAR.items() if role in who.split()]


@pytest.mark.parametrize("role", [role for role in COLUMNS if role != "anonymous"])
def test_nobody_reveals_by_their_role(cast, role):
    with pytest.raises(PermissionDenied):
        Credential.objects.get(pk=cast.credential.pk).secret.reveal(
            actor=cast.me, reason="because I am an admin"
        )


@pytest.mark.parametrize("role", roles.ROLES)
def test_the_migration_gave_each_role_its_rights(role):
    held = Group.objects.get(name=role).permissions.values_list("content_type__app_label", "codename")
    assert sorted(".".join(one) for one in held) == sorted(roles.ROLES[role])


def test_every_page_and_every_act_is_in_the_matrix():
    assert set(routes()) == set(PAGES)
    assert set(ACTS) == set(WHO_MAY)
