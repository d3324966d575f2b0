"""manage.py show_audit, as it is typed: a day in words, or as JSON."""

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.utils import timezone

from credentials import audit
from credentials.models import AuditEvent, Credential
from health import reports
from health.models import Component
from tests import canary
from tests.factories import make_credential, make_oauth_app

pytestmark = pytest.mark.django_db


def run(*arguments):
    """The lines, without the times of day."""
    out = StringIO()
    call_command("show_audit", *arguments, stdout=out, stderr=StringIO())
    return out.getvalue().splitlines()


def acts(*arguments):
    return [" ".join(line[8:].split()) for line in run(*arguments)[1:-1]]


@pytest.fixture
def day():
    """A working day, in the order of happening."""
    ada = User.objects.create_user("ada")
    with audit.acting(ada, address="192.0.2.7"):
        audit.record("sign_in", ada)
        credential = make_credential("stripe_key", name="Spice Bazaar")
        credential.secret = "sk_test_fakeAnother"
        credential.save()
        credential.name = "Arrakis"
        credential.save()
        audit.record("reveal", credential, fields=["secret"], reason="The customer lost it")
        credential.delete()
        Credential.everything.get(pk=credential.pk).restore()
        audit.record("set_password", ada, fields=["password"])
    target = Component.objects.create(kind="target", name="orders-db")
    reports.report(target, "customer_intervention", actor="cli:ops@host", note="Disk full", code="disk_full")
    audit.record("sign_in_failed", audit.Named("user", "", "an unknown user"), actor="anonymous")
    audit.record("sign_out", ada, actor=ada)
    return credential


def test_a_day_reads_as_what_happened(day):
    short = str(day.pk)[:8]
    assert acts() == [
        "user:ada signed in [from 192.0.2.7]",
        f"user:ada created credential “Spice Bazaar” ({short}) [from 192.0.2.7]",
        f"user:ada replaced a secret of credential “Spice Bazaar” ({short}): secret [from 192.0.2.7]",
        f"user:ada changed credential “Arrakis” ({short}): name [from 192.0.2.7]",
        f"user:ada revealed a secret of credential “Arrakis” ({short}): secret,"
        " because: The customer lost it [from 192.0.2.7]",
        f"user:ada deleted credential “Arrakis” ({short}) [from 192.0.2.7]",
        f"user:ada restored credential “Arrakis” ({short}) [from 192.0.2.7]",
        "user:ada set the password of user “ada” [from 192.0.2.7]",
        "cli:ops@host reported Target orders-db: Healthy → Customer must act: Disk full",
        "anonymous tried to sign in as an unknown user, and failed",
        "user:ada signed out",
    ]
    assert not canary.find("sk_test_fakeAnother", "\n".join([*run(), *run("--json")]))


def test_the_first_line_names_the_day_and_its_time_zone_and_the_last_counts(day, settings):
    settings.TIME_ZONE = "Asia/Tokyo"
    today = timezone.localdate()
    lines = run()
    assert lines[0] == f"{today:%A}, {today.day} {today:%B %Y}; times are of Asia/Tokyo"
    assert lines[-1] == "acts 11"
    assert lines[1].startswith(f"{timezone.localtime():%H:}")


@pytest.mark.parametrize(
    ("arguments", "count"),
    [
        (["--actor", "ada"], 9),
        (["--actor", "cli:ops@host"], 1),
        (["--object", "arrakis"], 4),
        (["--object", "orders"], 1),
        (["--action", "reveal"], 1),
        (["--actor", "ada", "--action", "report"], 0),
        (["--day", "2020-02-29"], 0),
    ],
)
def test_it_is_narrowed(day, arguments, count):
    assert len(acts(*arguments)) == count
    assert run(*arguments)[-1] == f"acts {count}"


def test_an_object_is_found_by_its_id(day):
    assert len(acts("--object", str(day.pk))) == 6


def test_a_day_ends_at_midnight_of_the_installation(settings):
    settings.TIME_ZONE = "Asia/Tokyo"
    start = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=3)
    for n, offset in enumerate((-1, 0, 86_399, 86_400)):
        AuditEvent.objects.create(
            time=start + timedelta(seconds=offset), actor="a", action="run", object_type="command",
            object_id="x", object_label=f"number {n}",
        )  # fmt: skip
    assert acts("--day", f"{start:%Y-%m-%d}") == ["a ran number 1", "a ran number 2"]


def test_programs_read_it_as_json(day):
    audit.chain()
    found = [json.loads(line) for line in run("--json")]
    assert [one["action"] for one in found][:3] == ["sign_in", "create", "replace_secret"]
    replaced, reported = found[2], found[8]
    assert replaced["object_id"] == str(day.pk) and replaced["fields"] == ["secret"]
    assert (replaced["number"], replaced["source"], replaced["address"]) == (3, "audit", "192.0.2.7")
    assert (reported["number"], reported["source"], reported["actor"]) == (None, "health", "cli:ops@host")
    assert found[4]["said"] == "The customer lost it"


def test_one_act_is_one_line_whatever_a_thing_is_called():
    make_oauth_app(name="App")
    AuditEvent.objects.create(
        actor="a", action="odd_act", object_type="user", object_id="1", object_label="two\nlines\r\x1b[31m"
    )
    lines = run()
    assert len(lines) == 4 and lines[-1] == "acts 2"
    assert "\x1b" not in lines[2] and "odd act: user “two lines" in lines[2]


@pytest.mark.parametrize("text", ["yesterday", "2026-02-30", "", "0001-01-01", "9999-12-31"])
def test_what_is_no_day_is_said(text):
    with pytest.raises(CommandError, match="is no day: write it as 2026-11-24") as raised:
        run("--day", text)
    assert raised.value.returncode == 2


def test_reading_the_trail_leaves_nothing(day):
    before = AuditEvent.objects.count()
    run()
    assert AuditEvent.objects.count() == before


def test_help_has_an_example(capsys):
    with pytest.raises(SystemExit):
        call_command("show_audit", "--help")
    assert "manage.py show_audit --day 2026-11-24 --actor ada" in capsys.readouterr().out


# --- commands leave an event themselves


def commands():
    rows = AuditEvent.objects.filter(action="run").order_by("time", "id")
    return list(rows.values_list("object_label", "fields"))


def test_a_run_of_a_command_is_an_act(tmp_path):
    empty = tmp_path / "sk_test_fakeName.json"
    empty.write_text("[]")
    call_command("import_credentials", str(empty), stdout=StringIO())
    call_command("export_credentials", with_oauth_apps=True, stdout=StringIO(), stderr=StringIO())
    call_command("purge_credentials", stdout=StringIO())
    assert commands() == [
        ("manage.py import_credentials", []),
        ("manage.py export_credentials", ["with_oauth_apps"]),
        ("manage.py purge_credentials", []),
    ]
    assert not canary.find("sk_test_fakeName", repr(list(AuditEvent.objects.values())))


def test_a_dry_run_leaves_nothing():
    call_command("purge_credentials", dry_run=True, stdout=StringIO())
    call_command("import_credentials", "tests/data/credentials.json", dry_run=True, stdout=StringIO())
    assert not AuditEvent.objects.exists()


def test_what_is_gone_for_good_is_not_called_deleted(day):
    Credential.objects.all().purge()
    assert acts()[-1] == f"cli:tests@localhost removed credential “Arrakis” ({str(day.pk)[:8]}) for good"
