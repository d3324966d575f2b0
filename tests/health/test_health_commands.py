"""report_health and show_health, as they are typed."""

import json
import re
import subprocess
import sys
from datetime import datetime, timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from health.management.base import actor
from health.management.commands.show_health import columns
from health.models import Component
from tests.health.cast import CUSTOMER, HEALTHY, OURS, make, make_cast, say

pytestmark = pytest.mark.django_db


def run(*arguments):
    out = StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def refused(*arguments):
    """The one line of an error; the exit status is 2."""
    with pytest.raises(CommandError) as caught:
        run(*arguments)
    assert caught.value.returncode == 2
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_report_says_what_it_did():
    cast = make_cast()
    out = run(
        *("report_health", "target:orders-db", "customer_intervention"),
        *("--note", "Disk full since noon", "--code", "disk_full"),
    )
    assert out.splitlines()[0] == "target:orders-db: healthy → customer_intervention"
    assert "  sync:acme orders: healthy → customer_intervention" in out.splitlines()
    assert out.splitlines()[-1] == "flipped 4, affected 4"
    flip = cast.target.flips.get()
    assert (flip.note, flip.code, flip.actor) == ("Disk full since noon", "disk_full", actor())
    assert re.fullmatch(r"cli:[^@]+@.+", actor())


def test_a_report_that_changes_nothing_says_so():
    cast = make_cast()
    arguments = ("report_health", str(cast.target.pk), "customer_intervention", "--code", "x")
    run(*arguments)
    assert run(*arguments).splitlines() == [
        "target:orders-db: was customer_intervention already; kept the report",
        "flipped 0, affected 4",
    ]
    say(cast.app, OURS)
    out = run("report_health", "credential:acme shop", "customer_intervention", "--code", "x")
    assert "kept; it stays sequin_intervention, which oauth_app:shopify app decides" in out


@pytest.mark.parametrize("given", ["2026-11-01T09:30:00+01:00", "2026-11-01 09:30", "2026-11-01T08:30Z"])
def test_the_time_may_be_given(given):
    target = make("target", "orders-db")
    before = (
        timezone.now().replace(2026, 11, 2) if timezone.now() < datetime(2026, 11, 2).astimezone() else None
    )
    assert before is None
    run("report_health", "target:orders-db", "healthy", "--at", given)
    target.refresh_from_db()
    assert target.known_since.date().isoformat() == "2026-11-01"


def test_an_unknown_component_is_named_with_close_ones_and_how_to_add_it():
    make("target", "orders-db")
    line = refused("report_health", "target:order-db", "healthy")
    assert "There is no target 'order-db'. Did you mean target:orders-db? Add it in the browser" in line
    assert "It comes with its credential" in refused("report_health", "credential:nope", "healthy")
    assert "Did you mean target:orders-db?" in refused("report_health", "orders-db", "healthy")
    assert "There is no kind 'tarket'" in refused("report_health", "tarket:orders-db", "healthy")
    assert "There is no component" in refused(
        "report_health", str(make("sync", "x").pk)[:-1] + "z", "healthy"
    )


def test_a_name_of_several_lists_their_ids():
    twins = [make("target", "orders-db") for _ in range(2)]
    line = refused("report_health", "target:orders-db", "healthy")
    assert "is the name of several" in line and all(str(twin.pk) in line for twin in twins)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["broken"], "status: This is no status"),
        (["customer_intervention"], "note: Say what is wrong"),
        (["customer_intervention", "--code", "Disk Full"], "code: A code has at most 48"),
        (["customer_intervention", "--note", "a\u202eb"], "note: Character 2 is invisible"),
        (["healthy", "--at", "2026-13-40"], "is no time"),
        (["healthy", "--at", "yesterday"], "is no time"),
        (["healthy", "--at", "2126-01-01T00:00"], "at: This time lies in the future."),
    ],
)
def test_wrong_usage_is_one_line_and_writes_nothing(arguments, words):
    target = make("target", "orders-db")
    assert words in refused("report_health", "target:orders-db", *arguments)
    target.refresh_from_db()
    assert target.last_reported_at is None


