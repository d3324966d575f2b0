"""Pauses and overrides: what a person decides for a time, and its end (13.5, 13.6)."""

from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from health import doubts, schedule, settling, silence
from health.fields import YEARS
from health.graph import Id
from health.history import actor_name, tidy
from health.models import Component, Flip, Override, Pause
from health.settling import Change
from health.status import Status

PAUSED_FOR = timedelta(days=7)
OVERRIDDEN_FOR = timedelta(hours=24)


def pause(
    component: Component,
    *,
    reason: str,
    actor: Any,
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
) -> Pause:
    """Take a component out of checks and roll-up, by default now and for seven days; returns the pause.

    With a start in the future it is a maintenance window, which a tick begins and ends. Raises
    ValidationError, Busy, or Component.DoesNotExist.
    """
    now = timezone.now()
    start = starts_at or now
    end = ends_at or max(start, now) + PAUSED_FOR
    by, reason = _signed(reason, actor)
    if end.year not in YEARS:
        raise ValidationError({"ends_at": _("This time is too far away: check the year.")})
    if end <= start or end <= now:
        raise ValidationError({"ends_at": _("A pause ends after it starts, and not in the past.")})
    if start < now - timedelta(minutes=1):
        raise ValidationError({"starts_at": _("A pause starts now or later: the past has its status.")})
    added = Pause(component=component, reason=reason, actor=by, starts_at=start, ends_at=end)

    def step() -> None:
        affected = settling.lock({component.pk})
        # Only those in use.
        Component.objects.get(pk=component.pk)
        added.save(force_insert=True)
        _apply(component.pk, affected, by, now)

    settling.retried(step)
    component.refresh_from_db()
    return added


def resume(component: Component, *, actor: Any) -> bool:
    """End what pauses a component now; returns whether anything did. What was seen before counts no more."""
    now = timezone.now()
    in_force = Q(ended_at=None, starts_at__lte=now, ends_at__gt=now)
    ended = end(component.pk, in_force, by=actor_name(actor), now=now)
    component.refresh_from_db()
    return ended


def cancel(component: Component, planned: int, *, actor: Any) -> bool:
    """End one pause of a component: take it back where it has not begun; returns whether there was one."""
    now = timezone.now()
    mine = Q(pk=planned, ended_at=None, ends_at__gt=now)
    ended = end(component.pk, mine, by=actor_name(actor), now=now)
    component.refresh_from_db()
    return ended


def end(pk: Id, which: Q, *, by: str, now: datetime) -> bool:
    """End these pauses of a component now; returns whether there were any."""

    def step() -> bool:
        affected = settling.lock({pk})
        ended = Pause.objects.filter(which, component=pk).update(ended_at=now, ended_by=by)
        _apply(pk, affected, by, now)
        return bool(ended)

    return settling.retried(step)


def take_effect(pk: Id, now: datetime) -> None:
    """Begin or end the pauses of a component whose time has come."""

    def step() -> None:
        affected = settling.lock({pk})
        Pause.objects.filter(component=pk, ended_at=None, ends_at__lte=now).update(
            ended_at=F("ends_at"), ended_by=""
        )
        _apply(pk, affected, "", now)

    settling.retried(step)


def _apply(pk: Id, affected: set[Id], by: str, now: datetime) -> None:
    """Let the component be paused as its pauses in force say, and roll up what hangs on it."""
    row = Component.everything.get(pk=pk)
    in_force = Pause.objects.in_force(now).filter(component=pk)
    until = max(in_force.values_list("ends_at", flat=True), default=None)
    if until == row.paused_until:
        return
    values: dict[str, Any] = {"paused_until": until}
    if until is None:
        # What was seen before is old by now, and one ok is enough. Time to be looked at begins anew.
        values |= {"evidence": _after_a_person(row), "failed_at": None, **schedule.at_once(now)}
        if row.expected_every:
            reported = row.by_itself
            values["timer_at"] = now + silence.patience(row.expected_every, reported=reported, heard=True)
    Component.everything.filter(pk=pk).update(**values)
    if until is None and row.kind in schedule.registered():
        doubts.begin(pk, now)
    settling.settle(affected, Change(by, now, code="paused" if until else "resumed"))


