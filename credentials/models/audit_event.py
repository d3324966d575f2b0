"""What people did: who, when, what. Never a value."""

import uuid

from django.db import models
from django.utils.translation import gettext_lazy as _


class AuditEvent(models.Model):
    """One act. The actor and the label are copied as text, so that the event outlives both."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    time = models.DateTimeField(_("time"), auto_now_add=True)
    actor = models.CharField(_("actor"), max_length=255)
    action = models.CharField(_("action"), max_length=32)
    object_type = models.CharField(_("type of object"), max_length=32)
    object_id = models.UUIDField(_("object"))
    object_label = models.CharField(_("name at that time"), max_length=255)
    fields = models.JSONField(_("fields"), default=list)
    reason = models.CharField(_("reason"), max_length=500, blank=True)

    class Meta:
        verbose_name = _("audit event")
        verbose_name_plural = _("audit events")
        indexes = [
            # The history of one object, and the limit on what one person reveals.
            models.Index(fields=["object_id", "time"], name="audit_object_time"),
            models.Index(fields=["actor", "action", "time"], name="audit_actor_action_time"),
        ]

    def __str__(self) -> str:
        return f"{self.actor}: {self.action} {self.object_label}"
