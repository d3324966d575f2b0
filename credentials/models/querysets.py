"""What many rows with secrets can be asked at once, and what is refused because only save() does it right."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Self, cast

from django.core.exceptions import FieldDoesNotExist
from django.db import models, transaction
from django.db.models.fields.json import KeyTransform
from polymorphic.managers import PolymorphicManager
from polymorphic.query import PolymorphicQuerySet

from credentials import audit
from credentials.models.deletion import forget, put_away, refuse_in_use
from credentials.sealing import secret_fields
from health.models import Component
from health.selection import with_status

if TYPE_CHECKING:
    from credentials.models.credential import Credential  # noqa: F401 - in the names of types

# Kept by the code beside people's edits: writing them is no edit, and makes nobody's form out of date.
MAINTAINED = {"last_used_at", "unreadable"}


class SecretHolderQuerySet(models.QuerySet):
    # What the audit trail calls it when rows go for good.
    REMOVAL = "delete"

    def only(self, *fields: str) -> Self:
        """Like Django's; the version always comes along, without which a save could not tell a conflict."""
        return super().only(*fields, "version")

    def update(self, **values: Any) -> int:
        """Like Django's, but records each row's change, and makes open forms stale.

        Raises TypeError for secrets, and for what other columns follow from: save() keeps these in step.
        """
        self._refuse("update()", values)
        if set(values) <= MAINTAINED:
            return super().update(**values)
        with transaction.atomic(self.db):
            changed = [self.model(id=row, name=name) for row, name in self.values_list("id", "name")]
            audit.record_all(audit.event("change", row, fields=values) for row in changed)
            return super().update(**values, version=models.F("version") + 1)

    def bulk_update(self, objs: Any, fields: Any, batch_size: Any = None) -> int:
        """Like Django's, but refuses what update() refuses. Of a secret, each row would get those of all,
        encrypted as one text."""
        fields = list(fields)
        self._refuse("bulk_update()", fields)
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
                row.take_turns()
            for row in rows:
                row.make_ready()
            Component.objects.bulk_create([row.component for row in rows])
            created = super().bulk_create(rows, *args, **kwargs)
            for row in rows:
                row.remember(secret_fields(self.model))
                row._added()
            audit.record_all(audit.event("create", row) for row in rows)
        return created

    def delete(self) -> tuple[int, dict[str, int]]:
        """Delete the rows with what belongs to them: components and fingerprints."""
        with transaction.atomic(self.db):
            owned = list(self.values_list("id", "component_id", "name"))
            refuse_in_use(component for _row, component, _name in owned)
            audit.record_all(
                audit.event(self.REMOVAL, self.model(id=row, name=name)) for row, _component, name in owned
            )
            result = super().delete()
            forget([(row, component) for row, component, _name in owned])
        return result

    delete.queryset_only = True  # type: ignore[attr-defined]  # Django's own mark: not on managers

    def _refuse(self, verb: str, names: Iterable[str]) -> None:
        wanted = {_field_name(self.model, name) for name in names}
        guarded = {
            name
            for field in secret_fields(self.model)
            for name in (field.name, field.version_name, field.key_name)
        }
        if found := sorted(guarded & wanted):
            raise TypeError(f"{verb} cannot seal {', '.join(found)}: assign the secret and call save().")
        holder: Any = self.model
        if found := sorted(holder.kept_in_step() & wanted):
            raise TypeError(
                f"{verb} would leave behind what follows from {', '.join(found)}: assign it and call save()."
            )


def _field_name(model: type[models.Model], name: str) -> str:
    """The name of a field that is given by its name or by that of its column."""
    try:
        return model._meta.get_field(name).name
    except FieldDoesNotExist:
        return name


class CredentialQuerySet(SecretHolderQuerySet["Credential"], PolymorphicQuerySet["Credential", "Credential"]):
    """Filters that read as people speak: `Credential.objects.provider("stripe").status("healthy")`."""

    REMOVAL = "purge"

    if TYPE_CHECKING:

        def non_polymorphic(self) -> Self: ...

    def provider(self, provider: str) -> Self:
        return self.filter(provider=provider)

    def kind(self, kind: str) -> Self:
        return self.filter(kind=kind)

    def status(self, status: str) -> Self:
        """Those of a status; "healthy" are those that somebody found so, "unchecked" the other ones."""
        return self.filter(with_status(status, "component__"))

    def metadata(self, **pairs: Any) -> Self:
        """Credentials whose metadata holds each of these keys with exactly this value."""
        found = self
        for number, (key, value) in enumerate(pairs.items()):
            found = found.alias(**{f"metadata_{number}": KeyTransform(key, "metadata")}).filter(
                **{f"metadata_{number}": value}
            )
        return found

    def delete(self) -> tuple[int, dict[str, int]]:
        """Put each of them away as `Credential.delete` does, all or none."""
        count = put_away(self)
        return count, {self.model._root_rows().model._meta.label: count}

    delete.queryset_only = True  # type: ignore[attr-defined]  # Django's own mark: not on managers

    def purge(self) -> int:
        """Remove the rows for good, with all that belongs to them; returns how many."""
        _total, counts = super().delete()
        return counts.get(self.model._root_rows().model._meta.label, 0)

    purge.alters_data = True  # type: ignore[attr-defined]
    purge.queryset_only = True  # type: ignore[attr-defined]


# With the deleted ones.
EverythingManager = PolymorphicManager.from_queryset(CredentialQuerySet)


class CredentialManager(EverythingManager["Credential", "Credential"]):
    """All credentials that are not deleted."""

    def get_queryset(self) -> CredentialQuerySet:
        return cast(CredentialQuerySet, super().get_queryset().filter(deleted_at=None))
