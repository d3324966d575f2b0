"""manage.py verify_audit, as it is typed."""

import json
import re
from io import StringIO
from types import SimpleNamespace

import pytest
from django.core.management import call_command
from django.db import connection

from credentials import audit_triggers
from credentials.models import AuditEvent
from tests.factories import make_credential

pytestmark = pytest.mark.django_db


def run(*arguments):
    """The exit status and the lines."""
    out, status = StringIO(), 0
    try:
        call_command("verify_audit", *arguments, stdout=out)
    except SystemExit as ended:
        status = ended.code
    return status, out.getvalue().splitlines()


def past_the_triggers(change):
    """What somebody does who may change the tables themselves, and leaves no trace there."""
    with connection.cursor() as cursor:
        editor = SimpleNamespace(connection=connection, execute=cursor.execute)
        audit_triggers.remove(None, editor)
        change(AuditEvent.objects.all())
        audit_triggers.install(None, editor)


@pytest.fixture
def events():
    for index in range(5):
        make_credential("github_app", name=f"Credential {index}")
    return run()


def test_a_whole_trail_ends_well_and_says_what_to_note_down(events):
    status, lines = events
    assert status == 0
    assert re.fullmatch(r"last hash, to note down elsewhere: [0-9a-f]{64}", lines[0])
    assert lines[1:] == ["events 5, waiting 0, problems 0"]
    assert lines[0].endswith(AuditEvent.objects.get(number=5).hash)


def test_an_empty_trail_is_whole():
    assert run() == (0, ["events 0, waiting 0, problems 0"])


def test_a_changed_event_is_found(events):
    past_the_triggers(lambda rows: rows.filter(number=3).update(actor="user:somebody-else"))
    status, lines = run()
    assert (status, lines[0]) == (1, "problem: event 3 was changed")
    assert lines[-1] == "events 5, waiting 0, problems 1"


@pytest.mark.parametrize(
    ("numbers", "words"), [([1], "event 1"), ([3], "event 3"), ([2, 3, 4], "event 2 to 4")]
)
def test_a_missing_event_is_found(events, numbers, words):
    past_the_triggers(lambda rows: rows.filter(number__in=numbers).delete())
    status, lines = run()
    assert (status, lines[0]) == (1, f"problem: {words} is missing")
    assert lines[-1] == f"events {5 - len(numbers)}, waiting 0, problems 1"


def test_newest_events_that_were_cut_off_show_with_the_noted_hash(events):
    noted = events[1][0].split()[-1]
    assert run("--noted", noted)[0] == 0
    past_the_triggers(lambda rows: rows.filter(number__gte=4).delete())
    assert run()[0] == 0
    status, lines = run("--noted", noted)
    assert status == 1 and "the noted hash is not in the chain" in lines[0]


def test_missing_triggers_are_found(events):
    with connection.cursor() as cursor:
        editor = SimpleNamespace(connection=connection, execute=cursor.execute)
        audit_triggers.remove(None, editor)
        status, lines = run()
        audit_triggers.install(None, editor)
    assert status == 1 and "append-only are gone" in lines[0]


def test_events_that_wait_are_taken_in_first(events):
    make_credential()
    assert AuditEvent.objects.filter(number=None).count() == 1
    assert run()[1][-1] == "events 6, waiting 0, problems 0"


def test_programs_read_it_as_json(events):
    status, lines = run("--json")
    found = json.loads("".join(lines))
    assert (status, found["events"], found["waiting"], found["problems"]) == (0, 5, 0, [])
    assert found["last_hash"] == AuditEvent.objects.get(number=5).hash
    past_the_triggers(lambda rows: rows.filter(number=2).update(fields=["x"]))
    status, lines = run("--json")
    assert (status, json.loads("".join(lines))["problems"]) == (1, ["event 2 was changed"])


def test_help_has_an_example(capsys):
    with pytest.raises(SystemExit):
        call_command("verify_audit", "--help")
    assert "manage.py verify_audit --json" in capsys.readouterr().out
