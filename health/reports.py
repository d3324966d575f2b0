"""What is said and seen of a component, and what follows from it. The only writer of a status.

A report is a statement and counts at once; an observation counts when it is confirmed (health.verdicts). A
report makes void what was observed before it, and stands until observations after it are confirmed.

A statement, the roll-up of all that hangs on it, and their flips are one transaction. All that a change can
reach is locked in the order of ids before anything is read, so that two changes which share a sync take
turns, and never wait for each other in a circle; the swap on `sequence` catches whoever writes without the
lock.
"""

import random
import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from health import graph, rollup
from health.graph import Id
from health.history import actor_name, tidy
from health.models import Component, Flip, Note, Override
from health.status import Status

if TYPE_CHECKING:
    from health.models import Pause
    from health.observations import Observation
    from health.timers import Ticked

TRIES = 6
# Those that the platform speaks for; the others we look at ourselves.
SPOKEN_FOR = (Component.Kind.SYNC, Component.Kind.CONSUMER, Component.Kind.TARGET)
CODE = re.compile(r"[a-z0-9][a-z0-9_.-]{0,47}")
Result = TypeVar("Result")


class Busy(Exception):
    """The same components were changed by others again and again: nothing was written, try again."""


class Gone(Exception):
    """The component was deleted, alone or with the row that it belongs to: nobody reports on it any more."""

    def __init__(self, component: Component):
        super().__init__(
            f"{component} was deleted, so nothing was stored. If it belongs to a deleted credential,"
            " restore that first."
        )


class _Stale(Exception):
    """Somebody else was faster: look again."""


@dataclass(frozen=True)
class Change:
    """What happened, when and by whom. `component` is None where not a statement but the graph changed."""

    actor: str
    at: datetime
    component: Id | None = None
    status: Status = Status.HEALTHY
    code: str = ""
    note: str = ""


def report(
    component: Component,
    status: str,
    *,
    actor: Any,
    note: str = "",
    code: str = "",
    at: datetime | None = None,
) -> Flip | None:
    """State that a component has this status. It counts at once, and for all that depends on it.

    `actor` is a user or text like "cli:name@host"; an intervention needs a note or a code, of lower-case
    letters, digits and "_.-". `at` is the first evidence, now by default. Returns the component's own flip,
    or None where its status stays: it was that already, or something that it depends on decides. Refreshes
    `component`. Raises ValidationError, Busy, or Gone.
    """
    change = _change(component.pk, status, actor, note, code, at)
    try:
        flips = retried(lambda: _say(change))
    except Component.DoesNotExist:
        raise Gone(component) from None
    component.refresh_from_db()
    return flips.get(component.pk)


def observe(component: "Component | Id", seen: "Observation") -> Flip | None:
    """Take in one look at a component; returns its own flip, if it has one now.

    Safe wherever it is called: outside a transaction it is written at once; inside one after the commit, so
    that no lock waits for a long transaction of a worker, and not at all where that is rolled back (the next
    look shows the same); then it returns None. What is late, of another revision, or of a component that is
    paused, deleted or gone counts nothing. For codes about an OAuth app give its component
    (`observations.target_of`). An intervention by `report` stands until the observations after it have their
    full confirmation. Raises Busy.
    """
    from health import observing

    return observing.observe(component, seen)


def observe_all(batch: "Iterable[tuple[Component | Id, Observation]]") -> list[Flip]:
    """Take in the looks of many probes, oks of settled components in a few statements; returns their flips.

    Otherwise like `observe`.
    """
    from health import observing

    return observing.observe_all(batch)


def pause(
    component: Component,
    *,
    reason: str,
    actor: Any,
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
) -> "Pause":
    """Take a component out of checks and roll-up, by default now and for seven days; returns the pause.

    With a start in the future it is a maintenance window, which a tick begins and ends. Raises
    ValidationError, Busy, or Component.DoesNotExist.
    """
    from health import pausing

    return pausing.pause(component, reason=reason, actor=actor, starts_at=starts_at, ends_at=ends_at)


def resume(component: Component, *, actor: Any) -> bool:
    """End what pauses a component now; returns whether anything did. What was seen before counts no more."""
    from health import pausing

    return pausing.resume(component, actor=actor)


def override(component: Component, status: str, *, reason: str, actor: Any, until: datetime) -> Flip | None:
    """Set the status of a component for at most 24 hours, whatever is observed; returns its flip, if any.

    What the observations say meanwhile holds again afterwards; a report ends it. Raises ValidationError,
    Busy, or Component.DoesNotExist.
    """
    from health import pausing

    return pausing.override(component, status, reason=reason, actor=actor, until=until)


