"""Silence is an observation: of what is expected to be looked at or spoken for. And what a tick does."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from health import heartbeats, observing, reports, silence, timers
from health.models import Component, Flip
from health.observations import Observation
from tests.health.cast import ANNA, HEALTHY, OURS, make, make_cast, say

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


@pytest.fixture
def now():
    return timezone.now()


def look(component, at, code="ok"):
    return observing.weighed(component.pk, Observation(code, at, at, revision=component.revision))


def ticks(now, minutes, every=1):
    """A tick every so many minutes from now on; returns at which minutes something was silent."""
    return [minute for minute in range(0, minutes, every) if reports.tick(now + minute * MINUTE).silent]


@pytest.mark.parametrize(
    "heard, every, reported, minutes",
    [
        (False, 60, False, 5),
        (True, 60, False, 30),
        (True, 300, False, 30),
        (True, 1200, False, 120),
        (False, 60, True, 5),
        (False, 600, True, 30),
        (True, 60, True, 3),
    ],
)
def test_how_long_a_silence_may_last(heard, every, reported, minutes):
    assert silence.patience(every, reported=reported, heard=heard) == minutes * MINUTE


def test_what_nobody_expects_may_be_silent(now):
    make("credential", "acme")
    assert ticks(now, 500, 50) == [] and not Flip.objects.exists()


def test_never_checked_is_ours_after_a_moment_of_grace(now):
    key = make("credential", "acme")
    assert heartbeats.expect([key], 300, now) == 1
    assert ticks(now, 120) == [5, 35, 65, 95]
    (flip,) = Flip.objects.all()
    assert (flip.new, flip.code, flip.happened_at) == (OURS, "never_checked", now + 5 * MINUTE)
    key.refresh_from_db()
    assert key.last_observed_at is None and key.known_since is not None
    assert look(key, now + 121 * MINUTE) is None
    assert look(key, now + 123 * MINUTE).new == HEALTHY


def test_a_check_that_stays_away_is_ours_and_stale_before(now):
    key = make("credential", "acme")
    heartbeats.expect([key.pk], 300, now)
    look(key, now + 2 * MINUTE)
    key.refresh_from_db()
    assert not key.stale(now + 17 * MINUTE) and key.stale(now + 18 * MINUTE)
    assert ticks(now, 40)[0] == 33
    (flip,) = Flip.objects.all()
    assert (flip.code, flip.new) == ("check_missing", OURS)
    key.refresh_from_db()
    assert key.last_observed_at == now + 2 * MINUTE


def test_who_is_looked_at_in_time_is_never_silent(now):
    key = make("credential", "acme")
    heartbeats.expect([key], 300, now)
    for minute in range(0, 200, 5):
        assert look(key, now + minute * MINUTE) is None
        assert not reports.tick(now + (minute + 4) * MINUTE).silent
    assert not Flip.objects.exists()


def test_a_consumer_that_falls_silent_is_ours_and_so_is_its_sync(now):
    cast = make_cast()
    heartbeats.expect([cast.consumer], 60, now)
    say(cast.consumer, HEALTHY)
    assert ticks(now, 10) == [5, 8]
    cast.refresh()
    assert (cast.consumer.code, cast.sync.code, cast.sync.status) == ("silent", "consumer:silent", OURS)
    # Whoever speaks for it again ends it.
    assert say(cast.consumer, HEALTHY).new == HEALTHY


def test_silence_below_a_failing_parent_decides_nothing(now):
    cast = make_cast()
    heartbeats.expect([cast.consumer], 60, now)
    say(cast.target, OURS)
    assert ticks(now, 10) == [5, 8]
    cast.refresh()
    assert cast.consumer.own_status == HEALTHY and cast.sync.cause == cast.target


def test_a_pause_stops_the_timers_and_its_end_winds_them_up(now):
    key = make("credential", "acme")
    heartbeats.expect([key], 300, now)
    look(key, now)
    reports.pause(key, reason="Away", actor=ANNA)
    assert ticks(now, 300, 10) == []
    reports.resume(key, actor=ANNA)
    key.refresh_from_db()
    assert timedelta(0) <= key.timer_at - now - 30 * MINUTE < MINUTE
    assert not key.paused and not key.stale(now)


def test_expecting_nothing_any_more(now):
    key = make("credential", "acme")
    heartbeats.expect([key], 300, now)
    assert heartbeats.expect([key], None, now) == 1
    key.refresh_from_db()
    assert (key.expected_every, key.timer_at) == (None, None) and ticks(now, 60, 10) == []


def test_a_tick_takes_a_bounded_piece_and_says_whether_there_is_more(now):
    keys = Component.objects.bulk_create(
        [
            Component(
                kind="credential", name=f"key {n}", expected_every=300, timer_at=now, last_observed_at=now
            )
            for n in range(25)
        ]
    )
    first = timers.tick(now + MINUTE, batch=20)
    second = timers.tick(now + MINUTE, batch=20)
    assert (first.timers, first.more, second.timers, second.more) == (20, True, 5, False)
    assert Component.objects.filter(timer_at__gt=now + 29 * MINUTE).count() == len(keys)


def test_a_tick_with_nothing_to_do_costs_little(now):
    make_cast()
    with CaptureQueriesContext(connection) as asked:
        assert reports.tick(now) == timers.Ticked()
    assert len(asked) <= 8


def test_a_tick_finds_incidents(now):
    keys = [
        Component(kind="credential", name=f"{n}", provider="shopify", known_since=now, last_observed_at=now)
        for n in range(6)
    ]
    for key in Component.objects.bulk_create(keys):
        look(key, now + MINUTE, "timeout")
    assert reports.tick(now + 2 * MINUTE).incidents == 1
    assert Component.objects.get(kind="provider").status == OURS
    for key in keys:
        look(key, now + 3 * MINUTE)
    assert [reports.tick(now + minute * MINUTE).incidents for minute in (8, 9, 10)] == [0, 0, 0]
    assert Component.objects.get(kind="provider").status == HEALTHY
