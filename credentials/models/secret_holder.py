"""What rows with secrets have in common: identity, versions, component, a save() that keeps them in step."""

import uuid
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Self, cast

from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.utils.translation import gettext_lazy as _

from credentials import audit
from credentials.fields import JsonObjectField
from credentials.models import saving
from credentials.models.deletion import forget, refuse_in_use
from credentials.models.fingerprint import Fingerprint
from credentials.sealing import Fresh, Sealed, SecretField, fingerprint, secret_fields
from health import schedule
from health.models import Component


class Conflict(Exception):
    """The row was changed or deleted by somebody else since it was loaded. Load it again, then change it."""


class SecretHolder(models.Model):
    """A row that holds secrets. Subclasses say in `destination()` where these may be sent."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    component = models.OneToOneField(
        Component, on_delete=models.PROTECT, editable=False, related_name="%(class)s"
    )
    metadata = JsonObjectField(
        _("metadata"), help_text=_("A JSON object of your own, to find it by: customer, plan, region.")
    )
    version = models.PositiveIntegerField(
        _("version"), default=1, editable=False, help_text=_("Counts edits; a stale edit is refused.")
    )
    secret_version = models.PositiveIntegerField(
        _("version of the secrets"), default=0, editable=False, help_text=_("Counts replacements of secrets.")
    )
    unreadable = models.BooleanField(
        _("unreadable"), default=False, editable=False, help_text=_("A secret of it cannot be opened.")
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        abstract = True

    COMPONENT_KIND: str
    # The fields that prepare() sets. They are stored with every save.
    PREPARED: tuple[str, ...] = ()
    name: "models.CharField[Any, Any]"
    provider: "models.CharField[Any, Any]"

    def save(self, *args: Any, update_fields: Any = None, **kwargs: Any) -> None:
        """Check, seal and store. Secrets that were not touched are not written again.

        Raises ValidationError, or Conflict where somebody else saved since this instance was loaded.
        """
        if "version" in self.get_deferred_fields():
            raise TypeError("Load the version too: without it, this would overwrite what others saved.")
        adding, before = self._state.adding, self.__dict__.copy()
        try:
            with transaction.atomic(kwargs.get("using")):
                self.take_turns(update_fields)
                self.prepare()
                replaced = saving.replaced(self, update_fields)
                if update_fields is not None:
                    update_fields = {*update_fields, *self.PREPARED}
                    if replaced:
                        # A secret is sealed for the destination that stands here: it must be stored with it.
                        update_fields |= set(self.destination_fields())
                self._check(update_fields)
                if adding:
                    self._add(replaced, *args, **kwargs)
                else:
                    self._change(replaced, update_fields, *args, **kwargs)
        except BaseException:
            # Nothing was stored: a secret that was sealed on the way must be fresh again for the next try.
            self.__dict__.clear()
            self.__dict__.update(before)
            self._state.adding = adding
            raise

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """Delete the row with its component and fingerprints."""
        owned = [(self.id, self.component_id)]
        with transaction.atomic(kwargs.get("using")):
            self.take_turns()
            refuse_in_use([self.component_id])
            audit.record("delete", self)
            result = super().delete(*args, **kwargs)
            forget(owned)
        return result

    def refresh_from_db(self, using: Any = None, fields: Any = None, from_queryset: Any = None) -> None:
        """Like Django's; a secret is always loaded together with the version and key of its seal."""
        fields = None if fields is None else list(fields)
        before = self.__dict__.copy()
        for field in secret_fields(type(self)):
            if fields is not None and field.name in fields:
                fields += [field.version_name, field.key_name]
                self.__dict__[field.attname] = None
            elif fields is None and field.attname in self.__dict__:
                # Without a value before, an empty column is not taken for a secret that was cleared.
                self.__dict__[field.attname] = None
        try:
            super().refresh_from_db(using, fields, from_queryset)
            if fields is not None and "version" not in fields and "version" in before:
                # only() brought it along. One field loaded late does not make the others current.
                self.version = before["version"]
        except BaseException:
            self.__dict__.clear()
            self.__dict__.update(before)
            raise

    def clean(self) -> None:
        """Raise ValidationError where a stored secret must be entered again: in a copy of its row, and for
        another destination."""
        super().clean()
        self.prepare()
        kept = saving.kept(self)
        if kept and self._state.adding:
            message, code = _("Enter it: a secret opens in its own row, and not in a copy."), "copied"
        elif kept and (stored := self.stored()) and stored.destination() != self.destination():
            message, code = (
                _("Enter it again: the stored one is for another destination and is not sent anywhere else."),
                "destination",
            )
        else:
            return
        raise ValidationError({name: ValidationError(message, code=code) for name in kept})

    def destination(self) -> tuple[str, ...]:
        """Where the secrets of this row may be sent, as plain strings. Sealed together with each secret."""
        raise NotImplementedError

    @classmethod
    def destination_fields(cls) -> tuple[str, ...]:
        """The names of the fields that `destination` reads."""
        raise NotImplementedError

    @classmethod
    def kept_in_step(cls) -> set[str]:
        """The names of the fields that others follow from, or that follow from others: save() writes them."""
        kept = {"id", "name", "provider", "component", "version", "secret_version", *cls.PREPARED}
        return kept | set(cls.destination_fields())

    def prepare(self) -> None:
        """Set the maintained fields before a save: those named in PREPARED."""

    def take_turns(self, update_fields: Iterable[str] | None = None) -> None:
        """Take the locks that come before those of rows, for a save of these fields. In a transaction."""

    def fresh(self, name: str) -> str | None:
        """The plaintext of a secret that was assigned and not saved yet: what format checks may look at."""
        state = cast(SecretField, type(self)._meta.get_field(name)).state(self)
        return state.text if isinstance(state, Fresh) else None

    def stored(self) -> Self | None:
        """The row as it stands in the database; None where it is gone. One query."""
        return type(self)._base_manager.filter(pk=self.pk).first()

    def make_ready(self) -> None:
        """Do for a new row what save() does before it inserts: check, component, count of secrets."""
        self.prepare()
        self._check(None)
        self.take_component()

    def take_component(self) -> None:
        """Give a new row, which was checked, its count of secrets and its component, not stored yet."""
        self.secret_version += 1 if saving.replaced(self, None) else 0
        self.component = Component(kind=self.COMPONENT_KIND, **self._component_fields())

    def remember(self, fields: Iterable[SecretField]) -> None:
        """Make what was just sealed in these fields the current fingerprints."""
        for field in fields:
            state = field.state(self)
            Fingerprint.objects.remember(
                self.id, field.name, state.digest if isinstance(state, Sealed) else ""
            )

    # --- what the parts of save() do ------------------------------------------------------------------------

    def _add(self, replaced: list[SecretField], *args: Any, **kwargs: Any) -> None:
        self.take_component()
        self.component.save()
        super().save(*args, **kwargs)
        self.remember(replaced)
        self._added()
        audit.record("create", self)

    def _added(self) -> None:
        """Called in the transaction that adds a row, for what else belongs to it."""

    def _changed_to(self, changed: set[str]) -> None:
        """Called in the transaction that changes a row, with the names of the changed fields."""

    def _change(
        self, replaced: list[SecretField], update_fields: set[str] | None, *args: Any, **kwargs: Any
    ) -> None:
        stored = self.stored()
        self._claim()
        self._catch_up(stored, replaced)
        if replaced:
            self.secret_version += 1
            self.unreadable = saving.stays_unreadable(self, replaced)
        written = saving.written(self, update_fields, replaced)
        changed = saving.changed(self, stored, written, replaced)
        super().save(*args, update_fields=written, **kwargs)
        self.remember(replaced)
        if changed:
            self._changed_to(changed)
            audit.record(self._act(changed, replaced), self, fields=changed)
        # After those that it depends on were locked together with it.
        Component.everything.filter(pk=self.component_id).update(**self._component_fields())
        if replaced:
            schedule.hurry(self.component_id)

    def _catch_up(self, stored: Self | None, replaced: list[SecretField]) -> None:
        """Take over what the code has written since this instance was loaded, before it is saved."""
        saving.count_from_stored(self, replaced)

    def _act(self, changed: set[str], replaced: list[SecretField]) -> str:
        """What a change is called in the audit trail."""
        return "replace_secret" if replaced else "change"

    def _check(self, update_fields: Any) -> None:
        exclude = {"component"}
        for field in self._meta.concrete_fields:
            # A foreign key costs a query to check, and the database checks it anyway.
            if field.is_relation or (update_fields is not None and field.name not in update_fields):
                exclude.add(field.name)
        self.full_clean(exclude=exclude, validate_unique=False, validate_constraints=False)

    def _claim(self) -> None:
        """Take the row for this save: one of two that loaded the same version wins. Locks the row as well."""
        rows = self._root_rows().filter(pk=self.pk, version=self.version)
        if not rows.update(version=models.F("version") + 1):
            raise Conflict(
                f"{self} was changed or deleted by somebody else since it was loaded: load it again."
            )
        self.version += 1

    @classmethod
    def _root_rows(cls) -> models.QuerySet:
        """The table that holds the shared columns, without the kind's own and past all rules: for the code
        that maintains these."""
        return models.QuerySet(cls._meta.get_field("version").model)

    def _component_fields(self) -> dict[str, str]:
        """The plain strings that the component repeats, so that health need not know this row."""
        return {"name": self.name[:200], "provider": self.provider, "revision": str(self.secret_version)}

    # --- what a Secret calls --------------------------------------------------------------------------------

    def secret_used(self) -> None:
        """Called when the code opened a secret to send it."""
        if self.unreadable and all(
            getattr(self, field.name).opens() for field in secret_fields(type(self)) if field.state(self)
        ):
            # The key came back.
            self._root_rows().filter(pk=self.pk).update(unreadable=False)
            self.unreadable = False

    secret_used.alters_data = True  # type: ignore[attr-defined]  # no template may call it

    def secret_failed(self, field: SecretField) -> None:
        """Called when a secret could not be opened: its row becomes findable as unreadable, unless the secret
        was replaced meanwhile."""
        state = field.state(self)
        stored = type(self)._base_manager.filter(pk=self.pk).values_list(field.name, flat=True).first()
        if isinstance(stored, Sealed) and isinstance(state, Sealed) and stored.token == state.token:
            self._root_rows().filter(pk=self.pk).update(unreadable=True)
            self.unreadable = True

    secret_failed.alters_data = True  # type: ignore[attr-defined]

    def authorise_reveal(self, field: str, *, actor: Any, reason: str) -> None:
        """Record a reveal, or raise where it is not allowed."""
        audit.authorise_reveal(self, field, actor=actor, reason=reason)

    def secret_set_at(self) -> dict[str, datetime]:
        """When each secret in force was entered, by field name. One query."""
        current = Fingerprint.objects.of(self.id).filter(current=True)
        return dict(current.values_list("field", "current_since"))

    @classmethod
    def holding(cls, text: str) -> models.QuerySet[Self]:
        """The rows that hold or once held this secret, found by its fingerprint."""
        owners = Fingerprint.objects.filter(digest=fingerprint(text)).values("owner")
        return cls._base_manager.filter(id__in=owners)
