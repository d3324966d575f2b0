"""What is due, who claims it, and what a claim is worth."""

from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from health import reports, schedule
from health.models import Component
from health.schedule import Settled
from tests.health.cast import ANNA, HEALTHY, OURS, make

pytestmark = pytest.mark.django_db


def ago(**span):
    return timezone.now() - timedelta(**span)


def key(name="key", **fields):
    return make("credential", name, **{"provider": "stripe", "revision": "1", **fields})


def claimed(most=10, by="one", provider="stripe", kind="credential", now=None):
    rows = schedule.claim(kind, provider, most, by=by, now=now or schedule.clock())
    return sorted(row.name for row in rows)


def settle(component, by="one", **fields):
    return schedule.settle({component.pk: Settled(**{"wait": 300.0, **fields})}, by=by)


def test_what_was_never_looked_at_is_due_at_once():
    key("bulk")
    Component.objects.bulk_create([Component(kind="credential", name="many", provider="stripe")])
    assert claimed() == ["bulk", "many"]


def test_the_longest_overdue_comes_first_and_the_number_is_bounded():
    for minutes in (3, 9, 1, 7):
        key(f"{minutes}", next_check_at=ago(minutes=minutes))
    assert claimed(2) == ["7", "9"] and claimed(2) == ["1", "3"] and claimed(2) == []


def test_paused_and_deleted_ones_and_those_of_others_are_not_due():
    key("paused", paused_until=timezone.now() + timedelta(days=1))
    key("deleted", retired_at=timezone.now())
    key("later", next_check_at=timezone.now() + timedelta(minutes=1))
    key("elsewhere", provider="github")
    make("oauth_app", "app", provider="stripe")
    key("due")
    assert claimed() == ["due"]


def test_nobody_else_gets_what_is_claimed_until_the_claim_ends():
    row = key()
    assert claimed(by="one") == ["key"] and claimed(by="two") == []
    after = schedule.clock() + schedule.CLAIM
    assert claimed(by="two", now=after - timedelta(seconds=1)) == []
    assert claimed(by="two", now=after) == ["key"]
    # The one who lost it can neither write, nor hold it, nor give it back.
    assert settle(row, by="one") == 0 and schedule.renew([row.pk], by="one") == set()
    schedule.give_back([row.pk], by="one")
    assert claimed(by="three") == []
    assert settle(row, by="two") == 1


def test_a_claim_is_held_on_to():
    row = key()
    claimed()
    Component.objects.update(next_check_at=ago(seconds=1))
    assert schedule.renew([row.pk], by="one") == {row.pk}
    assert claimed(by="two") == []
    schedule.give_back([row.pk], by="one")
    assert claimed(by="two") == ["key"]


def test_what_is_settled_is_due_after_its_wait_and_expected_so_often():
    row = key()
    claimed()
    before = schedule.clock()
    settle(row, wait=1000.0, refusals=3, every=300)
    row.refresh_from_db()
    assert row.next_check_at - before == pytest.approx(timedelta(seconds=1000), abs=timedelta(seconds=5))
    assert (row.claimed_by, row.refusals, row.expected_every) == ("", 3, 1001)
    # Nobody is blamed for a silence that was meant.
    assert row.timer_at > row.next_check_at + timedelta(minutes=15)
    assert claimed(now=row.next_check_at) == ["key"]


def test_what_cannot_be_looked_at_is_asked_about_hours_later_and_expected_by_nobody():
    row = key(expected_every=300, timer_at=timezone.now())
    claimed()
    settle(row, wait=None)
    row.refresh_from_db()
    assert row.next_check_at > timezone.now() + timedelta(hours=5)
    assert (row.expected_every, row.timer_at) == (None, None)


def test_many_are_settled_each_with_its_own_time():
    rows = [key(f"{n}") for n in range(230)]
    assert len(claimed(300)) == 230
    before = schedule.clock()
    assert schedule.settle({row.pk: Settled(600.0 + n) for n, row in enumerate(rows)}, by="one") == 230
    for n, row in enumerate(rows):
        row.refresh_from_db()
        assert abs((row.next_check_at - before).total_seconds() - 600 - n) < 5