def test_names_with_colons_and_spaces_can_be_reported_on():
    make("sync", "acme: orders → db")
    assert "flipped 1" in run("report_health", "sync:acme: orders → db", OURS, "--code", "x")


def test_the_list_fits_a_terminal_and_counts_at_the_end():
    make_cast()
    make("target", "long " + "x" * 190, provider="y" * 32)
    make("target", "数据库" * 20)
    say(Component.objects.get(name="orders-db"), CUSTOMER, "disk_full")
    lines = run("show_health").splitlines()
    assert lines[0].split() == ["KIND", "NAME", "STATUS", "SINCE", "DEPENDS", "ON"]
    assert all(sum(map(columns, line)) <= 100 for line in lines)
    assert lines[-1] == "9 components: 5 healthy, 4 customer_intervention, 0 sequin_intervention"
    assert "+2" in next(line for line in lines if "acme orders" in line)
    assert "healthy?" in next(line for line in lines if "shopify app" in line)


def test_the_list_can_be_narrowed_and_the_second_owner_is_found():
    cast = make_cast()
    say(cast.target, CUSTOMER, "disk_full")
    say(cast.credential, OURS, "unreadable")
    found = {one["name"]: one for one in json.loads(run("show_health", "--owner", "customer", "--json"))}
    assert set(found) == {"orders-db", "acme orders", "globex orders", "orders consumer"}
    assert (found["acme orders"]["owner"], found["acme orders"]["also"]) == ("us", "target:orders-db")
    ours = json.loads(run("show_health", "--owner", "us", "--json"))
    assert {one["name"] for one in ours} == {"acme shop", "acme orders", "orders consumer"}
    syncs = json.loads(run("show_health", "--kind", "sync", "--status", "customer_intervention", "--json"))
    assert [one["name"] for one in syncs] == ["globex orders"]


def test_json_holds_kind_name_status_since_and_dependencies():
    cast = make_cast()
    say(cast.target, CUSTOMER, "disk_full", at=timezone.now() - timedelta(hours=1))
    (found,) = (one for one in json.loads(run("show_health", "--json")) if one["name"] == "acme orders")
    assert found["kind"] == "sync" and found["status"] == CUSTOMER and found["code"] == "target:disk_full"
    assert datetime.fromisoformat(found["since"]) - cast.target.since < timedelta(milliseconds=1)
    assert found["depends_on"] == ["consumer:orders consumer", "credential:acme shop", "target:orders-db"]
    assert found["cause"] == "target:orders-db" and found["also"] is None and found["checked"]


def test_an_empty_platform_is_no_error():
    assert run("show_health") == ("0 components: 0 healthy, 0 customer_intervention, 0 sequin_intervention\n")
    assert json.loads(run("show_health", "--json")) == []


def test_the_list_asks_the_database_as_often_for_many_as_for_few(django_assert_num_queries):
    make_cast()
    with django_assert_num_queries(2):
        run("show_health")
    Component.objects.bulk_create(Component(kind="sync", name=f"s{n}") for n in range(100))
    with django_assert_num_queries(2):
        run("show_health", "--json")


@pytest.mark.parametrize("command", ["report_health", "show_health"])
def test_help_shows_an_example_and_the_exit_statuses(command):
    answer = subprocess.run(
        [sys.executable, "manage.py", command, "--help"], capture_output=True, text=True, check=True
    )
    assert f"  manage.py {command} " in answer.stdout and "Exit status: 0" in answer.stdout


def test_a_wrong_choice_ends_with_2_and_no_traceback():
    answer = subprocess.run(
        [sys.executable, "manage.py", "show_health", "--owner", "nobody"], capture_output=True, text=True
    )
    assert answer.returncode == 2 and "Traceback" not in answer.stderr


def test_healthy_again_by_hand():
    target = make("target", "orders-db")
    say(target, CUSTOMER)
    assert "customer_intervention → healthy" in run("report_health", "target:orders-db", HEALTHY)
