"""From the replacement of a secret, or the end of a pause, until a look shows it, nobody knows how it is."""

from datetime import timedelta

import pytest
from django.utils import timezone

from health import observing, reports, schedule, selection
from health.console.periods import periods
from health.models import Component, Doubt
from health.observations import Observation
from health.templatetags.lanyard import badge, next_step
from tests.health.cast import ANNA, CUSTOMER, HEALTHY, OURS, chained, make, say

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)
LONG_AGO = timezone.now() - timedelta(days=40)


@pytest.fixture
def key():
    row = make("credential", "acme shop", provider="shopify", revision="1", created_at=LONG_AGO)
    make("sync", "acme orders", row)
    say(row, HEALTHY)
    return row


def replace_secret(row, revision="2"):
    """What a save with a new secret does to its component."""
    Component.objects.filter(pk=row.pk).update(revision=revision)
    schedule.hurry(row.pk)
    row.refresh_from_db()


def look(row, minutes, code, revision=None):
    """An observation that many minutes from now, weighed as if it were then."""
    at = timezone.now() + minutes * MINUTE
    row.refresh_from_db()
    seen = Observation(code, at, at, revision=revision or row.revision)
    flip = observing.weighed(row.pk, seen)
    row.refresh_from_db()
    return flip


def having(status):
    return {row.name for row in Component.objects.filter(selection.with_status(status), kind="credential")}


def said(row):
    return str(badge(row))


def test_it_is_unknown_wherever_it_is_shown_and_its_history_stays(key):
    say(key, CUSTOMER, "revoked")
    replace_secret(key)
    assert key.in_doubt and not key.checked
    # No flip, for nobody has seen it work; its syncs wait for what the look shows.
    assert len(chained(key)) == 1 and key.status == CUSTOMER
    assert Component.objects.get(kind="sync").status == CUSTOMER
    assert "Waiting for a check" in said(key) and "secret was replaced" in str(next_step(key))
    assert any("Waiting for a check" in note for note in key.document()["notes"])
    assert having("unchecked") == {"acme shop"} and having(CUSTOMER) == having(HEALTHY) == set()
    # What the old secret shows counts nothing.
    assert look(key, 1, "ok", revision="1") is None and key.in_doubt
    # One ok of the new one is enough: a person acted.
    assert look(key, 2, "ok").new == HEALTHY
    assert not key.in_doubt and having(HEALTHY) == {"acme shop"} and having("unchecked") == set()
    assert "Healthy" in said(key) and chained(key) and reports.drift() == []


@pytest.mark.parametrize(
    ("before", "codes", "ends"),
    [
        # Of a healthy one the first ok shows it, though nothing flips; a failure only when it is confirmed.
        (HEALTHY, ["ok"], 1),
        (HEALTHY, ["revoked", "revoked"], 2),
        (HEALTHY, ["timeout", "rate_limited", "busy", "answered"], None),
        # The same failure again shows that nothing has changed; one of another owner must be confirmed.
        (CUSTOMER, ["revoked"], 1),
        (CUSTOMER, ["internal_error"], None),
        (CUSTOMER, ["secret_missing"], 1),
    ],
)
def test_what_ends_it(key, before, codes, ends):
    if before != HEALTHY:
        say(key, before, "revoked")
    replace_secret(key)
    for number, code in enumerate(codes, start=1):
        look(key, 2 * number, code)
        assert key.in_doubt is (ends is None or number < ends), (number, code)
    doubt = Doubt.objects.get()
    assert (doubt.ended_at is None) is (ends is None)
    assert (key.unknown_since is None) is (ends is not None)


