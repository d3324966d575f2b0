"""The stored way into one customer's account. Each kind is a subclass in `credentials.kinds`."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

from django.core.exceptions import ValidationError
from django.db import IntegrityError, models, transaction
from django.db.models.fields.json import KeyTransform
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from polymorphic.managers import PolymorphicManager
from polymorphic.models import PolymorphicModel
from polymorphic.query import PolymorphicQuerySet

from credentials import audit, json_values
from credentials.models import properties as declared
from credentials.models.oauth_app import OAuthApp
from credentials.models.rate_limit import Limit, RateLimit
from credentials.models.secret_holder import SecretHolder, SecretHolderQuerySet, refuse_in_use
from health import wiring
from health.fields import PlainTextField
from health.models import Component

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

    from credentials.kinds.provider import Provider

# Properties by name, or what a probe answered.
Values = Mapping[str, Any]

USED_AT_MOST_EVERY = timedelta(minutes=1)
SEARCH_LENGTH = 4_000
# How long a deleted credential can be brought back.
KEPT_FOR = timedelta(days=7)


class CredentialQuerySet(SecretHolderQuerySet["Credential"], PolymorphicQuerySet["Credential", "Credential"]):
    """Filters that read as people speak: `Credential.objects.provider("stripe").status("healthy")`."""

    if TYPE_CHECKING:

        def non_polymorphic(self) -> Self: ...

    def provider(self, provider: str) -> Self:
        return self.filter(provider=provider)

    def kind(self, kind: str) -> Self:
        return self.filter(kind=kind)

    def status(self, status: str) -> Self:
        return self.filter(component__status=status)

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
        with transaction.atomic(self.db):
            rows = list(Credential.objects.filter(pk__in=list(self.values_list("pk", flat=True))))
            for row in rows:
                row.delete()
        return len(rows), {Credential._meta.label: len(rows)}

    delete.queryset_only = True  # type: ignore[attr-defined]  # Django's own mark: not on managers

    def purge(self) -> int:
        """Remove the rows for good, with all that belongs to them; returns how many."""
        _total, counts = super().delete()
        return counts.get(Credential._meta.label, 0)

    purge.alters_data = True  # type: ignore[attr-defined]
    purge.queryset_only = True  # type: ignore[attr-defined]


_Manager = PolymorphicManager.from_queryset(CredentialQuerySet)


class CredentialManager(_Manager["Credential", "Credential"]):
    """All credentials that are not deleted."""

    def get_queryset(self) -> CredentialQuerySet:
        return cast(CredentialQuerySet, super().get_queryset().filter(deleted_at=None))


class Credential(SecretHolder, PolymorphicModel):
    """What all kinds have in common. Whatever lists show, filter or sort by is on this table.

    A kind declares the upper-case names below, its properties as model fields, and overrides `account_of`,
    `default_limit` and `check_format` where it has something to say.
    """

    COMPONENT_KIND = Component.Kind.CREDENTIAL
    PREPARED = ("kind", "provider", "account", "search")

    KIND: ClassVar[str] = ""
    PROVIDER: ClassVar["Provider"]
    LABEL: ClassVar["StrOrPromise"] = ""
    SUMMARY: ClassVar["StrOrPromise"] = ""
    HELP_URL: ClassVar[str] = ""
    # The documented properties in their order; "name" means the credential's own name.
    PROPERTIES: ClassVar[tuple[str, ...]] = ()
    # Those of them that decide to which host the secrets are sent.
    DESTINATION: ClassVar[tuple[str, ...]] = ()
    # Where only a probe tells the account: the properties which make it another one.
    SEPARATES: ClassVar[tuple[str, ...]] = ()
    # Older names in documents, for the kind and for its properties.
    OLDER_KINDS: ClassVar[tuple[str, ...]] = ()
    OLDER_PROPERTIES: ClassVar[Mapping[str, str]] = {}
    # Whether the kind authenticates through the platform's own OAuth app.
    USES_OAUTH_APP: ClassVar[bool] = False

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
    everything = _Manager()

    class Meta:
        verbose_name = _("credential")
        verbose_name_plural = _("credentials")
        base_manager_name = "everything"
        permissions = [("reveal_credential", _("Can reveal the secrets of credentials"))]
        indexes = [
            models.Index(fields=["provider", "kind"], name="credential_provider_kind"),
            models.Index(fields=["name"], name="credential_name"),
            models.Index(fields=["-updated_at"], name="credential_updated"),
            models.Index(
                fields=["unreadable"], condition=models.Q(unreadable=True), name="credential_unreadable"
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
        return reverse("admin:credentials_credential_change", args=[self.pk])

    # --- what a kind says of itself -------------------------------------------------------------------------

    @classmethod
    def account_of(cls, properties: Values, answer: Values | None) -> str | None:
        """The provider's id of the account, from the properties or a probe's answer; None when unknown."""
        raise NotImplementedError

    @classmethod
    def default_limit(cls, properties: Values) -> Limit:
        """The rate limit that a new credential gets."""
        raise NotImplementedError

    def check_format(self) -> dict[str, Any]:
        """What is certainly wrong with the values, by property. Secrets are seen only while fresh."""
        return {}

    def warnings(self) -> dict[str, Any]:
        """What looks odd but may be right, by property: formats that the provider does not promise."""
        return {}

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
        exclude = {"component", "oauth_app"} if alone else {"component"}
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
        plain = declared.plain(self)
        self.account = self.account_of(plain, None) or self.account
        if not self.name:
            self.name = f"{self.PROVIDER.name} {self.account}" if self.account else ""
        self.search = self._search_text(plain)

    def _search_text(self, plain: Values) -> str:
        texts = [self.name, self.provider, self.kind, self.account, *map(str, plain.values())]
        texts += [str(value) for _path, value in json_values.scalars(self.metadata)]
        return " ".join(text for text in texts if text).casefold()[:SEARCH_LENGTH]

    def clean(self) -> None:
        """Raise ValidationError for what is wrong between the fields, named by property."""
        errors: dict[str, Any] = {}
        try:
            super().clean()
        except ValidationError as error:
            errors = dict(error.error_dict)
        errors |= self.check_format()
        if self.oauth_app_id and not self.USES_OAUTH_APP:
            errors["oauth_app"] = _("This kind does not use an OAuth app.")
        elif self.oauth_app and self.oauth_app.provider != self.PROVIDER.key:
            errors["oauth_app"] = _("This OAuth app belongs to another provider.")
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
        """Store the credential; a new one gets its component and its kind's default limit with it.

        Raises ValidationError, or Conflict where somebody else saved since this instance was loaded.
        """
        try:
            with transaction.atomic(kwargs.get("using")):
                super().save(*args, **kwargs)
        except IntegrityError:
            # Lost a race for the account: say so in the words that the slower one of two people gets.
            self.clean()
            raise

    def _added(self) -> None:
        limit = self.default_limit(declared.plain(self))
        RateLimit.objects.create(credential_id=self.pk, **limit._asdict())
        if app := self.app_in_use():
            wiring.connect([(self.component_id, app.component_id)], actor=audit.now_acting().actor)

    def _changed_to(self, changed: set[str]) -> None:
        if changed & set(self.SEPARATES):
            # The stored account is of what it was before; the next probe tells.
            self.account = None
            models.QuerySet.update(self._root_rows().filter(pk=self.pk), account=None)
        if "deleted_at" in changed and not self.deleted_at:
            self._retire(None)
        if {"oauth_app", "deleted_at"} & changed:
            app = None if self.deleted_at else self.app_in_use()
            wiring.rewire(self.component, [app.component] if app else [], actor=audit.now_acting().actor)
        if "deleted_at" in changed and self.deleted_at:
            # Last: what is retired is in no graph.
            self._retire(self.deleted_at)

    def _retire(self, when: datetime | None) -> None:
        self.component.retired_at = when
        Component.everything.filter(pk=self.component_id).update(retired_at=when)

    def app_in_use(self) -> OAuthApp | None:
        """The OAuth app that this credential authenticates through: its own, or its provider's default."""
        if not self.USES_OAUTH_APP:
            return None
        return self.oauth_app or OAuthApp.objects.default_for(self.PROVIDER.key)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """Put the credential away: `restore` brings it back for KEPT_FOR, then a purge removes it for good.

        Raises InUse while a sync depends on it, and Conflict as save() does.
        """
        refuse_in_use([self.component_id])
        with transaction.atomic():
            self.deleted_at = timezone.now()
            self.save(update_fields=["deleted_at"])
        return 1, {Credential._meta.label: 1}

    def restore(self) -> None:
        """Bring a deleted credential back.

        Raises ValidationError where its account has another one by now, or where its time is over.
        """
        if self.deleted_at and timezone.now() - self.deleted_at > KEPT_FOR:
            raise ValidationError(_("It was deleted more than %d days ago.") % KEPT_FOR.days)
        with transaction.atomic():
            self.deleted_at = None
            self.save(update_fields=["deleted_at"])

    restore.alters_data = True  # type: ignore[attr-defined]

    def _act(self, changed: set[str], replaced: Any) -> str:
        if "deleted_at" in changed:
            return "delete" if self.deleted_at else "restore"
        return super()._act(changed, replaced)

    def set_limit(self, limit: Limit) -> bool:
        """Store another rate limit; returns whether it differs from that before. Raises ValidationError."""
        stored = self.rate_limit
        wanted = limit._replace(max_concurrent_requests=limit.max_concurrent_requests or None)
        if wanted == stored.limit:
            return False
        for name, value in wanted._asdict().items():
            setattr(stored, name, value)
        with transaction.atomic():
            stored.save()
            audit.record("change", self, fields=["rate_limit"])
        return True

    def secret_used(self) -> None:
        """Note the use, at most once a minute and touching nothing else."""
        super().secret_used()
        now = timezone.now()
        if self.last_used_at is None or now - self.last_used_at >= USED_AT_MOST_EVERY:
            self.last_used_at = now
            unused = models.Q(last_used_at=None) | models.Q(last_used_at__lte=now - USED_AT_MOST_EVERY)
            models.QuerySet.update(self._root_rows().filter(unused, pk=self.pk), last_used_at=now)
