"""A wrong rule, planted, does not pass: the table and the stories notice each."""

from dataclasses import replace
from datetime import timedelta

import pytest

from health import verdicts
from health.meaning import About, Weight
from health.observations import CODES
from tests.health.cast import CUSTOMER, OURS
from tests.health.stories import wrong_in_table, wrong_stories


def wrong(code, **values):
    return lambda patch: patch.setitem(CODES, code, replace(CODES[code], **values))


def constant(module, name, value):
    return lambda patch: patch.setattr(module, name, value)


def ignoring(**fixed):
    """Judges as if the surroundings were always these."""

    def plant(patch):
        judge = verdicts.judge
        patch.setattr(
            verdicts, "judge", lambda seen, state, around: judge(seen, state, replace(around, **fixed))
        )

    return plant


def blaming(patch):
    """Whatever is not known is the customer's."""
    judge = verdicts.judge

    def judged(seen, state, around):
        found = judge(seen, state, around)
        return replace(found, owner=CUSTOMER) if found.code == "unclassified" else found

    patch.setattr(verdicts, "judge", judged)


def healing_by_waiting(patch):
    """A busy provider counts as proof."""
    judge = verdicts.judge

    def judged(seen, state, around):
        found = judge(seen, state, around)
        return replace(found, works=True) if found.weight is Weight.NOTE else found

    patch.setattr(verdicts, "judge", judged)


def taking_late_ones(patch):
    why = verdicts.why_dropped
    patch.setattr(verdicts, "why_dropped", lambda state, seen: why(state, seen).replace("late", ""))


def flipping_when_decided(patch):
    """A flip bears the time of the decision, not that of the first evidence."""
    flip = verdicts._flip

    def flipped(state, found, status, code, first, at, noted=()):
        return flip(state, found, status, code, at, at, noted)

    patch.setattr(verdicts, "_flip", flipped)


PLANTED = {
    # --- the customer's
    "a revoked key is a note": wrong("revoked", weight=Weight.NOTE),
    "a revoked key is ours": wrong("revoked", owner=OURS),
    "a missing account counts at the first look": wrong("account_missing", weight=Weight.HARD, at_once=True),
    "a missing secret is ours": wrong("secret_missing", owner=OURS),
    "one hard look is enough": constant(verdicts, "APART", timedelta(0)),
    # --- ours
    "what nobody knows is the customer's": blaming,
    "a key that does not open is the customer's": wrong("decryption_failed", owner=CUSTOMER),
    "our rejected app is the customer's": wrong("oauth_app_rejected", owner=CUSTOMER),
    "our rejected app is the credential's": wrong("oauth_app_rejected", about=About.ITSELF),
    "two soft looks are enough": constant(verdicts, "SOFT_TIMES", 2),
    "three soft looks within a moment are enough": constant(verdicts, "SOFT_SPAN", timedelta(0)),
    "our DNS is the component's own fault": wrong("name_not_found", about=About.ITSELF),
    # --- the provider's
    "a provider's outage is the customer's": wrong("provider_outage", owner=CUSTOMER),
    "an outage is not the provider's": wrong("timeout", about=About.ITSELF),
    "incidents are not heeded": ignoring(incident=False),
    "an outage may last for ever": constant(verdicts, "FRESH", timedelta(days=900)),
    # --- nobody's
    "failing parents are not heeded": ignoring(masked=False),
    "a busy provider is proof": healing_by_waiting,
    "late results count": taking_late_ones,
    "no dwell": constant(verdicts, "DWELL", timedelta(0)),
    "the time of a flip is that of the decision": flipping_when_decided,
    "a refresh by another worker fails": wrong("busy", weight=Weight.SOFT, owner=OURS),
}


@pytest.mark.parametrize("plant", PLANTED.values(), ids=PLANTED)
def test_a_planted_rule_is_noticed(plant, monkeypatch):
    before = wrong_in_table(), wrong_stories()
    plant(monkeypatch)
    assert before != (wrong_in_table(), wrong_stories())
