"""What people did: who, when, what. Never a value."""

import uuid

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class AuditEvent(models.Model):
    """One act. The actor and the label are copied as text, so that the event outlives both.

    Events are only ever added: triggers of both databases (`credentials.audit_triggers`) refuse everything
    else, but for the three columns of the chain, which are filled once, in batches, by `audit.chain`.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
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
            # The history of one object, and the limit on what one person reveals.
            models.Index(fields=["object_id", "time"], name="audit_object_time"),
            models.Index(fields=["actor", "action", "time"], name="audit_actor_action_time"),
            models.Index(fields=["-time"], name="audit_time"),
            # What the chain has yet to take in.
            models.Index(fields=["time"], condition=models.Q(number=None), name="audit_unchained"),
        ]

    def __str__(self) -> str:
        return f"{self.actor}: {self.action} {self.object_label}"
