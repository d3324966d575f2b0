"""What is said and seen of a component: the public verbs of health.

A report is a statement and counts at once; an observation counts when it is confirmed (health.verdicts). A
report makes void what was observed before it, and stands until observations after it are confirmed. All of
them write through health.settling.
"""

import re
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from health import doubts
from health.fields import sensible_time
from health.graph import Id
from health.heartbeats import expect
from health.history import actor_name, tidy
from health.models import Component, Flip, Note, Override
from health.observing import observe, observe_all
from health.pausing import lift, override, pause, resume
from health.settling import Busy, Change, drift, lock, recompute, retried, settle
from health.status import Status
from health.timers import tick

__all__ = [
    "Busy",
    "Gone",
    "drift",
    "expect",
    "lift",
    "observe",
    "observe_all",
    "override",
    "pause",
    "recompute",
    "report",
    "resume",
    "tick",
]

CODE = re.compile(r"[a-z0-9][a-z0-9_.-]{0,47}")


class Gone(Exception):
    """The component was deleted, alone or with the row that it belongs to: nobody reports on it any more."""

    def __init__(self, component: Component):
        super().__init__(
            f"{component} was deleted, so nothing was stored. If it belongs to a deleted credential,"
            " restore that first."
        )


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
    elif at is not None:
        try:
            sensible_time(at)
        except ValidationError as error:
            errors["at"] = error
    if errors:
        raise ValidationError(errors)
    return Change(name, at or now, component, Status(status), code or ("reported" if note else ""), note)


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
    if row.unknown_since:
        values["unknown_since"] = None
        doubts.end(row.pk, change.at)
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
