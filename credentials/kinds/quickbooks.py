"""QuickBooks Online: https://developer.intuit.com/app/developer/qbo/docs/develop"""

import dataclasses
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.db import models
from django.utils.translation import gettext_lazy as _

from credentials.answers import Rule
from credentials.exchange import Answer, Call
from credentials.fields import IdentifierField, ScopeField
from credentials.kinds.common import code_call, joined, refresh_call
from credentials.kinds.provider import Provider
from credentials.models.access import Tokens, seconds
from credentials.models.consent import Consent
from credentials.models.credential import Credential
from credentials.models.declaration import Values
from credentials.models.formats import never, usually
from credentials.models.rate_limit import MINUTE, Limit
from credentials.sealing import SecretField
from health.fields import PlainTextField

if TYPE_CHECKING:
    from credentials.models.oauth_app import OAuthApp

PROVIDER = Provider(
    key="quickbooks",
    name="QuickBooks",
    category=_("Payments and finance"),
    docs_url="https://developer.intuit.com/app/developer/qbo/docs/learn/limits-and-throttles",
    status_url="https://status.developer.intuit.com/",
    limits=_("500 requests per minute for each company; 10 per second for each app and company."),
)

REFUSED, THROTTLED = (401, 403), (403, 429, 503)
TOO_MANY = ("003001", "3001", "throttleexceeded")
# https://developer.intuit.com/app/developer/qbo/docs/develop/troubleshooting/error-codes
RULES = (
    Rule("oauth_app_quota", status=THROTTLED, sign=TOO_MANY, says=("monthly", "coreplus", "core plus")),
    Rule("rate_limited", status=THROTTLED, sign=TOO_MANY),
    Rule("rate_limited", status=THROTTLED, says=("throttleexceeded",)),
    # Also what a token of the other environment gets, or one of another company.
    Rule("consent_required", status=REFUSED, sign=("003100", "3100")),
    Rule("consent_required", status=REFUSED, says=("applicationauthorizationfailed",)),
    Rule("revoked", status=REFUSED, sign=("003200", "3200")),
    Rule("revoked", status=REFUSED, says=("authenticationfailed",)),
    Rule("suspended", sign=("6190", "006190")),
    Rule("suspended", status=(403,), says=("subscription period has ended", "invalid company status")),
    Rule("insufficient_scope", status=(403,), sign=("insufficient_scope",)),
)
PRODUCTION, SANDBOX = "quickbooks.api.intuit.com", "sandbox-quickbooks.api.intuit.com"


class QuickBooksOAuth2(Credential):
    KIND = "quickbooks_oauth2"
    PROVIDER = PROVIDER
    LABEL = _("OAuth 2.0")
    SUMMARY = _("A company's consent to your Intuit app. The refresh token changes about once a day.")
    HELP_URL = "https://developer.intuit.com/app/developer/qbo/docs/develop/authentication-and-authorization/oauth-2.0"
    SECRETS_BEGIN = ("RT1-",)
    PROPERTIES = ("realm_id", "refresh_token", "scope", "environment", "company_name")
    # The company is a part of the path: a mistyped realm id is mended without a new consent.
    DESTINATION = ("environment",)
    FORMATS = (
        never("refresh_token", r"eyJ.*\.", _("This is an access token, which ends after an hour.")),
        usually("realm_id", r".{10,19}", _("A realm id usually has 10 to 19 digits.")),
        usually(
            "refresh_token",
            r"(AB11|RT1-).*",
            _("A refresh token of Intuit usually begins with AB11 or RT1-."),
        ),
    )
    USES_OAUTH_APP = True
    API_HOST = PRODUCTION
    SIGN_IN_HOST = "oauth.platform.intuit.com"
    REFRESHES_WITH = "refresh_token"
    ROTATES = True
    CONSENT = Consent(
        "https://appcenter.intuit.com/connect/oauth2", asks=("environment",), echoes=("realmId",)
    )
    RULES = RULES
    TOKEN_RULES = (Rule("oauth_app_rejected", sign=("invalid_client", "unauthorized_client")),)

    class Environment(models.TextChoices):
        PRODUCTION = "production", _("Production")
        SANDBOX = "sandbox", _("Sandbox")

    realm_id = IdentifierField(
        _("realm id"),
        pattern=r"\d{1,30}",
        says=_("A realm id has digits only."),
        # QuickBooks shows it to people in groups of four.
        written=lambda text: text.replace(" ", ""),
        help_text=_("The company id: Settings, Account and settings, Billing; realmId after the consent."),
    )
    refresh_token = SecretField(
        _("refresh token"), help_text=_("From the token endpoint. It must be the newest: older ones end.")
    )
    scope = ScopeField(_("scope"), help_text=_("The scopes that were granted, separated by spaces."))
    environment = models.CharField(
        _("environment"),
        max_length=20,
        choices=Environment.choices,
        help_text=_(
            "Sandbox for a company of Intuit's developer portal. Each has a host and keys of its own."
        ),
    )
    company_name = PlainTextField(
        _("company name"), blank=True, help_text=_("The company's name, as its owner sees it in QuickBooks.")
    )

    class Meta:
        verbose_name = _("QuickBooks OAuth 2.0 credential")
        verbose_name_plural = _("QuickBooks OAuth 2.0 credentials")

    @classmethod
    def account_of(cls, properties: Values, answer: Values | None) -> str | None:
        return joined(properties.get("realm_id"), properties.get("environment"))

    def api_host(self) -> str:
        return SANDBOX if self.environment == self.Environment.SANDBOX else self.API_HOST

    def token_call(self, app: "OAuthApp") -> Call:
        return refresh_call(self, app, f"https://{self.SIGN_IN_HOST}/oauth2/v1/tokens/bearer", basic=True)

    def tokens(self, answer: Answer) -> Tokens | None:
        found = super().tokens(answer)
        lives = seconds(answer.json.get("x_refresh_token_expires_in")) if found else None
        return dataclasses.replace(found, refresh_expires_in=lives) if found else None

    def code_call(self, app: "OAuthApp", form: Mapping[str, str]) -> Call:
        url = f"https://{self.SIGN_IN_HOST}/oauth2/v1/tokens/bearer"
        return code_call(app, url, form, basic=True)

    def consented(self, tokens: Tokens, params: Values, facts: Values) -> dict[str, Any]:
        return {
            "realm_id": params.get("realmId"),
            "refresh_token": tokens.refresh_token,
            # The answer names none: Intuit grants all that were asked for, or nothing.
            "scope": " ".join(sorted(tokens.scopes or params["scopes"])),
            "environment": self.environment,
            "company_name": str(facts.get("CompanyName", "")),
        }

    def probe_call(self) -> Call:
        return Call("GET", self.at(f"/v3/company/{self.realm_id}/companyinfo/{self.realm_id}"))

    def facts(self, answer: Answer) -> Mapping[str, Any] | None:
        found = super().facts(answer)
        # It answers for the company in the address, and for no other.
        return found["CompanyInfo"] if found and isinstance(found.get("CompanyInfo"), dict) else None

    @classmethod
    def default_limit(cls, properties: Values) -> Limit:
        return Limit(500, MINUTE, 10)

    def warnings(self) -> dict[str, Any]:
        found = super().warnings()
        if not any(re.fullmatch(r"com\.intuit\.quickbooks\.\w+", one) for one in self.scope.split()):
            found["scope"] = _("Without com.intuit.quickbooks.accounting, no books can be read.")
        return found
