"""The roll-up against a naive reading of the rule, on graphs that hypothesis thinks up."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from health.rollup import Part, Rollup, roll_up
from health.status import Status

HEALTHY, CUSTOMER, OURS = Status.HEALTHY, Status.CUSTOMER_INTERVENTION, Status.SEQUIN_INTERVENTION
START = datetime(2026, 1, 1, tzinfo=UTC)


def part(own=HEALTHY, *depends_on, hours=0, **fields):
    return Part(own, START + timedelta(hours=hours), depends_on=depends_on, **fields)


@st.composite
def graphs(draw):
    """Up to eight parts; each depends on some of those before it, so that there is no circle."""
    parts = {}
    for number in range(draw(st.integers(1, 8))):
        parts[number] = Part(
            own=draw(st.sampled_from([HEALTHY, HEALTHY, CUSTOMER, OURS])),
            since=START + timedelta(hours=draw(st.integers(0, 3))),
            code=f"code_{number}",
            known_since=draw(st.none() | st.integers(0, 3).map(lambda hours: START + timedelta(hours=hours))),
            paused=draw(st.integers(0, 5)) == 0,
            known_by_parts=draw(st.booleans()),
            depends_on=tuple(sorted(draw(st.sets(st.integers(0, number - 1), max_size=3)))) if number else (),
        )
    return parts


def above(parts, key):
    """All that a part depends on, directly or not, without itself."""
    found = set()
    for parent in parts[key].depends_on:
        found |= {parent} | above(parts, parent)
    return found


def specified(parts, key):
    """Section 13.4, word by word: (status, cause, also)."""
    alive = {one for one in {key} | above(parts, key) if not parts[one].paused}
    failing = {one for one in alive if parts[one].own != HEALTHY}
    masked = {
        one
        for one in failing
        if any(parts[high].own != HEALTHY and not parts[high].paused for high in above(parts, one))
    }
    rest = failing - masked
    # We do not send customers away while we say ourselves that this very thing is broken by us.
    if key in masked and parts[key].own == OURS and all(parts[one].own == CUSTOMER for one in rest):
        rest |= {key}
    oldest = sorted(rest, key=lambda one: (parts[one].since, str(one)))
    ours = [one for one in oldest if parts[one].own == OURS]
    customers = [one for one in oldest if parts[one].own == CUSTOMER]
    if ours:
        return OURS, ours[0], customers[0] if customers else None
    if customers:
        return CUSTOMER, customers[0], None
    return HEALTHY, None, None


@given(graphs())
def test_the_roll_up_is_what_the_rule_says(parts):
    for key, rolled in roll_up(parts).items():
        assert (rolled.status, rolled.cause, rolled.also) == specified(parts, key)
        assert rolled.code == (parts[rolled.cause].code if rolled.cause is not None else "")


@given(graphs(), st.randoms(use_true_random=False))
def test_the_order_of_the_parts_changes_nothing(parts, random):
    keys = list(parts)
    random.shuffle(keys)
    assert roll_up({key: parts[key] for key in keys}) == roll_up(parts)


@given(graphs())
def test_a_paused_part_decides_nothing(parts):
    for key, rolled in roll_up(parts).items():
        for blamed in (rolled.cause, rolled.also):
            assert blamed is None or not parts[blamed].paused
        without = {**parts, key: Part(HEALTHY, START, depends_on=parts[key].depends_on)}
        if parts[key].paused:
            assert roll_up(without)[key].status == rolled.status


@given(graphs())
def test_healthy_means_that_nothing_fails(parts):
    for key, rolled in roll_up(parts).items():
        failing = [one for one in {key} | above(parts, key) if parts[one].failing]
        assert (rolled.status is HEALTHY) == (not failing)


@given(graphs())
def test_known_is_a_sync_by_any_part_and_anything_else_by_itself(parts):
    for key, rolled in roll_up(parts).items():
        heard = {key} | (above(parts, key) if parts[key].known_by_parts else set())
        times = [parts[one].known_since for one in heard if parts[one].known_since]
        assert rolled.known_since == (min(times) if times else None)


def test_the_older_of_two_causes_decides_and_stays():
    parts = {
        "db": part(CUSTOMER, hours=2),
        "key": part(CUSTOMER, hours=1),
        "sync": part(HEALTHY, "db", "key"),
    }
    assert roll_up(parts)["sync"] == Rollup(CUSTOMER, "", "key")


def test_the_customers_failure_hides_what_it_manufactures_below():
    """Lag of a consumer whose credential is dead is no fault of ours."""
    parts = {
        "key": part(CUSTOMER, code="revoked"),
        "consumer": part(OURS, "key", code="lag", hours=1),
        "sync": part(HEALTHY, "key", "consumer"),
    }
    assert roll_up(parts)["sync"] == Rollup(CUSTOMER, "revoked", "key")


def test_a_circle_is_refused():
    with pytest.raises(ValueError, match="circle"):
        roll_up({"a": part(HEALTHY, "b"), "b": part(HEALTHY, "a")})


def test_ten_thousand_parts_below_one_cause_take_a_moment():
    parts = {"app": part(OURS)} | {number: part(CUSTOMER, "app") for number in range(10_000)}
    assert {rolled.cause for rolled in roll_up(parts).values()} == {"app"}
