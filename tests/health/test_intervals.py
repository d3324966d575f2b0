"""When to look again, and when a provider is left alone for a while."""

from datetime import UTC, datetime

import pytest

from health import intervals
from health.breakers import FAILURES, OPEN_FOR, TRIALS, Breaker, answered
from health.observations import CODES, Observation
from tests.health.cast import CUSTOMER, HEALTHY, OURS

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def seen(code, **fields):
    return Observation(code, NOON, NOON, **fields)


def waits(code, *, every=300, refusals=0, status=HEALTHY, **fields):
    """The shortest and the longest of many waits."""
    found = [
        intervals.wait(seen(code, **fields), every=every, refusals=refusals, status=status)
        for _ in range(500)
    ]
    return min(found), max(found)


@pytest.mark.parametrize("every", [60, 300, 3600])
def test_what_is_well_has_its_own_interval_spread_by_a_fifth(every):
    low, high = waits("ok", every=every)
    assert 0.8 * every <= low < 0.9 * every < 1.1 * every < high <= 1.2 * every


@pytest.mark.parametrize(
    "code", ["timeout", "our_fault", "account_missing", "unclassified", "provider_outage"]
)
def test_after_a_failure_it_is_looked_at_sooner_but_not_too_soon_to_count(code):
    low, high = waits(code)
    assert 60 < low and high < 90


def test_what_has_its_status_already_has_its_interval_again():
    assert waits("our_fault", status=OURS)[0] >= 240
    assert waits("account_missing", status=CUSTOMER)[0] >= 240


def test_a_recovery_is_confirmed_soon():
    low, high = waits("ok", status=CUSTOMER)
    assert 60 < low and high < 90


def test_a_refused_key_is_confirmed_once_and_then_tried_hours_apart():
    bounds = [waits("revoked", refusals=number, status=CUSTOMER) for number in range(1, 9)]
    assert 60 < bounds[0][0] and bounds[0][1] < 90
    assert all(low >= 0.8 * 3600 for low, _high in bounds[1:])
    assert [round(low / 3600 / 0.8) for low, _high in bounds[1:]] == [1, 2, 4, 6, 6, 6, 6]


@pytest.mark.parametrize("code", CODES)
def test_every_definite_refusal_by_the_other_side_leaves_the_fast_schedule(code):
    hard_customer = CODES[code].weight.value == "hard" and CODES[code].owner == CUSTOMER
    refused = hard_customer or code == "oauth_app_rejected"
    low, _high = waits(code, refusals=2, status=CUSTOMER)
    assert (low >= 2800) == refused


def test_the_provider_s_own_time_is_heeded_within_bounds():
    assert waits("rate_limited", retry_after=4000.0)[0] >= 4000
    assert waits("rate_limited", retry_after=10.0**9)[1] <= intervals.LONGEST
    assert waits("timeout", retry_after=1000.0)[0] >= 1000


# --- the circuit breaker


def opened(now=0.0):
    breaker = Breaker()
    for _ in range(FAILURES):
        breaker.hear(False, now)
    return breaker


def test_it_opens_after_failures_in_a_row_only():
    breaker = Breaker()
    for _ in range(3):
        for _ in range(FAILURES - 1):
            breaker.hear(False, 0)
        breaker.hear(None, 0)  # tells nothing
        assert breaker.room(8, 0) == 8
        breaker.hear(True, 0)
    assert opened().room(8, 0) == 0 and opened().is_open(0)


def test_after_a_while_a_few_are_tried_and_one_answer_closes_it():
    breaker = opened()
    assert breaker.room(8, OPEN_FOR - 0.1) == 0
    assert breaker.room(8, OPEN_FOR) == TRIALS and breaker.room(2, OPEN_FOR) == 2
    breaker.hear(True, OPEN_FOR)
    assert breaker.room(8, OPEN_FOR) == 8


def test_a_trial_that_fails_opens_it_again_and_a_late_failure_does_not_prolong_it():
    breaker = opened()
    breaker.hear(False, 10)
    assert breaker.room(8, OPEN_FOR) == TRIALS
    breaker.hear(False, OPEN_FOR)
    assert breaker.room(8, 2 * OPEN_FOR - 0.1) == 0 and breaker.room(8, 2 * OPEN_FOR) == TRIALS


@pytest.mark.parametrize("code", CODES)
def test_what_tells_that_a_provider_does_not_answer(code):
    silent = set("provider_outage timeout connection_failed tls_failed garbled redirected".split())
    untold = set(
        "name_not_found limiter_unavailable tls_failed_everywhere internal_error busy limit_reached"
        " token_waits".split()
    )
    if code in silent | untold:
        assert answered(seen(code)) is (None if code in untold else False)
    elif CODES[code].about.value in ("itself", "oauth_app"):
        assert answered(seen(code)) is True
