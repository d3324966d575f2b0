"""Taking leases: at once, in turn, and as many at a time as may be."""

import os
import socket
import threading
import time

import pytest

from credentials import limiter
from credentials.limiter import LeaseLost, RateLimited, turns
from credentials.models import RateLimit
from tests.credentials.limiter.making import again, in_threads, make_limit, taken

pytestmark = pytest.mark.django_db


def test_as_many_are_granted_as_allowed_and_then_denied_until_the_first_is_an_interval_old():
    limit = make_limit(3, 500)
    leases = taken(limit, 3)
    denied = limit.try_acquire()
    assert [lease.granted for lease in leases] == [True] * 3
    assert (denied.granted, denied.reason) == (False, "rate")
    assert not denied
    # The interval, and the guard of 20 ms.
    assert 0.3 < denied.retry_after <= 0.52
    time.sleep(denied.retry_after)
    assert limit.try_acquire().granted


def test_waiting_ends_at_the_exact_time():
    limit = make_limit(1, 300)
    first = limit.acquire()
    with limit.acquire(timeout=5) as second:
        assert 0.32 <= second.granted_at - first.granted_at < 0.32 + 0.15
        assert second.waited > 0.1


def test_who_cannot_have_a_turn_in_time_is_told_at_once():
    limit = make_limit(1, 60_000)
    limit.acquire()
    began = time.monotonic()
    with pytest.raises(RateLimited) as caught:
        limit.acquire(timeout=30)
    assert time.monotonic() - began < 1
    assert (caught.value.reason, round(caught.value.retry_after)) == ("rate", 60)
    assert "the rate limit is used up" in str(caught.value)


def test_waiters_get_a_place_each_in_the_order_in_which_they_came():
    limit = make_limit(1, 600)
    limit.acquire()
    waits = [turns.steps(again(limit), timeout=60) for _ in range(4)]
    pauses = [next(wait).seconds for wait in waits]
    # An interval and its guard apart; how long it took to ask, and the jitter, are between.
    assert all(later - earlier > 0.3 for earlier, later in zip(pauses, pauses[1:], strict=False))
    for wait in waits:
        wait.close()


def test_a_lease_says_until_when_a_request_may_be_sent():
    lease = make_limit(3, 500).acquire()
    assert not lease.late
    assert 0 < lease.deadline - time.monotonic() <= 0.020
    time.sleep(0.021)
    assert lease.late


@pytest.mark.parametrize(("interval", "guard"), [(100, 0.010), (1_000, 0.020), (86_400_000, 0.020)])
def test_the_guard_is_20_ms_and_a_tenth_of_the_interval_at_most(interval, guard):
    limit = make_limit(1, interval)
    limit.try_acquire()
    denied = limit.try_acquire()
    assert denied.retry_after == pytest.approx(interval / 1000 + guard, abs=0.09)
    assert denied.retry_after <= interval / 1000 + guard


def test_the_guard_is_a_setting(settings):
    settings.RATE_LIMIT_GUARD = 45
    limit = make_limit(1, 1_000)
    assert 0.020 < limit.try_acquire().deadline - time.monotonic() <= 0.045
    assert limit.try_acquire().retry_after > 1.0


# --- at the same time ---------------------------------------------------------------------------------------


def test_so_many_leases_are_out_at_a_time_and_each_comes_back():
    limit = make_limit(100, 1_000, at_once=2)
    with limit.acquire(), limit.acquire() as second:
        denied = limit.try_acquire()
        assert (denied.granted, denied.reason) == (False, "concurrency")
        assert 0 < denied.retry_after <= 30
        with pytest.raises(RateLimited) as caught:
            limit.acquire(timeout=0.05)
        assert caught.value.reason == "concurrency"
        assert limiter.release(second) is True
        assert second.release() is False
        third = limit.try_acquire()
        assert third.granted
    third.release()
    assert len(taken(limit, 3)) == 2