def _after_a_person(row: Component) -> dict[str, Any] | None:
    healthy = row.own_status == Status.HEALTHY
    return None if healthy else {"revision": row.revision, "fixed": True}


def override(component: Component, status: str, *, reason: str, actor: Any, until: datetime) -> Flip | None:
    """Set the status of a component for at most 24 hours, whatever is observed; returns its flip, if any.

    What the observations say meanwhile holds again afterwards; a report ends it. Raises ValidationError,
    Busy, or Component.DoesNotExist.
    """
    now = timezone.now()
    by, reason = _signed(reason, actor)
    if status not in Status.values:
        raise ValidationError({"status": _("This is no status: it is one of %s.") % ", ".join(Status.values)})
    if not now < until <= now + OVERRIDDEN_FOR:
        raise ValidationError({"until": _("An override ends in the future, within 24 hours.")})

    def step() -> dict[Id, Flip]:
        affected = settling.lock({component.pk})
        row = Component.objects.get(pk=component.pk)
        beneath = (row.own_status, row.own_code, row.own_since)
        before = Override.objects.filter(component=row, ended_at=None).first()
        if before:
            beneath = (before.beneath_status, before.beneath_code, before.beneath_since)
            Override.objects.filter(pk=before.pk).update(ended_at=now, ended_by=by)
        Override.objects.create(
            component=row,
            status=status,
            reason=reason,
            actor=by,
            starts_at=now,
            ends_at=until,
            **dict(zip(("beneath_status", "beneath_code", "beneath_since"), beneath, strict=True)),
        )
        change = Change(by, now, row.pk, Status(status), "override", reason)
        return _restate(row.pk, affected, change, overridden_until=until)

    flips = settling.retried(step)
    component.refresh_from_db()
    return flips.get(component.pk)


def lift(component: Component | Id, *, actor: Any = "", now: datetime | None = None) -> Flip | None:
    """End the override of a component; returns its flip, if any."""
    pk = component if isinstance(component, Id) else component.pk
    now, by = now or timezone.now(), actor_name(actor) if actor else ""

    def step() -> dict[Id, Flip]:
        affected = settling.lock({pk})
        over = Override.objects.filter(component=pk, ended_at=None).first()
        if over is None:
            return {}
        Override.objects.filter(pk=over.pk).update(ended_at=min(now, over.ends_at), ended_by=by)
        change = Change(by, now, pk, Status(over.beneath_status), over.beneath_code)
        flips = _restate(pk, affected, change, overridden_until=None)
        row = Component.objects.filter(pk=pk).first()
        if row and doubts.go_on(row, over.beneath_since, now):
            Component.objects.filter(pk=pk).update(**schedule.at_once(now))
        return flips

    flips = settling.retried(step)
    if isinstance(component, Component):
        component.refresh_from_db()
    return flips.get(pk)


def _restate(pk: Id, affected: set[Id], change: Change, **values: Any) -> dict[Id, Flip]:
    """Give the component this own status, from now on, and roll up."""
    values |= {"own_status": change.status, "own_code": change.code, "own_since": change.at}
    Component.objects.filter(pk=pk, known_since=None).update(known_since=change.at)
    if Component.objects.filter(pk=pk, unknown_since__isnull=False).update(unknown_since=None):
        doubts.end(pk, change.at)
    Component.objects.filter(pk=pk).update(**values)
    return settling.settle(affected, change)


def _signed(reason: str, actor: Any) -> tuple[str, str]:
    """Who and why, as they are stored. Raises ValidationError by field."""
    by = actor_name(actor) if actor else ""
    if not by.strip():
        raise ValidationError({"actor": _("Say who decides this.")})
    reason = tidy(reason)
    if not reason:
        raise ValidationError({"reason": _("Say why.")})
    return by, reason
