"""Checks on a schedule, the whole way to the simulator: what is found, and when it is tried again."""

import json
import signal
import subprocess
import sys
import time
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from credentials import demo, scheduled
from credentials.kinds import KINDS
from credentials.models import AuditEvent, Credential, OAuthApp
from credentials.simulator import cast
from health import reports, schedule
from health.management.base import worker
from health.models import Component
from tests.credentials.test_import_processes import ROOT, environment

pytestmark = pytest.mark.django_db(transaction=True)


def check(*arguments, status=0):
    """What `check_health` prints."""
    out = StringIO()
    try:
        call_command("check_health", *arguments, stdout=out, stderr=StringIO())
        ended = 0
    except SystemExit as end:
        ended = end.code
    assert ended == status, out.getvalue()
    return out.getvalue()


def make_due():
    Component.objects.update(next_check_at=timezone.now() - timedelta(seconds=1))


def grow_older(seconds):
    """Let all that was observed be so many seconds older."""
    by = timedelta(seconds=seconds)
    for row in Component.objects.exclude(last_observed_at=None):
        evidence = json.loads(json.dumps(row.evidence)) if row.evidence else None
        for name in [name for name in evidence or {} if name.endswith("_at")]:
            evidence[name] = (timezone.datetime.fromisoformat(evidence[name]) - by).isoformat()
        Component.objects.filter(pk=row.pk).update(
            evidence=evidence, last_observed_at=row.last_observed_at - by, own_since=row.own_since - by
        )


def test_every_kind_is_looked_at_and_found_well(stored, calls):
    for kind in KINDS:
        stored(kind)
    out = check("--provider", "sendgrid")
    assert out.splitlines()[-1] == "checked 1: 1 work, 0 do not"
    found = json.loads(check("--json"))
    credentials = [one for one in found if one["component"].startswith("credential:")]
    assert len(credentials) == len(KINDS) - 1 and all(one["works"] for one in credentials)
    assert Component.objects.filter(kind="credential", known_since=None).count() == 0
    before = len(calls())
    assert check().splitlines()[-1].startswith("checked 0")
    assert len(calls()) == before


def test_one_refused_key_from_the_first_look_to_its_repair(stored, fail):
    key = stored("stripe_key")
    check()
    fail("revoked", provider="stripe")
    make_due()
    out = check(status=1)
    assert f"credential:{key.name}: " in out and "[revoked]" in out
    grow_older(400)
    make_due()
    check(status=1)
    component = Component.objects.get(pk=key.component_id)
    assert component.own_status == "customer_intervention" and component.refusals == 2
    assert component.next_check_at > timezone.now() + timedelta(minutes=45)
    assert check().splitlines()[-1].startswith("checked 0")


def test_a_replaced_secret_is_tried_at_once_and_one_ok_is_enough(stored, simulator, fail):
    key = stored("stripe_key")
    reports.report(key.component, "customer_intervention", actor="cli:anna@host", code="revoked")
    Component.objects.update(next_check_at=timezone.now() + timedelta(hours=6), refusals=5)
    assert check().splitlines()[-1].startswith("checked 0")
    key = Credential.objects.get(pk=key.pk)
    key.name = "renamed"
    key.save()  # no new secret, no new look
    assert check().splitlines()[-1].startswith("checked 0")
    key.secret = cast.credential("stripe_key", 2)["properties"]["secret"]
    key.account = None
    key.save()
    component = Component.objects.get(pk=key.component_id)
    assert component.refusals == 0 and component.next_check_at <= timezone.now()
    check()
    component.refresh_from_db()
    assert component.own_status == "healthy"


def test_a_replaced_secret_of_an_app_lets_its_credentials_be_tried_at_once(stored):
    credential = stored("airtable_oauth2")
    Component.objects.update(next_check_at=timezone.now() + timedelta(hours=6), refusals=3)
    app = OAuthApp.objects.get()
    app.client_secret = cast.app("airtable")["client_secret"] + "-another"
    app.save()
    now = timezone.now()
    for pk in (app.component_id, credential.component_id):
        found = Component.objects.get(pk=pk)
        assert found.next_check_at <= now and found.refusals == 0


def test_a_rejected_app_is_observed_on_the_app_and_not_on_its_credential(stored, fail):
    credential = stored("airtable_oauth2")
    app = OAuthApp.objects.get()
    app.client_secret = "not-the-one-that-airtable-knows"
    app.save()
    # Only the credential is looked at.
    later = timezone.now() + timedelta(hours=1)
    Component.objects.filter(pk=app.component_id).update(next_check_at=later)
    check(status=1)
    assert Component.objects.get(pk=credential.component_id).last_observed_at is None
    found = Component.objects.get(pk=app.component_id)
    assert found.last_observed_at is not None and found.evidence
    assert Component.objects.get(pk=credential.component_id).refusals == 1


