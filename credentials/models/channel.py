"""Where notifications go, and which of them: the table of channels."""

import uuid
from datetime import datetime
from typing import Any, NoReturn, Self, cast

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from credentials import audit
from credentials.fields import JsonObjectField, StringListField
from credentials.models import channel_checks, saving
from credentials.models.secret_holder import Conflict
from credentials.sealing import Fresh, Sealed, SecretField, secret_fields
from health.fields import PlainTextField

# Kept by the code that sends, beside people's edits.
MAINTAINED = {"hold_until", "failures", "last_sent_at"}


class ChannelQuerySet(models.QuerySet["Channel"]):
    def update(self, **values: Any) -> int:
        """Like Django's, for what the code maintains. Raises TypeError for the rest: save() records it."""
        if not MAINTAINED.issuperset(values):
            raise TypeError("A channel is changed by save(), which records who did it.")
        return super().update(**values)

    def delete(self) -> tuple[int, dict[str, int]]:
        with transaction.atomic(self.db):
            audit.record_all(audit.event("delete", row) for row in self.only("pk", "name"))
            return super().delete()

    delete.queryset_only = True  # type: ignore[attr-defined]


class Channel(models.Model):
    """Some addresses of e-mail, or a URL that takes messages, and what is told there.

    The URL is a secret, because whoever knows that of a Slack channel can write there. Both secrets are
    bound to the URL's host; `host` is all that is ever shown of it.
    """

    class Way(models.TextChoices):
        EMAIL = "email", _("E-mail")
        SLACK = "slack", _("Slack")
        WEBHOOK = "webhook", _("Webhook")

    class Owner(models.TextChoices):
        BOTH = "", _("The customer or we")
        CUSTOMER = "customer", _("The customer")
        US = "us", _("We")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = PlainTextField(
        _("name"),
        max_length=100,
        unique=True,
        help_text=_("As it is called here, such as “On call” or “Customer success”."),
    )
    way = models.CharField(_("way"), max_length=16, choices=Way.choices, editable=False)
    enabled = models.BooleanField(
        _("switched on"),
        default=True,
        help_text=_("Off: nothing is sent, and what happens meanwhile is not sent later."),
    )
    addresses = StringListField(
        _("addresses"),
        blank=True,
        help_text=_("E-mail addresses, separated by spaces or lines. All get the same message."),
    )
    url = SecretField(
        _("URL"),
        max_length=2048,
        null=True,
        blank=True,
        help_text=_("The whole address, https only. It is stored like a secret and never shown again."),
    )
    host = models.CharField(_("host"), max_length=253, blank=True, editable=False)
    signing_secret = SecretField(
        _("signing secret"),
        max_length=200,
        null=True,
        blank=True,
        help_text=_("The receiver needs the same one, and proves by it that a message is ours."),
    )
    # --- the rules ------------------------------------------------------------------------------------------
    owner = models.CharField(
        _("who must act"),
        max_length=16,
        choices=Owner.choices,
        blank=True,
        help_text=_("Only what waits for them is told."),
    )
    providers = StringListField(
        _("providers"), blank=True, help_text=_("Only what is at these providers. None chosen: all.")
    )
    kinds = StringListField(
        _("kinds"),
        blank=True,
        help_text=_(
            "Only where a component of these kinds changes its status, by itself or because of another."
            " None chosen: all."
        ),
    )
    metadata = JsonObjectField(
        _("metadata"),
        help_text=_(
            "Only credentials whose metadata hold all of these, and what needs such a credential. One on each"
            " line: customer_id=acme. Empty: all."
        ),
    )
    recoveries = models.BooleanField(
        _("tell recoveries"), default=True, help_text=_("Also say when something works again.")
    )
    remind_every = models.PositiveSmallIntegerField(
        _("remind every"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(720)],
        help_text=_("Hours between two reminders while it lasts, 1 to 720. Empty: no reminders."),
    )
    # --- maintained -----------------------------------------------------------------------------------------
    # What was recorded before is not told: the channel was not there, or was switched off.
    listens_since = models.DateTimeField(default=timezone.now, editable=False)
    # After a failure nothing is sent for a moment. How often in a row it failed.
    hold_until = models.DateTimeField(null=True, editable=False)
    failures = models.PositiveIntegerField(default=0, editable=False)
    last_sent_at = models.DateTimeField(_("last message"), null=True, editable=False)
    version = models.PositiveIntegerField(default=1, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)

    objects = ChannelQuerySet.as_manager()

    class Meta:
        verbose_name = _("notification channel")
        verbose_name_plural = _("notification channels")
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(way__in=["email", "slack", "webhook"]), name="channel_way_is_known"
            )
        ]

    def __str__(self) -> str:
        return self.name

    # --- saving ---------------------------------------------------------------------------------------------

    def save(self, *args: Any, update_fields: Any = None, **kwargs: Any) -> None:
        """Check, seal, store and record. Raises ValidationError, or Conflict where somebody else saved."""
        if update_fields is not None:
            raise TypeError("A channel is saved whole.")
        adding, before = self._state.adding, self.__dict__.copy()
        try:
            with transaction.atomic(kwargs.get("using")):
                self.full_clean()
                if adding:
                    super().save(*args, **kwargs)
                    audit.record("create", self)
                else:
                    self._change(*args, **kwargs)
        except BaseException:
            # Nothing was stored: what was sealed on the way must be fresh again for the next try.
            self.__dict__.clear()
            self.__dict__.update(before)
            self._state.adding = adding
            raise

    def _change(self, *args: Any, **kwargs: Any) -> None:
        rows = self._root_rows().filter(pk=self.pk, version=self.version)
        if not rows.update(version=models.F("version") + 1):
            raise Conflict(f"{self} was changed or deleted since it was loaded: load it again.")
        self.version += 1
        stored = self._root_rows().get(pk=self.pk)
        replaced = saving.replaced(cast(Any, self), None)
        if self.enabled and not stored.enabled:
            self.listens_since, self.hold_until, self.failures = timezone.now(), None, 0
        elif stored.enabled and not self.enabled:
            self._drop_what_waits()
        names = {field.name for field in self._meta.concrete_fields} - {"id", "created_at"} - MAINTAINED
        if self.enabled and not stored.enabled:
            names |= {"hold_until", "failures"}
        for field in secret_fields(type(self)):
            if field not in replaced:
                names -= {field.name, field.version_name, field.key_name}
        changed = saving.changed(cast(Any, self), stored, names, replaced)
        super().save(*args, update_fields=names, **kwargs)
        if changed:
            audit.record("replace_secret" if replaced else "change", self, fields=changed)

    def _drop_what_waits(self) -> None:
        from credentials.models.delivery import Delivery

        waiting = Delivery.objects.filter(channel=self, state=Delivery.State.PENDING)
        waiting.update(state=Delivery.State.DROPPED, settled_at=timezone.now())

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        with transaction.atomic():
            audit.record("delete", self)
            return super().delete(*args, **kwargs)

    @classmethod
    def _root_rows(cls) -> models.QuerySet["Channel"]:
        """The table past all rules."""
        return models.QuerySet(cls)

    def clean(self) -> None:
        """Raise ValidationError, by field, for what cannot be right. Takes the host from a new URL."""
        channel_checks.check(self)

    def fresh(self, name: str) -> str | None:
        """The plaintext of a secret that was assigned and not saved yet."""
        state = cast(SecretField, self._meta.get_field(name)).state(self)
        return state.text if isinstance(state, Fresh) else None

    # --- what a SecretField and its form ask of their row ---------------------------------------------------

    def destination(self) -> tuple[str, ...]:
        """Where its secrets may go: to the host of its URL, in this way."""
        return ("channel", self.way, self.host)

    def secret_used(self) -> None:
        """A delivery says when."""

    secret_used.alters_data = True  # type: ignore[attr-defined]

    def secret_failed(self, field: SecretField) -> None:
        """The delivery says that it could not be opened."""

    def authorise_reveal(self, field: str, *, actor: Any, reason: str) -> NoReturn:
        raise TypeError("The secrets of a channel are not shown to people.")

    def secret_set_at(self) -> dict[str, datetime]:
        return {}

    # --- in words -------------------------------------------------------------------------------------------

    @property
    def where(self) -> str:
        """Where it leads, without what is secret."""
        return ", ".join(self.addresses) if self.way == self.Way.EMAIL else self.host

    @property
    def missing(self) -> Any:
        """What it lacks to work at all, in words; None where nothing does."""
        if self.way == self.Way.EMAIL:
            return None if settings.MAIL_SERVER else _("No mail server is configured: set EMAIL_URL.")
        if self.host not in settings.NOTIFICATION_HOSTS:
            return _("%s is not an approved host any more: see NOTIFICATION_HOSTS.") % self.host
        fields = [field for field in secret_fields(type(self)) if isinstance(field.state(self), Sealed)]
        if not all(getattr(self, field.name).readable for field in fields):
            return _("Its secrets cannot be read, because their key is missing: enter them again.")
        return None

    def refresh_from_db(self, using: Any = None, fields: Any = None, from_queryset: Any = None) -> None:
        for field in secret_fields(type(self)):
            # Without a value before, an empty column is not taken for a secret that was cleared.
            if fields is None and field.attname in self.__dict__:
                self.__dict__[field.attname] = None
        super().refresh_from_db(using, fields, from_queryset)

    def stored(self) -> Self | None:
        return type(self)._base_manager.filter(pk=self.pk).first()
