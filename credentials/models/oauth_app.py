"""The platform's own registered application at a provider."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, models, transaction
from django.utils.translation import gettext_lazy as _

from credentials import audit
from credentials.fields import StringListField, WholeNumberField
from credentials.models import app_choice
from credentials.models.querysets import SecretHolderQuerySet
from credentials.models.secret_holder import SecretHolder
from credentials.sealing import SecretField
from health.fields import PlainTextField
from health.models import Component

if TYPE_CHECKING:
    from credentials.app_tests import AppTest


class OAuthAppQuerySet(SecretHolderQuerySet["OAuthApp"]):
    def default_for(self, provider: str) -> "OAuthApp | None":
        """The app that credentials without one use, or None."""
        return self.filter(provider=provider, is_default=True).first()


class OAuthApp(SecretHolder):
    """Client id and secret; at GitHub also the app id and the private key that signs its tokens."""

    COMPONENT_KIND = Component.Kind.OAUTH_APP

    provider = models.CharField(_("provider"), max_length=32)
    name = PlainTextField(_("name"), max_length=200)
    client_id = PlainTextField(_("client id"))
    client_secret = SecretField(_("client secret"), blank=True, null=True)
    app_id = WholeNumberField(
        _("app id"), null=True, blank=True, help_text=_("GitHub only: the number on the app's settings page.")
    )
    private_key = SecretField(
        _("private key"),
        multiline=True,
        blank=True,
        null=True,
        help_text=_("GitHub only: the .pem file that the app's settings page generates."),
    )
    scopes = StringListField(
        _("scopes"), blank=True, help_text=_("What the app asks customers for, separated by spaces.")
    )
    is_default = models.BooleanField(
        _("default"), default=False, help_text=_("Credentials of this provider without an app use this one.")
    )

    objects = OAuthAppQuerySet.as_manager()

    class Meta:
        verbose_name = _("OAuth app")
        verbose_name_plural = _("OAuth apps")
        ordering = ["provider", "name"]
        constraints = [
            models.UniqueConstraint(
                fields=["provider", "client_id"],
                name="oauth_app_once",
                violation_error_message=_("There is an app with this client id at this provider already."),
            ),
            models.UniqueConstraint(
                fields=["provider"],
                condition=models.Q(is_default=True),
                name="oauth_app_one_default",
                violation_error_message=_(
                    "This provider has a default app already: take it away there first."
                ),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def destination(self) -> tuple[str, ...]:
        """The provider: an app's secrets go to its token and authorization hosts only."""
        return ("oauth_app", self.provider)

    def test(self) -> "AppTest":
        """Look whether the provider knows the app, tell health, and return what was asked and answered."""
        # Above this floor, as for credentials.
        from credentials import app_tests

        return app_tests.test(self)

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Store the app. Its provider's credentials that name no app depend on it, while it is the default.

        Raises ValidationError, also where another app is the default or has the client id, or Conflict.
        """
        try:
            with transaction.atomic(kwargs.get("using")):
                super().save(*args, **kwargs)
        except IntegrityError:
            # Also where two become the default at the same time: the slower one is told of the other.
            self.validate_constraints()
            raise

    def take_turns(self, update_fields: Iterable[str] | None = None) -> None:
        if update_fields is None or "is_default" in update_fields:
            app_choice.take(self.provider)

    def _added(self) -> None:
        if self.is_default:
            app_choice.serve(self, actor=audit.now_acting().actor)

    def _changed_to(self, changed: set[str]) -> None:
        if "is_default" in changed:
            app_choice.serve(self, actor=audit.now_acting().actor)

    @classmethod
    def kept_in_step(cls) -> set[str]:
        return super().kept_in_step() | {"is_default"}

    @classmethod
    def destination_fields(cls) -> tuple[str, ...]:
        return ("provider",)

    def clean(self) -> None:
        errors: dict[str, Any] = {}
        try:
            super().clean()
        except ValidationError as error:
            errors = dict(error.error_dict)
        if self.provider == "github":
            if not self.app_id:
                errors["app_id"] = _("GitHub apps sign in with their app id: enter it.")
            if not self.private_key:
                errors["private_key"] = _("GitHub apps sign in with a private key: enter it.")
            elif not self._is_pem("private_key"):
                errors["private_key"] = _("This is not a key in PEM form: it begins with -----BEGIN.")
        else:
            if not self.client_secret:
                errors["client_secret"] = _("Enter the client secret.")
            for name in ("app_id", "private_key"):
                if getattr(self, name):
                    errors[name] = _("Only GitHub apps have this: leave it empty.")
        if errors:
            raise ValidationError(errors)

    def _is_pem(self, name: str) -> bool:
        """Whether a key looks like one in PEM form; a stored one did."""
        text = self.fresh(name)
        return text is None or text.lstrip().startswith("-----BEGIN ")
