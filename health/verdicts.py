"""From an observation to its verdict to the next state of its component: pure, no database, no clock.

The rules are sections 13.2 and 13.3 of the security reference. A status is a promise, so it takes more than
one look to change it: two hard failures that agree, at least 60 s apart; or three failures in a row with one
owner, over at least 10 minutes; or two oks, at least 60 s apart. What is certain counts at once.

Where the reference leaves a choice, or the design decides otherwise:
- A note that proves nothing (the provider asks us to wait) ends a row of soft failures, but neither heals nor
  takes back a hard one: a dead key must not look healthy because its provider is busy.
- A soft failure between two hard ones of another owner does not take the first one back.
- That a worker's request was answered is a success, but no look: it keeps the component fresh and takes back
  the failures that it disproves. It heals nothing, for it shows neither whose account it was nor what else is
  allowed; nor does it make a look late that began before it. Only what probes show is steady or not.
- An ok counts also below a failing parent, where failures decide nothing: proof that something works needs no
  parent.
- Times are those of the observations, so that the same ones always mean the same.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from health.evidence import DWELL, NONE, Evidence
from health.meaning import About, Weight
from health.observations import CODES, Observation
from health.status import Status

APART = timedelta(seconds=60)
SOFT_TIMES, SOFT_SPAN = 3, timedelta(minutes=10)
FRESH = timedelta(hours=6)
# The shortest step in time: the history of a component moves forward only.
MICROSECOND = timedelta(microseconds=1)
# The source of what our own timers say. It is no look: it tries no secret and makes nothing late.
TIMER = "timer"


@dataclass(frozen=True)
class Around:
    """What else is known at the time: of what stands above the component, and of its provider.

    `masked`: something that it depends on fails, or the platform. `incident`: its provider has one.
    """

    masked: bool = False
    incident: bool = False
    # Whether it is the platform's own component, of which the codes about the platform speak.
    platform: bool = False


@dataclass(frozen=True)
class Verdict:
    """What an observation means: the weight of its code here and now, and whose turn it would be."""

    weight: Weight
    owner: Status
    code: str
    at_once: bool = False
    works: bool = False


@dataclass(frozen=True)
class State:
    """What is known of a component itself. `evidence` is what is not decided yet."""

    status: Status
    since: datetime
    code: str = ""
    revision: str = ""
    paused: bool = False
    # The start of the last observation that counted, and of the last one that proved that it works.
    last_observed_at: datetime | None = None
    last_ok_at: datetime | None = None
    last_reported_at: datetime | None = None
    # When it last failed for its provider's sake, until it works again.
    failed_at: datetime | None = None
    # Seconds between two looks, where somebody declared it.
    expected_every: int = 0
    evidence: Evidence = NONE


@dataclass(frozen=True)
class Next:
    """The state after an observation. `dropped` says why it did not count, `flipped` whether the status
    changed: then `state.since` is the first evidence. `noted` are codes to note, `gone` those whose notes go.
    """

    state: State
    dropped: str = ""
    verdict: Verdict | None = None
    flipped: bool = False
    noted: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()


def judge(seen: Observation, state: State, around: Around) -> Verdict:
    """What it means, in view of what else fails at the time."""
    meaning = seen.meaning
    code = seen.code if seen.code in CODES else "unclassified"
    plain = Verdict(meaning.weight, meaning.owner, code, meaning.at_once, meaning.works)
    if not meaning.weight.failing:
        return plain
    if meaning.about is About.PLATFORM and not around.platform:
        return replace(plain, weight=Weight.INCONCLUSIVE)
    if meaning.about is About.PROVIDER and around.incident:
        if fresh(state, seen.started_at):
            return replace(plain, weight=Weight.NOTE)
        lasting = CODES["outage_lasts"]
        return Verdict(lasting.weight, lasting.owner, "outage_lasts")
    if around.masked or around.incident:
        return replace(plain, weight=Weight.INCONCLUSIVE)
    return plain


def fresh(state: State, at: datetime) -> bool:
    """Whether it worked within six hours, or four intervals where that is more.

    What did not work before the outage does not become anybody else's turn by it, and counts as fresh.
    """
    if state.status is not Status.HEALTHY:
        return True
    last = state.last_ok_at or state.since
    return at - last <= max(FRESH, timedelta(seconds=4 * state.expected_every))


def why_dropped(state: State, seen: Observation) -> str:
    """Why an observation does not count: "paused", "revision" or "late"; empty where it does."""
    if state.paused:
        return "paused"
    if seen.source == TIMER:
        return ""
    if seen.revision != state.revision:
        return "revision"
    times = [state.last_observed_at, state.last_reported_at]
    if is_answer(seen):
        times.append(state.last_ok_at)
    newest = max((at for at in times if at), default=None)
    return "late" if newest is not None and seen.started_at <= newest else ""


def is_answer(seen: Observation) -> bool:
    """Whether all that it says is that a worker's request was answered: it is no look at the component."""
    return seen.meaning.weight is Weight.OK and not seen.meaning.works


def take(state: State, seen: Observation, around: Around = Around()) -> Next:  # noqa: B008 - frozen
    """The state after an observation."""
    if dropped := why_dropped(state, seen):
        return Next(state, dropped)
    evidence, at = state.evidence, seen.started_at
    if evidence.revision not in (None, state.revision):
        # The secret was replaced since: what the old one showed is void, and a person acted.
        evidence = Evidence(fixed=True, notes=evidence.notes)
    verdict = judge(seen, state, around)
    if seen.source == TIMER and verdict.owner is state.status:
        # That nobody looks takes no better reason away.
        return Next(state, verdict=verdict)
    if seen.source != TIMER and not is_answer(seen):
        state = replace(state, last_observed_at=at)
        if verdict.weight is not Weight.INCONCLUSIVE:
            evidence = evidence.counted(verdict.weight.failing, at)
    return replace(_taken(state, evidence, verdict, seen), verdict=verdict)


