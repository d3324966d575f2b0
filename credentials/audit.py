"""Who acts, and the record of what was done. Values never come here: an event names fields.

`acting(actor)` says in whose name the code works; middleware, commands, workers and the shell open it.
`record()` writes an event in the transaction of the change itself, so that what cannot be recorded does not
happen. Events are chained afterwards, in batches: each holds a keyed hash of itself and of the one before, so
that `verify()` finds what was changed or removed by somebody who got past the triggers.
"""

import contextlib
import contextvars
import hmac
import json
import re
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.models import Permission
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import connection, models, transaction
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from credentials import audit_triggers
from credentials.models.audit_event import AuditEvent
from health.fields import plain_text

REVEALS_PER_HOUR = 10
SHORTEST_REASON = 10
BATCH = 1_000
# A number of our own among PostgreSQL's advisory locks.
CHAIN_LOCK = 0x6C616E79
REVEAL_LOCK = 0x6C616E7A
# Who may act without being a user of the console.
COMMAND_LINE = re.compile(r"(cli|worker):[^\s@]+@[^\s@]+")


class NobodyActs(RuntimeError):
    """Something was about to change and nobody said in whose name. Open `audit.acting(...)` around it."""


@dataclass
class Acting:
    """Somebody at work: an actor, and what groups the events of one click or command."""

    actor: str
    address: str | None = None
    request_id: uuid.UUID = field(default_factory=uuid.uuid4)
    recorded: int = 0


_acting: contextvars.ContextVar[Acting | None] = contextvars.ContextVar("acting", default=None)


def actor_name(actor: Any) -> str:
    """How an actor is written down: "user:" and the user's name, or "cli:name@host" as it is."""
    return actor if isinstance(actor, str) else f"user:{actor.get_username()}"


@contextlib.contextmanager
def acting(actor: Any, *, address: str | None = None) -> Iterator[Acting]:
    """Work in the name of an actor: a user, or a text such as "cli:name@host"."""
    who = Acting(actor_name(actor)[:255], address)
    token = _acting.set(who)
    try:
        yield who
    finally:
        _acting.reset(token)
        if who.recorded and not connection.in_atomic_block:
            chain(once=True)


def now_acting() -> Acting:
    """Who acts now. Raises NobodyActs."""
    who = _acting.get()
    if who is None:
        raise NobodyActs("Nobody acts: open audit.acting(actor) around what changes credentials.")
    return who


def event(
    action: str, subject: models.Model, *, fields: Iterable[str] = (), reason: str = "", actor: Any = None
) -> AuditEvent:
    """An event about a credential, an OAuth app or a user, not stored yet."""
    who = _acting.get() if actor is not None else now_acting()
    if who is not None:
        who.recorded += 1
    return AuditEvent(
        actor=actor_name(actor)[:255] if actor is not None else now_acting().actor,
        action=action,
        object_type=getattr(subject, "COMPONENT_KIND", subject._meta.model_name) or "",
        object_id=str(subject.pk),
        object_label=str(subject)[:255],
        fields=sorted(fields),
        reason=reason[:500],
        request_id=who.request_id if who else None,
        address=who.address if who else None,
    )


def record(
    action: str, subject: models.Model, *, fields: Iterable[str] = (), reason: str = "", actor: Any = None
) -> AuditEvent:
    """Write one event and return it. The actor is who acts now, unless another one is named."""
    found = event(action, subject, fields=fields, reason=reason, actor=actor)
    found.save(force_insert=True)
    return found


def record_all(events: Iterable[AuditEvent]) -> None:
    """Write many events at once."""
    AuditEvent.objects.bulk_create(events, batch_size=BATCH)


# --- revealing ----------------------------------------------------------------------------------------------


