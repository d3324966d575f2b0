"""Linear: https://linear.app/developers/oauth-2-0-authentication"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import requests
from django.utils.translation import gettext_lazy as _

from credentials import answers
from credentials.answers import Rule
from credentials.exchange import Answer, Call
from credentials.fields import ScopeField
from credentials.kinds.common import code_call, refresh_call
from credentials.kinds.provider import Provider
from credentials.models.access import Quota, Tokens, whole
from credentials.models.consent import Consent
from credentials.models.credential import Credential
from credentials.models.declaration import Values
from credentials.models.formats import never
from credentials.models.rate_limit import HOUR, Limit
from credentials.sealing import SecretField
from health.fields import PlainTextField

if TYPE_CHECKING:
    from credentials.models.oauth_app import OAuthApp

PROVIDER = Provider(
    key="linear",
    name="Linear",
    category=_("Developer tools"),
    docs_url="https://linear.app/developers/rate-limiting",
    status_url="https://linearstatus.com/",
    limits=_("5,000 requests per hour for each user of an OAuth app; complexity is counted besides."),
)

SAID = (200, 400, 401, 403)
# Errors come with status 200 or 400: https://linear.app/developers/graphql
RULES = (
    Rule("rate_limited", sign=("ratelimited",)),
    Rule("revoked", sign=("authentication_error", "authenticationerror")),
    Rule("revoked", status=SAID, says=("authentication error",)),
    Rule("insufficient_scope", sign=("forbidden", "feature_not_accessible", "featurenotaccessible")),
    Rule("insufficient_scope", status=SAID, says=("feature not accessible", "invalid scope")),
    Rule("suspended", sign=("usererror_suspended",)),
    Rule("suspended", status=SAID, says=("is suspended", "was suspended", "been suspended")),
    Rule("provider_outage", sign=("internal_server_error", "internal_error", "lock_timeout")),
)
QUERY = "query { viewer { id } organization { id name urlKey } }"


class LinearOAuth2(Credential):
    KIND = "linear_oauth2"
    PROVIDER = PROVIDER
    LABEL = _("OAuth 2.0")
    SUMMARY = _(
        "A workspace's consent to your Linear app. Apps made since October 2025 get a refresh token too."
    )
    HELP_URL = "https://linear.app/developers/oauth-2-0-authentication"
    SECRETS_BEGIN = ("lin_api_", "lin_oauth_", "lin_refresh_", "lin_wh_")
    PROPERTIES = ("access_token", "refresh_token", "scope", "linear_org_id", "linear_org_name")
    FORMATS = tuple(
        never(name, beginning, says)
        for name in ("access_token", "refresh_token")
        for beginning, says in (
            ("lin_api_", _("This is a personal API key, not a token of an OAuth app.")),
            ("lin_wh_", _("This is the secret of a webhook, not a token.")),
        )
    )
    USES_OAUTH_APP = True
    API_HOST = "api.linear.app"
    REFRESHES_WITH = "refresh_token"
    ROTATES = True
    CONSENT = Consent("https://linear.app/oauth/authorize", separator=",", params={"prompt": "consent"})
    TOKEN_LIFETIME = 24 * 3600
    RULES = RULES
    TOKEN_RULES = (Rule("oauth_app_rejected", sign=("invalid_client", "unauthorized_client")),)

    access_token = SecretField(_("access token"), help_text=_("From the token endpoint, with the consent."))
    refresh_token = SecretField(
        _("refresh token"),
        blank=True,
        null=True,
        help_text=_("Where the app gets one: access tokens then live for a day."),
    )
    scope = ScopeField(_("scope"), help_text=_("The scopes that were granted, separated by spaces."))
    linear_org_id = PlainTextField(_("organization id"), help_text=_("The id of the workspace, a UUID."))
    linear_org_name = PlainTextField(_("organization name"), help_text=_("The workspace's name."))

    class Meta:
        verbose_name = _("Linear OAuth 2.0 credential")
        verbose_name_plural = _("Linear OAuth 2.0 credentials")

    @classmethod
    def account_of(cls, properties: Values, answer: Values | None) -> str | None:
        return (answer or {}).get("organization_id") or properties.get("linear_org_id")

    def exchanges(self) -> bool:
        # Without a refresh token the access token itself is what is stored.
        return bool(self.refresh_token)

    def token_call(self, app: "OAuthApp") -> Call:
        return refresh_call(self, app, self.at("/oauth/token"))

    def code_call(self, app: "OAuthApp", form: Mapping[str, str]) -> Call:
        return code_call(app, self.at("/oauth/token"), form)

    def consented(self, tokens: Tokens, params: Values, facts: Values) -> dict[str, Any]:
        return {
            "access_token": tokens.access_token,
            "refresh_token": tokens.refresh_token,
            "scope": " ".join(sorted(tokens.scopes or ())),
            "linear_org_id": facts.get("organization_id"),
            "linear_org_name": facts.get("organization_name"),
        }

    def authenticate(self, request: requests.PreparedRequest, token: str) -> None:
        super().authenticate(request, token or self.access_token.use(self.destination()))

    def probe_call(self) -> Call:
        return Call("POST", self.at("/graphql"), json={"query": QUERY})

    def facts(self, answer: Answer) -> Mapping[str, Any] | None:
        found = super().facts(answer) or {}
        data = found.get("data")
        organization = data.get("organization") if isinstance(data, dict) else None
        if (
            not isinstance(organization, dict)
            or not isinstance(organization.get("id"), str)
            or found.get("errors")
        ):
            return None
        return {"organization_id": organization["id"], "organization_name": organization.get("name", "")}

    def wait(self, answer: Answer) -> float | None:
        # Requests and complexity are counted apart: the one that is used up tells.
        spent = answer.header("X-RateLimit-Complexity-Remaining") == "0"
        name = "X-RateLimit-Complexity-Reset" if spent else "X-RateLimit-Requests-Reset"
        return super().wait(answer) or answers.until(answer, name, unit=0.001)

    def quota(self, answer: Answer) -> Quota | None:
        allowed = whole(answer.header("X-RateLimit-Requests-Limit"))
        remaining = whole(answer.header("X-RateLimit-Requests-Remaining"))
        return Quota(allowed, HOUR, remaining) if allowed else None

    @classmethod
    def default_limit(cls, properties: Values) -> Limit:
        return Limit(5000, HOUR)