def _taken(state: State, evidence: Evidence, verdict: Verdict, seen: Observation) -> Next:
    at = seen.started_at
    if verdict.weight is Weight.INCONCLUSIVE:
        return _kept(state, evidence, at)
    failed_here = seen.meaning.about is About.PROVIDER and seen.meaning.weight.failing
    if failed_here or verdict.works or is_answer(seen):
        state = replace(state, failed_at=at if failed_here else None)
    if verdict.weight.failing:
        return _bad(state, evidence, verdict, at)
    if is_answer(seen):
        return _kept(replace(state, last_ok_at=at), evidence.answered(), at)
    return _good(state, evidence, verdict, at, quiet=failed_here)


def _good(state: State, evidence: Evidence, verdict: Verdict, at: datetime, *, quiet: bool) -> Next:
    """After an ok or a note. `quiet`: the provider's incident is noted there, and not on each component."""
    evidence = evidence.without_soft()
    noted: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    if verdict.weight is Weight.NOTE and not quiet:
        noted = (verdict.code,)
        evidence = replace(evidence, notes=_added(evidence.notes, verdict.code))
    elif verdict.weight is Weight.OK:
        gone, evidence = evidence.notes, replace(evidence, notes=())
    if verdict.works:
        evidence = evidence.without_hard()
        state = replace(state, last_ok_at=at)
        if state.status is not Status.HEALTHY:
            first = evidence.ok_at or at
            evidence = replace(evidence, ok_at=first)
            if (evidence.fixed or at - first >= APART) and _may_flip(state, evidence, verdict, at):
                return _flip(state, evidence, Status.HEALTHY, "", first, at, noted=noted)
    return _kept(state, evidence, at, noted, gone)


def _bad(state: State, evidence: Evidence, verdict: Verdict, at: datetime) -> Next:
    """After a failure that counts."""
    owner, hard = verdict.owner, verdict.weight is Weight.HARD
    # The first look after a person's repair has failed: whatever comes now needs its confirmation.
    evidence = replace(evidence, ok_at=None, fixed=False)
    if owner is state.status:
        # Nothing to confirm. A definite reason takes the place of the one before.
        evidence = evidence.voided() if hard else evidence.without_soft()
        if hard and verdict.code != state.code:
            old, state = state.code, replace(state, code=verdict.code)
            return _kept(state, evidence, at, (verdict.code,), (old,))
        return _kept(state, evidence, at, (verdict.code,) if verdict.code == state.code else ())
    if evidence.soft_owner is not owner:
        evidence = replace(evidence.without_soft(), soft_owner=owner, soft_at=at)
    if hard and evidence.hard_owner is not owner:
        evidence = replace(evidence.without_hard(), hard_owner=owner, hard_at=at)
    stays = CODES[verdict.code].only_probes
    evidence = replace(
        evidence,
        soft_count=evidence.soft_count + 1,
        soft_stays=evidence.soft_stays or stays,
        hard_stays=evidence.hard_stays or (hard and stays),
    )
    starts = [start for start in (evidence.soft_at, evidence.hard_at if hard else None) if start]
    if _confirmed(evidence, verdict, at) and _may_flip(state, evidence, verdict, at):
        return _flip(state, evidence, owner, verdict.code, min(starts), at)
    if state.status is Status.HEALTHY:
        return _kept(state, evidence, at)
    # Until it is confirmed the status stays, and the doubt is noted.
    evidence = replace(evidence, notes=_added(evidence.notes, verdict.code))
    return _kept(state, evidence, at, (verdict.code,))


def _confirmed(evidence: Evidence, verdict: Verdict, at: datetime) -> bool:
    if verdict.weight is Weight.HARD and evidence.hard_at:
        if verdict.at_once or at - evidence.hard_at >= APART:
            return True
    in_a_row = evidence.soft_count >= SOFT_TIMES and evidence.soft_at is not None
    return in_a_row and evidence.soft_at is not None and at - evidence.soft_at >= SOFT_SPAN


def _may_flip(state: State, evidence: Evidence, verdict: Verdict, at: datetime) -> bool:
    """Whether a confirmed verdict counts now, or waits: for the dwell, or for an end of the flapping."""
    if evidence.fixed or verdict.at_once:
        return True
    if evidence.flapping and verdict.owner.severity < state.status.severity:
        return False
    return evidence.decided_at is None or at - evidence.decided_at >= DWELL


def _flip(
    state: State,
    evidence: Evidence,
    status: Status,
    code: str,
    first: datetime,
    at: datetime,
    noted: tuple[str, ...] = (),
) -> Next:
    noted = noted or ((code,) if code else ())
    gone = tuple(one for one in dict.fromkeys((state.code, *evidence.notes)) if one and one not in noted)
    kept = noted if status is Status.HEALTHY else ()
    evidence = evidence.voided(decided_at=at, notes=kept, fixed=False)
    state = replace(state, status=status, code=code, since=max(first, state.since + MICROSECOND))
    return replace(_kept(state, evidence, at, noted, gone), flipped=True)


def _kept(
    state: State,
    evidence: Evidence,
    at: datetime,
    noted: tuple[str, ...] = (),
    gone: tuple[str, ...] = (),
) -> Next:
    if state.status is Status.HEALTHY and evidence.settled(at):
        evidence = NONE
    else:
        evidence = replace(evidence, revision=state.revision)
    return Next(replace(state, evidence=evidence), noted=noted, gone=gone)


def _added(notes: tuple[str, ...], code: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*notes, code)))
