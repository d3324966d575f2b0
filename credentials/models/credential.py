"""The stored way into one customer's account. Each kind is a subclass in `credentials.kinds`."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, ClassVar, Self

from django.core.exceptions import ValidationError
from django.db import IntegrityError, models, transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from polymorphic.models import PolymorphicModel

from credentials import audit, json_values
from credentials.models import app_choice
from credentials.models import properties as declared
from credentials.models.access import Access
from credentials.models.consent import Consenting
from credentials.models.declaration import Declaration, Values
from credentials.models.deletion import KEPT_FOR, Deleted, put_away
from credentials.models.oauth_app import OAuthApp
from credentials.models.querysets import CredentialManager, EverythingManager
from credentials.models.rate_limit import Limit, RateLimit
from credentials.models.secret_holder import Conflict, SecretHolder
from credentials.sealing import SecretField
from health import wiring
from health.fields import PlainTextField
from health.models import Component

USED_AT_MOST_EVERY = timedelta(minutes=1)


def _in_list(name: str, *fields: str) -> models.Index:
    """An index of what is not deleted: by these fields, then the newest change first."""
    order = [*fields, "-updated_at", "-id"]
    return models.Index(fields=order, condition=models.Q(deleted_at=None), name=name)


class Credential(Declaration, Access, Consenting, SecretHolder, PolymorphicModel):
    """What all kinds have in common. Whatever lists show, filter or sort by is on this table.

    A kind declares its properties as model fields, and says of itself what `Declaration` and `Access` ask.
    """

    COMPONENT_KIND = Component.Kind.CREDENTIAL
    PREPARED = ("kind", "provider", "account", "search")

    # Whether the caller knows already that no other credential has the account.
    alone = False

    name = PlainTextField(
        _("name"), max_length=200, help_text=_("What people here call it: the customer, and what it is for.")
    )
    kind = models.CharField(_("kind"), max_length=40, editable=False)
    provider = models.CharField(_("provider"), max_length=32, editable=False)
    account = models.CharField(  # noqa: DJ001 - many may be unknown, and the rest are unique
        _("account"),
        max_length=255,
        null=True,
        editable=False,
        help_text=_("The provider's own id of the customer's account; empty until it is known."),
    )
    oauth_app = models.ForeignKey(
        OAuthApp,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="credentials",
        verbose_name=_("OAuth app"),
        help_text=_("The app that the customer authorised. Empty: the provider's default app."),
    )
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True, editable=False)
    last_used_at = models.DateTimeField(_("last used"), null=True, blank=True, editable=False)
    search = models.TextField(_("text for finding"), blank=True, editable=False)
    deleted_at = models.DateTimeField(_("deleted"), null=True, blank=True, editable=False)

    objects: ClassVar[CredentialManager] = CredentialManager()
    # With the deleted ones. Django follows relations, refreshes and dumps through it.
    everything = EverythingManager()

    class Meta:
        verbose_name = _("credential")
        verbose_name_plural = _("credentials")
        base_manager_name = "everything"
        permissions = [("reveal_credential", _("Can reveal the secrets of credentials"))]
        indexes = [
            # What the list is sorted and narrowed by, ending in its usual order: a page is found in one of
            # these without a look at the table.
            _in_list("credential_list"),
            _in_list("credential_list_by_name", "name"),
            _in_list("credential_list_by_provider", "provider"),
            _in_list("credential_list_by_kind", "kind"),
            models.Index(
                fields=["unreadable"], condition=models.Q(unreadable=True), name="credential_unreadable"
            ),
            # What the console's list is sorted by besides; of one more index `finding_index` knows.
            models.Index(
                fields=["created_at", "id"],
                condition=models.Q(deleted_at=None),
                name="credential_list_by_age",
            ),
            models.Index(
                fields=["last_used_at", "id"],
                condition=models.Q(deleted_at=None),
                name="credential_list_by_use",
            ),
            models.Index(
                fields=["name", "id"],
                condition=models.Q(deleted_at__isnull=False),
                name="credential_deleted_by_name",
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "account"],
                condition=models.Q(deleted_at=None),
                name="credential_one_per_account",
            )
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("credential", args=[self.pk])

    # --- properties -----------------------------------------------------------------------------------------

    @property
    def properties(self) -> dict[str, Any]:
        """The properties in the documented shape, with each secret masked."""
        return {"kind": self.kind or self.KIND} | declared.masked(self)

    @classmethod
    def from_properties(cls, properties: Values, *, alone: bool = False, **fields: Any) -> Self:
        """A new credential of this kind, checked and not saved yet.

        `fields` are those beside the properties: name, metadata, oauth_app. `alone` says that the caller
        looks for twins and for the app, for many rows at once. Raises ValidationError that names every
        property that is wrong.
        """
        properties = declared.renamed(cls, properties)
        credential = cls(**fields)
        credential.alone = alone
        declared.assign(credential, properties)
        credential.prepare()
        # clean() looks for the app, with words for where there is none.
        exclude = {"component", "oauth_app"}
        credential.full_clean(exclude=exclude, validate_unique=False, validate_constraints=False)
        return credential

    def destination(self) -> tuple[str, ...]:
        """The kind, what it declares as destination, and the OAuth app, each in its one written form."""
        values = {name: getattr(self, name) for name in self.DESTINATION}
        named = [
            f"{name}={declared.field_of(type(self), name).to_python(value)}" for name, value in values.items()
        ]
        app = OAuthApp._meta.pk.to_python(self.oauth_app_id)
        return (self.KIND, *named, f"oauth_app={app or ''}")

    @classmethod
    def destination_fields(cls) -> tuple[str, ...]:
        return (*cls.DESTINATION, "oauth_app")

    @classmethod
    def kept_in_step(cls) -> set[str]:
        # The text for finding follows from the properties and the metadata.
        return super().kept_in_step() | {*cls.PROPERTIES, "metadata", "deleted_at", "credential_ptr"}

    def document(self) -> dict[str, Any]:
        """The credential in the documented shape, secrets masked."""
        return {
            "id": str(self.id),
            "name": self.name,
            "provider": self.provider,
            "properties": self.properties,
            "oauth_app_id": str(self.oauth_app_id) if self.oauth_app_id else None,
            "health": self.component.document(),
            "rate_limit": self.rate_limit.document(),
            "metadata": json_values.ordered(self.metadata),
            "created_at": self.created_at,
            "updated_at": self.updated_at,
        }

    # --- saving ---------------------------------------------------------------------------------------------

    def prepare(self) -> None:
        if not self.KIND:
            raise TypeError("This is a credential without its kind: load it through Credential.objects.")
        self.kind, self.provider = self.KIND, self.PROVIDER.key
        self.account = self.account_of(declared.plain(self), None) or self.account
        if not self.name:
            self.name = f"{self.PROVIDER.name} {self.account}" if self.account else ""
        self.search = declared.text_for_finding(self)

    def clean(self) -> None:
        """Raise ValidationError for what is wrong between the fields, named by property."""
        errors: dict[str, Any] = {}
        try:
            super().clean()
        except ValidationError as error:
            errors = dict(error.error_dict)
        errors |= self.check_format()
        if message := app_choice.problem(self):
            errors["oauth_app"] = message
        if twin := None if self.alone else self.twin():
            errors["__all__"] = ValidationError(
                _("“%(name)s” (%(id)s) is a credential of the same account already."),
                code="account_taken",
                params={"name": twin.name, "id": str(twin.pk)},
            )
        if errors:
            raise ValidationError(errors)

    def twin(self) -> "Credential | None":
        """Another credential of the same kind and account, or for an unknown account with the same secret."""
        others = Credential.objects.non_polymorphic().kind(self.KIND).exclude(pk=self.pk)
        if self.account:
            return others.filter(account=self.account).first()
        return declared.holding_same_secret(self, others)

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Like that of every SecretHolder; a new credential gets its kind's default limit with it."""
        try:
            with transaction.atomic(kwargs.get("using")):
                super().save(*args, **kwargs)
        except IntegrityError:
            # Lost a race for the account: say so in the words that the slower one of two people gets.
            self.clean()
            raise

    def take_turns(self, update_fields: Iterable[str] | None = None) -> None:
        """Keep its provider's default app as it is, where the credential may use it."""
        if not self.USES_OAUTH_APP or (self._state.adding and self.oauth_app_id):
            return
        if update_fields is None or {"oauth_app", "oauth_app_id", "deleted_at"} & set(update_fields):
            app_choice.hold([self.PROVIDER.key])

    def _added(self) -> None:
        limit = self.default_limit(declared.plain(self))
        RateLimit.objects.create(credential_id=self.pk, **limit._asdict())
        if app := self.app_in_use():
            wiring.connect([(self.component_id, app.component_id)], actor=audit.now_acting().actor)

    def _catch_up(self, stored: Self | None, replaced: list[SecretField]) -> None:
        super()._catch_up(stored, replaced)
        if replaced:
            # It was that of the secret before.
            self.expires_at = None
        if stored is not None and self.account is None and stored.account:
            # A probe has learnt it since this instance was loaded.
            self.account = stored.account
            self.prepare()

    def _changed_to(self, changed: set[str]) -> None:
        if changed & set(self.SEPARATES):
            # The stored account is of what it was before; the next probe tells.
            self.account = None
            self._root_rows().filter(pk=self.pk).update(account=None)
        if "deleted_at" in changed:
            if self.deleted_at:
                raise TypeError("Call delete(): it also takes the credential out of the graph.")
            self.component.retired_at = None
            Component.everything.filter(pk=self.component_id).update(retired_at=None)
        if {"oauth_app", "deleted_at"} & changed:
            app = self.app_in_use()
            wiring.rewire(self.component, [app.component] if app else [], actor=audit.now_acting().actor)

    def app_in_use(self) -> OAuthApp | None:
        """The OAuth app that this credential authenticates through: its own, or its provider's default."""
        default = OAuthApp.objects.default_for
        return (self.oauth_app or default(self.PROVIDER.key)) if self.USES_OAUTH_APP else None

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """Put the credential away: `restore` brings it back for KEPT_FOR, then a purge removes it for good.

        Raises InUse while a sync depends on it, and Conflict as save() does.
        """
        with transaction.atomic():
            self.take_turns(["deleted_at"])
            mine = self._root_rows().filter(pk=self.pk, version=self.version, deleted_at=None)
            if not mine.select_for_update().values_list("pk"):
                raise Conflict(f"{self} was changed or deleted by somebody else since it was loaded.")
            put_away(Credential.objects.non_polymorphic().filter(pk=self.pk))
        self.refresh_from_db(fields=["deleted_at", "updated_at", "version", "component"])
        return 1, {Credential._meta.label: 1}

    @property
    def gone_at(self) -> datetime | None:
        """When a deleted credential cannot be brought back any more; None for others."""
        return self.deleted_at + KEPT_FOR if self.deleted_at else None

    def restore(self) -> None:
        """Bring a deleted credential back.

        Raises ValidationError where its account has another one by now, or where its time is over.
        """
        if self.gone_at and timezone.now() > self.gone_at:
            raise ValidationError(_("It was deleted more than %d days ago.") % KEPT_FOR.days)
        before = self.deleted_at
        self.deleted_at = None
        try:
            self.save(update_fields=["deleted_at"])
        except BaseException:
            self.deleted_at = before
            raise

    restore.alters_data = True  # type: ignore[attr-defined]

    def _act(self, changed: set[str], replaced: Any) -> str:
        if "deleted_at" in changed:
            return "restore"
        return super()._act(changed, replaced)

    def set_limit(self, limit: Limit) -> bool:
        """Store another rate limit; returns whether it differs from that before. Raises ValidationError."""
        with transaction.atomic():
            changed = self.rate_limit.become(limit)
            if changed:
                audit.record("change", self, fields=["rate_limit"])
        return changed

    def secret_used(self) -> None:
        """Note the use, at most once a minute and touching nothing else. Raises Deleted."""
        self._refuse_deleted()
        super().secret_used()
        now = timezone.now()
        if self.last_used_at is None or now - self.last_used_at >= USED_AT_MOST_EVERY:
            self.last_used_at = now
            unused = models.Q(last_used_at=None) | models.Q(last_used_at__lte=now - USED_AT_MOST_EVERY)
            self._root_rows().filter(unused, pk=self.pk).update(last_used_at=now)

    secret_used.alters_data = True  # type: ignore[attr-defined]  # no template may call it

    def authorise_reveal(self, field: str, *, actor: Any, reason: str) -> None:
        """Record a reveal, or raise where it is not allowed: Deleted too."""
        self._refuse_deleted()
        super().authorise_reveal(field, actor=actor, reason=reason)

    def _refuse_deleted(self) -> None:
        if self.deleted_at:
            raise Deleted("This credential was deleted: restore it before its secrets are used or shown.")
