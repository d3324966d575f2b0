"""Stripe: https://docs.stripe.com/keys and https://docs.stripe.com/connect/oauth-reference"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import requests
from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _

from credentials.answers import Reading, Rule
from credentials.exchange import Answer, Call
from credentials.kinds.provider import Provider
from credentials.models.access import Probe, Tokens
from credentials.models.consent import Consent
from credentials.models.credential import Credential
from credentials.models.declaration import Values
from credentials.models.formats import never, usually
from credentials.models.rate_limit import SECOND, Limit
from credentials.sealing import SecretField

if TYPE_CHECKING:
    from credentials.models.oauth_app import OAuthApp

PROVIDER = Provider(
    key="stripe",
    name="Stripe",
    category=_("Payments and finance"),
    docs_url="https://docs.stripe.com/rate-limits",
    status_url="https://status.stripe.com/",
    limits=_("100 requests per second in live mode and 25 in test mode, for each account."),
)

# Texts that are certainly not what can sign in, by their beginning.
MIXED_UP = {
    "pk_": _("This is a publishable key, which cannot read anything: take the secret or a restricted key."),
    "whsec_": _("This is the signing secret of a webhook, not a key."),
    "ca_": _("This is the client id of a Connect platform, not a key."),
    "acct_": _("This is the id of an account, not a key."),
}

# https://docs.stripe.com/error-codes and https://docs.stripe.com/rate-limits
RULES = (
    Rule("expired", sign=("api_key_expired",)),
    Rule("oauth_app_rejected", sign=("platform_api_key_expired", "platform_account_required")),
    Rule("revoked", sign=("account_invalid",)),
    Rule("suspended", sign=("account_closed",)),
    Rule("our_fault", status=(401,), says=("did not provide an api key",)),
    Rule("insufficient_scope", status=(403,), sign=("more_permissions_required",)),
    Rule(
        "insufficient_scope",
        status=(403,),
        sign=("invalid_request_error",),
        says=("permission", "permissions"),
    ),
)


class StripeCredential(Credential):
    """What both kinds share. A key of test mode and one of live mode are two accounts."""

    PROVIDER = PROVIDER
    PROPERTIES = ("name", "secret", "test")
    FORMATS = tuple(never("secret", beginning, says) for beginning, says in MIXED_UP.items())
    SECRETS_BEGIN = ("sk_live_", "sk_test_", "sk_org_", "rk_live_", "rk_test_", "rt_")
    SEPARATES = ("test",)
    OLDER_PROPERTIES = {"secret_key": "secret", "refresh_token": "secret"}
    API_HOST = "api.stripe.com"
    RULES = RULES

    secret: SecretField
    test: "models.BooleanField[Any, Any]"

    class Meta:
        abstract = True

    @classmethod
    def account_of(cls, properties: Values, answer: Values | None) -> str | None:
        # The key itself does not tell its account: only a probe can.
        found = answer or {}
        # Where a probe may not see the account, the token endpoint has told whose it is.
        account = found.get("id") or found.get("stripe_user_id")
        return f"{account}:{'test' if properties.get('test') else 'live'}" if account else None

    @classmethod
    def default_limit(cls, properties: Values) -> Limit:
        return Limit(25 if properties.get("test") else 100, SECOND)

    def authenticate(self, request: requests.PreparedRequest, token: str) -> None:
        token = token or self.secret.use(self.destination())
        request.headers["Authorization"] = f"Bearer {token}"

    def probe(self) -> Probe:
        reading = self.read((yield Call("GET", self.at("/v1/account"))))
        if reading.code != "insufficient_scope":
            return reading
        # A restricted key need not see the account. What syncs poll tells whether it is alive.
        events = self.read_failure((yield Call("GET", self.at("/v1/events"), params={"limit": "1"})))
        return events or Reading("ok")

    def facts(self, answer: Answer) -> Mapping[str, Any] | None:
        found = super().facts(answer)
        return found if found and str(found.get("id", "")).startswith("acct_") else None

    def check_format(self) -> dict[str, Any]:
        text = self.fresh("secret")
        if text is None:
            return {}
        if found := super().check_format():
            return found
        if text.startswith(("sk_live_", "rk_live_")) and self.test:
            return {"test": _("The key is one of live mode.")}
        if text.startswith(("sk_test_", "rk_test_")) and not self.test:
            return {"test": _("The key is one of test mode.")}
        return {}

    def clean(self) -> None:
        super().clean()
        if self._state.adding or self.fresh("secret") or not self.secret:
            return
        rows = type(self).everything.filter(pk=self.pk)
        stored = rows.values_list("test", flat=True).first()  # type: ignore[misc]  # each subclass has the field
        if stored is not None and stored != self.test:
            raise ValidationError(
                {"secret": _("Test mode and live mode have keys of their own: enter the secret again.")}
            )


class StripeKey(StripeCredential):
    KIND = "stripe_key"
    LABEL = _("Secret or restricted key")
    SUMMARY = _(
        "A key that the customer made in their dashboard. A restricted key that may only read is best."
    )
    HELP_URL = "https://docs.stripe.com/keys"
    FORMATS = (
        *StripeCredential.FORMATS,
        usually("secret", r"[sr]k_.*", _("Keys of Stripe usually begin with sk_ or rk_.")),
    )

    secret = SecretField(
        _("secret"), help_text=_("Developers, API keys: begins with sk_ or, better, with rk_ (restricted).")
    )
    test = models.BooleanField(_("test mode"), default=False, help_text=_("The key begins with …_test_."))

    class Meta:
        verbose_name = _("Stripe key")
        verbose_name_plural = _("Stripe keys")


class StripeOAuth2(StripeCredential):
    KIND = "stripe_oauth2"
    LABEL = _("OAuth 2.0")
    SUMMARY = _("A customer's consent to your Stripe App or Connect platform.")
    HELP_URL = "https://docs.stripe.com/stripe-apps/api-authentication/oauth"
    OLDER_KINDS = ("stripe_oauth",)
    USES_OAUTH_APP = True
    REFRESHES_WITH = "secret"
    ROTATES = True
    APP_TEST_LEAVES_OPEN = _(
        "Its client id: Stripe asks for the secret key only. A wrong client id shows at the consent page, and"
        " so do its redirect address and its scopes."
    )
    # At the token endpoint the key is our own platform's.
    TOKEN_RULES = (
        Rule("oauth_app_rejected", sign=("invalid_client", "unauthorized_client")),
        Rule("oauth_app_rejected", status=(401,)),
    )
    CONSENT = Consent("https://marketplace.stripe.com/oauth/v2/authorize")

    secret = SecretField(
        _("secret"),
        help_text=_("The refresh token (begins with rt_) or the secret key that the consent gave."),
    )
    test = models.BooleanField(
        _("test mode"), default=False, help_text=_("The consent was given in test mode.")
    )

    class Meta:
        verbose_name = _("Stripe OAuth 2.0 credential")
        verbose_name_plural = _("Stripe OAuth 2.0 credentials")

    def exchanges(self) -> bool:
        return self.secret.use(self.destination()).startswith("rt_")

    def token_call(self, app: "OAuthApp") -> Call:
        return Call(
            "POST",
            self.at("/v1/oauth/token"),
            form={"grant_type": "refresh_token", "refresh_token": self.secret.use(self.destination())},
            # An app signs in with a secret key of the platform's own account.
            basic=(app.client_secret.use(app.destination()), ""),
        )

    def code_call(self, app: "OAuthApp", form: Mapping[str, str]) -> Call:
        secret = app.client_secret.use(app.destination())
        return Call("POST", self.at("/v1/oauth/token"), form=form, basic=(secret, ""))

    def consented(self, tokens: Tokens, params: Values, facts: Values) -> dict[str, Any]:
        account = str(tokens.facts.get("stripe_user_id", ""))
        return {
            "name": self.name or f"{self.PROVIDER.name} {account}".strip(),
            # A Connect platform of the older kind gets a key that stays, and no refresh token.
            "secret": tokens.refresh_token or tokens.access_token,
            "test": tokens.facts.get("livemode") is False,
        }

    def read_owner(self, found: Tokens) -> Reading | None:
        # One of the other mode is another account's.
        if found.facts.get("livemode") is self.test:
            mode = _("test mode") if self.test else _("live mode")
            return Reading("other_account", _("The token is not one of %s.") % mode)
        return None
