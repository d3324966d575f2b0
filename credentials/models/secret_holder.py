"""What rows with secrets have in common: identity, versions, a component, and a save() that keeps them in step."""

import uuid
from datetime import datetime
from typing import Any, Self

from django.db import models, transaction
from django.utils.translation import gettext_lazy as _

from credentials import audit
from credentials.fields import JsonObjectField
from credentials.models.fingerprint import Fingerprint
from credentials.sealing import Cleared, Fresh, Sealed, SecretField, fingerprint, secret_fields
from health.models import Component

# Kept by the code beside people's edits: writing them is no edit, and makes nobody's form out of date.
MAINTAINED = {"last_used_at", "unreadable"}


class Conflict(Exception):
    """The row was changed or deleted by somebody else since it was loaded. Load it again, then change it."""


class SecretHolderQuerySet(models.QuerySet):
    def update(self, **values: Any) -> int:
        """Like Django's, but refuses secrets, and makes forms that are open on the rows out of date."""
        secrets = {field.name for field in secret_fields(self.model)} & set(values)
        if secrets:
            raise TypeError(f"update() cannot seal {', '.join(sorted(secrets))}: assign it and call save().")
        if not set(values) <= MAINTAINED:
            values.setdefault("version", models.F("version") + 1)
        return super().update(**values)

    update.alters_data = True

    def bulk_update(self, objs, fields, batch_size=None):
        """Like Django's, but refuses secrets: each row would get the secrets of all, encrypted as one text."""
        secrets = {field.name for field in secret_fields(self.model)} & set(fields)
        if secrets:
            raise TypeError(
                f"bulk_update() cannot seal {', '.join(sorted(secrets))}: save the rows one by one."
            )
        return super().bulk_update(objs, fields, batch_size)

    bulk_update.alters_data = True

    def delete(self):
        """Delete the rows with what belongs to them: components and fingerprints."""
        with transaction.atomic(self.db):
            owned = list(self.values_list("id", "component_id"))
            result = super().delete()
            forget(owned)
        return result

    delete.alters_data = True
    delete.queryset_only = True


