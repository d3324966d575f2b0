"""Pauses, maintenance windows and overrides: by whom and why, what they hold still, and how they end."""

from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from health import observing, reports, uptime
from health.console.periods import periods
from health.models import Component, Flip, Override, Pause
from health.observations import Observation
from tests.health.cast import ANNA, CUSTOMER, HEALTHY, OURS, chained, make_cast, say

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


@pytest.fixture
def cast():
    return make_cast()


def after(component, minutes, code):
    """An observation that many minutes from now, weighed as if it were then."""
    component.refresh_from_db()
    at = timezone.now() + minutes * MINUTE
    return observing.weighed(component.pk, Observation(code, at, at, revision=component.revision))


def tick_at(minutes):
    return reports.tick(timezone.now() + minutes * MINUTE)


def test_a_paused_component_never_flips_and_is_out_of_the_roll_up(cast):
    say(cast.target, CUSTOMER, "disk_full")
    pause = reports.pause(cast.target, reason="They rebuild it", actor=ANNA)
    assert (pause.reason, pause.actor, pause.ended_at) == ("They rebuild it", ANNA, None)
    assert pause.ends_at - pause.starts_at == timedelta(days=7)
    cast.refresh()
    # It keeps its status, greyed; what hangs on it is well.
    assert cast.target.paused and (cast.target.status, cast.target.sequence) == (CUSTOMER, 1)
    assert cast.sync.status == cast.other.status == HEALTHY and reports.drift() == []
    assert chained(cast.sync)[-1].code == "paused"
    for minutes, code in enumerate(("ok", "ok", "silent", "our_target_full", "our_target_full")):
        assert after(cast.target, minutes, code) is None
    say(cast.target, OURS)
    cast.refresh()
    assert (cast.target.status, cast.target.sequence, cast.target.last_observed_at) == (CUSTOMER, 1, None)
    assert cast.sync.status == HEALTHY and reports.drift() == []
    # With the end of the pause what was reported meanwhile shows.
    assert reports.resume(cast.target, actor=ANNA)
    cast.refresh()
    assert not cast.target.paused and cast.target.status == cast.sync.status == OURS
    assert chained(cast.target)[-1].new == OURS and reports.drift() == []
    pause = Pause.objects.get()
    assert pause.ended_by == ANNA and pause.ended_at < pause.ends_at
    assert not reports.resume(cast.target, actor=ANNA)


def test_after_a_pause_one_ok_is_enough_and_what_was_before_is_void(cast):
    after(cast.credential, 0, "revoked")
    assert after(cast.credential, 2, "revoked").new == CUSTOMER
    reports.pause(cast.credential, reason="Away", actor=ANNA)
    reports.resume(cast.credential, actor=ANNA)
    assert after(cast.credential, 10, "ok").new == HEALTHY
    after(cast.credential, 20, "revoked")
    reports.pause(cast.credential, reason="Away", actor=ANNA)
    reports.resume(cast.credential, actor=ANNA)
    assert after(cast.credential, 30, "revoked") is None


def test_a_maintenance_window_begins_and_ends_by_itself(cast):
    now = timezone.now()
    start, end = now + 60 * MINUTE, now + 90 * MINUTE
    reports.pause(cast.target, reason="Upgrade", actor=ANNA, starts_at=start, ends_at=end)
    cast.target.refresh_from_db()
    assert not cast.target.paused and tick_at(59).pauses == 0
    assert tick_at(61).pauses == 1 and tick_at(62).pauses == 0
    cast.target.refresh_from_db()
    assert cast.target.paused_until == end
    assert tick_at(91).pauses == 1
    cast.target.refresh_from_db()
    pause = Pause.objects.get()
    assert not cast.target.paused and (pause.ended_at, pause.ended_by) == (end, "")


def test_of_two_pauses_the_later_end_counts(cast):
    now = timezone.now()
    reports.pause(cast.target, reason="One", actor=ANNA, ends_at=now + 60 * MINUTE)
    reports.pause(cast.target, reason="Two", actor=ANNA, ends_at=now + 30 * MINUTE)
    assert cast.target.paused_until == now + 60 * MINUTE
    tick_at(31)
    cast.target.refresh_from_db()
    assert cast.target.paused
    tick_at(61)
    cast.target.refresh_from_db()
    assert not cast.target.paused and not Pause.objects.filter(ended_at=None).exists()


@pytest.mark.parametrize(
    "fields, wrong",
    [
        ({"reason": " "}, "reason"),
        ({"reason": "paid\u202e"}, None),
        ({"actor": ""}, "actor"),
        ({"ends_at": timezone.now() - MINUTE}, "ends_at"),
        ({"starts_at": timezone.now() - timedelta(days=1)}, "starts_at"),
        (
            {
                "starts_at": timezone.now() + timedelta(days=2),
                "ends_at": timezone.now() + timedelta(days=1),
            },
            "ends_at",
        ),
    ],
)
def test_what_cannot_be_paused_so_is_refused_and_named(cast, fields, wrong):
    with pytest.raises(ValidationError) as raised:
        reports.pause(cast.target, **{"reason": "Why", "actor": ANNA} | fields)
    assert wrong is None or list(raised.value.message_dict) == [wrong]
    assert not Pause.objects.exists()


