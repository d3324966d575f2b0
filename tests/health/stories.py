"""What 13.2 and 13.3 of the security reference ask for: the verdict of every code, and short stories.

Written down beside the code and not derived from it, so that a wrong rule shows.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from health import verdicts
from health.meaning import About
from health.observations import CODES, Observation
from health.verdicts import TIMER, Around, State
from tests.health.cast import CUSTOMER, HEALTHY, OURS

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)

# Code: weight, owner, at once, of what it speaks.
TABLE = {
    "ok": "ok, works",
    "answered": "ok",
    # 401 with a static key, invalid_grant with the current token, another identity, permissions, suspensions
    **dict.fromkeys(
        "revoked expired token_lost suspended"
        " address_not_allowed client_rejected quota_exhausted_again schema_removed target_refused target_full"
        " target_altered".split(),
        "hard customer",
    ),
    **dict.fromkeys(
        "other_account insufficient_scope consent_required".split(), "hard customer, only probes"
    ),
    **dict.fromkeys("secret_must_be_reentered secret_missing expiry_passed".split(), "hard customer at once"),
    **dict.fromkeys("account_missing certificate_invalid".split(), "soft customer, only probes"),
    **dict.fromkeys("limit_too_low target_unsteady".split(), "soft customer"),
    **dict.fromkeys("quota_exhausted rate_limited".split(), "note"),
    **dict.fromkeys("expires_soon expires_in_days schema_grew lag_rising".split(), "note, works"),
    **dict.fromkeys(
        "superseded limit_reached busy token_waits deleted inside_transaction".split(), "inconclusive"
    ),
    **dict.fromkeys(
        "provider_outage timeout connection_failed tls_failed garbled redirected".split(),
        "soft ours provider",
    ),
    **dict.fromkeys(
        "blocked internal_error unclassified throttled_often schema_unsupported lag_too_high"
        " our_target_unsteady".split(),
        "soft ours",
    ),
    "oauth_app_rejected": "hard ours oauth_app",
    "oauth_app_quota": "note oauth_app",
    **dict.fromkeys(
        "our_fault address_refused host_refused outage_lasts our_target_refused our_target_full"
        " our_target_altered".split(),
        "hard ours",
    ),
    **dict.fromkeys(
        "oauth_app_missing decryption_failed sealed_for_another_row silent check_missing never_checked"
        " provider_incident".split(),
        "hard ours at once",
    ),
    "limiter_unavailable": "soft ours platform",
    "name_not_found": "hard ours at once platform",
    "tls_failed_everywhere": "hard ours platform",
}


def described(code: str) -> str:
    """A code as the table describes it."""
    meaning = CODES[code]
    words: list[str] = [meaning.weight.value]
    if meaning.works:
        words[0] += ", works"
    if meaning.weight.failing:
        words.append({CUSTOMER: "customer", OURS: "ours", HEALTHY: "nobody"}[meaning.owner])
    if meaning.only_probes:
        words[-1] += ", only probes"
    if meaning.at_once:
        words.append("at once")
    if meaning.about is not About.ITSELF:
        words.append(meaning.about.value)
    return " ".join(words)


def wrong_in_table() -> dict[str, tuple[str | None, str | None]]:
    """The codes that are not as the table says: with what they are, and what they should be."""
    found = {code: described(code) for code in CODES}
    return {
        code: (found.get(code), TABLE.get(code))
        for code in found.keys() | TABLE.keys()
        if found.get(code) != TABLE.get(code)
    }


def at(minute: float) -> datetime:
    return NOON + timedelta(minutes=minute)


def seen(minute: float, code: str, **fields) -> Observation:
    return Observation(code, at(minute), at(minute) + timedelta(seconds=1), revision="1", **fields)


def fresh_state(**fields) -> State:
    return State(HEALTHY, since=at(-1000), revision="1", last_ok_at=at(-5), **fields)


@dataclass(frozen=True)
class Story:
    """Steps "minute:code", and the flips they bring: "minute:status", the minute being the first evidence.

    A step may end in "!" (a parent fails at the time), "~" (the provider has an incident), "'" (the secret
    was replaced just before), or "°" (our own timer says it).
    """

    name: str
    steps: str
    flips: str = ""


STORIES = [
    Story("hard, twice a minute apart", "0:revoked 1:revoked", "0:customer"),
    Story("hard, twice too soon, then again", "0:revoked 0.9:revoked 1:revoked", "0:customer"),
    Story("hard once is not enough", "0:revoked 0.9:revoked"),
    Story("an ok between takes the first back", "0:revoked 5:ok 10:revoked"),
    Story("two of the customer's reasons agree", "0:revoked 5:suspended", "0:customer"),
    Story("ours and theirs do not agree", "0:revoked 5:our_fault 10:revoked 15:our_fault"),
    Story("a blip between does not take a revocation back", "0:revoked 5:timeout 10:revoked", "0:customer"),
    Story("a busy provider does not either", "0:revoked 5:rate_limited 10:revoked", "0:customer"),
    Story("an answer ends a row", "0:timeout 5:timeout 7:answered 10:timeout 15:timeout"),
    Story("an answer takes back a refusal", "0:revoked 5:answered 10:revoked"),
    Story("no answer says whose account it is", "0:other_account 5:answered 10:other_account", "0:customer"),
    Story("nor what else is allowed", "0:insufficient_scope 5:answered 10:insufficient_scope", "0:customer"),
    Story("nor of a refusal beside it", "0:other_account 5:revoked 6:answered 10:revoked", "0:customer"),
    Story(
        "nor that the account is still there",
        "0:account_missing 4:answered 5:account_missing 9:answered 10:account_missing",
        "0:customer",
    ),
    Story("an ok takes back what an answer does not", "0:other_account 5:ok 10:other_account"),
    Story("what an ok took back is gone", "0:other_account 1:ok 5:revoked 6:answered 10:revoked"),
    Story("answers heal nothing", "0:revoked 1:revoked 10:answered 20:answered 30:answered", "0:customer"),
    Story("nor after a repair", "0:revoked 1:revoked 10:answered' 20:answered", "0:customer"),
    Story("a repair with answers first", "0:revoked 1:revoked 10:answered' 11:ok", "0:customer 11:healthy"),
    Story("answers between oks", "0:revoked 1:revoked 10:ok 10.5:answered 11:ok", "0:customer 10:healthy"),
    Story("no look is late by an answer", "5:answered 1:other_account 2:other_account", "1:customer"),
    Story("an answer can be late", "0:revoked 5:timeout 3:answered 10:revoked", "0:customer"),
    Story("at once", "0:decryption_failed", "0:us"),
    Story("at once, the customer's", "0:secret_missing", "0:customer"),
    Story("soft, three over ten minutes", "0:timeout 5:timeout 10:timeout", "0:us"),
    Story("soft, three too soon", "0:timeout 4:timeout 9.9:timeout"),
    Story("soft, then long enough", "0:timeout 4:timeout 9.9:timeout 12:timeout", "0:us"),
    Story("soft, twice only", "0:timeout 10:timeout"),
    Story("soft, not in a row", "0:timeout 5:timeout 10:ok 15:timeout 20:timeout"),
    Story("soft, an answer ends the row", "0:timeout 5:timeout 10:rate_limited 15:timeout 20:timeout"),
    Story("soft of the customer's", "0:account_missing 5:account_missing 10:account_missing", "0:customer"),
    Story("soft of two owners", "0:account_missing 5:timeout 10:account_missing 15:timeout 20:blocked"),
    Story("what nobody knows is ours", "0:dragons 5:dragons 10:dragons", "0:us"),
    Story("two oks heal", "0:revoked 1:revoked 10:ok 11:ok", "0:customer 10:healthy"),
    Story("one ok does not", "0:revoked 1:revoked 10:ok 10.5:ok", "0:customer"),
    Story("a failure between oks", "0:revoked 1:revoked 10:ok 11:timeout 12:ok", "0:customer"),
    Story(
        "being asked to wait heals nothing",
        "0:revoked 1:revoked 10:rate_limited 20:rate_limited",
        "0:customer",
    ),
    Story(
        "working, with a note, heals", "0:revoked 1:revoked 10:ok 12:expires_soon", "0:customer 10:healthy"
    ),
    Story("one ok after a repair", "0:revoked 1:revoked 10:ok'", "0:customer 10:healthy"),
    Story("a repair that was none", "0:revoked 1:revoked 10:revoked' 11:ok", "0:customer"),
    Story("a replaced secret begins anew", "0:revoked 5:revoked'"),
    Story(
        "from theirs to ours in full",
        "0:revoked 1:revoked 10:timeout 15:timeout 20:timeout",
        "0:customer 10:us",
    ),
    Story(
        "from theirs to ours not sooner", "0:revoked 1:revoked 10:timeout 15:timeout 20:revoked", "0:customer"
    ),
    Story("from ours to theirs in full", "0:our_fault 1:our_fault 10:revoked 11:revoked", "0:us 10:customer"),
    Story(
        "from ours to theirs not sooner", "0:our_fault 1:our_fault 10:revoked 11:our_fault 12:revoked", "0:us"
    ),
    Story("the dwell", "0:revoked 1:revoked 2:ok 3:ok 5.9:ok", "0:customer"),
    Story("after the dwell", "0:revoked 1:revoked 2:ok 3:ok 6:ok", "0:customer 2:healthy"),
    Story("no dwell for what counts at once", "0:revoked 1:revoked 2:decryption_failed", "0:customer 2:us"),
    Story("no dwell after a repair", "0:revoked 1:revoked 2:ok'", "0:customer 2:healthy"),
    Story("below a failing parent", "0:revoked! 5:revoked! 10:timeout! 15:timeout! 20:timeout!"),
    Story("at once below a failing parent", "0:decryption_failed!"),
    Story("the parent recovers", "0:revoked! 5:revoked 10:revoked", "5:customer"),
    Story("the provider's incident", "0:timeout~ 5:timeout~ 10:timeout~ 15:garbled~"),
    Story("a revocation in an incident", "0:revoked~ 5:revoked~"),
    Story(
        "an incident for longer than the data stay fresh",
        "340:timeout~ 350:timeout~ 356:timeout~ 361:timeout~",
        "356:us",
    ),
    Story("what is answered is fresh", "300:answered 356:timeout~ 361:timeout~"),
    Story("an incident on top of theirs", "-400:revoked -399:revoked 0:timeout~ 5:timeout~", "-400:customer"),
    Story(
        "the platform's fault is not the component's", "0:name_not_found 5:name_not_found 10:name_not_found"
    ),
    Story("late", "10:ok 5:revoked 6:revoked"),
    Story("nothing to be learned", "0:revoked 5:busy 10:revoked", "0:customer"),
    Story("nobody looks", "0:check_missing°", "0:us"),
    Story("nobody looks at what is theirs", "0:revoked 1:revoked 60:check_missing°", "0:customer 60:us"),
]


def play(story: Story) -> str:
    """The flips of a story, as it writes them."""
    state, flips = fresh_state(), []
    for step in story.steps.split():
        minute, code = step.split(":")
        marks = {mark for mark in "!~'°" if mark in code}
        code = code.rstrip("!~'°")
        if "'" in marks:
            state = replace(state, revision="2")
        look = replace(seen(float(minute), code), revision=state.revision)
        if "°" in marks:
            look = replace(look, source=TIMER, revision="")
        found = verdicts.take(state, look, Around(masked="!" in marks, incident="~" in marks))
        state = found.state
        if found.flipped:
            since = (state.since - NOON) / timedelta(minutes=1)
            flips.append(f"{since:g}:{state.status.owner or 'healthy'}")
    return " ".join(flips)


def wrong_stories() -> dict[str, str]:
    """The stories that do not go as they should, with the flips that they bring."""
    return {story.name: played for story in STORIES if (played := play(story)) != story.flips}
