"""From flips to messages: one for each cause, to those whose rules ask for it."""

from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from credentials import demo, notifications
from credentials.models import Channel, Delivery
from credentials.notifications import choosing
from health import incidents, pausing, reports
from health.models import Component, Flip
from health.observations import Observation
from health.observing import observe, weighed
from tests.credentials.notifications.cast import make_channel
from tests.factories import make_credential, make_oauth_app
from tests.health.cast import CUSTOMER, HEALTHY, OURS, make, say

pytestmark = pytest.mark.django_db


def fifty():
    """An OAuth app with fifty credentials, of ten customers, and a sync of each."""
    app = make_oauth_app("hubspot", name="our app", is_default=True)
    credentials = [
        make_credential("hubspot_oauth2", name=f"key {n}", metadata={"customer_id": f"c{n % 10}"})
        for n in range(50)
    ]
    syncs = [make("sync", f"sync {n:02}", one.component) for n, one in enumerate(credentials)]
    return app.component, credentials, syncs


def test_one_broken_app_is_one_message_and_one_recovery(receiver):
    make_channel(name="all")
    app, _credentials, _syncs = fifty()
    say(app, OURS, "oauth_app_rejected")
    notifications.turn()
    notifications.turn()
    ((_name, message),) = receiver.got
    assert message.title == "We must act: OAuth app our app"
    assert (message.owner, message.affected_count) == ("us", 100)
    assert [one.name for one in message.affected] == [f"sync {n:02}" for n in range(5)]
    assert message.link == f"https://lanyard.example.com{app_page(app)}"
    assert Flip.objects.filter(processed_at=None).count() == 0
    assert Delivery.objects.count() == 1
    say(app, HEALTHY)
    notifications.turn()
    ((_name, _first), (_same, recovery)) = receiver.got
    assert recovery.title == "Works again: OAuth app our app" and recovery.affected_count == 100
    assert recovery.since == message.since


def app_page(component):
    from health.views import page_url

    return page_url(component)


def test_rules_look_at_what_is_affected(receiver):
    make_channel(name="customer c3", metadata={"customer_id": "c3"})
    make_channel(name="syncs", kinds=["sync"])
    make_channel(name="the customer's", owner="customer")
    make_channel(name="at Stripe", providers=["stripe"])
    make_channel(name="off", enabled=False)
    app, credentials, _syncs = fifty()
    say(app, OURS)
    notifications.turn()
    # Each hears of the one cause, and of those affected only what its rules let through.
    assert {name: message.affected_count for name, message in receiver.got} == {
        "customer c3": 10,
        "syncs": 50,
    }
    receiver.got.clear()
    say(app, HEALTHY)
    say(credentials[4].component, CUSTOMER, "revoked")
    notifications.turn()
    assert sorted((name, message.title) for name, message in receiver.got) == [
        ("customer c3", "Works again: OAuth app our app"),
        ("syncs", "Customer must act: Credential key 4"),
        ("syncs", "Works again: OAuth app our app"),
        ("the customer's", "Customer must act: Credential key 4"),
    ]


def test_a_masked_cause_that_shows_again_is_not_told_twice_but_its_end_is(receiver):
    make_channel()
    app, credentials, _syncs = fifty()
    key = credentials[7].component
    for component, status in ((key, CUSTOMER), (app, OURS), (app, HEALTHY)):
        say(component, status)
        notifications.turn()
    assert receiver.titles() == [
        "Customer must act: Credential key 7",
        "We must act: OAuth app our app",
        "Works again: OAuth app our app",
    ]
    assert (
        receiver.got[-1][1].affected_count == 98
    )  # all but the one that waits for its customer, and its sync
    say(key, HEALTHY)
    notifications.turn()
    assert receiver.titles()[3:] == ["Works again: Credential key 7"]


def test_a_cause_whose_owner_changes_is_told_again(receiver):
    make_channel()
    key = make("credential", "key")
    for status in (CUSTOMER, OURS, HEALTHY, CUSTOMER):
        say(key, status)
        notifications.turn()
    assert [title.partition(":")[0] for title in receiver.titles()] == [
        "Customer must act",
        "We must act",
        "Works again",
        "Customer must act",
    ]


def test_what_broke_and_worked_again_between_two_turns_is_told_in_its_order(receiver):
    make_channel()
    key = make("credential", "key")
    for status in (CUSTOMER, HEALTHY, CUSTOMER, HEALTHY):
        say(key, status)
    notifications.turn()
    titles = [title.partition(":")[0] for title in receiver.titles()]
    assert titles == ["Customer must act", "Works again"] * 2


