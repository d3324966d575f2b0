"""HubSpot: https://developers.hubspot.com/docs/api/usage-details"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import requests
from django.utils.translation import gettext_lazy as _

from credentials.answers import Rule, signs_of
from credentials.exchange import Answer, Call
from credentials.fields import StringListField, WholeNumberField
from credentials.kinds.common import code_call, refresh_call, texts
from credentials.kinds.provider import Provider
from credentials.models.access import Quota, Tokens, whole
from credentials.models.consent import Consent
from credentials.models.credential import Credential
from credentials.models.declaration import Values
from credentials.models.formats import never
from credentials.models.rate_limit import SECOND, Limit
from credentials.sealing import SecretField
from health.fields import PlainTextField

if TYPE_CHECKING:
    from credentials.models.oauth_app import OAuthApp

# Stands in an address for the access token itself until the request is signed in.
ITSELF = "~itself"

PROVIDER = Provider(
    key="hubspot",
    name="HubSpot",
    category=_("Customers and marketing"),
    docs_url="https://developers.hubspot.com/docs/api/usage-details",
    status_url="https://status.hubspot.com/",
    limits=_("100 requests per 10 seconds for each app and account; searches 4 per second."),
)


class HubSpotOAuth2(Credential):
    KIND = "hubspot_oauth2"
    PROVIDER = PROVIDER
    LABEL = _("OAuth 2.0")
    SUMMARY = _("A portal's consent to your HubSpot app. The refresh token lives until the app is removed.")
    HELP_URL = "https://developers.hubspot.com/docs/api/working-with-oauth"
    SECRETS_BEGIN = ("pat-na", "pat-eu", "pat-ap")
    PROPERTIES = ("hub_domain", "hub_id", "refresh_token", "scopes")
    FORMATS = (never("refresh_token", "pat-", _("This is the token of a private app, not a refresh token.")),)
    OLDER_KINDS = ("hubspot",)
    USES_OAUTH_APP = True
    API_HOST = "api.hubapi.com"
    REFRESHES_WITH = "refresh_token"
    CONSENT = Consent("https://app.hubspot.com/oauth/authorize")
    TOKEN_LIFETIME = 1800
    # https://developers.hubspot.com/docs/api/error-handling
    RULES = (
        Rule("quota_exhausted", status=(429,), sign=("daily",)),
        Rule("rate_limited", status=(423, 477)),
        Rule("insufficient_scope", status=(403,), sign=("missing_scopes",)),
        Rule("insufficient_scope", status=(403,), says=("scope", "scopes", "permission", "permissions")),
    )
    TOKEN_RULES = (
        Rule("oauth_app_rejected", sign=("bad_client_id", "bad_client_secret", "invalid_client")),
        Rule("revoked", sign=("bad_refresh_token",)),
        Rule("oauth_app_rejected", status=(401,)),
        Rule("revoked", status=(400,), sign=("validation_error",), says=("refresh token",)),
    )

    hub_domain = PlainTextField(_("hub domain"), help_text=_("The portal's domain, as HubSpot names it."))
    hub_id = WholeNumberField(_("hub id"), help_text=_("The portal's number, in HubSpot's top right menu."))
    refresh_token = SecretField(_("refresh token"), help_text=_("From the token endpoint, with the consent."))
    scopes = StringListField(_("scopes"), help_text=_("The scopes that were granted, separated by spaces."))

    class Meta:
        verbose_name = _("HubSpot OAuth 2.0 credential")
        verbose_name_plural = _("HubSpot OAuth 2.0 credentials")

    @classmethod
    def account_of(cls, properties: Values, answer: Values | None) -> str | None:
        found = (answer or {}).get("hub_id") or properties.get("hub_id")
        return str(found) if found else None

    @classmethod
    def default_limit(cls, properties: Values) -> Limit:
        return Limit(100, 10 * SECOND)

    def token_call(self, app: "OAuthApp") -> Call:
        return refresh_call(self, app, self.at("/oauth/v1/token"))

    def code_call(self, app: "OAuthApp", form: Mapping[str, str]) -> Call:
        return code_call(app, self.at("/oauth/v1/token"), form)

    def consented(self, tokens: Tokens, params: Values, facts: Values) -> dict[str, Any]:
        return {
            "hub_domain": facts.get("hub_domain"),
            "hub_id": facts.get("hub_id"),
            "refresh_token": tokens.refresh_token,
            "scopes": facts.get("scopes") or [],
        }

    def authenticate(self, request: requests.PreparedRequest, token: str) -> None:
        super().authenticate(request, token)
        # HubSpot tells of a token at an address that holds it.
        if request.url and request.url.endswith(ITSELF):
            request.url = request.url.removesuffix(ITSELF) + quote(token, safe="")

    def probe_call(self) -> Call:
        return Call("GET", self.at("/oauth/v1/access-tokens/") + ITSELF)

    def facts(self, answer: Answer) -> Mapping[str, Any] | None:
        found = super().facts(answer)
        return found if found and isinstance(found.get("hub_id"), int) else None

    def granted(self, facts: Mapping[str, Any]) -> frozenset[str] | None:
        return texts(facts.get("scopes"))

    def wait(self, answer: Answer) -> float | None:
        # By policy: ten seconds, or one for searches. 423 clears after two.
        known = 1.0 if "secondly" in signs_of(answer).codes else 2.0 if answer.status == 423 else 10.0
        return super().wait(answer) or known

    def quota(self, answer: Answer) -> Quota | None:
        allowed = whole(answer.header("X-HubSpot-RateLimit-Max"))
        if not allowed:
            return None
        return Quota(
            allowed,
            whole(answer.header("X-HubSpot-RateLimit-Interval-Milliseconds")),
            whole(answer.header("X-HubSpot-RateLimit-Remaining")),
        )