def authorise_reveal(subject: models.Model, name: str, *, actor: Any, reason: str) -> None:
    """Record that a secret is about to be revealed; returns only when the record is stored for good.

    A user needs the permission `reveal_credential` as such: being a superuser does not give it. Raises
    PermissionDenied, ValidationError (no reason), or RuntimeError inside a transaction, which could take the
    record back after the secret was shown.
    """
    plain_text(reason)
    if sum(character.isalnum() for character in reason) < SHORTEST_REASON:
        raise ValidationError(_("Say why, in at least %d letters.") % SHORTEST_REASON, code="reason")
    if isinstance(actor, str) and not COMMAND_LINE.fullmatch(actor):
        raise PermissionDenied(_("An actor is a user, or cli:name@host."))
    if not isinstance(actor, str) and not _may_reveal(actor):
        raise PermissionDenied(_("You may not reveal secrets."))
    if not connection.in_atomic_block and not transaction.get_autocommit():
        raise RuntimeError("With autocommit off, the record could be taken back after the secret was shown.")
    with transaction.atomic(durable=True):
        _one_at_a_time(actor_name(actor))
        recent = AuditEvent.objects.filter(
            actor=actor_name(actor), action="reveal", time__gt=Now() - timedelta(hours=1)
        )
        if recent.count() >= REVEALS_PER_HOUR:
            raise PermissionDenied(_("You revealed %d secrets within an hour: wait.") % REVEALS_PER_HOUR)
        record("reveal", subject, actor=actor, fields=[name], reason=reason.strip())


def _one_at_a_time(name: str) -> None:
    """Let one reveal of an actor count at a time, so that many at once do not all find room. SQLite has one
    writer anyway."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [REVEAL_LOCK, name])


def _may_reveal(user: Any) -> bool:
    """Whether the stored user is active and holds the permission: not what the instance at hand says."""
    held = models.Q(user=user.pk) | models.Q(group__user=user.pk)
    if user.pk is None:
        return False
    granted = Permission.objects.filter(
        held, codename="reveal_credential", content_type__app_label="credentials"
    )
    return type(user)._default_manager.filter(pk=user.pk, is_active=True).exists() and granted.exists()


# --- the chain ----------------------------------------------------------------------------------------------


def chain(*, once: bool = False) -> int:
    """Take new events into the chain, oldest first; returns how many. One process at a time: others find 0.

    `once` takes one batch and leaves the rest to the next call.
    """
    taken = 0
    while True:
        with transaction.atomic():
            if not _lock_chain():
                return taken
            batch = list(AuditEvent.objects.filter(number=None).order_by("time", "id")[:BATCH])
            last = AuditEvent.objects.exclude(number=None).order_by("-number").first()
            number, previous = (last.number or 0, last.hash) if last else (0, "")
            for one in batch:
                number += 1
                one.number, one.previous_hash = number, previous
                one.hash = previous = _hash(one)
            AuditEvent.objects.bulk_update(batch, ["number", "previous_hash", "hash"], batch_size=200)
        taken += len(batch)
        if once or len(batch) < BATCH:
            return taken


def _lock_chain() -> bool:
    """Whether this transaction alone extends the chain. SQLite has one writer anyway."""
    if connection.vendor != "postgresql":
        return True
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [CHAIN_LOCK])
        return cursor.fetchone()[0]


def _hash(one: AuditEvent) -> str:
    content = [
        one.number,
        one.previous_hash,
        str(one.id),
        # Milliseconds: what both databases keep.
        int(one.time.timestamp() * 1000),
        one.actor,
        one.action,
        one.object_type,
        one.object_id,
        one.object_label,
        one.fields,
        one.reason,
        str(one.request_id or ""),
        one.address or "",
    ]
    key = hmac.digest(settings.FINGERPRINT_KEY.encode(), b"lanyard audit 1", "sha256")
    return hmac.digest(key, json.dumps(content).encode(), "sha256").hex()


@dataclass(frozen=True)
class Verdict:
    """What `verify` found: how many events are chained, the last hash, and each problem in words."""

    chained: int
    waiting: int
    head: str
    problems: list[str]


def verify(progress: Any = None) -> Verdict:
    """Compute the whole chain again, in bounded memory, and say where it does not hold."""
    problems = (
        []
        if audit_triggers.installed(connection)
        else ["the triggers that keep the trail append-only are gone"]
    )
    expected, previous, number = 1, "", 0
    for one in AuditEvent.objects.exclude(number=None).order_by("number").iterator(chunk_size=2_000):
        place = one.number or 0
        if place != expected:
            missing = f"{expected}" if place == expected + 1 else f"{expected} to {place - 1}"
            problems.append(f"event {missing} is missing")
        elif one.previous_hash != previous:
            problems.append(f"event {one.number} does not follow the one before it")
        if one.hash != _hash(one):
            problems.append(f"event {one.number} was changed")
        expected, previous, number = place + 1, one.hash, number + 1
        if progress is not None:
            progress.update()
        if len(problems) >= 20:
            problems.append("… and possibly more")
            break
    waiting = AuditEvent.objects.filter(number=None).count()
    return Verdict(number, waiting, previous, problems)