def test_a_providers_incident_is_one_message_though_its_accounts_become_our_turn(receiver):
    make_channel()
    keys = [make("credential", f"key {n}", provider="stripe", revision="1") for n in range(8)]
    start = timezone.now()

    def all_look(code, at):
        with time_machine.travel(at, tick=False):
            for key in keys:
                observe(key, Observation(code, at, at, revision="1"))
            notifications.turn()

    all_look("ok", start)
    for minutes in (5, 10, 15, 20, 25, *range(40, 500, 50)):
        all_look("provider_outage", start + timedelta(minutes=minutes))
    assert Component.objects.filter(kind="credential").exclude(status=HEALTHY).count() == 8
    told = [message for _name, message in receiver.got]
    assert [message.title for message in told] == ["We must act: Provider stripe"]
    assert told[0].affected_count >= 5 and told[0].code == "provider_incident"
    for minutes in (510, 515, 520):
        all_look("ok", start + timedelta(minutes=minutes))
    for minutes in (525, 530):
        with time_machine.travel(start + timedelta(minutes=minutes), tick=False):
            incidents.assess("stripe", timezone.now())
            notifications.turn()
    assert receiver.titles()[1:] == ["Works again: Provider stripe"]


def test_many_of_a_kind_are_gathered_into_one_message(receiver):
    make_channel()
    keys = [make("credential", f"key {n:02}", revision="1") for n in range(30)]
    start = timezone.now()
    with time_machine.travel(start, tick=False):
        for key in keys:
            weighed(key.pk, Observation("check_missing", start, start, source="timer"))
        notifications.turn()
        assert len(receiver.got) == 3
        notifications.turn()
    with time_machine.travel(start + timedelta(minutes=6), tick=False):
        notifications.turn()
    assert receiver.titles()[3:] == ["We must act: Credential key 03 and 26 more"]
    assert Delivery.objects.count() == 30
    assert receiver.got[3][1].alike_count == 26


def test_the_past_the_demo_and_what_happens_while_it_is_off_are_not_told(receiver):
    old = make("sync", "old")
    say(old, OURS)
    channel = make_channel()
    # As all that the demo tells.
    reports.report(make("sync", "demo"), OURS, actor=demo.ACTOR, code="broken")
    notifications.turn()
    assert receiver.got == [] and not Flip.objects.filter(processed_at=None).exists()
    new = make("sync", "new")
    channel.enabled = False
    channel.save()
    say(new, OURS)  # and no worker looks before it is switched on again
    channel.enabled = True
    channel.save()
    say(new, HEALTHY)
    notifications.turn()
    assert receiver.got == []
    # What is old can still become worse, or come to matter to somebody.
    say(old, CUSTOMER)
    notifications.turn()
    assert receiver.titles() == ["Customer must act: Sync old"]


def test_reminders_come_while_it_lasts_and_nothing_hides_it(receiver):
    make_channel(name="patient")
    make_channel(name="every 4 h", remind_every=4, recoveries=False)
    target, app = make("target", "db"), make("oauth_app", "app")
    start = timezone.now()

    def at(hours):
        with time_machine.travel(start + timedelta(hours=hours), tick=False):
            notifications.turn()
            notifications.turn()
        found = [(name, message.title) for name, message in receiver.got]
        receiver.got.clear()
        return found

    with time_machine.travel(start, tick=False):
        say(target, CUSTOMER, "target_full")
    both = [(name, "Customer must act: Target db") for name in ("every 4 h", "patient")]
    assert sorted(at(0)) == both
    assert at(3.9) == []
    assert at(4.1) == [("every 4 h", "Reminder 1: Customer must act: Target db")]
    assert at(8) == []
    assert at(8.2) == [("every 4 h", "Reminder 2: Customer must act: Target db")]
    with time_machine.travel(start + timedelta(hours=9), tick=False):
        pausing.pause(target, reason="maintenance", actor="cli:anna@host")
    assert at(14) == []
    with time_machine.travel(start + timedelta(hours=15), tick=False):
        pausing.resume(target, actor="cli:anna@host")
    assert at(15.1) == [("every 4 h", "Reminder 3: Customer must act: Target db")]
    with time_machine.travel(start + timedelta(hours=16), tick=False):
        say(target, HEALTHY)
    assert at(16) == [("patient", "Works again: Target db")]
    assert at(40) == []
    assert app.status == HEALTHY


def test_whoever_chooses_leaves_the_outbox_as_it_was_if_it_fails(receiver, monkeypatch):
    make_channel()
    make_channel()
    say(make("sync", "orders"), OURS)
    made, add = [], choosing.gathering.add

    def die(*args, **kwargs):
        if made:
            raise MemoryError
        made.append(add(*args, **kwargs))

    monkeypatch.setattr(choosing.gathering, "add", die)
    with pytest.raises(MemoryError):
        choosing.choose()
    monkeypatch.undo()
    assert Flip.objects.get().processed_at is None and not Delivery.objects.exists()
    assert choosing.choose() == 1 and Delivery.objects.count() == Channel.objects.count() == 2
