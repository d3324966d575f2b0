"""Records of what people did. Values never come here: an event names fields."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import Permission
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import models, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from credentials.models.audit_event import AuditEvent

REVEALS_PER_HOUR = 10
SHORTEST_REASON = 10


def actor_name(actor: Any) -> str:
    """How an actor is written down: the user's name, or "cli:name@host" as it is."""
    return actor if isinstance(actor, str) else f"user:{actor.get_username()}"


def record(
    action: str, subject: models.Model, *, actor: Any, fields: Iterable[str] = (), reason: str = ""
) -> AuditEvent:
    """Write one event about a credential or an OAuth app and return it."""
    return AuditEvent.objects.create(
        actor=actor_name(actor),
        action=action,
        object_type=subject._meta.model_name,
        object_id=subject.pk,
        object_label=str(subject)[:255],
        fields=list(fields),
        reason=reason,
    )


def authorise_reveal(subject: models.Model, field: str, *, actor: Any, reason: str) -> None:
    """Record that a secret is about to be revealed; returns only when the record is stored for good.

    A user needs the permission `reveal_credential` as such: being a superuser does not give it. Raises
    PermissionDenied, ValidationError (no reason), or RuntimeError inside a transaction, which could take the record
    back after the secret was shown.
    """
    reason = reason.strip()
    if len(reason) < SHORTEST_REASON:
        raise ValidationError(_("Say why, in at least %d characters.") % SHORTEST_REASON, code="reason")
    if not isinstance(actor, str) and not (actor.is_active and _may_reveal(actor)):
        raise PermissionDenied(_("You may not reveal secrets."))
    with transaction.atomic(durable=True):
        recent = AuditEvent.objects.filter(
            actor=actor_name(actor), action="reveal", time__gt=timezone.now() - timedelta(hours=1)
        )
        if recent.count() >= REVEALS_PER_HOUR:
            raise PermissionDenied(_("You revealed %d secrets within an hour: wait.") % REVEALS_PER_HOUR)
        record("reveal", subject, actor=actor, fields=[field], reason=reason[:500])


def _may_reveal(user: Any) -> bool:
    held = models.Q(user=user) | models.Q(group__user=user)
    return Permission.objects.filter(
        held, codename="reveal_credential", content_type__app_label="credentials"
    ).exists()
