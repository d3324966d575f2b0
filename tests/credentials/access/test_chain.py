"""Every recorded answer, through code, verdict and status to the words; a wrong rule on the way is seen."""

from dataclasses import replace

import pytest

from credentials.answers import Reading
from credentials.models import Credential
from health.meaning import Weight
from health.observations import CODES
from tests.credentials.access.chain import links, problems
from tests.health.cast import CUSTOMER, OURS


def test_each_way_to_fail_ends_with_the_right_one_and_with_words():
    rows = list(links())
    assert problems(rows) == []
    assert len(rows) >= 150 and {row.ends.status for row in rows} == {"healthy", CUSTOMER, OURS}


def reading(before, after):
    """Kinds read what means the one as the other."""

    def plant(patch):
        for name in ("read", "read_token_answer"):
            plain = getattr(Credential, name)

            def read(self, answer, plain=plain):
                found = plain(self, answer)
                wrong = isinstance(found, Reading) and found.code == before
                return replace(found, code=after) if wrong else found

            patch.setattr(Credential, name, read)

    return plant


def meaning(code, **values):
    return lambda patch: patch.setitem(CODES, code, replace(CODES[code], **values))


PLANTED = {
    # --- the customer's turn
    "a revoked key is taken for an outage": (
        "read as provider_outage",
        reading("revoked", "provider_outage"),
    ),
    "a revoked key is ours": ("not customer_intervention", meaning("revoked", owner=OURS)),
    # --- our turn
    "our app's secret is taken for the customer's": (
        "read as client_rejected",
        reading("oauth_app_rejected", "client_rejected"),
    ),
    "what nobody knows is the customer's": (
        "not sequin_intervention",
        meaning("unclassified", owner=CUSTOMER),
    ),
    # --- the provider's
    "an outage is taken for a revocation": ("read as revoked", reading("provider_outage", "revoked")),
    "an outage is the customer's": ("not sequin_intervention", meaning("provider_outage", owner=CUSTOMER)),
    # --- nobody's
    "being throttled is taken for a suspension": ("read as suspended", reading("rate_limited", "suspended")),
    "being throttled is a failure": (
        "not healthy",
        meaning("rate_limited", weight=Weight.HARD, owner=CUSTOMER, customer_words="Please wait."),
    ),
    # --- words
    "a code that nobody classified": (
        "no code that is classified",
        lambda patch: patch.delitem(CODES, "revoked"),
    ),
    "no words for operators": ("no words for operators", meaning("blocked", what_to_do="")),
    "no words for the customer": ("words for customers", meaning("insufficient_scope", customer_words="")),
    "words for a customer whose turn it is not": (
        "words for customers",
        meaning("garbled", customer_words="Hm."),
    ),
}


@pytest.mark.parametrize(("said", "plant"), PLANTED.values(), ids=PLANTED)
def test_a_wrong_rule_on_the_way_is_seen(said, plant, monkeypatch):
    plant(monkeypatch)
    # One provider has all of these.
    found = problems(links("hubspot"))
    assert found and any(said in line for line in found)
