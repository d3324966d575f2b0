"""What is said of a component, and what follows from it. The only writer of a status.

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
from typing import Any, TypeVar

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from health import graph, rollup
from health.graph import Id
from health.history import actor_name, tidy
from health.models import Component, Flip, Note
from health.status import Status

TRIES = 6
CODE = re.compile(r"[a-z0-9][a-z0-9_.-]{0,47}")
Result = TypeVar("Result")


class Busy(Exception):
    """The same components were changed by others again and again: nothing was written, try again."""


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
    `component`. Raises ValidationError, or Busy.
    """
    change = _change(component.pk, status, actor, note, code, at)
    flips = retried(lambda: _say(change))
    component.refresh_from_db()
    return flips.get(component.pk)


def recompute(ids: Iterable[Id], *, actor: Any = "") -> int:
    """Roll up these and all that hangs on them anew; returns how many flipped."""
    roots = set(ids)
    return len(retried(lambda: settle(lock(roots), rewired(actor))))


def drift() -> list[Component]:
    """The components whose stored status is not what the roll-up says: none, unless something is wrong."""
    rows, rolled = _rolled(set(Component.objects.values_list("pk", flat=True)))
    return [row for pk, row in rows.items() if _stored(row) != _wanted(pk, rows, rolled)]


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
    row.refresh_from_db()
    values: dict[str, Any] = {"last_reported_at": timezone.now(), "own_code": change.code}
    if row.known_since is None or change.at < row.known_since:
        values["known_since"] = change.at
    if row.own_status != change.status:
        values |= {"own_status": change.status, "own_since": change.at}
    if row.own_code and row.own_code != change.code:
        Note.objects.filter(component=row, code=row.own_code).delete()
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
    flips: dict[Id, Flip] = {}
    # Those that become the same are written together: one broken OAuth app can have ten thousand syncs.
    writes: dict[tuple[Any, ...], list[Id]] = defaultdict(list)
    for pk in affected:
        row, wanted = rows[pk], _wanted(pk, rows, rolled)
        if wanted == _stored(row):
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
