"""observe(): from an observation to what is stored. The rules themselves are in health.verdicts.

Three ways, by how much an observation changes:
- An ok or answer for a component that is well and settled is one UPDATE. Nearly all observations are this.
- What only adds to the evidence is read, weighed and swapped in, without a lock on anything.
- What changes the component's own word locks all that hangs on it, as a report does, and rolls up.
"""

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import Case, DateTimeField, Q, Value, When
from django.utils import timezone
from django.utils.translation import gettext as _

from health import doubts, first_looks, graph, schedule, settling, verdicts
from health.evidence import Evidence
from health.fields import HIDING
from health.graph import Id
from health.meaning import About, Weight
from health.models import Component, Flip, Note, Override
from health.observations import CODES, Observation
from health.status import Status
from health.verdicts import Around, Next, State

EXCERPT = 300
# How many oks are written in one statement.
TOGETHER = 200
# The columns that a verdict rests on: where one of them differs by now, it is weighed anew.
READ = (
    *("last_observed_at", "last_ok_at", "last_reported_at", "own_status", "own_code", "revision"),
    *("paused_until", "overridden_until"),
)
SETTLED = Q(
    own_status=Status.HEALTHY,
    known_since__isnull=False,
    evidence__isnull=True,
    failed_at__isnull=True,
    paused_until__isnull=True,
    overridden_until__isnull=True,
    unknown_since__isnull=True,
)


def observe(component: Component | Id, seen: Observation) -> Flip | None:
    """Take in one look at a component; returns its own flip, if it has one now.

    Safe wherever it is called: outside a transaction it is written at once; inside one after the commit, so
    that no lock waits for a long transaction of a worker, and not at all where that is rolled back (the next
    look shows the same); then it returns None. What is late, of another revision, or of a component that is
    paused, deleted or gone counts nothing. For codes about an OAuth app give its component
    (`observations.target_of`). An intervention by `report` stands until the observations after it have their
    full confirmation. Raises Busy.
    """
    pk = component if isinstance(component, Id) else component.pk
    if _inside_a_transaction():
        transaction.on_commit(partial(observe, pk, seen), robust=True)
        return None
    seen = _not_in_the_future(seen)
    if verdicts.is_answer(seen):
        if not _settled_answer(pk, seen):
            _weighed_answer(pk, seen)
        return None
    if _is_plain_ok(seen) and _settled_ok(pk, seen):
        return None
    return weighed(pk, seen)


def observe_all(batch: Iterable[tuple[Component | Id, Observation]]) -> list[Flip]:
    """Take in the looks of many probes, oks of settled components in a few statements; returns their flips.

    Otherwise like `observe`.
    """
    pairs = [(one if isinstance(one, Id) else one.pk, seen) for one, seen in batch]
    if _inside_a_transaction():
        transaction.on_commit(partial(observe_all, pairs), robust=True)
        return []
    # In the order of time: of one component only its first may be written with the others.
    pairs = sorted(
        ((pk, _not_in_the_future(seen)) for pk, seen in pairs), key=lambda pair: pair[1].started_at
    )
    plain: dict[Id, Observation] = {}
    rest: list[tuple[Id, Observation]] = []
    begun: set[Id] = set()
    for pk, seen in pairs:
        if _is_plain_ok(seen) and pk not in begun:
            plain[pk] = seen
        else:
            rest.append((pk, seen))
        begun.add(pk)
    flips: list[Flip | None] = []
    for some in _chunks(plain):
        # Where not all were as settled as they looked, each is weighed alone: those written are late then.
        written = _settled_together(some)
        left = {pk: seen.started_at for pk, seen in some if pk not in written}
        written |= first_looks.write(left, revision=some[0][1].revision)
        flips += [weighed(pk, seen) for pk, seen in some if pk not in written]
    flips += [weighed(pk, seen) for pk, seen in rest]
    return [flip for flip in flips if flip]


# --- what they are made of ----------------------------------------------------------------------------------


def _inside_a_transaction() -> bool:
    """Whether the caller has opened one. That which Django's TestCase wraps around a test does not count."""
    blocks = transaction.get_connection().atomic_blocks
    return any(not getattr(block, "_from_testcase", False) for block in blocks)


def _not_in_the_future(seen: Observation) -> Observation:
    """A worker whose clock is ahead must not make all that others see late."""
    now = timezone.now()
    return seen if seen.started_at <= now else replace(seen, started_at=now)


