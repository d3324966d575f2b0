"""What pages ask of many limits at once: which are nearly used up, who holds them, how they were used."""

from datetime import UTC, datetime

import pytest

from credentials import hold_offs, limiter
from credentials.limiter import counting, watching
from credentials.limiter.stores import store
from credentials.models import AuditEvent
from tests.credentials.limiter.making import make_limit, taken

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def no_provider_is_held_off():
    yield
    limiter.hold_off_provider("stripe", seconds=0)


def used(limit, grants, denials=0, waits=0, waited=0, peak=0):
    counting.flush()
    store().add_usage([(limit.key, grants, denials, waits, waited, peak)])


def is_over(*limits):
    found = set(watching.over(0.8).keys)
    return [limit.key in found for limit in limits]


@pytest.mark.parametrize(("allowed", "number"), [(5, 4), (10, 8), (100, 80), (1_000, 800), (70, 56)])
def test_a_limit_is_over_a_share_when_more_of_its_requests_are_used(allowed, number):
    at, over, idle = (make_limit(allowed, 3_600_000) for _ in range(3))
    taken(at, number)
    # Counted in 64ths of the limit, where it is higher than that.
    taken(over, number + 1 + allowed // 64)
    assert is_over(over, idle) == [True, False]
    assert is_over(at) == [at.live().saturation > 0.8]
    assert over.live().saturation > 0.8


@pytest.mark.parametrize(("out", "found"), [(4, False), (5, True)])
def test_a_limit_is_over_a_share_when_more_of_its_places_at_once_are_taken(out, found):
    limit = make_limit(1_000, 3_600_000, at_once=5)
    leases = taken(limit, out)
    assert is_over(limit) == [found]
    leases[0].release()
    assert is_over(limit) == [False]


def test_a_limit_is_over_a_share_for_an_hour_after_a_busy_minute():
    busy, calm, daily = make_limit(100, 1_000), make_limit(100, 1_000), make_limit(100_000, 86_400_000)
    for limit in (busy, calm, daily):
        taken(limit, 1)
    used(busy, 4_900)
    used(calm, 4_700)
    used(daily, 79_000)
    assert is_over(busy, calm, daily) == [True, False, False]


def test_what_is_held_off_counts_as_over():
    own, other = make_limit(), make_limit()
    own.hold_off(seconds=60, reason="429")
    assert is_over(own, other) == [True, False]
    own.lift()
    assert is_over(own) == [False]


def test_more_than_are_looked_through_is_said(monkeypatch):
    for _ in range(3):
        make_limit().hold_off(seconds=60)
    monkeypatch.setattr(watching, "MOST", 2)
    over = watching.over(0.8)
    assert (len(over.keys), over.more) == (2, True)
    monkeypatch.setattr(watching, "MOST", 1_000)
    assert watching.over(0.8).more is False


def test_totals_of_many_limits():
    one, other, idle = make_limit(), make_limit(), make_limit()
    used(one, 7, 2, 4, 6_000_000, 3)
    used(one, 5, 1, 0, 0, 2)
    used(other, 1)
    totals = watching.totals([one, other, idle])
    assert set(totals) == {one.key, other.key}
    total = totals[one.key]
    assert (total.grants, total.denials, total.waits, total.waited, total.peak) == (12, 3, 4, 6.0, 3)
    assert (total.each_waited, totals[other.key].each_waited) == (1.5, 0.0)
    assert total.busiest in (12, 7)  # the minute may end in between


@pytest.mark.parametrize("each", [1, 15, 360])
def test_the_use_in_stretches(each):
    limit, other = make_limit(), make_limit()
    used(limit, 7, 2, 4, 6_000_000, 3)
    used(other, 100)
    before = datetime.now(UTC).timestamp() // 60
    used(limit, 5)
    stretches = watching.stretches(limit, 30 * 24 * 60, each)
    assert sum(stretch.grants for stretch in stretches) == 12
    assert stretches[-1].start.timestamp() // 60 in (before // each * each, (before + 1) // each * each)
    assert watching.stretches(make_limit(), 60, each) == []


def test_the_first_holders_of_many_limits():
    one, other, idle = (make_limit(100, 60_000, at_once=9) for _ in range(3))
    for purpose in ("first", "second", "third"):
        one.try_acquire(purpose=purpose)
    other.try_acquire(purpose="alone")
    found = watching.first_holders([one, other, idle], 2)
    assert {key: [holder.purpose for holder in holders] for key, holders in found.items()} == {
        one.key: ["first", "second"],
        other.key: ["alone"],
    }
    assert [holder.fence for holder in found[one.key]] == [holder.fence for holder in one.holders()[:2]]


def test_a_hold_off_and_that_of_the_provider_are_told_apart():
    limit = make_limit()
    assert (watching.own_hold(limit), watching.provider_holds()) == (None, {})
    limit.hold_off(seconds=60, reason="429")
    limiter.hold_off_provider("stripe", seconds=600, reason="outage")
    own, whole = watching.own_hold(limit), watching.provider_holds()["stripe"]
    assert (own.reason, whole.reason) == ("429", "outage")
    assert 55 < own.left <= 60 and 595 < whole.left <= 600


def events():
    found = AuditEvent.objects.filter(action="lift").order_by("time", "pk")
    return list(found.values_list("actor", "object_type", "object_id"))


def test_lifting_is_recorded_and_lifts_just_that():
    limit = make_limit()
    credential = limit.credential
    assert hold_offs.lift(credential) is False
    assert hold_offs.lift_provider(credential) is False
    assert events() == []
    limit.hold_off(seconds=60)
    limiter.hold_off_provider("stripe", seconds=600)
    assert hold_offs.lift(credential) is True
    assert watching.own_hold(limit) is None and watching.provider_holds()
    assert hold_offs.lift_provider(credential) is True
    assert watching.provider_holds() == {}
    assert limit.try_acquire().granted
    who = "cli:tests@localhost"
    assert events() == [(who, "credential", str(limit.key)), (who, "provider", "stripe")]


def test_what_could_not_be_lifted_leaves_no_record(monkeypatch):
    limit = make_limit()
    limit.hold_off(seconds=60)

    def fail(key):
        raise limiter.LimiterUnavailable("down")

    monkeypatch.setattr(store(), "locked", fail)
    with pytest.raises(limiter.LimiterUnavailable):
        hold_offs.lift(limit.credential)
    assert events() == []