def test_a_paused_component_is_out_of_its_uptime(cast):
    start = timezone.now() - 60 * MINUTE
    Pause.objects.create(
        component=cast.target,
        reason="Upgrade",
        actor=ANNA,
        starts_at=start + 10 * MINUTE,
        ends_at=start + 30 * MINUTE,
        ended_at=start + 25 * MINUTE,
    )
    end = start + 60 * MINUTE
    found = uptime.measure(
        uptime.segments(
            start,
            end,
            [],
            status=HEALTHY,
            created_at=start,
            known_since=start,
            pauses=cast.target.pauses.windows(end),
        )
    )
    assert (found.paused, found.healthy) == (15 * 60_000_000, 45 * 60_000_000)
    assert found.window == 60 * 60_000_000 and found.percent == "100.00 %"


def test_the_page_counts_no_downtime_of_a_pause(cast):
    now = timezone.now()
    target = cast.target
    Component.objects.filter(pk=target.pk).update(created_at=now - 120 * MINUTE)
    say(target, CUSTOMER, at=now - 60 * MINUTE)
    Pause.objects.create(
        component=target, reason="Upgrade", actor=ANNA, starts_at=now - 70 * MINUTE, ends_at=now + MINUTE
    )
    say(target, HEALTHY)
    Component.objects.filter(pk=target.pk).update(known_since=now - 120 * MINUTE)
    target.refresh_from_db()
    assert {row["percent"] for row in periods(target)["uptime"]} == {"100.00 %"}
    Pause.objects.all().delete()
    # Without the pause it was down for half of the time, within the moments that this test takes.
    assert all(row["percent"][:4] in ("49.9", "50.0") for row in periods(target)["uptime"])


# --- overrides ----------------------------------------------------------------------------------------------


def set_by_hand(component, status=HEALTHY, minutes=60):
    until = timezone.now() + minutes * MINUTE
    return reports.override(component, status, reason="We know better", actor=ANNA, until=until)


def test_an_override_holds_whatever_is_observed_and_gives_way_to_it_in_the_end(cast):
    after(cast.credential, 0, "ok")
    flip = set_by_hand(cast.credential, OURS)
    assert (flip.new, flip.code, flip.note, flip.actor) == (OURS, "override", "We know better", ANNA)
    for minutes, code in enumerate(("ok", "ok", "revoked", "revoked", "revoked")):
        assert after(cast.credential, 2 * minutes + 1, code) is None
    cast.refresh()
    assert cast.credential.overridden and (cast.credential.status, cast.sync.status) == (OURS, OURS)
    over = Override.objects.get()
    assert (over.beneath_status, over.beneath_code) == (CUSTOMER, "revoked")
    assert tick_at(59).overrides == 0 and tick_at(61).overrides == 1
    cast.refresh()
    assert not cast.credential.overridden
    assert (cast.credential.status, cast.credential.code, cast.sync.status) == (CUSTOMER, "revoked", CUSTOMER)
    assert Override.objects.get().ended_at == over.ends_at
    assert chained(cast.credential) and reports.drift() == []


def test_a_second_override_keeps_what_is_beneath_and_lifting_brings_it_back(cast):
    say(cast.target, CUSTOMER, "disk_full")
    set_by_hand(cast.target, HEALTHY)
    set_by_hand(cast.target, OURS)
    assert Override.objects.filter(ended_at=None).count() == 1 and cast.target.status == OURS
    flip = reports.lift(cast.target, actor=ANNA)
    assert (flip.new, flip.code) == (CUSTOMER, "disk_full") and cast.target.code == "disk_full"
    assert reports.lift(cast.target, actor=ANNA) is None
    assert set(Override.objects.values_list("ended_by", flat=True)) == {ANNA}


def test_a_report_ends_an_override(cast):
    set_by_hand(cast.target, OURS)
    say(cast.target, CUSTOMER)
    cast.target.refresh_from_db()
    assert cast.target.status == CUSTOMER and not cast.target.overridden
    assert not Override.objects.filter(ended_at=None).exists()
    tick_at(120)
    cast.target.refresh_from_db()
    assert cast.target.status == CUSTOMER


@pytest.mark.parametrize(
    "fields, wrong",
    [
        ({"status": "fine"}, "status"),
        ({"reason": ""}, "reason"),
        ({"actor": ""}, "actor"),
        ({"until": timezone.now() - MINUTE}, "until"),
        ({"until": timezone.now() + timedelta(hours=25)}, "until"),
    ],
)
def test_what_cannot_be_overridden_so_is_refused_and_named(cast, fields, wrong):
    given = {"status": OURS, "reason": "Why", "actor": ANNA, "until": timezone.now() + MINUTE} | fields
    with pytest.raises(ValidationError) as raised:
        reports.override(cast.target, given.pop("status"), **given)
    assert list(raised.value.message_dict) == [wrong]
    assert not Override.objects.exists() and not Flip.objects.exists()


def test_pauses_and_overrides_go_with_their_component(cast):
    reports.pause(cast.other, reason="Why", actor=ANNA)
    set_by_hand(cast.other, OURS)
    Component.objects.get(pk=cast.other.pk).delete()
    assert not Pause.objects.exists() and not Override.objects.exists()