def _is_plain_ok(seen: Observation) -> bool:
    return seen.meaning.weight is Weight.OK and seen.meaning.works and seen.source != verdicts.TIMER


def _chunks(plain: dict[Id, Observation]) -> Iterator[list[tuple[Id, Observation]]]:
    """The oks in groups of one revision, as many as one statement takes."""
    by_revision: dict[str, list[tuple[Id, Observation]]] = defaultdict(list)
    for pk, seen in plain.items():
        by_revision[seen.revision].append((pk, seen))
    for listed in by_revision.values():
        yield from (listed[start : start + TOGETHER] for start in range(0, len(listed), TOGETHER))


def _settled_together(pairs: list[tuple[Id, Observation]]) -> set[Id]:
    """Write oks of one revision for those that are well and settled; returns whose it wrote."""
    revision, earliest = pairs[0][1].revision, min(seen.started_at for _pk, seen in pairs)
    rows = Component.objects.filter(_untouched_since(earliest, revision), pk__in=[pk for pk, _seen in pairs])
    found = set(rows.values_list("pk", flat=True))
    times = [When(pk=pk, then=Value(seen.started_at)) for pk, seen in pairs if pk in found]
    if not times:
        return set()
    at = Case(*times, output_field=DateTimeField())
    written = Component.objects.filter(_untouched_since(earliest, revision), pk__in=found)
    return found if written.update(last_observed_at=at, last_ok_at=at) == len(found) else set()


def _settled_ok(pk: Id, seen: Observation) -> bool:
    """Write an ok where the component is well and settled, in one statement; returns whether it was."""
    at = seen.started_at
    rows = Component.objects.filter(_untouched_since(at, seen.revision), pk=pk)
    return bool(rows.update(last_observed_at=at, last_ok_at=at))


def _settled_answer(pk: Id, seen: Observation) -> bool:
    """As _settled_ok for what is no look: one that began earlier still counts, and is not late by it."""
    at = seen.started_at
    newer = Q(last_ok_at__isnull=True) | Q(last_ok_at__lt=at)
    rows = Component.objects.filter(_untouched_since(at, seen.revision) & newer, pk=pk)
    return bool(rows.update(last_ok_at=at))


def _weighed_answer(pk: Id, seen: Observation) -> None:
    """Weigh it; where the component fails all the same, let a probe see whether it still does."""
    weighed(pk, seen)
    schedule.sooner(pk, shown_at=seen.started_at)


def _untouched_since(at: datetime, revision: str) -> Q:
    """Well and settled, with that secret, and neither observed nor reported on since."""
    reported = Q(last_reported_at__isnull=True) | Q(last_reported_at__lt=at)
    return SETTLED & reported & Q(revision=revision, last_observed_at__lt=at)


def weighed(pk: Id, seen: Observation) -> Flip | None:
    """Weigh it, now and as it is, and write what follows. Returns the component's own flip. Raises Busy."""
    from health import incidents

    if seen.meaning.about is About.PLATFORM and pk != incidents.PLATFORM_ID:
        incidents.tell_platform(seen)
    assessed = False
    for _attempt in range(settling.TRIES):
        row = Component.objects.filter(pk=pk).first()
        if row is None:
            return None
        state, around = _state(row), _around(row, seen)
        found = verdicts.take(state, seen, around)
        if found.dropped or (found.state == state and not found.noted):
            return None
        if found.flipped and seen.meaning.about is About.PROVIDER and not (around.incident or assessed):
            # Before one of many is blamed alone: is it the provider?
            assessed = incidents.assess(row.provider, timezone.now())
            if assessed:
                continue
        if found.flipped or _shows(row, found) or found.state.code != state.code:
            return settling.retried(partial(_decided, pk, seen, around)).get(pk)
        if _swapped(row, found, seen):
            return None
    raise settling.Busy("Others keep looking at the same component: nothing was written. Try again.")


def _state(row: Component) -> State:
    """What the verdicts need to know of a component: beneath an override, where there is one."""
    status, code, since = row.own_status, row.own_code, row.own_since
    if row.overridden:
        beneath = Override.objects.filter(component=row, ended_at=None).first()
        if beneath:
            status, code, since = beneath.beneath_status, beneath.beneath_code, beneath.beneath_since
    return State(
        status=Status(status),
        since=since,
        code=code,
        revision=row.revision,
        paused=row.paused,
        last_observed_at=row.last_observed_at,
        last_ok_at=row.last_ok_at,
        last_reported_at=row.last_reported_at,
        failed_at=row.failed_at,
        expected_every=row.expected_every or 0,
        evidence=Evidence.of(row.evidence),
    )


