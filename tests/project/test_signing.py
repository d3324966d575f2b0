"""Signing in and out, and each attempt that failed, leave an event without what was typed."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from credentials.models import AuditEvent
from tests import canary
from tests.project.role_cast import PASSWORD, person
from tests.rawsql import failing

pytestmark = pytest.mark.django_db

LOGIN = "/admin/login/?next=/admin/auth/user/"
TYPED = "correct-horse-battery-staple-9"


def attempt(client, username="ada", password=PASSWORD):
    return client.post(LOGIN, {"username": username, "password": password, "next": "/admin/auth/user/"})


def events():
    rows = AuditEvent.objects.order_by("time", "id")
    return list(rows.values_list("actor", "action", "object_type", "object_label", "address"))


@pytest.fixture
def ada():
    return person("admin", "ada")


def test_who_signs_in_and_out_is_recorded(client, ada):
    assert attempt(client).url == "/admin/auth/user/"
    assert client.get("/admin/auth/user/").status_code == 200
    client.post("/admin/logout/")
    assert client.get("/admin/auth/user/").status_code == 302
    assert events() == [
        ("user:ada", "sign_in", "user", "ada", "127.0.0.1"),
        ("user:ada", "sign_out", "user", "ada", "127.0.0.1"),
    ]


def test_a_wrong_password_is_recorded_without_it(client, ada):
    response = attempt(client, password=TYPED)
    assert response.status_code == 200 and "Please enter the correct username" in response.content.decode()
    assert events() == [("anonymous", "sign_in_failed", "user", "ada", "127.0.0.1")]
    assert AuditEvent.objects.get().object_id == str(ada.pk)
    assert not canary.find(TYPED, repr(list(AuditEvent.objects.values())))


@pytest.mark.parametrize("name", [TYPED, "", "x" * 5_000, "Ada", "ada "])
def test_a_name_that_nobody_has_is_not_kept(client, ada, name):
    assert attempt(client, username=name, password=TYPED).status_code in (200, 302)
    shown = [event[3] for event in events()]
    assert shown in (["an unknown user"], ["ada"])
    assert not canary.find(TYPED, repr(list(AuditEvent.objects.values())))


@pytest.mark.parametrize("lost", ["is_active", "is_staff"])
def test_who_may_not_sign_in_does_not_and_that_is_recorded(client, ada, lost):
    User.objects.update(**{lost: False})
    assert attempt(client).status_code == 200
    assert [event[:2] for event in events()] == [("anonymous", "sign_in_failed")]
    assert client.get("/admin/auth/user/").status_code == 302


def test_another_may_sign_in_on_top(client, ada):
    person("admin", "bo")
    attempt(client)
    attempt(client, username="bo", password="wrong")
    attempt(client, username="bo")
    assert [event[:2] for event in events()] == [
        ("user:ada", "sign_in"), ("anonymous", "sign_in_failed"), ("user:bo", "sign_in"),
    ]  # fmt: skip


def test_a_sign_in_that_cannot_be_recorded_does_not_happen(ada):
    client = Client(raise_request_exception=False)
    with failing(AuditEvent, "INSERT"):
        assert attempt(client).status_code == 500
    assert client.get("/admin/auth/user/").status_code == 302
    assert User.objects.get().last_login is None


def test_looking_at_the_page_leaves_nothing(client, ada):
    assert client.get(LOGIN).status_code == 200
    client.get("/admin/logout/")
    client.post("/admin/logout/")
    assert events() == []


def test_the_page_to_sign_in_is_not_cached(client, ada):
    for response in (client.get(LOGIN), attempt(client, password=TYPED)):
        assert "no-store" in response["Cache-Control"]
        assert TYPED not in response.content.decode()


def test_without_a_place_to_go_it_leads_to_the_start(client, ada):
    html = client.post("/admin/login/", {"username": "ada", "password": "wrong"}).content.decode()
    assert 'name="next" value="/admin/"' in html


@pytest.mark.django_db(transaction=True)
def test_the_password_is_checked_before_others_must_wait(ada, monkeypatch):
    from django.db import connection

    checked = []
    check = User.check_password
    monkeypatch.setattr(
        User, "check_password", lambda *given: checked.append(connection.in_atomic_block) or check(*given)
    )
    assert attempt(Client()).status_code == 302
    assert checked == [False]
