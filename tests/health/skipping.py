"""Runs of oks of a component that is well, taken in one step: what a simulation of many days needs.

`test_verdict_properties` proves that it comes to the same as one by one.
"""

from dataclasses import replace
from datetime import datetime

from health.evidence import NONE, RESULTS
from health.status import Status
from health.verdicts import State


def can_skip(state: State) -> bool:
    """Whether oks only move it on in time: nothing is begun, and only old failures are still counted."""
    evidence = state.evidence
    begun = False
    if evidence is not NONE:
        rest = replace(evidence, results=0, changed_at=None, decided_at=None, revision=None, fixed=False)
        begun = rest != NONE or bool(evidence.results & 1)
    known = evidence.revision in (None, state.revision)
    return state.status is Status.HEALTHY and not (begun or state.failed_at or state.paused) and known


def skip(state: State, oks: int, last: datetime) -> State:
    """The state after so many oks, of which the last begins at that time."""
    evidence = state.evidence
    if evidence is not NONE:
        shifted = (evidence.results << oks) & ((1 << RESULTS) - 1)
        evidence = replace(evidence, results=shifted, revision=state.revision)
        if evidence.settled(last):
            evidence = NONE
    return replace(state, last_observed_at=last, last_ok_at=last, evidence=evidence)
