"""Users and groups in the browser: what is kept, what is recorded, and ways round that do not work."""

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.core.management import call_command
from django.db import DatabaseError
from django.urls import reverse

from credentials.models import AuditEvent
from health.models import Component
from project import roles
from tests.credentials.admin_pages import problems
from tests.project.role_cast import client_of, person, rights
from tests.rawsql import failing

pytestmark = pytest.mark.django_db

ADD = reverse("admin:auth_user_add")
NEW = {"username": "new", "usable_password": "true", "password1": "good-password-42-x"}
NEW["password2"] = NEW["password1"]


def page(row, action="change"):
    return reverse(f"admin:auth_{row._meta.model_name}_{action}", args=[row.pk])


def as_sent(user, **values):
    data = {"username": user.username, "is_active": "on", "is_staff": "on"}
    return data | {"groups": [group.pk for group in user.groups.all()]} | values


def last():
    """The newest event: who, what, on whom, which fields."""
    event = AuditEvent.objects.order_by("-time", "-id").first()
    return event.actor, event.action, event.object_type, event.object_label, event.fields


@pytest.fixture
def me():
    return person("admin")


@pytest.fixture
def client(me):
    return client_of(me)


@pytest.fixture
def other():
    return person("viewer", "other")


# --- adding


def test_a_new_person_may_sign_in_and_has_the_chosen_roles(client):
    viewer = Group.objects.get(name="viewer")
    response = client.post(ADD, NEW | {"groups": [viewer.pk]})
    user = User.objects.get(username="new")
    assert response.url == page(user)
    assert user.is_staff and user.is_active and user.check_password(NEW["password1"])
    assert [*user.groups.all()] == [viewer]
    assert last() == (
        "user:me",
        "create",
        "user",
        "new",
        ["role viewer given", "username"],
    )


def test_what_the_form_does_not_show_is_not_taken(client):
    smuggled = {"is_superuser": "on", "user_permissions": [right.pk for right in rights("reveal_credential")]}
    client.post(ADD, NEW | smuggled)
    user = User.objects.get(username="new")
    assert not user.is_superuser and not user.user_permissions.exists()


def test_a_new_person_gets_no_group_that_holds_more(client):
    vault = Group.objects.create(name="vault")
    vault.permissions.set(rights("reveal_credential"))
    assert "groups" in problems(client.post(ADD, NEW | {"groups": [vault.pk]}))
    assert not User.objects.filter(username="new").exists()


def test_who_manages_people_only_gives_only_what_they_hold(other):
    keeper = person("nobody", "keeper")
    keeper.user_permissions.set(rights("view_user", "change_user", "add_user"))
    client = client_of(keeper)
    admin = Group.objects.get(name="admin")
    assert "groups" in problems(client.post(page(other), as_sent(other, groups=[admin.pk])))
    assert [group.name for group in other.groups.all()] == ["viewer"]


@pytest.mark.parametrize("missing", ["add_user", "change_user"])
def test_adding_people_takes_the_right_to_add_and_the_right_to_change_them(missing):
    keeper = person("nobody", "keeper")
    keeper.user_permissions.set(rights(*{"view_user", "add_user", "change_user"} - {missing}))
    assert client_of(keeper).get(ADD).status_code == 403
    assert client_of(keeper).post(ADD, NEW).status_code == 403
    assert not User.objects.filter(username="new").exists()


# --- changing


def test_what_an_admin_may_not_give_stays_where_it_is(client, other):
    vault = Group.objects.create(name="vault")
    vault.permissions.set(rights("reveal_credential"))
    other.groups.add(vault)
    other.user_permissions.set(rights("reveal_credential"))
    operator = Group.objects.get(name="operator")
    response = client.post(page(other), as_sent(other, groups=[operator.pk]))
    assert response.status_code == 302
    assert {group.name for group in other.groups.all()} == {"operator", "vault"}
    assert other.user_permissions.count() == 1
    assert last() == ("user:me", "change", "user", "other", ["role operator given", "role viewer taken"])


def test_a_save_that_changes_nothing_leaves_no_event(client, other):
    other.groups.add(Group.objects.create(name="vault"))
    before = AuditEvent.objects.count()
    assert client.post(page(other), as_sent(other)).status_code == 302
    assert AuditEvent.objects.count() == before


def test_an_admin_sees_a_superuser_and_cannot_change_them(client):
    boss = User.objects.create_superuser("boss", password="x")
    html = client.get(page(boss)).content.decode()
    assert 'name="first_name"' not in html and "md5" not in html
    assert boss.password.split("$")[1] not in html


def test_ones_own_password_is_changed_where_the_old_one_is_asked_for(client, me):
    assert client.get(page(me, "password_change")).url == "/admin/password_change/"
    assert "old_password" in client.get("/admin/password_change/").content.decode()


def test_a_role_keeps_its_name_and_others_do_not(admin_client):
    viewer, shift = Group.objects.get(name="viewer"), Group.objects.create(name="shift")
    held = [right.pk for right in viewer.permissions.all()]
    admin_client.post(page(viewer), {"name": "guest", "permissions": held})
    admin_client.post(page(shift), {"name": "crew", "permissions": held[:1]})
    assert Group.objects.filter(name="viewer").exists()
    assert Group.objects.get(name="crew").permissions.count() == 1
    assert last()[1:3] == ("change", "group") and last()[4][0] == "name"
    assert last()[4][1].startswith("right ") and last()[4][1].endswith(" given")


