"""What holds of the verdicts whatever is observed, in whatever order: found by hypothesis."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from health import verdicts
from health.evidence import DWELL
from health.meaning import About, Weight
from health.observations import CODES, Observation
from health.verdicts import Around, State, take
from tests.health.cast import HEALTHY
from tests.health.skipping import can_skip, skip
from tests.health.stories import at, fresh_state, seen

# A machine with other work can take its time over one example.
settings.register_profile("verdicts", deadline=None, max_examples=150)
properties = settings.get_profile("verdicts")

codes = st.sampled_from(sorted(CODES))
failing = st.sampled_from([code for code in CODES if CODES[code].weight.failing])
gaps = st.sampled_from([0.1, 0.9, 1, 1.1, 2, 4, 5, 6, 10, 30])
surroundings = st.builds(Around, masked=st.booleans(), incident=st.booleans(), platform=st.just(True))
plain = st.just(Around(platform=True))


@st.composite
def histories(draw, which=codes, around=plain, longest=25) -> list[tuple[Observation, Around]]:
    minute, found = 0.0, []
    for code, gap in draw(st.lists(st.tuples(which, gaps), max_size=longest)):
        minute += gap
        found.append((seen(round(minute, 3), code), draw(around)))
    return found


def run(history: Iterable[tuple[Observation, Around]], state: State | None = None) -> State:
    state = state or fresh_state()
    for look, around in history:
        state = take(state, look, around).state
    return state


@properties
@given(histories(around=surroundings), st.randoms(use_true_random=False))
def test_late_and_repeated_results_change_nothing(history, random):
    state = fresh_state()
    for number, (look, around) in enumerate(history):
        state = take(state, look, around).state
        # Anything from before, or the same once more.
        for earlier, other in random.sample(history[: number + 1], min(3, number + 1)):
            found = take(state, earlier, other)
            assert found.dropped == "late" and found.state == state


@properties
@given(histories(around=surroundings), st.lists(st.tuples(codes, st.integers(0, 300)), max_size=5))
def test_results_of_an_old_secret_change_nothing(history, old):
    state = fresh_state()
    others = [(replace(seen(minute, code), revision="0"), Around()) for code, minute in old]
    mixed = sorted([*history, *others], key=lambda one: one[0].started_at)
    assert run(mixed, state) == run(history, state)


@properties
@given(histories(around=surroundings))
def test_no_flip_without_its_confirmation(history):
    state = fresh_state()
    for number, (look, around) in enumerate(history):
        found = take(state, look, around)
        if found.flipped:
            owner = found.state.status
            passed = [(one, verdicts.judge(one, state, there)) for one, there in history[: number + 1]]
            # Only what counts, since the last plain success; an answer takes no more than some of it back.
            counted = [
                pair
                for pair in passed
                if pair[1].weight is not Weight.INCONCLUSIVE and pair[0].code != "answered"
            ]
            last = look.started_at
            if owner is HEALTHY:
                good = [one for one, verdict in counted if verdict.works]
                assert any(last - one.started_at >= timedelta(seconds=60) for one in good)
            elif not found.verdict.at_once:
                agree = [(one, verdict) for one, verdict in counted if verdict.owner is owner]
                hard = [one for one, verdict in agree if verdict.weight is Weight.HARD]
                apart = bool(hard) and last - hard[0].started_at >= timedelta(seconds=60)
                row = counted[-3:]
                in_a_row = len(row) == 3 and all(v.owner is owner and v.weight.failing for _o, v in row)
                span = bool(agree) and last - agree[0][0].started_at >= timedelta(minutes=10)
                assert (found.verdict.weight is Weight.HARD and apart) or (in_a_row and span)
        state = found.state


@properties
@given(histories(around=surroundings))
def test_the_first_evidence_is_an_observation_that_says_so_and_time_moves_forward(history):
    state = fresh_state()
    for number, (look, around) in enumerate(history):
        found = take(state, look, around)
        if found.flipped:
            assert found.state.since > state.since
            starts = {one.started_at for one, _around in history[: number + 1]}
            assert found.state.since in starts or found.state.since == state.since + verdicts.MICROSECOND
        else:
            assert (found.state.status, found.state.since) == (state.status, state.since)
        state = found.state


@properties
@given(histories(around=surroundings))
def test_two_oks_always_heal(history):
    state = run(history)
    minute = (history[-1][0].started_at - at(0)) / timedelta(minutes=1) if history else 0
    first = minute + DWELL / timedelta(minutes=1)
    if state.evidence.flapping:
        # Then it must be calm first: half an hour, and less than a quarter of the last results.
        for step in range(21):
            state = take(state, seen(first + 5 * step, "ok")).state
        first += 5 * 21
    for minute in (first, first + 1):
        state = take(state, seen(minute, "ok")).state
    assert state.status is HEALTHY and state.code == ""


@properties
@given(histories(which=failing, around=st.just(Around(masked=True, platform=True))), histories())
def test_masked_components_never_decide(masked, before):
    state = run(before)
    late = at(1000)
    for look, around in masked:
        look = replace(look, started_at=late + (look.started_at - at(0)))
        found = take(state, look, around)
        assert not found.flipped and (found.state.status, found.state.code) == (state.status, state.code)
        # And they leave no evidence behind.
        assert found.state.evidence.results == state.evidence.results
        state = found.state


@properties
@given(histories(around=surroundings))
def test_in_an_incident_and_while_data_are_fresh_nobody_is_asked(history):
    state = fresh_state()
    for look, around in history:
        found = take(state, look, replace(around, incident=True))
        if found.flipped:
            assert found.state.code in ("", "outage_lasts")
        state = found.state


@properties
@given(histories(around=surroundings))
def test_paused_components_never_flip(history):
    paused = fresh_state(paused=True)
    assert run(history, paused) == paused


@properties
@given(histories(around=surroundings, longest=12), st.lists(gaps, min_size=1, max_size=30))
def test_oks_of_a_settled_component_can_be_skipped(history, run_of_oks):
    """Its state only moves on in time: what comes after a skipped run means what it meant."""
    minute, start = 0.0, fresh_state()
    for gap in run_of_oks:
        minute += gap
    stepped = start
    passed = 0.0
    for gap in run_of_oks:
        passed += gap
        stepped = take(stepped, seen(round(passed, 3), "ok")).state
    skipped = replace(start, last_observed_at=at(round(minute, 3)), last_ok_at=at(round(minute, 3)))
    assert stepped == skipped
    later = [(replace(one, started_at=one.started_at + timedelta(days=1)), there) for one, there in history]
    assert run(later, stepped) == run(later, skipped)


@properties
@given(
    histories(which=st.sampled_from(["ok", "ok", "timeout", "revoked", "rate_limited", "busy"]), longest=30),
    st.lists(gaps, min_size=1, max_size=30),
)
def test_a_run_of_oks_in_one_step_is_that_run_one_by_one(history, run_of_oks):
    """Also where old failures still count for how steady it is: what the simulation of many days rests on."""
    stepped = run(history)
    minute = (history[-1][0].started_at - at(0)) / timedelta(minutes=1) if history else 0.0
    # One ok ends what was begun; if it was much, it takes more until oks change nothing but the time.
    for _number in range(30):
        if can_skip(stepped):
            break
        minute = round(minute + 5, 3)
        stepped = take(stepped, seen(minute, "ok")).state
    assert can_skip(stepped)
    before = stepped
    for gap in run_of_oks:
        minute = round(minute + gap, 3)
        found = take(stepped, seen(minute, "ok"))
        assert not found.flipped and can_skip(found.state)
        stepped = found.state
    assert skip(before, len(run_of_oks), at(minute)) == stepped


@properties
@given(
    histories(
        which=st.sampled_from(sorted(code for code in CODES if CODES[code].owner != "customer_intervention")),
        around=surroundings,
    )
)
def test_our_own_and_the_providers_faults_never_blame_the_customer(history):
    state = fresh_state()
    for look, around in history:
        state = take(state, look, around).state
        assert state.status != "customer_intervention"


@properties
@given(histories())
def test_what_is_about_the_platform_decides_nothing_about_another(history):
    state = fresh_state()
    for look, _around in history:
        if look.meaning.about is About.PLATFORM and look.meaning.weight.failing:
            found = take(state, look, Around())
            assert not found.flipped and found.verdict.weight is Weight.INCONCLUSIVE
            state = found.state
