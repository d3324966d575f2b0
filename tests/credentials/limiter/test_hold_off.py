"""Held off, a limit grants nothing and says until when."""

import threading
import time
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from credentials import limiter
from credentials.limiter import RateLimited
from credentials.models import RateLimit
from tests.credentials.limiter.making import again, change, make_limit, taken

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("at_once", [None, 2])
def test_nothing_is_granted_until_the_end(at_once):
    limit = make_limit(10, 1_000, at_once)
    limit.hold_off(seconds=0.4, reason="429 from the provider")
    denied = limit.try_acquire()
    assert (denied.reason, denied.detail) == ("held_off", "429 from the provider")
    assert 0 < denied.retry_after <= 0.4
    with pytest.raises(RateLimited, match="held off .429 from the provider."):
        limit.acquire(timeout=0.1)
    began = time.monotonic()
    with limit.acquire(timeout=5):
        assert 0.2 < time.monotonic() - began < 1


def test_a_time_of_the_calendar_can_be_given():
    limit = make_limit()
    limit.hold_off(until=timezone.now() + timedelta(minutes=5))
    assert limit.try_acquire().retry_after == pytest.approx(300, abs=2)


@pytest.mark.parametrize("wrong", [{}, {"seconds": 1, "until": timezone.now()}])
def test_either_is_given(wrong):
    with pytest.raises(TypeError, match="either until or seconds"):
        make_limit().hold_off(**wrong)


def test_a_longer_hold_off_stays_and_31_days_are_the_most():
    limit = make_limit()
    limit.hold_off(seconds=10**9, reason="long")
    limit.hold_off(seconds=5, reason="short")
    assert limit.try_acquire().retry_after == pytest.approx(31 * 86_400, abs=1)
    assert limit.live().held_reason == "long"
    assert limit.live().held_off == pytest.approx(31 * 86_400, abs=1)


def test_a_hold_off_can_be_lifted_and_survives_a_change_of_the_limit():
    limit = make_limit()
    limit.hold_off(seconds=60)
    change(limit, 5, 1_000)
    assert limit.try_acquire().reason == "held_off"
    limit.lift()
    assert limit.try_acquire().granted
    assert limit.live().held_off == 0


@pytest.mark.parametrize("at_once", [None, 2])
def test_who_waits_for_a_turn_does_not_go_while_held_off(at_once, transactional_db):
    limit = make_limit(1, 300, at_once)
    limit.acquire().release()
    granted = []

    def wait():
        try:
            granted.append(again(limit).acquire(timeout=9))
        finally:
            connection.close()

    waiter = threading.Thread(target=wait)
    waiter.start()
    time.sleep(0.1)
    limit.hold_off(seconds=0.8)
    time.sleep(0.6)
    assert granted == []
    waiter.join()
    assert len(granted) == 1


@pytest.fixture
def lifted():
    """The limiter's state is not rolled back with a test's transaction, and providers are the same for all
    tests."""
    yield
    limiter.hold_off_provider("stripe", seconds=0)


@pytest.mark.usefixtures("db", "lifted")
@pytest.mark.parametrize("at_once", [None, 2])
def test_a_provider_is_held_off_with_all_its_credentials(at_once):
    one, other, apart = make_limit(5, 1_000, at_once), make_limit(5, 1_000), make_limit(kind="sendgrid_key")
    limiter.hold_off_provider("stripe", seconds=60, reason="outage")
    unused = make_limit().live()
    assert (unused.held_reason, unused.used) == ("outage", 0)
    assert unused.held_off == pytest.approx(60, abs=2)
    assert apart.live().held_off == 0
    for limit in (one, other, make_limit()):
        denied = limit.try_acquire()
        assert (denied.reason, denied.detail) == ("held_off", "outage")
        assert denied.retry_after == pytest.approx(60, abs=2)
    assert apart.try_acquire().granted
    assert one.live().held_off == pytest.approx(60, abs=2)
    limiter.hold_off_provider("stripe", seconds=0)
    assert len(taken(one, 5)) == (at_once or 5)
    assert other.try_acquire().granted


def test_a_limit_that_nobody_used_can_be_held_off():
    limit = RateLimit.objects.get(pk=make_limit().pk)
    limit.hold_off(seconds=60)
    assert limit.try_acquire().reason == "held_off"
