"""What has a health, and what depends on what. Health knows nothing of credentials: it holds plain
strings.
"""

import uuid
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from health import silence
from health.dependency import Dependency
from health.doubts import Doubt
from health.fields import PlainTextField
from health.history import Flip, Note
from health.status import Status
from health.suspension import Override, Pause
from health.upkeep import Beat, Chore

__all__ = ["Beat", "Chore", "Component", "Dependency", "Doubt", "Flip", "Note", "Override", "Pause"]

FAILING = [status.value for status in Status if status is not Status.HEALTHY]
# What follows from reports and observations.
MAINTAINED = {
    *("status", "code", "since", "cause", "also", "own_status", "own_code", "own_since", "sequence"),
    *("known_since", "last_reported_at", "last_observed_at", "last_ok_at", "failed_at", "evidence"),
    *("paused_until", "overridden_until", "unknown_since", "expected_every", "timer_at"),
    *("next_check_at", "claimed_by", "refusals"),
}


class ComponentManager(models.Manager["Component"]):
    """The components that are in use."""

    def get_queryset(self) -> models.QuerySet["Component"]:
        return super().get_queryset().filter(retired_at=None)


class Component(models.Model):
    """Something whose health is tracked.

    `own_status` is what was said of the component itself; `status` is that rolled up with all it depends on,
    and answers the question for it as a whole. Only `health.reports` writes either.
    """

    class Kind(models.TextChoices):
        SYNC = "sync", _("Sync")
        CREDENTIAL = "credential", _("Credential")
        OAUTH_APP = "oauth_app", _("OAuth app")
        CONSUMER = "consumer", _("Consumer")
        TARGET = "target", _("Target")
        PROVIDER = "provider", _("Provider")
        PLATFORM = "platform", _("Platform")

    # The times of which one is set as soon as somebody knows. A look alone can have shown nothing: while no
    # name resolves, it tells of us and not of the component.
    LOOKS = ("last_reported_at", "known_since")
    # Those that are components by themselves; the others belong to a row of another app.
    BY_THEMSELVES = (Kind.SYNC, Kind.CONSUMER, Kind.TARGET)
    # Those that mask and explain, and are in no count.
    INTERNAL = (Kind.PROVIDER, Kind.PLATFORM)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(_("kind"), max_length=16, choices=Kind.choices)
    name = PlainTextField(_("name"), max_length=200)
    provider = models.CharField(_("provider"), max_length=32, blank=True)
    revision = models.CharField(
        _("revision"),
        max_length=32,
        blank=True,
        help_text=_(
            "The version of the secret that is in force. A late result of an older one counts nothing."
        ),
    )
    status = models.CharField(_("status"), max_length=32, choices=Status.choices, default=Status.HEALTHY)
    code = models.CharField(_("code"), max_length=64, blank=True)
    since = models.DateTimeField(_("since"), default=timezone.now)
    cause = models.ForeignKey(
        "self",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        editable=False,
        related_name="affected",
        verbose_name=_("cause"),
        help_text=_("The component whose own status decides; itself, or one that it depends on."),
    )
    also = models.ForeignKey(
        "self",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        editable=False,
        related_name="also_affected",
        verbose_name=_("also"),
        help_text=_("Where it is our turn: the component for which the customer must act as well."),
    )
    own_status = models.CharField(
        _("own status"), max_length=32, choices=Status.choices, default=Status.HEALTHY, editable=False
    )
    own_code = models.CharField(_("own code"), max_length=64, blank=True, editable=False)
    own_since = models.DateTimeField(_("own status since"), default=timezone.now, editable=False)
    last_observed_at = models.DateTimeField(_("last checked"), null=True, blank=True)
    last_reported_at = models.DateTimeField(_("last reported"), null=True, blank=True, editable=False)
    # The last observation that proved that it works, and, until the next one, the last failure for its
    # provider's sake.
    last_ok_at = models.DateTimeField(_("last worked"), null=True, blank=True, editable=False)
    failed_at = models.DateTimeField(null=True, blank=True, editable=False)
    # What observations said that is not decided yet (health.evidence). None is the rule: well and settled.
    evidence = models.JSONField(null=True, blank=True, editable=False)
    # The end of the pause, and of the override, in force.
    paused_until = models.DateTimeField(_("paused until"), null=True, blank=True, editable=False)
    overridden_until = models.DateTimeField(_("overridden until"), null=True, blank=True, editable=False)
    expected_every = models.PositiveIntegerField(
        _("expected every"),
        null=True,
        blank=True,
        editable=False,
        help_text=_("How often somebody should look at it or speak for it, in seconds."),
    )
    # When to see whether that was so.
    timer_at = models.DateTimeField(null=True, blank=True, editable=False)
    check_every = models.PositiveIntegerField(
        _("check every"),
        null=True,
        blank=True,
        help_text=_("Seconds between two checks; empty: as usual for its kind."),
    )
    # When to look at it. While a worker does, it is the end of that worker's claim (health.schedule).
    next_check_at = models.DateTimeField(_("next check"), default=timezone.now, editable=False)
    claimed_by = models.CharField(max_length=64, blank=True, editable=False)
    # How often in a row the secret was refused: it is tried ever more seldom.
    refusals = models.PositiveSmallIntegerField(default=0, editable=False)
    # The first look at it, or at what it depends on; before that its status is a default and means nothing.
    known_since = models.DateTimeField(_("known since"), null=True, blank=True, editable=False)
    # Since when nobody knows any more: its secret was replaced, or its pause ended (health.doubts).
    unknown_since = models.DateTimeField(_("unknown since"), null=True, blank=True, editable=False)
    # Each change of the status is a compare-and-swap on this number. It counts the flips.
    sequence = models.PositiveBigIntegerField(_("sequence"), default=0)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    # What belongs to a deleted row, as long as that can come back: in no list, and nothing hangs on it.
    retired_at = models.DateTimeField(_("retired"), null=True, blank=True, editable=False)
    depends_on = models.ManyToManyField(
        "self", through="Dependency", symmetrical=False, related_name="dependants", blank=True
    )

    objects = ComponentManager()
    everything = models.Manager()  # noqa: DJ012 - a manager too

    class Meta:
        base_manager_name = "everything"
        verbose_name = _("component")
        verbose_name_plural = _("components")
        permissions = [("report_component", _("Can report the status of components"))]
        indexes = [
            # Filters of lists: by who must act, newest first.
            models.Index(fields=["kind", "status", "-since"], name="component_kind_status_since"),
            # The board: what fails, newest first. That is little, whatever there is.
            models.Index(
                fields=["status", "-since", "id"],
                condition=models.Q(status__in=FAILING, retired_at__isnull=True),
                name="component_failing",
            ),
            # The list in its usual order, and `kind:name` in commands.
            models.Index(fields=["kind", "name", "id"], name="component_kind_name"),
            # How many of a provider's there are, and which of them fail for its sake.
            models.Index(fields=["provider", "kind"], name="component_provider_kind"),
            models.Index(
                fields=["provider", "failed_at"],
                condition=models.Q(failed_at__isnull=False),
                name="component_provider_failed",
            ),
            # How many there are of each kind and provider, and how: counted in the index alone.
            models.Index(
                fields=["kind", "provider", "status"],
                condition=models.Q(retired_at__isnull=True),
                name="component_counted",
            ),
            # Those of which nobody knows yet, and any more.
            models.Index(
                fields=["kind", "provider"],
                condition=models.Q(known_since__isnull=True, last_reported_at__isnull=True),
                name="component_unchecked",
            ),
            models.Index(
                fields=["kind", "provider"],
                condition=models.Q(unknown_since__isnull=False),
                name="component_in_doubt",
            ),
            # The timers that have run down.
            models.Index(
                fields=["timer_at"], condition=models.Q(timer_at__isnull=False), name="component_timer"
            ),
            # What is due, provider by provider.
            models.Index(
                fields=["kind", "provider", "next_check_at"],
                condition=models.Q(retired_at__isnull=True, paused_until__isnull=True),
                name="component_due",
            ),
            # Lists of one kind, by the time of the last change.
            models.Index(
                fields=["kind", "since", "id"],
                condition=models.Q(retired_at__isnull=True),
                name="component_kind_since",
            ),
            models.Index(
                fields=["paused_until"],
                condition=models.Q(paused_until__isnull=False),
                name="component_paused",
            ),
            models.Index(fields=["kind"], condition=models.Q(also__isnull=False), name="component_also"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(status__in=Status.values), name="component_status_is_known"
            ),
            models.CheckConstraint(
                condition=models.Q(own_status__in=Status.values), name="component_own_status_is_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.name}"

    def save(self, *args: Any, update_fields: Iterable[str] | None = None, **kwargs: Any) -> None:
        """Like Django's, but leaves alone what health maintains: an old copy must not put a status back."""
        if self._state.adding:
            if self.status != Status.HEALTHY and self.own_status == Status.HEALTHY:
                self.own_status, self.own_code, self.own_since = self.status, self.code, self.since
                self.cause_id = self.pk
        elif update_fields is None:
            update_fields = {field.name for field in self._meta.concrete_fields} - {"id", *MAINTAINED}
        elif not MAINTAINED.isdisjoint(update_fields):
            raise TypeError("A status is written by health.reports.report() only.")
        super().save(*args, update_fields=update_fields, **kwargs)

    @property
    def reference(self) -> str:
        """How commands name it: `target:orders-db`."""
        return f"{self.kind}:{self.name}"

    @property
    def checked(self) -> bool:
        """Whether it, or what it depends on, is known to work or fail. Else its status is a default, or that
        of before its secret was replaced."""
        return not self.in_doubt and any(getattr(self, name) for name in self.LOOKS)

    @property
    def in_doubt(self) -> bool:
        """Whether nobody knows any more how it is, and nothing that it depends on decides."""
        return self.unknown_since is not None and self.cause_id in (None, self.pk)

    @property
    def heard_at(self) -> datetime | None:
        """When it was last checked or reported on; None if never."""
        return max((at for at in (self.last_observed_at, self.last_reported_at) if at), default=None)

    @property
    def masked(self) -> bool:
        """Whether its own intervention is hidden, because something that it depends on fails."""
        return self.own_status != Status.HEALTHY and self.pk not in (self.cause_id, self.also_id)

    @property
    def by_itself(self) -> bool:
        return self.kind in self.BY_THEMSELVES

    @property
    def paused(self) -> bool:
        """Whether it is out of checks and roll-up: no observation counts, and its status stays."""
        return self.paused_until is not None

    @property
    def overridden(self) -> bool:
        """Whether a person has set its status for a time, whatever is observed."""
        return self.overridden_until is not None

    @property
    def flapping(self) -> bool:
        """Whether its results change so often that it does not recover before they calm down."""
        return bool(self.evidence and self.evidence.get("flapping"))

    def stale(self, now: datetime) -> bool:
        """Whether the last look at it is older than three of its intervals, and at least 15 minutes."""
        if not self.expected_every or self.paused or self.heard_at is None:
            return False
        return now - self.heard_at > silence.stale_after(self.expected_every)

    def shown_notes(self) -> "list[Note]":
        """At most five notes on it, on its causes and on an incident of its provider, newest cause first.

        One query.
        """
        causes = {self.pk, self.cause_id, self.also_id} - {None}
        incident = models.Q(
            component__kind=self.Kind.PROVIDER,
            component__name=self.provider,
            component__own_status__in=FAILING,
        )
        of_these = models.Q(component__in=causes)
        notes = Note.objects.filter(of_these | incident if self.provider else of_these)
        notes = notes.select_related("component")
        return list(notes.order_by("-since", "-id")[: Note.SHOWN])

    def document(self) -> dict[str, Any]:
        """The health as documents show it: `{status, notes, time}`, where time is `heard_at`.

        Reads the notes: `prefetch_related("notes")` where many are written.
        """
        newest = sorted(self.notes.all(), key=lambda note: (note.since, note.pk), reverse=True)
        notes = [note.text for note in newest[: Note.SHOWN]]
        if self.in_doubt:
            notes.append(str(_("Waiting for a check: its secret was replaced, or its pause has ended.")))
        elif not self.checked:
            notes.append(str(_("Not checked yet.") if self.heard_at is None else _("No clear result yet.")))
        return {"status": self.status, "notes": notes, "time": self.heard_at}

    def rewire(self, depends_on: "Iterable[Component]", *, actor: Any = "") -> None:
        """Let it depend on exactly these, and roll up anew. Raises graph.Cycle, a ValidationError."""
        from health import wiring

        wiring.rewire(self, depends_on, actor=actor)
