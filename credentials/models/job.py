"""What people do to many credentials at once, and what came of each: the tables of jobs.

The row of a job is the queue. A task queue beside it (django-tasks with its database worker) was decided
against: it leaves the task of a killed worker RUNNING for ever, so that a job needs its own claim, heartbeat
and fence anyway. With these there is nothing left that a second queue would do.
"""

import uuid
from typing import Any

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from credentials.audit_words import who_words

LONGEST = 200


class Job(models.Model):
    """One act on many credentials. Those are its items, which stay what they were when it was started."""

    class Act(models.TextChoices):
        TEST = "test", _("Test")
        PAUSE = "pause", _("Pause")
        RESUME = "resume", _("Resume")
        LIMIT = "limit", _("Set rate limit")
        METADATA = "metadata", _("Set metadata")
        DELETE = "delete", _("Delete")

    class State(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        RUNNING = "running", _("Running")
        DONE = "done", _("Done")
        CANCELLED = "cancelled", _("Cancelled")
        # Ended by us, and `said` says why.
        STOPPED = "stopped", _("Stopped")

    OPEN = (State.WAITING, State.RUNNING)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    act = models.CharField(max_length=16, choices=Act.choices)
    # Whose rights count while it runs, and as whom the audit trail names them: people are deleted.
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, db_index=False, related_name="jobs"
    )
    actor = models.CharField(max_length=255)
    # What the act needs beside the credentials: plain JSON, and never a secret.
    parameters = models.JSONField(default=dict)
    state = models.CharField(max_length=16, choices=State.choices, default=State.WAITING)
    said = models.CharField(max_length=LONGEST, blank=True)
    total = models.PositiveIntegerField(default=0)
    worked = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    refused = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    # When the worker that holds it was last heard of; None where none holds it.
    beat_at = models.DateTimeField(null=True)
    # Counts claims: what an earlier holder still writes under an older number changes nothing.
    fence = models.PositiveIntegerField(default=0)
    # Who had a turn last waits longest for the next.
    turn_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = _("job")
        verbose_name_plural = _("jobs")
        default_permissions = ()
        indexes = [
            models.Index(
                fields=["turn_at"], condition=models.Q(state__in=["waiting", "running"]), name="job_open"
            ),
            models.Index(fields=["-created_at", "-id"], name="job_newest"),
            models.Index(fields=["person", "-created_at", "-id"], name="job_newest_of_one"),
        ]

    def __str__(self) -> str:
        words = ngettext("%(act)s: %(n)s credential", "%(act)s: %(n)s credentials", self.total)
        return words % {"act": self.get_act_display(), "n": f"{self.total:,}"}

    def get_absolute_url(self) -> str:
        return reverse("job", args=[self.pk])

    @property
    def who(self) -> str:
        """Who started it, as people read it."""
        return who_words(self.actor)

    @property
    def is_open(self) -> bool:
        return self.state in self.OPEN

    @property
    def handled(self) -> int:
        return self.worked + self.failed + self.refused

    @property
    def left(self) -> int:
        return self.total - self.handled

    @property
    def percent(self) -> int:
        return self.handled * 100 // self.total if self.total else 100


class JobItem(models.Model):
    """One credential of a job, and what came of it. Without a result it was not done yet."""

    class Result(models.TextChoices):
        WORKED = "worked", _("Done")
        FAILED = "failed", _("Failed")
        REFUSED = "refused", _("Refused")

    # In the order in which they are done.
    id = models.BigAutoField(primary_key=True)
    job = models.ForeignKey(Job, on_delete=models.CASCADE, db_index=False, related_name="items")
    # Not a foreign key: it outlives a credential that is removed for good, with the name that it had.
    credential = models.UUIDField()
    name = models.CharField(max_length=LONGEST)
    result = models.CharField(max_length=8, choices=Result.choices, blank=True)
    # Our own words, never a provider's.
    said = models.CharField(max_length=LONGEST, blank=True)
    at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("item of a job")
        verbose_name_plural = _("items of jobs")
        default_permissions = ()
        indexes = [
            models.Index(fields=["job", "id"], name="jobitem_in_order"),
            models.Index(fields=["job", "result", "id"], name="jobitem_by_result"),
        ]

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.name, self.said = self.name[:LONGEST], self.said[:LONGEST]
        super().save(*args, **kwargs)
