"""Days of checks in virtual time, in short: nobody is blamed for what is not theirs, and nothing is missed.

`python -m tests.benchmarks.thirty_days` is the long form.
"""

from typing import Any

from health import intervals
from health.meaning import Weight
from health.observations import CODES
from tests.health.virtual_days import BLIPS, World

OUTAGES = ((0.15, 3_600.0, 1.0), (0.4, 7_200.0, 0.8), (0.8, 2_700.0, 1.0))


def world(components=300, **fields) -> World:
    given: dict[str, Any] = {"revocations": 15, "outages": OUTAGES, "dns": (0.6, 1_800.0)} | fields
    return World(components, 1.0, **given)


def test_each_revocation_is_found_in_time_and_nobody_is_asked_for_nothing():
    found = world().run()
    assert len(found.found_after) == 15 and max(found.found_after) <= 2 * intervals.EVERY + 60
    assert found.blamed == 0 and found.false <= 5
    assert (found.messages["revocation"], found.messages["outage"], found.messages["our DNS"]) == (15, 3, 1)
    # What is confirmed is asked of the customer, and what is put in order heals.
    assert found.healed > 0
    # Most looks were taken together, and there were as many as there should be.
    assert 0.95 < found.looks / (300 * 288) < 1.4 and found.stepped < found.looks / 4


def test_what_the_simulation_proves_is_lost_with_the_rules(monkeypatch):
    """One failure is enough, and an outage is the customer's: then it finds what it must."""
    for code in BLIPS:
        one = CODES[code]
        monkeypatch.setitem(CODES, code, type(one)(**(vars(one) | {"weight": Weight.HARD, "at_once": True})))
    found = world(revocations=0, outages=(), dns=None, components=100).run()
    assert found.false > 50
