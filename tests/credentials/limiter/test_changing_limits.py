"""A limit that is changed counts from the next lease on, and those granted before count for it."""

import threading
import time

import pytest
from django.db import transaction

from credentials.limiter import limits
from credentials.models import Limit, RateLimit
from tests.credentials.limiter.making import again, change, in_threads, make_limit, taken
from tests.credentials.limiter.strictness import most_in_a_window

pytestmark = pytest.mark.django_db
MINUTE = 60_000


def test_a_raised_limit_counts_at_once_with_what_was_granted_before():
    limit = make_limit(3, MINUTE)
    assert len(taken(limit, 5)) == 3
    change(limit, 5, MINUTE)
    assert len(taken(limit, 5)) == 2


def test_a_lowered_limit_counts_at_once_with_what_was_granted_before():
    limit = make_limit(5, MINUTE)
    assert len(taken(limit, 3)) == 3
    change(limit, 4, MINUTE)
    assert len(taken(limit, 5)) == 1
    change(limit, 2, MINUTE)
    assert taken(limit, 5) == []


def test_a_limit_that_is_lowered_and_raised_again_forgets_nothing():
    limit = make_limit(7, MINUTE)
    assert len(taken(limit, 7)) == 7
    change(limit, 1, MINUTE)
    assert taken(limit, 1) == []
    change(limit, 10, MINUTE)
    assert len(taken(limit, 10)) == 3


def test_another_interval_counts_at_once():
    limit = make_limit(3, MINUTE)
    assert len(taken(limit, 5)) == 3
    change(limit, 3, 100)
    time.sleep(0.12)
    assert len(taken(limit, 3)) == 3


def test_who_holds_the_limit_as_it_was_before_notices(transactional_db):
    limit = make_limit(3, MINUTE)
    old = again(limit)
    assert len(taken(old, 1)) == 1
    change(limit, 2, MINUTE)
    assert len(taken(old, 5)) == 1
    assert old.allowed_requests == 2


def test_who_holds_the_limit_as_it_was_before_notices_without_being_told(transactional_db, monkeypatch):
    """The process that changed the limit may die before it tells the store."""
    limit = make_limit(3, MINUTE)
    old = again(limit)
    assert len(taken(old, 1)) == 1
    monkeypatch.setattr("credentials.limiter.publish", lambda limit: None)
    change(limit, 2, MINUTE)
    assert len(taken(again(limit), 1)) == 1
    assert taken(old, 5) == []


def test_an_update_of_rows_counts_from_the_next_new_instance_on():
    limit = make_limit(3, MINUTE)
    assert len(taken(limit, 1)) == 1
    RateLimit.objects.filter(pk=limit.pk).update(allowed_requests=2)
    assert len(taken(again(limit), 5)) == 1


def test_saving_some_fields_is_a_change_too():
    limit = make_limit(3, MINUTE)
    assert len(taken(limit, 1)) == 1
    limit.allowed_requests = 2
    limit.save(update_fields=["allowed_requests"])
    assert len(taken(again(limit), 5)) == 1


def test_a_change_that_is_rolled_back_counts_for_nobody(transactional_db):
    limit = make_limit(3, MINUTE)
    assert len(taken(limit, 1)) == 1
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        change(limit, 10, MINUTE)
        # In the transaction it counts, as it does for the caller's own queries.
        assert len(taken(limit, 3)) == 3
        raise ZeroDivisionError
    assert taken(again(limit), 5) == []
    assert taken(limit, 5) == []
    assert limit.allowed_requests == 3


def test_a_lower_bound_at_the_same_time_counts_those_that_are_out():
    limit = make_limit(100, 1_000, at_once=4)
    leases = taken(limit, 4)
    change(limit, 100, 1_000, 2)
    assert not limit.try_acquire()
    # Two more must come back before the third can go.
    assert leases[0].release() and leases[3].release()
    assert not limit.try_acquire()
    assert leases[1].release() and limit.try_acquire().granted
    assert not limit.try_acquire()
    assert leases[2].release(), "it moved to another place, and its holder may still release it"
    assert limit.try_acquire().granted
    assert not limit.try_acquire()


def test_a_lease_that_moved_can_be_renewed():
    limit = make_limit(100, 1_000, at_once=3)
    leases = taken(limit, 3)
    change(limit, 100, 1_000, 2)
    leases[0].release()
    assert not limit.try_acquire()
    leases[2].renew()
    assert {one.fence for one in limit.holders()} == {leases[1].fence, leases[2].fence}


def test_a_higher_bound_at_the_same_time_counts_at_once():
    limit = make_limit(100, 1_000, at_once=2)
    assert len(taken(limit, 5)) == 2
    change(limit, 100, 1_000, 3)
    assert len(taken(limit, 5)) == 1
    change(limit, 100, 1_000, None)
    assert len(taken(limit, 5)) == 5


def test_waiters_go_on_under_the_new_limit(transactional_db):
    limit = make_limit(1, 3_000)
    limit.acquire()
    threading.Timer(0.3, change, [limit, 5, 3_000]).start()
    began = time.monotonic()
    mine = RateLimit.objects.get(pk=limit.pk)
    with mine.acquire(timeout=20):
        # It learns of it when its place comes: never later than it was promised.
        assert time.monotonic() - began < 4


def test_no_window_holds_more_than_the_larger_while_limits_change_under_load(transactional_db):
    limit = make_limit(10, 200)
    until = time.monotonic() + 3

    def work():
        mine, times = RateLimit.objects.get(pk=limit.pk), []
        while time.monotonic() < until:
            if lease := mine.try_acquire():
                times.append(lease.granted_at)
            else:
                time.sleep(0.002)
        return times

    def changing():
        mine = RateLimit.objects.get(pk=limit.pk)
        while time.monotonic() < until:
            for allowed in (25, 5, 10):
                mine.allowed_requests = allowed
                mine.save()
                time.sleep(0.05)
        return []

    workers = iter([changing, work, work, work])
    times = sorted(sum(in_threads(4, lambda: next(workers)()), []))
    assert len(times) > 5 * 3 / 0.22
    assert most_in_a_window(times, 0.2) <= 25


def test_a_state_that_somebody_made_newer_meanwhile_is_left_alone():
    limit = make_limit(3, MINUTE)
    assert len(taken(limit, 1)) == 1
    old = again(limit)
    change(limit, 2, MINUTE)
    assert len(taken(limit, 1)) == 1
    # As if it had read the limit before the change, and came to tell the store of it only now.
    old.reload = lambda: None
    limits.settle(old, known=1)
    assert taken(limit, 1) == []
    assert limit.limit == Limit(2, MINUTE, None)