def test_a_statement_ends_it_as_well_and_a_parent_that_fails_decides_meanwhile(key):
    replace_secret(key)
    since = key.unknown_since
    replace_secret(key, "3")
    assert key.unknown_since == since and Doubt.objects.count() == 1
    app = make("oauth_app", "shopify app")
    key.rewire([app])
    say(app, OURS)
    key.refresh_from_db()
    assert key.unknown_since and not key.in_doubt and "We must act" in said(key)
    assert having(OURS) == {"acme shop"} and having("unchecked") == set()
    say(app, HEALTHY)
    key.refresh_from_db()
    assert key.in_doubt and having("unchecked") == {"acme shop"}
    say(key, HEALTHY, at=since - timedelta(hours=1))
    key.refresh_from_db()
    doubt = Doubt.objects.get()
    assert not key.in_doubt and doubt.ended_at == doubt.starts_at
    replace_secret(key, "4")
    reports.override(key, OURS, reason="We look", actor=ANNA, until=timezone.now() + timedelta(hours=1))
    assert not key.in_doubt and not Doubt.objects.filter(ended_at=None).exists()
    # While a person has set the status, a new secret brings no doubt.
    replace_secret(key, "5")
    assert not key.in_doubt


@pytest.mark.parametrize("replaced", ["before", "meanwhile"])
def test_an_override_does_not_make_a_secret_known_that_nobody_tried(key, replaced):
    if replaced == "before":
        replace_secret(key)
    reports.override(key, HEALTHY, reason="We look", actor=ANNA, until=timezone.now() + timedelta(hours=1))
    if replaced == "meanwhile":
        replace_secret(key)
    assert not key.in_doubt
    Component.objects.filter(pk=key.pk).update(next_check_at=timezone.now() + timedelta(days=1))
    reports.lift(key, actor=ANNA)
    assert key.in_doubt and having("unchecked") == {"acme shop"} and having(HEALTHY) == set()
    assert key.next_check_at <= timezone.now()
    assert look(key, 1, "ok") is None and not key.in_doubt


def test_after_an_override_what_was_looked_at_meanwhile_is_known(key):
    reports.override(key, HEALTHY, reason="We look", actor=ANNA, until=timezone.now() + timedelta(hours=1))
    replace_secret(key)
    look(key, 1, "ok")
    reports.lift(key, actor=ANNA)
    assert not key.in_doubt
    reports.override(key, OURS, reason="We look", actor=ANNA, until=timezone.now() + timedelta(hours=1))
    reports.lift(key, actor=ANNA)
    assert not key.in_doubt and key.status == HEALTHY


def test_uptime_blames_in_a_doubt_only_for_what_fails_above(key):
    """As the pages say meanwhile: nothing is held against the customer for the old secret."""
    hours = {number: timezone.now() - timedelta(hours=number) for number in range(1, 7)}
    Component.objects.filter(pk=key.pk).update(known_since=LONG_AGO)
    app = make("oauth_app", "shopify app", created_at=LONG_AGO)
    key.rewire([app])
    say(key, CUSTOMER, "revoked", at=hours[6])
    say(app, OURS, at=hours[5])
    Doubt.objects.create(component=key, starts_at=hours[4])
    Component.objects.filter(pk=key.pk).update(unknown_since=hours[4])
    say(app, HEALTHY, at=hours[2])
    key.refresh_from_db()
    assert key.in_doubt and key.status == CUSTOMER
    day = periods(key)["uptime"][0]
    shown = {state: round(day[state] / timedelta(hours=1)) for state in ("customer", "us", "unknown")}
    assert shown == {"customer": 1, "us": 3, "unknown": 2}


def test_uptime_counts_the_time_as_unknown(key):
    Component.objects.filter(pk=key.pk).update(known_since=LONG_AGO)
    now = timezone.now()
    Doubt.objects.create(component=key, starts_at=now - timedelta(hours=5), ended_at=now - timedelta(hours=3))
    key.refresh_from_db()
    day = periods(key)["uptime"][0]
    assert day["unknown"] == timedelta(hours=2)
    assert sum((day[state] for state in ("healthy", "unknown")), timedelta()) == timedelta(days=1)


def test_the_end_of_a_pause_is_one_for_what_is_checked_and_not_for_what_is_reported(key):
    target = make("target", "orders-db")
    say(target, HEALTHY)
    for row in (key, target):
        reports.pause(row, reason="They rebuild it", actor=ANNA)
        schedule.hurry(row.pk)
        assert not Doubt.objects.exists()
    for row in (key, target):
        reports.resume(row, actor=ANNA)
        row.refresh_from_db()
    assert key.in_doubt and not target.in_doubt
    look(key, 1, "ok")
    assert not key.in_doubt
