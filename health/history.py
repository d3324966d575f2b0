"""What is kept of the past and said about the present: flips and notes."""

import uuid
from datetime import datetime
from typing import Any

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from health.fields import plain_text
from health.status import Status


def actor_name(actor: Any) -> str:
    """How an actor is written down: "user:name" for a user; "cli:name@host" and the like as they are."""
    return (actor if isinstance(actor, str) else f"user:{actor.get_username()}")[:255]


class Flip(models.Model):
    """One change of a component's status, written together with it. Only `processed_at` is set later."""

    component = models.ForeignKey("health.Component", on_delete=models.CASCADE, related_name="flips")
    # The n-th flip of its component, whose `old` is the `new` of the one before.
    sequence = models.PositiveBigIntegerField(_("sequence"))
    old = models.CharField(_("before"), max_length=32, choices=Status.choices)
    new = models.CharField(_("after"), max_length=32, choices=Status.choices)
    code = models.CharField(_("code"), max_length=64, blank=True)
    note = models.CharField(_("note"), max_length=500, blank=True)
    cause = models.ForeignKey(
        "health.Component",
        on_delete=models.SET_NULL,
        null=True,
        related_name="caused_flips",
        verbose_name=_("cause"),
        help_text=_("The component whose own change brought this about."),
    )
    actor = models.CharField(_("by"), max_length=255, blank=True)
    happened_at = models.DateTimeField(_("happened"), help_text=_("The first evidence."))
    recorded_at = models.DateTimeField(_("recorded"), default=timezone.now)
    processed_at = models.DateTimeField(_("notified"), null=True, blank=True)

    class Meta:
        verbose_name = _("flip")
        verbose_name_plural = _("flips")
        constraints = [
            # Also: the newest flips of one component.
            models.UniqueConstraint(fields=["component", "sequence"], name="flip_once"),
            models.CheckConstraint(condition=~models.Q(old=models.F("new")), name="flip_changes_something"),
        ]
        indexes = [
            # The uptime of one component.
            models.Index(fields=["component", "happened_at"], name="flip_component_happened"),
            # The list of flips, newest first.
            models.Index(fields=["-recorded_at", "-id"], name="flip_newest"),
            # The outbox: what nobody was told of yet.
            models.Index(fields=["id"], condition=models.Q(processed_at=None), name="flip_outbox"),
        ]

    def __str__(self) -> str:
        return f"{self.component}: {Status(self.old).label} → {Status(self.new).label}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding and set(kwargs.get("update_fields") or ()) != {"processed_at"}:
            raise TypeError("A flip is history: only processed_at is written later.")
        super().save(*args, **kwargs)

    @property
    def derived(self) -> bool:
        """Whether it followed from the flip of another component."""
        return self.cause_id != self.component_id


class NoteManager(models.Manager["Note"]):
    def get_queryset(self) -> models.QuerySet["Note"]:
        """Those that were not removed."""
        return super().get_queryset().filter(removed_at=None)

    def remove(self, component: Any, pk: int, *, actor: Any) -> bool:
        """Remove a note that a person wrote: its text stays in the timeline, with who removed it. Returns
        whether it was there."""
        mine = self.filter(component=component, pk=pk, code__startswith=Note.MANUAL)
        return bool(mine.update(removed_at=timezone.now(), removed_by=actor_name(actor)))

    def say(
        self, component: Any, code: str, text: str, *, since: datetime | None = None, **fields: Any
    ) -> "Note":
        """Write the note with this code, or renew it: seen once more, with the latest text. Returns it.

        `since` is when its cause began, now by default.
        """
        now = timezone.now()
        text = tidy(text)
        mine = self.filter(component=component, code=code)
        renewed = {"text": text, "last_seen": now, **fields}
        if not mine.update(count=models.F("count") + 1, **renewed):
            # Two at once: the unique constraint lets one create it, and the other renews that.
            note, created = self.get_or_create(
                component=component, code=code, defaults={**renewed, "since": since or now}
            )
            if not created:
                mine.update(count=models.F("count") + 1, **renewed)
        return self.get(component=component, code=code)

    def write(self, component: Any, text: str, *, actor: Any, **fields: Any) -> "Note":
        """A note by a person, which no status brings or takes. Returns it."""
        return self.say(
            component, f"{Note.MANUAL}{uuid.uuid4().hex[:12]}", text, actor=actor_name(actor), **fields
        )


def tidy(text: str) -> str:
    """One line within the bounds of a note. Raises ValidationError for characters that hide what it says."""
    text = " ".join(str(text).split())
    plain_text(text)
    return text if len(text) <= 500 else f"{text[:499]}…"


class Note(models.Model):
    """Something to know about a component. It goes with the cause that brought it."""

    SHOWN = 5
    MANUAL = "manual_"

    class Severity(models.TextChoices):
        INFO = "info", _("Info")
        WARNING = "warning", _("Warning")
        URGENT = "urgent", _("Urgent")

    class Audience(models.TextChoices):
        INTERNAL = "internal", _("Us")
        CUSTOMER = "customer", _("Customer and us")

    class Owner(models.TextChoices):
        NOBODY = "", _("Nobody")
        CUSTOMER = "customer", _("Customer")
        US = "us", _("We")

    component = models.ForeignKey("health.Component", on_delete=models.CASCADE, related_name="notes")
    code = models.CharField(_("code"), max_length=64)
    severity = models.CharField(_("severity"), max_length=16, choices=Severity.choices, default=Severity.INFO)
    audience = models.CharField(_("for"), max_length=16, choices=Audience.choices, default=Audience.INTERNAL)
    text = models.CharField(_("what happened"), max_length=500)
    what_to_do = models.CharField(_("what to do"), max_length=500, blank=True)
    owner = models.CharField(_("who must act"), max_length=16, choices=Owner.choices, blank=True)
    since = models.DateTimeField(_("since"), default=timezone.now)
    last_seen = models.DateTimeField(_("last seen"), default=timezone.now)
    count = models.PositiveIntegerField(_("times seen"), default=1)
    actor = models.CharField(_("by"), max_length=255, blank=True)
    removed_at = models.DateTimeField(_("removed"), null=True, editable=False)
    removed_by = models.CharField(_("removed by"), max_length=255, blank=True, editable=False)

    objects = NoteManager()
    everything = models.Manager()  # noqa: DJ012 - a manager too

    class Meta:
        verbose_name = _("note")
        verbose_name_plural = _("notes")
        constraints = [models.UniqueConstraint(fields=["component", "code"], name="note_once")]

    def __str__(self) -> str:
        return self.text

    @property
    def by_hand(self) -> bool:
        """Whether a person wrote it, so that a person removes it."""
        return self.code.startswith(self.MANUAL)