def forget(owned: list[tuple[uuid.UUID, uuid.UUID]]) -> None:
    """Remove the fingerprints and components of rows that were deleted, given as (id, component id)."""
    for start in range(0, len(owned), 500):
        rows = owned[start : start + 500]
        Fingerprint.objects.filter(owner__in=[row for row, _component in rows]).delete()
        Component.objects.filter(id__in=[component for _row, component in rows]).delete()


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

    def destination(self) -> tuple[str, ...]:
        """Where the secrets of this row may be sent, as plain strings. Sealed together with each secret."""
        raise NotImplementedError

    def prepare(self) -> None:
        """Set the maintained fields before a save."""

    def fresh(self, name: str) -> str | None:
        """The plaintext of a secret that was assigned and not saved yet: what format checks may look at."""
        state = type(self)._meta.get_field(name).state(self)
        return state.text if isinstance(state, Fresh) else None

    def save(self, *args: Any, update_fields: Any = None, **kwargs: Any) -> None:
        """Check, seal and store. Secrets that were not touched are not written again.

        Raises ValidationError, or Conflict where somebody else saved since this instance was loaded.
        """
        self.prepare()
        self._check(update_fields)
        adding, before = self._state.adding, self.__dict__.copy()
        replaced = [
            field
            for field in secret_fields(type(self))
            if isinstance(field.state(self), (Fresh, Cleared))
            and (update_fields is None or field.name in update_fields)
        ]
        try:
            with transaction.atomic(kwargs.get("using")):
                if not adding:
                    self._claim()
                if replaced:
                    self.secret_version += 1
                    self._judge_readable(replaced)
                if adding:
                    self.component = Component.objects.create(
                        kind=self.COMPONENT_KIND, **self._component_fields()
                    )
                super().save(*args, update_fields=self._written(update_fields, replaced, adding), **kwargs)
                self._remember(replaced)
                if not adding:
                    Component.objects.filter(pk=self.component_id).update(**self._component_fields())
        except BaseException:
            # Nothing was stored: a secret that was sealed on the way must be fresh again for the next try.
            self.__dict__.clear()
            self.__dict__.update(before)
            self._state.adding = adding
            raise

    save.alters_data = True

    def delete(self, *args: Any, **kwargs: Any):
        """Delete the row with its component and fingerprints."""
        owned = [(self.id, self.component_id)]
        with transaction.atomic(kwargs.get("using")):
            result = super().delete(*args, **kwargs)
            forget(owned)
        return result

    delete.alters_data = True

    def refresh_from_db(self, using=None, fields=None, from_queryset=None):
        """Like Django's; a secret is always loaded together with the version and key of its seal."""
        for field in secret_fields(type(self)):
            if fields is None or field.name in fields:
                if field.attname in self.__dict__:
                    self.__dict__[field.attname] = None
                if fields is not None:
                    fields = [*fields, field.version_name, field.key_name]
        super().refresh_from_db(using, fields, from_queryset)

    # --- what the parts of save() do ---------------------------------------------------------------------------------

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
        if not models.QuerySet.update(rows, version=models.F("version") + 1):
            raise Conflict(
                f"{self} was changed or deleted by somebody else since it was loaded: load it again."
            )
        self.version += 1

    @classmethod
    def _root_rows(cls) -> models.QuerySet:
        """The table that holds the shared columns, without the kind's own."""
        return models.QuerySet(cls._meta.get_field("version").model)

    def _written(self, update_fields: Any, replaced: list[SecretField], adding: bool) -> Any:
        """The fields that a save writes, or None for all of a new row."""
        if adding:
            return None
        untouched = set()
        for field in secret_fields(type(self)):
            if field not in replaced:
                untouched |= {field.name, field.version_name, field.key_name}
        if update_fields is None:
            deferred = self.get_deferred_fields()
            names = {
                field.name
                for field in self._meta.concrete_fields
                if not field.primary_key and field.attname not in deferred
            }
        else:
            names = {*update_fields, "version", "updated_at"}
            for field in replaced:
                names |= {field.version_name, field.key_name}
        if replaced:
            names |= {"secret_version", "unreadable"}
        return names - untouched

    def _judge_readable(self, replaced: list[SecretField]) -> None:
        """A replaced secret opens by definition; the others as far as their keys are at hand."""
        self.unreadable = any(
            isinstance(field.state(self), Sealed) and not getattr(self, field.name).readable
            for field in secret_fields(type(self))
            if field not in replaced
        )

    def _remember(self, replaced: list[SecretField]) -> None:
        for field in replaced:
            state = field.state(self)
            Fingerprint.objects.remember(
                self.id, field.name, state.digest if isinstance(state, Sealed) else ""
            )

    def _component_fields(self) -> dict[str, str]:
        """The plain strings that the component repeats, so that health need not know this row."""
        return {"name": self.name[:200], "provider": self.provider, "revision": str(self.secret_version)}

    # --- what a Secret calls -------------------------------------------------------------------------------------------

    def secret_used(self) -> None:
        """Called when the code opened a secret to send it."""

    def secret_failed(self) -> None:
        """Called when a secret could not be opened: the row becomes findable as unreadable."""
        models.QuerySet.update(self._root_rows().filter(pk=self.pk), unreadable=True)
        self.unreadable = True

    def authorise_reveal(self, field: str, *, actor: Any, reason: str) -> None:
        """Record a reveal, or raise where it is not allowed."""
        audit.authorise_reveal(self, field, actor=actor, reason=reason)

    def secret_set_at(self) -> dict[str, datetime]:
        """When each secret in force was entered, by field name. One query."""
        current = Fingerprint.objects.of(self.id).filter(current=True)
        return dict(current.values_list("field", "created_at"))

    @classmethod
    def holding(cls, text: str) -> models.QuerySet[Self]:
        """The rows that hold or once held this secret, found by its fingerprint."""
        owners = Fingerprint.objects.filter(digest=fingerprint(text)).values("owner")
        return cls._default_manager.filter(id__in=owners)
