"""What rows with secrets have in common: identity, versions, component, a save() that keeps them in step."""

import uuid
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Self, cast

from django.apps import apps
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.db.models import ProtectedError
from django.utils.translation import gettext_lazy as _

from credentials import audit
from credentials.fields import JsonObjectField
from credentials.models.fingerprint import Fingerprint
from credentials.sealing import Cleared, Fresh, Sealed, SecretField, fingerprint, keyring, secret_fields
from health.models import Component

# Kept by the code beside people's edits: writing them is no edit, and makes nobody's form out of date.
MAINTAINED = {"last_used_at", "unreadable"}


class Conflict(Exception):
    """The row was changed or deleted by somebody else since it was loaded. Load it again, then change it."""


class InUse(ProtectedError):
    """Something still depends on what should be deleted: `protected_objects` are the components that do."""


def users_of(components: Iterable[uuid.UUID]) -> models.QuerySet[Component]:
    """The components that depend on any of these, and are none of them."""
    ids = list(components)
    found = Component.objects.filter(dependencies__depends_on__in=ids).exclude(pk__in=ids)
    return found.distinct().order_by("kind", "name")


def refuse_in_use(components: Iterable[uuid.UUID]) -> None:
    """Raise InUse where something depends on these components."""
    users = list(users_of(components)[:20])
    if users:
        names = ", ".join(map(str, users[:5]))
        raise InUse(_("It is in use: %(users)s.") % {"users": names}, set(users))


class SecretHolderQuerySet(models.QuerySet):
    def only(self, *fields: str) -> Self:
        """Like Django's; the version always comes along, without which a save could not tell a conflict."""
        return super().only(*fields, "version")

    def update(self, **values: Any) -> int:
        """Like Django's, but refuses secrets, records each row's change, and makes open forms stale."""
        self._refuse_secrets("update()", values)
        if set(values) <= MAINTAINED:
            return super().update(**values)
        values.setdefault("version", models.F("version") + 1)
        with transaction.atomic(self.db):
            changed = [self.model(id=row, name=name) for row, name in self.values_list("id", "name")]
            audit.record_all(audit.event("change", row, fields=set(values) - {"version"}) for row in changed)
            return super().update(**values)

    def bulk_update(self, objs: Any, fields: Any, batch_size: Any = None) -> int:
        """Like Django's, but refuses secrets: each row would get those of all, encrypted as one text."""
        fields = list(fields)
        self._refuse_secrets("bulk_update()", fields)
        return super().bulk_update(objs, fields, batch_size)

    def bulk_create(self, objs: Any, *args: Any, update_conflicts: bool = False, **kwargs: Any) -> Any:
        """Insert new rows at once, checked and recorded like those that are saved one by one.

        A conflict cannot be turned into an update: the token is sealed for the new row, not for the old one.
        """
        if update_conflicts:
            raise TypeError("bulk_create() cannot update rows: their secrets are sealed for other ids.")
        if self.model._meta.parents:
            raise ValueError("Django inserts the rows of a kind one by one: call save().")
        rows = list(objs)
        with transaction.atomic(self.db):
            for row in rows:
                row.make_ready()
            Component.objects.bulk_create([row.component for row in rows])
            created = super().bulk_create(rows, *args, **kwargs)
            for row in rows:
                row.remember(secret_fields(self.model))
            audit.record_all(audit.event("create", row) for row in rows)
        return created

    def delete(self) -> tuple[int, dict[str, int]]:
        """Delete the rows with what belongs to them: components and fingerprints."""
        with transaction.atomic(self.db):
            owned = list(self.values_list("id", "component_id", "name"))
            refuse_in_use(component for _row, component, _name in owned)
            audit.record_all(
                audit.event("delete", self.model(id=row, name=name)) for row, _component, name in owned
            )
            result = super().delete()
            forget([(row, component) for row, component, _name in owned])
        return result

    delete.queryset_only = True  # type: ignore[attr-defined]  # Django's own mark: not on managers

    def _refuse_secrets(self, verb: str, names: Iterable[str]) -> None:
        guarded = {
            name
            for field in secret_fields(self.model)
            for name in (field.name, field.version_name, field.key_name)
        }
        found = sorted(guarded & set(names))
        if found:
            raise TypeError(f"{verb} cannot seal {', '.join(found)}: assign the secret and call save().")


def mark_unreadable() -> int:
    """Mark the rows with a secret whose key is not in FERNET_KEYS; returns how many were not marked yet."""
    marked = 0
    for model in apps.get_models():
        if not issubclass(model, SecretHolder):
            continue
        lost = models.Q()
        for field in secret_fields(model):
            sealed = models.Q(**{f"{field.key_name}__gt": ""})
            lost |= sealed & ~models.Q(**{f"{field.key_name}__in": list(keyring())})
        if lost:
            rows: models.QuerySet = models.QuerySet(model).filter(lost).values("pk")
            unmarked = model._root_rows().filter(pk__in=rows, unreadable=False)
            marked += models.QuerySet.update(unmarked, unreadable=True)
    return marked