# --- events


def test_passwords_leave_an_event_without_a_value(admin_client, other):
    new = {"usable_password": "true", "password1": NEW["password1"], "password2": NEW["password1"]}
    admin_client.post(page(other, "password_change"), new)
    assert last() == ("user:admin", "set_password", "user", "other", ["password"])
    fresh = "another-good-one-42"
    own = {"old_password": "password", "new_password1": fresh, "new_password2": fresh}
    assert admin_client.post("/admin/password_change/", own).status_code == 302
    assert last() == ("user:admin", "set_password", "user", "admin", ["password"])
    assert not AuditEvent.objects.filter(fields__icontains=fresh).exists()


def test_a_refused_password_leaves_no_event(admin_client):
    before = AuditEvent.objects.count()
    admin_client.post("/admin/password_change/", {"old_password": "wrong"})
    assert AuditEvent.objects.count() == before


def test_each_deleted_person_leaves_an_event(client, other):
    third = person("viewer", "third")
    data = {"action": "delete_selected", "_selected_action": [other.pk, third.pk], "post": "yes"}
    client.post(reverse("admin:auth_user_changelist"), data)
    found = AuditEvent.objects.filter(action="delete", object_type="user")
    assert sorted(found.values_list("object_label", flat=True)) == ["other", "third"]
    shift = Group.objects.create(name="shift")
    client.post(page(shift, "delete"), {"post": "yes"})
    assert last() == ("user:me", "delete", "group", "shift", [])


@pytest.mark.parametrize(
    ("act", "data"),
    [("change", {"first_name": "Grace"}), ("delete", {"post": "yes"}), ("password_change", NEW)],
)
def test_what_cannot_be_recorded_does_not_happen(admin_client, other, act, data):
    before = User.objects.filter(pk=other.pk).values().get()
    sent = as_sent(other, **data) if act == "change" else data
    with failing(AuditEvent, "INSERT"), pytest.raises(DatabaseError):
        admin_client.post(page(other, act), sent)
    assert User.objects.filter(pk=other.pk).values().get() == before


def test_a_right_that_is_given_or_taken_is_named(admin_client, other):
    reveal = rights("reveal_credential")[0]
    admin_client.post(page(other), as_sent(other, user_permissions=[reveal.pk], is_superuser="on"))
    given = ["is_superuser given", "right reveal_credential given"]
    assert last() == ("user:admin", "change", "user", "other", given)
    admin_client.post(page(other), {k: v for k, v in as_sent(other).items() if k != "is_active"})
    taken = ["is_active taken", "is_superuser taken", "right reveal_credential taken"]
    assert last() == ("user:admin", "change", "user", "other", taken)


# --- components, which health itself keeps no record of


def test_what_is_done_to_a_component_in_the_browser_is_recorded(client):
    need = Component.objects.create(kind="target", name="orders-db")
    client.post(reverse("admin:health_component_add"), {"kind": "sync", "name": "orders"})
    assert last() == ("user:me", "create", "component", "Sync orders", ["kind", "name"])
    sync = Component.objects.get(kind="sync")
    change = reverse("admin:health_component_change", args=[sync.pk])
    client.post(change, {"name": "orders", "depends_on": [need.pk]})
    assert last() == ("user:me", "change", "component", "Sync orders", ["depends_on"])
    client.post(reverse("admin:health_component_delete", args=[sync.pk]), {"post": "yes"})
    assert last() == ("user:me", "delete", "component", "Sync orders", [])


def test_a_component_is_not_wired_where_that_cannot_be_recorded(client):
    sync = Component.objects.create(kind="sync", name="orders")
    need = Component.objects.create(kind="target", name="orders-db")
    change = reverse("admin:health_component_change", args=[sync.pk])
    with failing(AuditEvent, "INSERT"), pytest.raises(DatabaseError):
        client.post(change, {"name": "orders", "depends_on": [need.pk]})
    assert not sync.depends_on.exists()


def test_the_first_administrator_is_recorded():
    call_command("first_administrator")
    actor, *rest = last()
    assert actor.startswith("cli:") and rest == ["create", "user", "admin", []]


# --- the roles themselves


def test_establishing_the_roles_again_changes_nothing_and_mends_what_was_bent():
    viewer = Group.objects.get(name="viewer")
    viewer.permissions.set(rights("delete_credential"))
    Group.objects.get(name="auditor").delete()
    for _ in range(2):
        roles.establish()
    for role, wanted in roles.ROLES.items():
        held = Group.objects.get(name=role).permissions.values_list("content_type__app_label", "codename")
        assert sorted(".".join(one) for one in held) == sorted(wanted)


def test_rights_that_are_not_there_yet_are_created():
    Permission.objects.filter(codename__in=["report_component", "view_auditevent"]).delete()
    roles.establish()
    assert rights("report_component", "view_auditevent")


def test_a_right_that_no_model_has_is_refused(monkeypatch):
    monkeypatch.setitem(roles.ROLES, "viewer", ("health.view_everything",))
    with pytest.raises(LookupError, match="viewer names rights that no model has: health.view_everything"):
        roles.establish()


def test_no_role_may_reveal():
    assert not Group.objects.filter(permissions__codename="reveal_credential").exists()