def lift(component: Component, *, actor: Any) -> Flip | None:
    """End the override of a component; returns its flip, if any."""
    from health import pausing

    return pausing.lift(component, actor=actor)


def expect(components: "Iterable[Component | Id]", every: int | None) -> int:
    """Declare that these are looked at, or spoken for, every so many seconds; None: no longer expected.

    From then on silence is an observation. Returns how many there were.
    """
    from health import timers

    return timers.expect(components, every)


def tick(now: datetime | None = None) -> "Ticked":
    """Do what is due by time: silence, pauses, overrides, incidents of providers.

    A bounded piece of it, for the worker's loop to call every few seconds, outside a transaction; any number
    may at once.
    """
    from health import timers

    return timers.tick(now)


def recompute(ids: Iterable[Id], *, actor: Any = "") -> int:
    """Roll up these and all that hangs on them anew; returns how many flipped."""
    roots = set(ids)
    return len(retried(lambda: settle(lock(roots), rewired(actor))))


def drift() -> list[Component]:
    """The components whose stored status is not what the roll-up says: none, unless something is wrong."""
    rows, rolled = _rolled(set(Component.objects.values_list("pk", flat=True)))
    return [row for pk, row in rows.items() if not row.paused and _stored(row) != _wanted(pk, rows, rolled)]


# --- what they are made of ----------------------------------------------------------------------------------


def _change(component: Id, status: str, actor: Any, note: str, code: str, at: datetime | None) -> Change:
    """Raises ValidationError, by field, for what cannot be stated."""
    now = timezone.now()
    errors: dict[str, Any] = {}
    if status not in Status.values:
        errors["status"] = _("This is no status: it is one of %s.") % ", ".join(Status.values)
    name = actor_name(actor) if actor else ""
    if not name.strip():
        errors["actor"] = _("Say who reports this.")
    try:
        note = tidy(note)
    except ValidationError as error:
        errors["note"] = error
    if code and not CODE.fullmatch(code):
        errors["code"] = _("A code has at most 48 lower-case letters, digits and _ . -, such as disk_full.")
    if status in Status.values and Status(status) is not Status.HEALTHY and not note and not code:
        errors["note"] = _("Say what is wrong, in a note or a code.")
    if at is not None and timezone.is_naive(at):
        errors["at"] = _("This time has no time zone.")
    elif at is not None and at > now:
        errors["at"] = _("This time lies in the future.")
    if errors:
        raise ValidationError(errors)
    return Change(name, at or now, component, Status(status), code or ("reported" if note else ""), note)


def rewired(actor: Any) -> Change:
    """The change that flips name where not a statement but the graph changed."""
    return Change(actor_name(actor) if actor else "", timezone.now(), code="rewired")


def retried(step: Callable[[], Result]) -> Result:
    """Run a step in a transaction, anew where somebody else was faster; returns its result. Raises Busy."""
    for attempt in range(TRIES):
        try:
            with transaction.atomic():
                return step()
        except _Stale:
            time.sleep(random.uniform(0, 0.02 * 2**attempt))  # noqa: S311 - keeps losers apart
    raise Busy("Others keep changing the same components: nothing was written. Try again.")


def lock(ids: set[Id], others: Iterable[Id] = ()) -> set[Id]:
    """Lock all that hangs on these, and the others as well; returns the former with these."""
    affected = graph.below(ids)
    for some in graph.chunks(affected | set(others)):
        rows = Component.objects.filter(pk__in=some).order_by("pk")
        # FOR NO KEY UPDATE: a flip that names its cause takes a key lock on that row, and need not wait for
        # it.
        list(rows.select_for_update(no_key=True).values_list("pk", flat=True))
    # Somebody may have wired more to it while this waited. From here on the locks keep the graph as it is.
    if graph.below(ids) - affected:
        raise _Stale
    return affected


def _say(change: Change) -> dict[Id, Flip]:
    """Keep the statement with its note, then roll up."""
    row = Component(pk=change.component)
    affected = lock({row.pk})
    # Only those in use: what was retired before the lock was taken is not found.
    row = Component.objects.get(pk=row.pk)
    values: dict[str, Any] = {"last_reported_at": timezone.now(), "own_code": change.code}
    if row.known_since is None or change.at < row.known_since:
        values["known_since"] = change.at
    if row.own_status != change.status:
        values |= {"own_status": change.status, "own_since": change.at}
    # A statement is a new beginning: what was observed before it counts no more, and it ends an override.
    healthy = change.status is Status.HEALTHY
    values |= {"evidence": None if healthy else {"revision": row.revision}, "failed_at": None}
    noted = {row.own_code, *(row.evidence or {}).get("notes", ())} - {"", change.code}
    if row.overridden:
        values["overridden_until"] = None
        Override.objects.filter(component=row, ended_at=None).update(
            ended_at=timezone.now(), ended_by=change.actor
        )
    if noted:
        Note.objects.filter(component=row, code__in=noted).delete()
    Component.objects.filter(pk=row.pk).update(**values)
    if change.note:
        broken = change.status is not Status.HEALTHY
        Note.objects.say(
            row,
            change.code,
            change.note,
            since=change.at,
            severity=Note.Severity.WARNING if broken else Note.Severity.INFO,
            what_to_do=str(change.status.next_step) if broken else "",
            owner=change.status.owner,
            actor=change.actor,
        )
    return settle(affected, change)


