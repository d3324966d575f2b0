"""Shopify: https://shopify.dev/docs/api/usage/access-scopes"""

import hmac
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import requests
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from credentials import answers
from credentials.answers import Reading, Rule
from credentials.exchange import Answer, Call
from credentials.fields import HostField
from credentials.kinds.common import code_call
from credentials.kinds.provider import Provider
from credentials.models.access import NO_TOKEN, Quota, Tokens, whole
from credentials.models.consent import Consent, code_form
from credentials.models.credential import Credential
from credentials.models.declaration import Values
from credentials.models.formats import never
from credentials.models.rate_limit import SECOND, Limit
from credentials.sealing import SecretField

if TYPE_CHECKING:
    from credentials.models.oauth_app import OAuthApp

PROVIDER = Provider(
    key="shopify",
    name="Shopify",
    category=_("Commerce"),
    docs_url="https://shopify.dev/docs/api/usage/limits",
    status_url="https://www.shopifystatus.com/",
    limits=_("2 requests per second for each app and shop, with a bucket of 40; more on larger plans."),
)

# https://shopify.dev/docs/api/usage/response-codes
RULES = (
    Rule("rate_limited", sign=("throttled",)),
    Rule("suspended", status=(402, 423)),
    Rule("insufficient_scope", sign=("access_denied",)),
    Rule(
        "insufficient_scope",
        status=(403,),
        says=("scope", "scopes", "permission", "permissions", "merchant approval", "access denied"),
    ),
    Rule("account_missing", status=(404,)),
    Rule("blocked", status=(430,)),
    Rule("provider_outage", sign=("internal_server_error",)),
)


class ShopifyOAuth2(Credential):
    KIND = "shopify_oauth2"
    PROVIDER = PROVIDER
    LABEL = _("OAuth 2.0, offline token")
    SUMMARY = _("A shop's consent to your Shopify app. The token must be an offline one.")
    HELP_URL = (
        "https://shopify.dev/docs/apps/build/authentication-authorization/access-tokens/offline-access-tokens"
    )
    SECRETS_BEGIN = ("shpat_", "shpca_", "shppa_", "shpss_")
    PROPERTIES = ("access_token", "shop_url")
    DESTINATION = ("shop_url",)
    FORMATS = (never("access_token", "shpss_", _("This is the app's shared secret, not an access token.")),)
    USES_OAUTH_APP = True
    CONSENT = Consent(
        "https://{host}/admin/oauth/authorize", separator=",", asks=("shop_url",), echoes=("hmac", "shop")
    )
    RULES = RULES
    TOKEN_RULES = (
        Rule("oauth_app_rejected", sign=("invalid_client", "unauthorized_client")),
        # What it calls a code that it does not take; elsewhere that would be a fault in our request.
        Rule("unclassified", sign=("invalid_request",)),
    )

    access_token = SecretField(_("access token"), help_text=_("The offline token: begins with shpat_."))
    shop_url = HostField(
        _("shop"),
        pattern=r"[a-z0-9][a-z0-9-]{0,59}\.myshopify\.com",
        suffix=".myshopify.com",
        help_text=_(
            "The shop's own host, like name.myshopify.com, and not the domain that its customers see."
        ),
    )

    class Meta:
        verbose_name = _("Shopify OAuth 2.0 credential")
        verbose_name_plural = _("Shopify OAuth 2.0 credentials")

    @classmethod
    def account_of(cls, properties: Values, answer: Values | None) -> str | None:
        return properties.get("shop_url")

    def api_host(self) -> str:
        return self.shop_url

    def authenticate(self, request: requests.PreparedRequest, token: str) -> None:
        request.headers["X-Shopify-Access-Token"] = self.access_token.use(self.destination())

    def consent_check(self, app: "OAuthApp", params: Mapping[str, str]) -> None:
        super().consent_check(app, params)
        # https://shopify.dev/docs/apps/build/authentication-authorization/access-tokens/authorization-code-grant
        signed = "&".join(f"{name}={params[name]}" for name in sorted(params) if name != "hmac")
        key = app.client_secret.use(app.destination()).encode()
        right = hmac.digest(key, signed.encode(errors="replace"), "sha256").hex()
        # As bytes: a text may hold what no comparison takes.
        if not hmac.compare_digest(right.encode(), params["hmac"].encode(errors="replace")):
            raise ValidationError(_("The answer was not signed by Shopify for this app."), code="callback")
        if params["shop"] != self.shop_url:
            raise ValidationError(_("The consent came from another shop than this one."), code="account")

    def code_call(self, app: "OAuthApp", form: Mapping[str, str]) -> Call:
        return code_call(app, self.at("/admin/oauth/access_token"), form)

    def consented(self, tokens: Tokens, params: Values, facts: Values) -> dict[str, Any]:
        return {"access_token": tokens.access_token, "shop_url": self.shop_url}

    def app_call(self, app: "OAuthApp") -> Call:
        # An offline token is never refreshed: the exchange of a code is what asks for the app's secret.
        return self.code_call(app, code_form(NO_TOKEN, NO_TOKEN, ""))

    def read_app_answer(self, answer: Answer) -> Reading:
        signs = answers.signs_of(answer)
        refused = "invalid_request" in signs.codes and "code" in signs.words
        return Reading("ok") if refused else super().read_app_answer(answer)

    def probe_call(self) -> Call:
        return Call("GET", self.at("/admin/oauth/access_scopes.json"))

    def facts(self, answer: Answer) -> Mapping[str, Any] | None:
        found = super().facts(answer)
        return found if found and isinstance(found.get("access_scopes"), list) else None

    def granted(self, facts: Mapping[str, Any]) -> frozenset[str] | None:
        handles = {str(one.get("handle")) for one in facts["access_scopes"] if isinstance(one, dict)}
        # Whoever may write may read as well, which Shopify does not list.
        reads = {f"read_{one.removeprefix('write_')}" for one in handles if one.startswith("write_")}
        return frozenset(handles | reads)

    def wait(self, answer: Answer) -> float | None:
        return super().wait(answer) or _until_restored(answer)

    def quota(self, answer: Answer) -> Quota | None:
        used, _slash, bucket = answer.header("X-Shopify-Shop-Api-Call-Limit").partition("/")
        total, spent = whole(bucket), whole(used)
        # A bucket that empties by a twentieth each second: {2, 1000} with 40, {4, 1000} with 80.
        return Quota(max(total // 20, 1), SECOND, total - (spent or 0)) if total else None

    @classmethod
    def default_limit(cls, properties: Values) -> Limit:
        return Limit(2, SECOND)


def _until_restored(answer: Answer) -> float | None:
    """How long until GraphQL's bucket holds what the query costs, by what the answer says of it."""
    found = answer.json if isinstance(answer.json, dict) else {}
    try:
        cost = found["extensions"]["cost"]
        status = cost["throttleStatus"]
        missing = cost["requestedQueryCost"] - status["currentlyAvailable"]
        return answers.bounded(missing / status["restoreRate"])
    except (KeyError, TypeError, ZeroDivisionError, OverflowError):
        return None
