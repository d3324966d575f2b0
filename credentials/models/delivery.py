"""What was, or is to be, told to whom: the table of deliveries, with each attempt."""

import uuid
from typing import Any

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from credentials.models.channel import Channel
from health.models import Flip


class Delivery(models.Model):
    """One message to one channel about one flip: that of the cause, whatever else it made flip.

    Those that are told together with many of their like are FOLDED into one that speaks for them.
    """

    class Stage(models.TextChoices):
        BEGAN = "began", _("Failure")
        REMINDER = "reminder", _("Reminder")
        RECOVERED = "recovered", _("Recovery")
        TEST = "test", _("Test")

    class State(models.TextChoices):
        PENDING = "pending", _("Waiting")
        SENT = "sent", _("Delivered")
        FOLDED = "folded", _("Told together with others")
        GIVEN_UP = "given_up", _("Given up")
        DROPPED = "dropped", _("Not sent: the channel was switched off")

    # In the order in which they are to be sent.
    id = models.BigAutoField(primary_key=True)
    # The name under which a receiver knows it, whenever it is sent again.
    key = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, related_name="deliveries")
    flip = models.ForeignKey(Flip, on_delete=models.CASCADE, null=True, related_name="deliveries")
    stage = models.CharField(max_length=16, choices=Stage.choices)
    # The how manieth reminder; 0 for the message about the flip itself.
    number = models.PositiveIntegerField(default=0)
    state = models.CharField(max_length=16, choices=State.choices, default=State.PENDING)
    # What those have in common that can be told together.
    likeness = models.CharField(max_length=200, blank=True)
    # It waits for more of its like, and speaks for them.
    gathers = models.BooleanField(default=False)
    spoken_by = models.ForeignKey("self", on_delete=models.CASCADE, null=True, related_name="speaks_for")
    # When to try. While somebody does, it is the end of their lease, and `attempts` says whose it is.
    due_at = models.DateTimeField(default=timezone.now)
    attempts = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)
    settled_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["channel", "flip", "number"], name="delivery_once"),
        ]
        indexes = [
            # What is due, channel by channel.
            models.Index(
                fields=["channel", "due_at"], condition=models.Q(state="pending"), name="delivery_due"
            ),
            # The page of a channel, newest first.
            models.Index(fields=["channel", "-id"], name="delivery_newest"),
            # How many of its like there were of late.
            models.Index(fields=["channel", "likeness", "created_at"], name="delivery_alike"),
        ]

    def __str__(self) -> str:
        return f"{self.get_stage_display()}: {self.flip.component if self.flip else self.channel}"

    @property
    def message_id(self) -> str:
        """The id by which receivers know a message that comes twice."""
        return f"msg_{self.key.hex}"


class Attempt(models.Model):
    """One try to deliver. Without an end: whoever tried was cut off."""

    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="tries")
    number = models.PositiveIntegerField()
    at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True)
    worked = models.BooleanField(default=False)
    # What the receiver answered: a status of HTTP or SMTP.
    status = models.PositiveSmallIntegerField(null=True)
    # Our own words, never the receiver's.
    reason = models.CharField(max_length=200, blank=True)

    class Meta:
        verbose_name = _("attempt")
        verbose_name_plural = _("attempts")
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["delivery", "number"], name="attempt_once")]

    def __str__(self) -> str:
        return f"{self.delivery_id}, attempt {self.number}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.reason = self.reason[:200]
        super().save(*args, **kwargs)
