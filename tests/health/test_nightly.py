"""Once a night one of the workers compares every status with what its parts say."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from health import graph, incidents, nightly, reports, ticking, upkeep
from health.models import Beat, Chore, Component
from tests.health.cast import HEALTHY, OURS, make, make_cast, say

pytestmark = pytest.mark.django_db(transaction=True)


def test_drift_is_an_incident_of_ours_that_masks_nothing_and_is_put_right():
    cast = make_cast()
    say(cast.target, OURS)
    assert nightly.verify_rollup(pause=0) == 0
    assert not Component.objects.filter(kind="platform").exists()
    # Somebody writes past health.
    Component.objects.filter(pk=cast.sync.pk).update(status=HEALTHY, cause=None)
    upkeep.take(nightly.VERIFY, timezone.now())
    assert nightly.verify_rollup(pause=0) == 1
    check = incidents.rollup_check()
    assert check.status == OURS and check.pk != incidents.PLATFORM_ID
    assert "sync:acme orders" in check.notes.get().text
    assert cast.refresh().sync.status == OURS and reports.drift() == []
    chore = Chore.objects.get()
    assert (chore.found, chore.looked_at) == (1, 7) and chore.next_at > timezone.now()
    # A night without any ends it.
    assert nightly.verify_rollup(pause=0) == 0
    check.refresh_from_db()
    assert check.status == HEALTHY and [flip.new for flip in check.flips.order_by("sequence")] == [
        OURS,
        HEALTHY,
    ]


def test_what_changes_while_it_compares_is_no_drift(monkeypatch):
    target = make("target", "orders-db")
    found = iter([[target], []])
    monkeypatch.setattr(reports, "drift", lambda *args, **options: next(found))
    assert nightly.verify_rollup(pause=0) == 0


def test_it_looks_at_all_in_pieces(monkeypatch):
    monkeypatch.setattr(graph, "CHUNK", 2)
    rows = [make("target", f"target {n}") for n in range(5)]
    Component.objects.filter(pk__in=[row.pk for row in rows[::2]]).update(status=OURS)
    assert {row.pk for row in reports.drift()} == {row.pk for row in rows[::2]}
    with CaptureQueriesContext(connection) as asked:
        assert [row.pk for row in reports.drift({rows[0].pk, rows[1].pk})] == [rows[0].pk]
    assert len(asked) <= 4


def test_one_worker_does_it_once_a_night_and_one_that_was_killed_is_replaced(settings):
    settings.TIME_ZONE = "Europe/Berlin"
    with timezone.override("Europe/Berlin"):
        evening = datetime(2026, 11, 24, 22, tzinfo=ZoneInfo("Europe/Berlin"))
        night = datetime(2026, 11, 25, 3, tzinfo=ZoneInfo("Europe/Berlin"))
        # A new installation waits for the night.
        assert not upkeep.take("a chore", evening)
        assert Chore.objects.get().next_at == night
        assert not upkeep.take("a chore", night - timedelta(seconds=1))
        assert [upkeep.take("a chore", night) for _worker in range(3)] == [True, False, False]
        # Whoever took it was killed.
        assert not upkeep.take("a chore", night + timedelta(hours=1))
        assert upkeep.take("a chore", night + upkeep.GIVEN_UP)
        with time_machine.travel(night + timedelta(hours=3), tick=False):
            upkeep.done("a chore", began_at=night, looked_at=7, found=2)
        chore = Chore.objects.get()
        assert (chore.next_at, chore.seconds) == (night + timedelta(days=1), 3 * 3600)


def test_a_worker_does_it_beside_its_ticks_and_says_that_it_is_there():
    Chore.objects.create(name=nightly.VERIFY, next_at=timezone.now() - timedelta(minutes=1))
    Beat.objects.create(name="long gone", seen_at=timezone.now() - timedelta(days=2))
    ticks = ticking.Ticking()
    try:
        ticks.run()
        ticks.thread.join(20)
        ticks.night.join(20)
        assert list(Beat.objects.values_list("name", flat=True)) == [ticks.name]
        chore = Chore.objects.get(pk=nightly.VERIFY)
        assert chore.ended_at and chore.found == 0 and chore.next_at > timezone.now()
    finally:
        ticks.end()
        connections.close_all()
    assert not Beat.objects.exists()
