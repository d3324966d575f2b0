"""A start with other keys than those that the database was written with."""

import re
import sqlite3
import sys
from contextlib import closing

import pytest
from django.core import checks
from django.core.management import CommandError, call_command
from django.db import connection

from credentials import keys
from credentials.models import AuditEvent, KeyCheck
from health.management.base import actor
from project import launch, start
from tests.factories import make_credential
from tests.postgres_plugin import fake_key
from tests.project.test_settings import run

pytestmark = pytest.mark.django_db

OTHER, ANOTHER = fake_key("another"), fake_key("yet another")
EXPORT = [sys.executable, "manage.py", "export_credentials"]


@pytest.fixture
def known():
    """The database was written with the keys of the tests."""
    assert keys.refuse_others() == ""


def rows():
    return set(KeyCheck.objects.values_list("name", "value"))


def test_the_first_start_remembers_the_keys_and_none_of_their_text(known, settings):
    text = repr(rows())
    assert re.fullmatch("[0-9a-f]{64}", KeyCheck.objects.get(pk="fingerprint").value)
    assert len(rows()) == 1 + len(settings.FERNET_KEYS)
    for key in (settings.FINGERPRINT_KEY, *settings.FERNET_KEYS):
        assert key[:12] not in text


def test_the_next_start_changes_nothing(known):
    before = rows()
    assert keys.refuse_others() == keys.compare() == "" and rows() == before


def test_another_fingerprint_key_is_refused_before_anything_is_written(known, settings):
    before = rows()
    settings.FINGERPRINT_KEY = OTHER
    for ask in (keys.refuse_others, keys.compare):
        with pytest.raises(keys.OtherKeys, match="put the old one back") as caught:
            ask()
        assert OTHER not in str(caught.value) and "accept_keys" in str(caught.value)
    assert rows() == before


def test_other_fernet_keys_are_a_warning_until_one_comes_back(known, settings):
    old = settings.FERNET_KEYS
    settings.FERNET_KEYS = [OTHER]
    assert "None of the keys in FERNET_KEYS" in keys.refuse_others()
    assert "None of the keys in FERNET_KEYS" in keys.refuse_others()  # they were not remembered
    settings.FERNET_KEYS = [OTHER, *old]
    assert keys.refuse_others() == ""
    settings.FERNET_KEYS = [OTHER]  # a key that came beside the old ones is known
    assert keys.refuse_others() == ""


def test_of_two_first_starts_with_different_keys_one_is_refused(settings, monkeypatch):
    """Both found nothing; the other was faster."""
    mine = keys.proof()
    settings.FINGERPRINT_KEY = OTHER
    KeyCheck.objects.create(name="fingerprint", value=mine)
    answers = iter([{}, {"fingerprint": mine}])
    monkeypatch.setattr(keys, "_known", lambda: next(answers))
    with pytest.raises(keys.OtherKeys):
        keys.refuse_others()
    assert KeyCheck.objects.get(pk="fingerprint").value == mine


def test_the_system_check_says_it(known, settings):
    def found():
        return [one.id for one in checks.run_checks(tags=["database"], databases=["default"])]

    assert found() == []
    settings.FERNET_KEYS = [ANOTHER]
    assert found() == ["project.W001"]
    settings.FINGERPRINT_KEY = OTHER
    assert found() == ["project.E001"]
    assert checks.run_checks(tags=["database"], databases=[]) == []


@pytest.mark.parametrize("command", ["export_credentials", "verify_audit", "import_credentials"])
def test_commands_refuse_and_write_nothing(command, known, settings):
    settings.FINGERPRINT_KEY = OTHER
    events = AuditEvent.objects.count()
    arguments = ["no-such-file"] if command == "import_credentials" else []
    with pytest.raises(CommandError, match="FINGERPRINT_KEY is not the one") as caught:
        call_command(command, *arguments, skip_checks=False)
    assert caught.value.returncode == 2
    assert AuditEvent.objects.count() == events