def test_a_replaced_secret_is_tried_at_once_and_so_is_what_depends_on_it(django_capture_on_commit_callbacks):
    app = make("oauth_app", "app", provider="stripe")
    later = timezone.now() + timedelta(hours=6)
    rows = [app, key("one", next_check_at=later), key("two", next_check_at=later)]
    rows[1].rewire([app])
    sync = make("sync", "sync", rows[1], next_check_at=later)
    Component.objects.filter(pk=app.pk).update(next_check_at=later, refusals=4, claimed_by="somebody")
    with django_capture_on_commit_callbacks(execute=True), transaction.atomic():
        schedule.hurry(app.pk)
    assert settle(app, by="somebody") == 0
    assert claimed(kind="oauth_app") == ["app"] and claimed() == ["one"]
    app.refresh_from_db()
    sync.refresh_from_db()
    assert app.refusals == 0 and sync.next_check_at == later


def test_after_a_pause_it_is_looked_at_at_once():
    row = key(next_check_at=timezone.now() + timedelta(hours=6), refusals=5)
    reports.pause(row, reason="moving", actor=ANNA)
    assert claimed() == []
    reports.resume(row, actor=ANNA)
    assert claimed() == ["key"] and Component.objects.get().refusals == 0


def test_what_nobody_ever_looks_at_is_ours_after_a_while():
    rows = [key("waits", next_check_at=ago(minutes=6)), key("new", next_check_at=ago(minutes=4))]
    rows += [key("known", next_check_at=ago(minutes=30), expected_every=300, timer_at=timezone.now())]
    assert schedule.expect_looks("credential", "stripe", timezone.now()) == 1
    assert schedule.expect_looks("credential", "stripe", timezone.now()) == 0
    Component.objects.filter(pk=rows[2].pk).delete()
    reports.tick(timezone.now() + timedelta(minutes=6))
    found = {row.name: (row.status, row.code) for row in Component.objects.all()}
    assert found == {"waits": (OURS, "never_checked"), "new": (HEALTHY, "")}


def test_nothing_is_looked_at_all_the_time():
    assert schedule.own_interval(key(check_every=0)) == 300
    assert schedule.own_interval(key(check_every=1)) == schedule.LEAST


def test_everything_can_be_made_due_but_what_is_claimed():
    later = timezone.now() + timedelta(hours=1)
    key("claimed", next_check_at=later, claimed_by="two")
    key("free", next_check_at=later)
    key("github", provider="github", next_check_at=later)
    assert schedule.everything_is_due(["credential"], "stripe") == 1
    assert claimed() == ["free"]


def test_an_old_copy_does_not_put_the_schedule_back():
    row = key()
    old = Component.objects.get(pk=row.pk)
    claimed()
    settle(row, refusals=2)
    old.name = "renamed"
    old.save()
    row.refresh_from_db()
    assert row.refusals == 2 and row.next_check_at > timezone.now()


def test_the_providers_are_found_without_reading_every_component(django_assert_num_queries):
    for provider in ("stripe", "github", "stripe", "airtable"):
        key(provider=provider)
    key(provider="linear", retired_at=timezone.now())
    with django_assert_num_queries(7):
        assert schedule.providers("credential") == ["airtable", "github", "stripe"]
    assert schedule.providers("target") == []


def test_what_is_due_is_read_from_its_index_in_order():
    now = timezone.now()
    Component.objects.bulk_create(
        Component(
            kind="credential",
            name=f"{n}",
            provider=f"provider{n % 15}",
            next_check_at=now + timedelta(seconds=n - 20),
        )
        for n in range(3000)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE health_component")
    plan = schedule.due("credential", "provider3", now)[:8].explain()
    assert "component_due" in plan and "sort" not in plan.lower() and "temp b-tree" not in plan.lower()


def test_claiming_writes_nothing_where_nothing_is_due():
    with CaptureQueriesContext(connection) as asked:
        claimed()
    assert not [one for one in asked.captured_queries if one["sql"].startswith("UPDATE")]
