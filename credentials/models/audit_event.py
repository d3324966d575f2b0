"""What people did: who, when, what. Never a value."""

import os
import threading
import time
import uuid

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

_turn = threading.Lock()
_last = 0


def ordered_id() -> uuid.UUID:
    """A new id that sorts after all that this process made before: a UUID of version 7 (RFC 9562, 6.2,
    method 3). Its clock has steps of a quarter of a microsecond, and never goes back."""
    global _last
    with _turn:
        _last = max(_last + 1, time.time_ns() * 4096 // 1_000_000)
        now = _last
    rest = int.from_bytes(os.urandom(8)) & (1 << 62) - 1
    return uuid.UUID(int=(now >> 12) << 80 | 7 << 76 | (now & 0xFFF) << 64 | 2 << 62 | rest)


class AuditEvent(models.Model):
    """One act. The actor and the label are copied as text, so that the event outlives both.

    Events are only ever added: triggers of both databases (`credentials.audit_triggers`) refuse everything
    else, but for the three columns of the chain, which are filled once, in batches, by `audit.chain`.
    """

    # In the order of happening: many events have the same time. Those of before have ids of no order.
    id = models.UUIDField(primary_key=True, default=ordered_id, editable=False)
    # The database's clock: several hosts write here.
    time = models.DateTimeField(_("time"), db_default=Now(), editable=False)
    actor = models.CharField(_("actor"), max_length=255)
    action = models.CharField(_("action"), max_length=32)
    object_type = models.CharField(_("type of object"), max_length=32)
    object_id = models.CharField(_("object"), max_length=40)
    object_label = models.CharField(_("name at that time"), max_length=255)
    fields = models.JSONField(_("fields"), default=list)
    reason = models.CharField(_("reason"), max_length=500, blank=True)
    request_id = models.UUIDField(_("request"), null=True)
    address = models.GenericIPAddressField(_("address"), null=True)
    number = models.PositiveBigIntegerField(_("number"), null=True, unique=True)
    previous_hash = models.CharField(max_length=64, blank=True)
    hash = models.CharField(max_length=64, blank=True)

    class Meta:
        verbose_name = _("audit event")
        verbose_name_plural = _("audit events")
        indexes = [
            # The page of the trail: all of it, by person, by act, by type, of one click, and of one object.
            models.Index(fields=["time", "id"], name="audit_time_order"),
            models.Index(fields=["actor", "time", "id"], name="audit_actor_order"),
            models.Index(fields=["action", "time", "id"], name="audit_action_order"),
            models.Index(fields=["object_type", "time", "id"], name="audit_type_order"),
            models.Index(fields=["object_id", "time", "id"], name="audit_object_order"),
            models.Index(fields=["request_id", "time", "id"], name="audit_request_order"),
            # What the chain has yet to take in.
            models.Index(
                fields=["time", "id"], condition=models.Q(number=None), name="audit_unchained_order"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.actor}: {self.action} {self.object_label}"
