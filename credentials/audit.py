"""Who acts, and the record of what was done. Values never come here: an event names fields.

`acting(actor)` says in whose name the code works; middleware, commands, workers and the shell open it.
`record()` writes an event in the transaction of the change itself, so that what cannot be recorded does not
happen. Afterwards events are chained: see `credentials.audit_chain`.
"""

import contextlib
import contextvars
import re
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, NamedTuple

from django.contrib.auth.models import Permission
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import connection, models, transaction
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from credentials.audit_chain import catch_up as catch_up
from credentials.audit_chain import chain as chain
from credentials.audit_chain import verify as verify
from credentials.models.audit_event import AuditEvent
from health.fields import plain_text

REVEALS_PER_HOUR = 10
SHORTEST_REASON = 10
BATCH = 1_000
# A number of our own among PostgreSQL's advisory locks.
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


class Named(NamedTuple):
    """What an event is about where that is no row: a command, or the user that nobody is."""

    type: str
    id: str
    label: str


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
            catch_up()


def now_acting() -> Acting:
    """Who acts now. Raises NobodyActs."""
    who = _acting.get()
    if who is None:
        raise NobodyActs("Nobody acts: open audit.acting(actor) around what changes credentials.")
    return who


def event(
    action: str,
    subject: models.Model | Named,
    *,
    fields: Iterable[str] = (),
    reason: str = "",
    actor: Any = None,
) -> AuditEvent:
    """An event about a credential, an OAuth app, a component or a user, not stored yet."""
    who = _acting.get() if actor is not None else now_acting()
    return AuditEvent(
        actor=actor_name(actor)[:255] if actor is not None else now_acting().actor,
        action=action,
        **_about(subject),
        fields=sorted(fields),
        reason=reason[:500],
        request_id=who.request_id if who else None,
        address=who.address if who else None,
    )


def _about(subject: models.Model | Named) -> dict[str, str]:
    if not isinstance(subject, Named):
        subject = Named(type_of(subject), str(subject.pk), str(subject))
    return {"object_type": subject.type, "object_id": subject.id, "object_label": subject.label[:255]}


def type_of(subject: models.Model | type[models.Model]) -> str:
    """What a row, or those of a model, are called in events: all kinds of credentials the same."""
    return getattr(subject, "COMPONENT_KIND", subject._meta.model_name) or ""


def record(
    action: str,
    subject: models.Model | Named,
    *,
    fields: Iterable[str] = (),
    reason: str = "",
    actor: Any = None,
) -> AuditEvent:
    """Write one event and return it. The actor is who acts now, unless another one is named."""
    found = event(action, subject, fields=fields, reason=reason, actor=actor)
    found.save(force_insert=True)
    _stored(1)
    return found


def record_all(events: Iterable[AuditEvent]) -> None:
    """Write many events at once."""
    _stored(len(AuditEvent.objects.bulk_create(events, batch_size=BATCH)))


def _stored(count: int) -> None:
    """Remember that there is something for the chain, once this actor is done."""
    if who := _acting.get():
        who.recorded += count


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