def forget(owned: list[tuple[uuid.UUID, uuid.UUID]]) -> None:
    """Remove the fingerprints and components of rows that were deleted, given as (id, component id)."""
    for start in range(0, len(owned), 500):
        rows = owned[start : start + 500]
        Fingerprint.objects.filter(owner__in=[row for row, _component in rows]).delete()
        Component.everything.filter(id__in=[component for _row, component in rows]).delete()


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
                self.prepare()
                replaced = self._replaced(update_fields)
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
        """Raise ValidationError where the destination changed and a stored secret was not entered again."""
        super().clean()
        self.prepare()
        kept = [field.name for field in secret_fields(type(self)) if isinstance(field.state(self), Sealed)]
        if self._state.adding or not kept:
            return
        stored = self.stored()
        if stored is not None and stored.destination() != self.destination():
            message = _(
                "Enter it again: the stored one is for another destination and is not sent anywhere else."
            )
            raise ValidationError({name: ValidationError(message, code="destination") for name in kept})

    def destination(self) -> tuple[str, ...]:
        """Where the secrets of this row may be sent, as plain strings. Sealed together with each secret."""
        raise NotImplementedError

    @classmethod
    def destination_fields(cls) -> tuple[str, ...]:
        """The names of the fields that `destination` reads."""
        raise NotImplementedError

    def prepare(self) -> None:
        """Set the maintained fields before a save: those named in PREPARED."""

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
        self.secret_version += 1 if self._replaced(None) else 0
        self.component = Component(kind=self.COMPONENT_KIND, **self._component_fields())

    def remember(self, fields: Iterable[SecretField]) -> None:
        """Make what was just sealed in these fields the current fingerprints."""
        for field in fields:
            state = field.state(self)
            Fingerprint.objects.remember(
                self.id, field.name, state.digest if isinstance(state, Sealed) else ""
            )

    # --- what the parts of save() do ------------------------------------------------------------------------

    def _replaced(self, update_fields: Any) -> list[SecretField]:
        """The secrets that a save with these fields seals or clears."""
        return [
            field
            for field in secret_fields(type(self))
            if isinstance(field.state(self), (Fresh, Cleared))
            and (update_fields is None or field.name in update_fields)
        ]

    def _add(self, replaced: list[SecretField], *args: Any, **kwargs: Any) -> None:
        self.secret_version += 1 if replaced else 0
        self.component = Component.objects.create(kind=self.COMPONENT_KIND, **self._component_fields())
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
        if replaced:
            self.secret_version += 1
            self._judge_readable(replaced)
        written = self._written(update_fields, replaced)
        changed = self._changed(stored, written, replaced)
        super().save(*args, update_fields=written, **kwargs)
        self.remember(replaced)
        Component.everything.filter(pk=self.component_id).update(**self._component_fields())
        if changed:
            self._changed_to(changed)
            audit.record(self._act(changed, replaced), self, fields=changed)

    def _act(self, changed: set[str], replaced: list[SecretField]) -> str:
        """What a change is called in the audit trail."""
        return "replace_secret" if replaced else "change"

    def _changed(self, stored: Any, written: set[str], replaced: list[SecretField]) -> set[str]:
        """The names of the fields that a save changes: what people set, not what is kept beside it."""
        plain = {
            field.attname: field.name
            for field in self._meta.concrete_fields
            if field.name in written and (field.editable or field.name == "deleted_at")
        }
        for field in secret_fields(type(self)):
            plain.pop(field.attname, None)
        changed = {
            name for attname, name in plain.items() if getattr(self, attname) != getattr(stored, attname)
        }
        return changed | {field.name for field in replaced}

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

    def _written(self, update_fields: set[str] | None, replaced: list[SecretField]) -> set[str]:
        """The fields that a save of a stored row writes."""
        if update_fields is None:
            deferred = self.get_deferred_fields()
            names = {
                field.name
                for field in self._meta.concrete_fields
                if not field.primary_key and field.attname not in deferred
            }
        else:
            names = {*update_fields, "version", "updated_at"}
        for field in secret_fields(type(self)):
            sealed = {field.name, field.version_name, field.key_name}
            names = names | sealed if field in replaced else names - sealed
        return names | {"secret_version", "unreadable"} if replaced else names

    def _judge_readable(self, replaced: list[SecretField]) -> None:
        """A replaced secret opens by definition; the others as far as their keys are at hand."""
        self.unreadable = any(
            isinstance(field.state(self), Sealed) and not getattr(self, field.name).readable
            for field in secret_fields(type(self))
            if field not in replaced
        )

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
            models.QuerySet.update(self._root_rows().filter(pk=self.pk), unreadable=False)
            self.unreadable = False

    secret_used.alters_data = True  # type: ignore[attr-defined]  # no template may call it

    def secret_failed(self, field: SecretField) -> None:
        """Called when a secret could not be opened: its row becomes findable as unreadable, unless the secret
        was replaced meanwhile."""
        state = field.state(self)
        stored = type(self)._base_manager.filter(pk=self.pk).values_list(field.name, flat=True).first()
        if isinstance(stored, Sealed) and isinstance(state, Sealed) and stored.token == state.token:
            models.QuerySet.update(self._root_rows().filter(pk=self.pk), unreadable=True)
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