@pytest.mark.parametrize("unbounded", [None, 0])
def test_no_bound_at_the_same_time_is_none(unbounded):
    assert len(taken(make_limit(50, 60_000, at_once=unbounded), 60)) == 50


def test_a_denied_lease_spends_no_request():
    limit = make_limit(2, 60_000, at_once=1)
    first = limit.acquire()
    assert not limit.try_acquire()
    assert not limit.try_acquire()
    first.release()
    assert limit.try_acquire().granted


def test_a_denied_request_spends_no_lease():
    limit = make_limit(1, 60_000, at_once=1)
    limit.acquire().release()
    assert limit.try_acquire().reason == "rate"
    assert limit.holders() == []


def test_a_lease_of_a_dead_holder_comes_back_when_it_expires():
    limit = make_limit(100, 1_000, at_once=1)
    dead = limit.acquire(lasting=0.3)
    began = time.monotonic()
    with limit.acquire(timeout=5) as lease:
        assert 0.2 < time.monotonic() - began < 1.5
        assert dead.late
        assert dead.fence < lease.fence
        assert dead.release() is False, "the late release of a stale holder"
        assert [one.fence for one in limit.holders()] == [lease.fence]
        assert not limit.try_acquire()


def test_a_lease_is_kept_by_renewing_it_and_lost_when_that_comes_too_late():
    limit = make_limit(100, 1_000, at_once=1)
    lease = limit.acquire(lasting=0.4)
    for _ in range(3):
        time.sleep(0.2)
        limiter.renew(lease)
    assert not limit.try_acquire()
    time.sleep(0.45)
    with pytest.raises(LeaseLost):
        lease.renew()
    other = limit.try_acquire()
    with pytest.raises(LeaseLost):
        lease.renew()
    other.release()
    with pytest.raises(LeaseLost):
        other.renew()


def test_a_lease_without_a_bound_at_the_same_time_needs_neither():
    lease = make_limit(3, 500).acquire(lasting=0.01)
    time.sleep(0.02)
    lease.renew()
    assert lease.release() is True
    assert lease.expires == float("inf")


def test_fences_grow_with_every_lease():
    limit = make_limit(30, 100, at_once=3)
    fences = []
    for _ in range(10):
        with limit.acquire() as lease:
            fences.append(lease.fence)
    assert fences == sorted(set(fences))


def test_holders_are_shown_by_host_process_and_purpose():
    limit = make_limit(100, 1_000, at_once=3)
    with limit.acquire(purpose="sync of invoices"), limit.acquire(purpose="probe"):
        first, second = limit.holders()
        assert (first.host, first.process) == (socket.gethostname()[:100], os.getpid())
        assert [first.purpose, second.purpose] == ["sync of invoices", "probe"]
        assert 0 <= second.held <= first.held < 5_000_000 < first.left <= 30_000_000
    assert limit.holders() == []


def test_never_more_threads_at_a_time_than_allowed_and_each_gets_its_turn(transactional_db):
    limit = make_limit(1_000, 1_000, at_once=3)
    lock, out, most = threading.Lock(), [], []

    def work():
        mine = RateLimit.objects.get(pk=limit.pk)
        for _ in range(4):
            with mine.acquire(timeout=30) as lease:
                with lock:
                    out.append(lease)
                    most.append(len(out))
                time.sleep(0.01)
                with lock:
                    out.remove(lease)
        return True

    assert in_threads(8, work) == [True] * 8
    assert max(most) == 3
    assert limit.holders() == []


def test_a_limit_keeps_64_times_whatever_it_allows():
    limit = make_limit(28_800, 86_400_000)
    assert len(taken(limit, 300)) == 300
    from credentials.limiter.stores import store

    [(key, state, *_rest)] = store().states([limit.key])
    assert key == limit.key
    assert len(state.cells) == 64


def test_a_limit_that_is_gone_grants_nothing():
    limit = make_limit()
    RateLimit.objects.filter(pk=limit.pk).delete()
    with pytest.raises(RateLimit.DoesNotExist):
        limit.try_acquire()
