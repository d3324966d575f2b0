"""A lease that came too late to send anything is taken again: its place is moved, not lost."""

import time

import pytest

from credentials.limiter import RateLimited, hold_off
from credentials.models import RateLimit
from tests.credentials.limiter.making import change, make_limit

pytestmark = pytest.mark.django_db(transaction=True)

DAY = 86_400_000


def late(limit: RateLimit, **options):
    """A lease of which nothing was made until it was too late."""
    lease = limit.acquire(timeout=5, **options)
    time.sleep(0.03)
    assert lease.late
    lease.release()
    return lease


@pytest.mark.parametrize("at_once", [None, 1])
def test_the_only_one_of_the_day_is_not_lost(at_once):
    limit = make_limit(1, DAY, at_once)
    unused = late(limit)
    again = limit.acquire(timeout=0, unused=unused)
    assert not again.late
    assert again.fence == unused.fence
    assert again.granted_at >= unused.granted_at + 0.03
    again.release()
    assert not limit.try_acquire()
    assert sum(minute.grants for minute in limit.usage(5)) == 1


def test_the_window_begins_anew_with_it():
    limit = make_limit(1, 500)
    again = limit.acquire(timeout=0, unused=late(limit))
    following = limit.acquire(timeout=5)
    assert following.granted_at - again.granted_at >= 0.5


def test_where_its_place_was_needed_meanwhile_it_is_another():
    limit = make_limit(1, 200)
    unused = late(limit)
    following = limit.acquire(timeout=5)
    again = limit.acquire(timeout=5, unused=unused)
    assert again.fence > following.fence > unused.fence
    assert again.granted_at - following.granted_at >= 0.2
    assert sum(minute.grants for minute in limit.usage(5)) == 3


def test_a_hold_off_meanwhile_counts():
    limit = make_limit(1, DAY)
    unused = late(limit)
    hold_off(limit, seconds=5)
    with pytest.raises(RateLimited) as caught:
        limit.acquire(timeout=0, unused=unused)
    assert caught.value.reason == "held_off"


def test_a_change_of_the_limit_meanwhile_counts():
    limit = make_limit(2, DAY)
    unused = late(limit)
    change(limit, 1, DAY)
    limit.refresh_from_db()
    with pytest.raises(RateLimited):
        limit.acquire(timeout=0, unused=unused)