def test_accepting_says_what_it_means_and_waits_for_yes(known, settings, capsys):
    make_credential("stripe_key")
    settings.FINGERPRINT_KEY, settings.FERNET_KEYS = OTHER, [ANOTHER]
    before = rows()
    with pytest.raises(SystemExit) as end:
        call_command("accept_keys", skip_checks=False)
    out = capsys.readouterr().out
    assert end.value.code == 1 and rows() == before
    assert "the 1 secrets seen so far" in out and "FERNET_KEYS are others" in out and "--yes" in out


def test_accepted_keys_start_and_leave_an_event(known, settings):
    settings.FINGERPRINT_KEY, settings.FERNET_KEYS = OTHER, [ANOTHER]
    call_command("accept_keys", "--yes", skip_checks=False)
    assert keys.refuse_others() == ""
    event = AuditEvent.objects.get(action="accept_keys")
    assert (event.actor, event.object_label) == (actor(), "fingerprint")
    call_command("accept_keys", "--yes")  # nothing more to accept
    assert AuditEvent.objects.filter(action="accept_keys").count() == 1


@pytest.mark.django_db(transaction=True)
def test_the_web_server_ends_with_status_2(known, settings, capsys):
    start.check_keys()
    settings.FINGERPRINT_KEY = OTHER
    with pytest.raises(SystemExit) as end:
        start.check_keys()
    assert end.value.code == 2
    assert capsys.readouterr().err.startswith("lanyard: FINGERPRINT_KEY is not the one")
    assert connection.connection is None


@pytest.mark.django_db(transaction=True)
def test_make_run_refuses_before_it_migrates(known, settings, monkeypatch, capsys):
    def nothing(*args, **options):
        raise AssertionError("something ran")

    monkeypatch.setattr("django.core.management.call_command", nothing)
    settings.FINGERPRINT_KEY = OTHER
    with pytest.raises(SystemExit) as end:
        launch.prepare()
    assert end.value.code == 2
    assert "FINGERPRINT_KEY is not the one" in capsys.readouterr().err


def test_processes_with_other_keys(tmp_path):
    """The same, as people meet it: one database, other keys in the environment."""
    url = f"sqlite:///{tmp_path}/a.sqlite3"
    variables = {"DATABASE_URL": url, "FINGERPRINT_KEY": OTHER}
    # No table yet: nothing to compare with.
    assert (
        run([sys.executable, "manage.py", "check", "--database", "default"], DATABASE_URL=url).returncode == 0
    )
    assert run([sys.executable, "manage.py", "migrate", "-v0"], DATABASE_URL=url).returncode == 0
    assert run(EXPORT, DATABASE_URL=url).returncode == 0
    with closing(sqlite3.connect(tmp_path / "a.sqlite3")) as database:
        assert database.execute("SELECT count(*) FROM credentials_keycheck").fetchone() == (3,)
    refused = run(EXPORT, **variables)
    (line,) = refused.stderr.splitlines()
    assert refused.returncode == 2 and "FINGERPRINT_KEY is not the one" in line
    refused = run([sys.executable, "manage.py", "migrate"], **variables)
    assert refused.returncode == 1 and "project.E001" in refused.stderr
    refused = run([sys.executable, "-W", "ignore", "-c", "import project.wsgi"], **variables)
    assert refused.returncode == 2 and len(refused.stderr.splitlines()) == 1
    assert run([sys.executable, "manage.py", "accept_keys", "--yes"], **variables).returncode == 0
    assert run(EXPORT, **variables).returncode == 0
    assert run(EXPORT, DATABASE_URL=url).returncode == 2  # now the old key is the other one


def test_a_web_server_starts_while_the_database_is_down():
    """Its pages say so; see test_database_trouble.py."""
    url = "postgresql://ann@127.0.0.1:1/lanyard"
    result = run([sys.executable, "-W", "ignore", "-c", "import project.wsgi"], DATABASE_URL=url)
    assert result.returncode == 0 and "The keys were not compared" in result.stderr
    assert "Traceback" not in result.stderr