def settle(affected: set[Id], change: Change) -> dict[Id, Flip]:
    """Roll up what is affected and write what differs; returns the flips by component."""
    rows, rolled = _rolled(affected)
    affected = affected & rows.keys()  # what is retired has no status
    flips: dict[Id, Flip] = {}
    # Those that become the same are written together: one broken OAuth app can have ten thousand syncs.
    writes: dict[tuple[Any, ...], list[Id]] = defaultdict(list)
    for pk in affected:
        row, wanted = rows[pk], _wanted(pk, rows, rolled)
        # What is paused keeps the status that it had.
        if row.paused or wanted == _stored(row):
            continue
        values: dict[str, Any] = wanted
        if wanted["status"] != row.status:
            flips[pk] = flip = _flip(row, wanted, change, rows)
            values = wanted | {"since": flip.happened_at, "sequence": flip.sequence}
        writes[(row.sequence, *values.items())].append(pk)
    for (sequence, *items), ids in writes.items():
        for some in graph.chunks(ids):
            if Component.objects.filter(pk__in=some, sequence=sequence).update(**dict(items)) != len(some):
                raise _Stale
    Flip.objects.bulk_create(flips.values(), batch_size=100)
    return flips


def _rolled(ids: set[Id]) -> tuple[dict[Id, Component], dict[Id, rollup.Rollup]]:
    """These and all that they depend on, with what the roll-up says of them."""
    rows: dict[Id, Component] = {}
    depends_on: dict[Id, list[Id]] = defaultdict(list)
    for some in graph.chunks(graph.above(ids)):
        rows |= Component.objects.in_bulk(some)
        edges = graph.edges().filter(component__in=some)
        for start, end in edges.values_list("component_id", "depends_on_id"):
            depends_on[start].append(end)
    parts = {
        pk: rollup.Part(
            own=Status(row.own_status),
            since=row.own_since,
            code=row.own_code,
            known_since=row.known_since,
            paused=row.paused,
            known_by_parts=row.kind == Component.Kind.SYNC,
            # drift() looks without locks: what was wired meanwhile is none of its business.
            depends_on=tuple(end for end in depends_on[pk] if end in rows),
        )
        for pk, row in rows.items()
    }
    return rows, rollup.roll_up(parts)


def _wanted(pk: Id, rows: dict[Id, Component], rolled: dict[Id, rollup.Rollup]) -> dict[str, Any]:
    """What the roll-up wants to be stored. The code of another component gets its kind before it."""
    found = rolled[pk]
    code = found.code if found.cause in (None, pk) else f"{rows[found.cause].kind}:{found.code}"
    return {
        "status": found.status.value,
        "code": code,
        "cause_id": found.cause,
        "also_id": found.also,
        "known_since": found.known_since,
    }


def _stored(row: Component) -> dict[str, Any]:
    return {name: getattr(row, name) for name in ("status", "code", "cause_id", "also_id", "known_since")}


def _flip(row: Component, wanted: dict[str, Any], change: Change, rows: dict[Id, Component]) -> Flip:
    happened_at = change.at
    if row.sequence:
        happened_at = max(happened_at, row.since + timedelta(microseconds=1))
    code, note, cause = wanted["code"], "", wanted["cause_id"] or change.component
    if row.pk == change.component and cause == row.pk:
        code, note = change.code, change.note
    elif wanted["status"] == Status.HEALTHY:
        source = rows.get(change.component) if change.component else None
        code = f"{source.kind}:recovered" if source else change.code
    if cause and cause != row.pk:
        said = change.note if cause == change.component else ""
        # In words as well: the history outlives the component that brought it about.
        note = ": ".join(filter(None, [rows[cause].reference, said]))[:500] if cause in rows else ""
    return Flip(
        component_id=row.pk,
        sequence=row.sequence + 1,
        old=row.status,
        new=wanted["status"],
        code=code,
        note=note,
        cause_id=cause,
        actor=change.actor,
        happened_at=happened_at,
    )
