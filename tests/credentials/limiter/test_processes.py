"""Several processes on one limit: no window of its length ever holds more than it may, by the database's own
clock, and nearly all that may be is granted."""

import pytest

from tests.credentials.limiter.making import make_limit, taken
from tests.credentials.limiter.processes import hammer
from tests.credentials.limiter.strictness import most_in_a_window

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(("allowed", "interval"), [(10, 200), (100, 400), (1, 100)])
def test_processes_share_a_limit(allowed, interval):
    limit = make_limit(allowed, interval)
    times = hammer(limit.pk, [[]] * 3, 2)
    assert most_in_a_window(times, interval / 1000) <= allowed
    guard = min(0.02, interval / 10_000)
    assert len(times) >= 0.6 * allowed * 2 / (interval / 1000 + guard)


def test_processes_wait_for_their_turns():
    limit = make_limit(10, 200)
    times = hammer(limit.pk, [["--wait"]] * 3, 2)
    assert most_in_a_window(times, 0.2) <= 10
    assert len(times) >= 0.6 * 10 * 2 / 0.22


def test_a_token_bucket_in_its_place_is_found():
    """The check finds what it is for: a token bucket lets up to twice as many through."""
    limit = make_limit(50, 400)
    taken(limit, 1)
    times = hammer(limit.pk, [["--bucket"]] * 2, 2)
    assert most_in_a_window(times, 0.4) > 60


def test_a_process_whose_clock_is_wrong_gets_no_more():
    limit = make_limit(10, 200)
    times = hammer(limit.pk, [[], ["--clock", "3600"], ["--clock", "-3600"]], 2)
    assert most_in_a_window(times, 0.2) <= 10
    assert len(times) >= 0.6 * 10 * 2 / 0.22


def test_never_more_at_a_time_than_allowed_over_processes():
    limit = make_limit(10_000, 1_000, at_once=2)
    times = hammer(limit.pk, [["--wait"]] * 3, 1.5)
    assert times
    # As those who were granted a lease saw it; the last counts were written when their processes ended.
    assert max(minute.peak for minute in limit.usage(5)) == 2