def test_the_worker_acts_in_its_own_name(stored):
    stored("airtable_oauth2")  # each refresh token is good once
    check()
    refresh = AuditEvent.objects.get(action="refresh")
    assert refresh.actor == worker("check") and refresh.actor.startswith("worker:check@")


def test_the_demo_is_asked_about_at_the_simulator_or_nowhere(simulator, settings):
    demo.fill()
    real = cast.credential("stripe_key", 0)
    from credentials import transfer

    transfer.import_document(real)
    every = list(Component.objects.filter(kind="credential").values_list("pk", flat=True))
    apps = list(Component.objects.filter(kind="oauth_app").values_list("pk", flat=True))
    assert set(scheduled.credentials(every)) == set(every) and set(scheduled.apps(apps)) == set(apps)
    settings.PROVIDER_SIMULATOR_URL = ""
    mine = Credential.objects.get(pk=real["id"]).component_id
    assert set(scheduled.credentials(every)) == {mine} and scheduled.apps(apps) == {}


def test_deleted_ones_are_not_looked_at(stored, calls):
    key = stored("stripe_key")
    key.delete()
    assert check().splitlines()[-1] == "checked 0: 0 work, 0 do not"
    assert scheduled.credentials([key.component_id]) == {} and not calls()


def test_all_looks_at_what_is_not_due_too(stored):
    stored("stripe_key"), stored("sendgrid_key")
    check()
    assert check("--all").splitlines()[-1] == "checked 2: 2 work, 0 do not"
    assert check("--all", "--provider", "sendgrid").splitlines()[-1] == "checked 1: 1 work, 0 do not"


def test_what_does_not_answer_is_left_and_said(stored, fail):
    for n in range(3):
        stored("stripe_key", n), stored("stripe_oauth2", n)
    fail("503", provider="stripe")
    assert ", left " in check("--concurrency", "1", status=1).splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--provider", "nobody"), "There is nothing to check at 'nobody', only at: stripe."),
        (("--concurrency", "0"), "--concurrency takes 1 to 256."),
        (("--loop", "--json"), "--json goes with one run, not with --loop."),
    ],
)
def test_wrong_usage_is_said_in_one_line(stored, arguments, said):
    stored("stripe_key")
    with pytest.raises(CommandError) as caught:
        call_command("check_health", *arguments)
    assert (caught.value.returncode, str(caught.value)) == (2, said)


def test_the_roll_up_is_compared_with_its_parts(stored, monkeypatch):
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    key = stored("stripe_key")
    assert check("--verify-rollup").splitlines()[-1] == "compared 1, drifted 0"
    Component.objects.filter(pk=key.component_id).update(status="sequin_intervention")
    out = check("--verify-rollup", status=1)
    assert f"credential:{key.name}" in out and out.splitlines()[-1] == "compared 1, drifted 1"
    assert [one["id"] for one in json.loads(check("--verify-rollup", "--json", status=1))] == [
        str(key.component_id)
    ]


# --- as a process


@pytest.fixture
def looping(simulator):
    started = []

    def start():
        process = subprocess.Popen(
            [sys.executable, "manage.py", "check_health", "--loop", "--concurrency", "8"],
            cwd=ROOT,
            env=environment() | {"PROVIDER_SIMULATOR_URL": simulator.url, "PGAPPNAME": "the tests worker"},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        started.append(process)
        assert process.stdout.readline().startswith("worker:check@")
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_loop_cleanly(stored, simulator, looping, number):
    for n in range(6):
        stored("stripe_key", n), stored("stripe_oauth2", n)
    simulator.world.latency["stripe"] = 1.0
    process = looping()
    ends = time.monotonic() + 30
    while not simulator.world.log and time.monotonic() < ends:
        time.sleep(0.05)
    process.send_signal(number)
    out, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (0, "") and out.startswith("Ended after ")
    assert not Component.objects.exclude(claimed_by="").exists()
    observed = Component.objects.filter(kind="credential").exclude(last_observed_at=None).count()
    assert 1 <= observed < 12
    # What was not looked at is due, and all that was asked was written.
    left = schedule.due("credential", "stripe", schedule.clock()).count()
    assert left == 12 - observed
    simulator.world.latency.clear()


def test_a_worker_goes_on_after_its_connections_were_cut(stored, looping):
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no connections that others can cut")
    for n in range(3):
        stored("stripe_key", n)
    process = looping()
    ends = time.monotonic() + 30
    for _round in range(3):
        Component.objects.update(next_check_at=timezone.now(), last_observed_at=None)
        while Component.objects.filter(last_observed_at=None).exists():
            assert time.monotonic() < ends and process.poll() is None
            time.sleep(0.1)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND application_name = 'the tests worker'"
            )
            assert cursor.rowcount > 0
    process.send_signal(signal.SIGTERM)
    out, errors = process.communicate(timeout=30)
    assert process.returncode == 0 and "Traceback" not in errors
    # The last cut may have come too late to be told of its end.
    assert out.count("does not answer") - out.count("answers again") in (0, 1) and "Ended after" in out
