"""Airtable: https://airtable.com/developers/web/api/oauth-reference"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext_lazy as _

from credentials.answers import Rule
from credentials.exchange import Answer, Call
from credentials.fields import ScopeField
from credentials.kinds.common import code_call, refresh_call, texts
from credentials.kinds.provider import Provider
from credentials.models.access import Tokens
from credentials.models.consent import Consent
from credentials.models.credential import Credential
from credentials.models.declaration import Values
from credentials.models.formats import Format, never
from credentials.models.rate_limit import SECOND, Limit
from credentials.sealing import SecretField
from health.fields import PlainTextField

if TYPE_CHECKING:
    from credentials.models.oauth_app import OAuthApp

PROVIDER = Provider(
    key="airtable",
    name="Airtable",
    category=_("Databases"),
    docs_url="https://airtable.com/developers/web/api/introduction",
    status_url="https://status.airtable.com/",
    limits=_("5 requests per second for each base; after a refusal it stays closed for 30 seconds."),
)

TOKEN_URL = "https://airtable.com/oauth2/v1/token"  # noqa: S105 - an address


class AirtableOAuth2(Credential):
    KIND = "airtable_oauth2"
    PROVIDER = PROVIDER
    LABEL = _("OAuth 2.0")
    SUMMARY = _("A user's consent to your Airtable integration. The refresh token changes at every use.")
    HELP_URL = "https://airtable.com/developers/web/guides/oauth-integrations"
    PROPERTIES = ("airtable_uid", "refresh_token", "scope")
    FORMATS = (
        never("refresh_token", r"pat.*\.", _("This is a personal access token, not a refresh token.")),
        never(
            "refresh_token", r"key.{14}$", _("This is an API key of the kind that Airtable ended in 2024.")
        ),
        Format("airtable_uid", r"usr.*", _("An Airtable user id begins with usr.")),
    )
    USES_OAUTH_APP = True
    API_HOST = "api.airtable.com"
    SIGN_IN_HOST = "airtable.com"
    REFRESHES_WITH = "refresh_token"
    ROTATES = True
    CONSENT = Consent("https://airtable.com/oauth2/v1/authorize")
    # https://airtable.com/developers/web/api/errors
    RULES = (
        Rule("quota_exhausted", status=(429,), sign=("public_api_billing_limit_exceeded",)),
        Rule(
            "insufficient_scope",
            status=(403,),
            sign=("invalid_permissions", "invalid_permissions_or_model_not_found"),
        ),
        Rule("account_missing", status=(404,)),
    )
    TOKEN_RULES = (Rule("oauth_app_rejected", sign=("invalid_client", "unauthorized_client")),)

    airtable_uid = PlainTextField(
        _("Airtable user id"),
        help_text=_("Begins with usr: the “id” that the call to /v0/meta/whoami gives."),
    )
    refresh_token = SecretField(
        _("refresh token"), help_text=_("From the token endpoint. Using an old one revokes the whole grant.")
    )
    scope = ScopeField(_("scope"), help_text=_("The scopes that were granted, separated by spaces."))

    class Meta:
        verbose_name = _("Airtable OAuth 2.0 credential")
        verbose_name_plural = _("Airtable OAuth 2.0 credentials")

    @classmethod
    def account_of(cls, properties: Values, answer: Values | None) -> str | None:
        return (answer or {}).get("id") or properties.get("airtable_uid")

    def token_call(self, app: "OAuthApp") -> Call:
        return refresh_call(self, app, TOKEN_URL, basic=True)

    def code_call(self, app: "OAuthApp", form: Mapping[str, str]) -> Call:
        return code_call(app, TOKEN_URL, form, basic=True)

    def consented(self, tokens: Tokens, params: Values, facts: Values) -> dict[str, Any]:
        return {
            "airtable_uid": facts.get("id"),
            "refresh_token": tokens.refresh_token,
            "scope": " ".join(sorted(tokens.scopes or ())),
        }

    def probe_call(self) -> Call:
        return Call("GET", self.at("/v0/meta/whoami"))

    def facts(self, answer: Answer) -> Mapping[str, Any] | None:
        found = super().facts(answer)
        return found if found and str(found.get("id", "")).startswith("usr") else None

    def granted(self, facts: Mapping[str, Any]) -> frozenset[str] | None:
        return texts(facts.get("scopes"))

    def wait(self, answer: Answer) -> float | None:
        # After a refusal nothing is answered for 30 seconds, whatever is asked.
        return super().wait(answer) or 30.0

    @classmethod
    def default_limit(cls, properties: Values) -> Limit:
        return Limit(5, SECOND)