def _around(row: Component, seen: Observation) -> Around:
    """What of its surroundings fails. Only failures ask for it."""
    from health import incidents

    if not seen.meaning.weight.failing:
        return Around()
    provider = incidents.provider_id(row.provider)
    parents = (graph.above({row.pk}) | {provider, incidents.PLATFORM_ID}) - {row.pk}
    rows = Component.objects.filter(pk__in=parents, paused_until=None).exclude(own_status=Status.HEALTHY)
    failing = set(rows.values_list("pk", flat=True))
    return Around(
        masked=bool(failing - {provider}),
        incident=provider in failing,
        platform=row.pk == incidents.PLATFORM_ID,
    )


def _values(found: Next) -> dict[str, Any]:
    """What is always written: when, and the evidence."""
    state = found.state
    return {
        "last_observed_at": state.last_observed_at,
        "last_ok_at": state.last_ok_at,
        "failed_at": state.failed_at,
        "evidence": state.evidence.document() or None,
    }


def _swapped(row: Component, found: Next, seen: Observation) -> bool:
    """Write what changes no status, unless somebody else has written since `row` was read."""
    read = {name: getattr(row, name) for name in READ}
    unchanged = Q(
        **{
            f"{name}__isnull" if value is None else name: value is None or value
            for name, value in read.items()
        }
    )
    if not (found.noted or found.gone):
        return bool(Component.objects.filter(unchanged, pk=row.pk).update(**_values(found)))
    with transaction.atomic():
        if not Component.objects.filter(unchanged, pk=row.pk).update(**_values(found)):
            return False
        _note(row, found, seen)
    return True


def _shows(row: Component, found: Next) -> bool:
    """Whether this shows how it is, where that was not known, or not any more.

    A failure that is not confirmed does not; one that repeats what was known before does.
    """
    verdict = found.verdict
    if verdict is None or (row.known_since and not row.unknown_since):
        return False
    again = bool(row.known_since) and verdict.weight.failing and verdict.owner is found.state.status
    return found.flipped or verdict.works or again


def _decided(pk: Id, seen: Observation, around: Around) -> dict[Id, Flip]:
    """With everything locked that it can reach: weigh it once more, write it, and roll up."""
    affected = settling.lock({pk})
    row = Component.objects.filter(pk=pk).first()
    if row is None:
        return {}
    found = verdicts.take(_state(row), seen, around)
    if found.dropped:
        return {}
    state, values = found.state, _values(found)
    if _shows(row, found):
        at = state.since if found.flipped else seen.started_at
        values |= {"known_since": row.known_since or at, "unknown_since": None}
        doubts.end(pk, at)
    if row.overridden:
        beneath = {"beneath_status": state.status, "beneath_code": state.code, "beneath_since": state.since}
        Override.objects.filter(component=row, ended_at=None).update(**beneath)
    else:
        values |= {"own_status": state.status, "own_code": state.code, "own_since": state.since}
    Component.objects.filter(pk=pk).update(**values)
    _note(row, found, seen)
    said = str(CODES[state.code].happened) if state.code in CODES else ""
    return settling.settle(affected, settling.Change("", state.since, pk, state.status, state.code, said))


def _note(row: Component, found: Next, seen: Observation) -> None:
    """Write and remove the notes that follow."""
    if found.gone:
        Note.objects.filter(component=row, code__in=found.gone).delete()
    for code in found.noted:
        meaning = CODES[code]
        urgent = Note.Severity.URGENT if meaning.urgent else Note.Severity.WARNING
        Note.objects.say(
            row,
            code,
            " ".join(filter(None, (str(meaning.happened), _excerpt(seen.detail)))),
            since=found.state.since if found.flipped else seen.started_at,
            severity=urgent if meaning.urgent or meaning.weight.failing else Note.Severity.INFO,
            what_to_do=str(meaning.what_to_do),
            owner=meaning.owner.owner,
        )


def _excerpt(detail: str) -> str:
    """What the other side said, as a note can hold it; for us only, and never long."""
    shown = "".join(
        " " if one in HIDING or unicodedata.category(one) in ("Cc", "Cs") else one for one in detail
    )
    shown = " ".join(shown.split())[:EXCERPT]
    return _("The answer was: “%s”.") % shown if shown else ""
