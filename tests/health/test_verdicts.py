"""From an observation to the next state: the table of 13.2 and the state machine of 13.3, in stories."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest

from health import verdicts
from health.evidence import NONE, RESULTS, Evidence, unsteadiness
from health.meaning import About, Weight
from health.observations import CODES, target_of
from health.platform_codes import OF_SQLSTATE, of_sqlstate
from health.verdicts import Around, take
from tests.health.cast import CUSTOMER, HEALTHY, OURS
from tests.health.stories import STORIES, TABLE, at, fresh_state, play, seen, wrong_in_table


def test_every_code_has_the_verdict_of_the_table():
    assert wrong_in_table() == {}


@pytest.mark.parametrize("code", TABLE)
def test_judging_gives_what_the_code_means(code):
    verdict = verdicts.judge(seen(0, code), fresh_state(), Around(platform=True))
    assert (verdict.weight, verdict.code) == (CODES[code].weight, code)
    assert verdict.owner == CODES[code].owner


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
def test_a_story_flips_as_it_should(story):
    assert play(story) == story.flips


@pytest.mark.parametrize("code", [code for code in CODES if CODES[code].weight.failing])
def test_no_failure_decides_below_a_failing_parent(code):
    verdict = verdicts.judge(seen(0, code), fresh_state(), Around(masked=True))
    assert verdict.weight is Weight.INCONCLUSIVE


@pytest.mark.parametrize("code", [code for code in CODES if CODES[code].weight.failing])
def test_in_an_incident_nothing_fails_but_what_is_out_of_date(code):
    weight = verdicts.judge(seen(0, code), fresh_state(), Around(incident=True)).weight
    assert weight is (Weight.NOTE if CODES[code].about is About.PROVIDER else Weight.INCONCLUSIVE)


def test_what_stays_fresh_depends_on_how_often_it_is_checked():
    daily = fresh_state(expected_every=86400)
    assert verdicts.fresh(fresh_state(), at(354)) and not verdicts.fresh(fresh_state(), at(356))
    assert verdicts.fresh(daily, at(4 * 24 * 60 - 6)) and not verdicts.fresh(daily, at(4 * 24 * 60))


def test_an_unknown_code_reads_as_unclassified():
    state = fresh_state()
    for minute in (0, 5, 10):
        state = take(state, seen(minute, "dragons")).state
    assert (state.status, state.code) == (OURS, "unclassified")
    assert target_of("dragons") is About.ITSELF and target_of("oauth_app_rejected") is About.OAUTH_APP


@pytest.mark.parametrize(
    "change, why",
    [
        ({"paused": True}, "paused"),
        ({"revision": "2"}, "revision"),
        ({"last_observed_at": at(0)}, "late"),
        ({"last_reported_at": at(0)}, "late"),
    ],
)
def test_what_does_not_count_changes_nothing(change, why):
    state = fresh_state(**change) if "revision" not in change else replace(fresh_state(), **change)
    for code in CODES:
        found = take(state, seen(0, code))
        assert (found.state, found.dropped, found.flipped, found.noted) == (state, why, False, ())


def test_a_settled_component_stays_settled_by_oks():
    found = take(fresh_state(), seen(0, "ok"))
    assert found.state.evidence == NONE and found.state.last_ok_at == at(0)


def test_after_a_failure_it_takes_twentyone_oks_to_settle():
    state = take(fresh_state(), seen(0, "timeout")).state
    for minute in range(1, RESULTS):
        state = take(state, seen(minute, "ok")).state
        assert state.evidence.results == 1 << minute
    assert take(state, seen(RESULTS, "ok")).state.evidence == NONE


def test_flapping_holds_the_worse_status_until_it_is_calm():
    state, minute = fresh_state(), 0
    for _ in range(2):
        state, minute = take(state, seen(minute, "revoked")).state, minute + 5
    assert state.status == CUSTOMER
    while not state.evidence.flapping:
        state, minute = take(state, seen(minute, "ok")).state, minute + 1
        state, minute = take(state, seen(minute, "revoked")).state, minute + 1
        assert minute < 100
    assert state.status == CUSTOMER and unsteadiness(state.evidence.results) >= 50
    first, flips = minute, []
    while state.evidence.flapping:
        found = take(state, seen(minute, "ok"))
        state, minute = found.state, minute + 5
        flips.append(found.flipped)
        assert minute < first + 300
    assert not any(flips[:-1]) and minute - first >= 30
    assert flips[-1] and state.status == HEALTHY and state.since == at(first)


def test_unsteadiness_weighs_newer_changes_more():
    assert unsteadiness(0) == unsteadiness((1 << RESULTS) - 1) == 0
    assert unsteadiness(int("10" * 10 + "1", 2)) == pytest.approx(100)
    assert unsteadiness(1) == pytest.approx(6) and unsteadiness(1 << 20) == pytest.approx(4)


def test_doubt_about_whose_turn_it_is_is_noted_and_goes_with_the_next_ok():
    state = fresh_state()
    for minute in (0, 1):
        state = take(state, seen(minute, "revoked")).state
    found = take(state, seen(10, "timeout"))
    assert (found.flipped, found.noted, found.state.code) == (False, ("timeout",), "revoked")
    found = take(found.state, seen(20, "ok"))
    assert found.gone == ("timeout",) and found.state.evidence.notes == ()


def test_a_flip_brings_its_note_and_takes_those_before():
    state = take(fresh_state(), seen(0, "rate_limited")).state
    assert state.evidence.notes == ("rate_limited",)
    state = take(state, seen(5, "revoked")).state
    found = take(state, seen(10, "revoked"))
    assert (found.noted, found.gone) == (("revoked",), ("rate_limited",))
    found = take(found.state, seen(20, "suspended"))
    assert not found.flipped and (found.noted, found.gone) == (("suspended",), ("revoked",))
    state = take(found.state, seen(30, "ok")).state
    found = take(state, seen(31, "ok"))
    assert found.flipped and (found.noted, found.gone, found.state.code) == ((), ("suspended",), "")


def test_a_note_goes_with_a_plain_ok_only():
    state = take(fresh_state(), seen(0, "expires_soon")).state
    state = take(state, seen(1, "rate_limited")).state
    assert state.evidence.notes == ("expires_soon", "rate_limited") and state.last_ok_at == at(0)
    found = take(state, seen(2, "ok"))
    assert found.gone == ("expires_soon", "rate_limited") and found.state.evidence == NONE


def test_evidence_survives_its_way_through_json():
    state = fresh_state()
    for minute, code in enumerate(("rate_limited", "revoked", "timeout", "account_missing")):
        state = take(state, seen(minute, code)).state
        assert Evidence.of(state.evidence.document()) == state.evidence
    assert NONE.document() == {} and Evidence.of(None) == NONE
    assert Evidence.of({"from_a_later_version": 1}) == NONE


def test_that_requests_are_answered_is_no_look():
    state = fresh_state()
    for minute, code in enumerate(("expires_soon", "account_missing", "other_account")):
        state = take(state, seen(minute, code)).state
    found = take(state, seen(3, "answered"))
    assert (found.dropped, found.flipped, found.noted, found.gone) == ("", False, (), ())
    assert found.state == replace(state, last_ok_at=at(3))
    for earlier in (1, 2, 3):
        assert take(found.state, seen(earlier, "answered")).dropped == "late"
    assert take(found.state, seen(2.5, "ok")).dropped == ""


def test_an_answer_takes_back_what_it_disproves():
    state = take(fresh_state(), seen(0, "revoked")).state
    found = take(state, seen(1, "answered")).state.evidence
    assert (found.hard_owner, found.soft_owner, found.soft_count) == (None, None, 0)
    # How steady it is shows in looks alone.
    assert found.results == state.evidence.results == 1
    state = take(fresh_state(), seen(0, "timeout")).state
    assert state.failed_at and take(state, seen(1, "answered")).state.failed_at is None


def test_failing_for_the_providers_sake_is_remembered_until_it_works():
    state = take(fresh_state(), seen(0, "timeout")).state
    assert state.failed_at == at(0)
    state = take(state, seen(1, "rate_limited")).state
    assert state.failed_at == at(0)
    assert take(state, seen(2, "ok")).state.failed_at is None


@pytest.mark.parametrize("state", OF_SQLSTATE)
def test_an_error_of_a_database_is_its_owners(state):
    state = state.ljust(5, "0")
    theirs, ours = CODES[of_sqlstate(state, ours=False)], CODES[of_sqlstate(state, ours=True)]
    assert (theirs.owner, ours.owner, theirs.weight) == (CUSTOMER, OURS, ours.weight)
    assert of_sqlstate("XX000", ours=False) == "unclassified"


# --- words --------------------------------------------------------------------------------------------------

# What people who are no programmers cannot read, and what blames somebody.
JARGON = re.compile(
    r"\b(401|403|404|429|5xx|http|json|payload|null|exception|traceback|invalid_grant|oauth2|regex|hash|enum"
    r"|boolean|probe|upsert|cas|dag|ttl|slo|sqlstate)\b"
)
BLAME = re.compile(
    r"\b(your fault|you failed|you forgot|you broke|blame|mistake|wrongly|should have|must have|illegal|bad"
    r" user|stupid|simply|just|obviously)\b"
)


@pytest.mark.parametrize("code", CODES)
def test_every_code_has_words_for_who_must_act(code):
    meaning = CODES[code]
    texts = [str(meaning.happened), str(meaning.what_to_do)]
    if meaning.owner == CUSTOMER:
        texts.append(str(meaning.customer_words))
    else:
        # What the customer cannot help with is not said to them.
        assert not str(meaning.customer_words)
    for text in texts:
        assert len(text) > 8 and text[0].isupper() and text[-1] in ".?" and len(text) <= 200, text
        assert not JARGON.search(text.casefold()) and not BLAME.search(text.casefold()), text
    if meaning.owner == CUSTOMER:
        words = str(meaning.customer_words)
        # They are spoken to, and are not told of our inside.
        assert re.search(r"\b(you|your|please|we|our|us)\b", words.casefold()), words
        assert not re.search(r"\b(worker|FERNET_KEYS|sealed|row|operator|customer)\b", words), words


def test_only_failures_have_an_owner_who_is_asked():
    for code, meaning in CODES.items():
        if meaning.weight.failing:
            assert meaning.owner in (CUSTOMER, OURS), code
        else:
            assert meaning.owner != CUSTOMER and not meaning.at_once, code
        assert not meaning.at_once or meaning.weight is Weight.HARD
        assert not meaning.works or meaning.weight in (Weight.OK, Weight.NOTE)


def test_time_stands_in_no_verdict():
    """The same looks mean the same whenever they are weighed: no clock is asked."""
    assert "timezone" not in vars(verdicts) and not hasattr(verdicts, "now")
    shifted = [
        replace(seen(minute, "timeout"), started_at=at(minute) + timedelta(days=9)) for minute in (0, 5, 10)
    ]
    state = replace(fresh_state(), since=at(0))
    for one in shifted:
        state = take(state, one).state
    assert state.since == shifted[0].started_at
