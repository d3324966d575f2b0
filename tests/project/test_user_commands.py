"""createsuperuser and changepassword: as in Django, with an event, and never without it."""

from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import DatabaseError

from credentials.models import AuditEvent
from project.management.commands import changepassword
from tests import canary
from tests.rawsql import failing

pytestmark = pytest.mark.django_db

GOOD = "a-good-long-passphrase-42"


def events():
    rows = AuditEvent.objects.order_by("time", "id")
    return list(rows.values_list("action", "object_type", "object_label", "fields"))


@pytest.fixture
def entered(monkeypatch):
    """What is typed when a password is asked for."""
    typed = []
    monkeypatch.setattr("getpass.getpass", lambda prompt="", stream=None: typed.pop(0))
    return typed


def test_a_superuser_is_created_and_recorded(monkeypatch):
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", GOOD)
    call_command("createsuperuser", "--noinput", "--username=ada", "--email=ada@example.com", verbosity=0)
    assert User.objects.get(username="ada").check_password(GOOD)
    assert User.objects.get(username="ada").is_superuser
    assert events() == [("create", "user", "ada", ["is_superuser given"])]
    event = AuditEvent.objects.get()
    assert event.actor.startswith("cli:") and event.request_id
    assert not canary.find(GOOD, repr(list(AuditEvent.objects.values())))


def test_typed_in_it_is_recorded_as_well(monkeypatch, entered):
    monkeypatch.setattr("sys.stdin", type("Terminal", (StringIO,), {"isatty": lambda self: True})())
    answers = ["taken", "ada", "ada@example.com"]
    monkeypatch.setattr("builtins.input", lambda prompt="": answers.pop(0))
    User.objects.create_user("taken")
    entered += ["short", "short", GOOD, GOOD]
    monkeypatch.setattr("builtins.input", lambda prompt="": "n" if "Bypass" in prompt else answers.pop(0))
    call_command("createsuperuser", verbosity=0, stderr=StringIO())
    assert User.objects.get(username="ada").check_password(GOOD)
    assert events() == [("create", "user", "ada", ["is_superuser given"])]


def test_a_superuser_that_cannot_be_recorded_is_not_created(monkeypatch):
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", GOOD)
    with failing(AuditEvent, "INSERT"), pytest.raises(DatabaseError):
        call_command("createsuperuser", "--noinput", "--username=ada", "--email=a@example.com", verbosity=0)
    assert not User.objects.exists()


def test_a_new_password_is_recorded(entered):
    User.objects.create_user("ada")
    entered += [GOOD, GOOD]
    out = StringIO()
    call_command("changepassword", "ada", stdout=out)
    assert User.objects.get().check_password(GOOD)
    assert "Password changed successfully for user 'ada'" in out.getvalue()
    assert events() == [("set_password", "user", "ada", ["password"])]
    assert AuditEvent.objects.get().actor.startswith("cli:")


def test_two_that_differ_and_one_too_short_are_asked_again(entered):
    User.objects.create_user("ada")
    entered += [GOOD, "another", "short", "short", GOOD, GOOD]
    err = StringIO()
    call_command("changepassword", "ada", stdout=StringIO(), stderr=err)
    assert "differ" in err.getvalue() and "too short" in err.getvalue()
    assert User.objects.get().check_password(GOOD)


def test_after_some_tries_nothing_is_changed(entered):
    User.objects.create_user("ada")
    entered += [GOOD, "another"] * changepassword.TRIES
    with pytest.raises(CommandError, match="was not changed"):
        call_command("changepassword", "ada", stdout=StringIO(), stderr=StringIO())
    assert not User.objects.get().has_usable_password() and events() == []


def test_nobody_of_that_name():
    with pytest.raises(CommandError, match="There is no user 'ada'"):
        call_command("changepassword", "ada")


def test_a_password_that_cannot_be_recorded_is_not_stored(entered):
    User.objects.create_user("ada")
    entered += [GOOD, GOOD]
    with failing(AuditEvent, "INSERT"), pytest.raises(DatabaseError):
        call_command("changepassword", "ada", stdout=StringIO())
    assert not User.objects.get().has_usable_password()
