"""Salesforce: https://help.salesforce.com (OAuth web server flow)"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from credentials.answers import Rule
from credentials.exchange import Answer, Call
from credentials.fields import HostField, ScopeField
from credentials.kinds.common import code_call, refresh_call
from credentials.kinds.provider import Provider
from credentials.models.access import Quota, Tokens, whole
from credentials.models.consent import Consent
from credentials.models.credential import Credential
from credentials.models.declaration import Values
from credentials.models.formats import usually
from credentials.models.rate_limit import DAY, Limit
from credentials.sealing import SecretField
from health.fields import PlainTextField

if TYPE_CHECKING:
    from credentials.models.oauth_app import OAuthApp

PROVIDER = Provider(
    key="salesforce",
    name="Salesforce",
    category=_("Customers and marketing"),
    docs_url="https://developer.salesforce.com/docs/atlas.en-us.salesforce_app_limits_cheatsheet.meta/"
    "salesforce_app_limits_cheatsheet/salesforce_app_limits_platform_api.htm",
    status_url="https://status.salesforce.com/",
    limits=_("Enterprise: 100,000 requests per 24 hours and more for each licence; 25 long ones at a time."),
)

# My Domain hosts: production, and the named environments. login. and test. are no customer's own.
HOST = (
    r"[a-z0-9][a-z0-9-]{0,62}(--[a-z0-9]{1,20})?(\.(sandbox|develop|scratch|demo|trailblaze))?"
    r"\.my\.salesforce\.com"
)

REFUSED = (401, 403)
BY_ADDRESS = ("ip restricted", "restricted ip", "ip address … not allowed", "ip address … restricted")
# https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/errorcodes.htm
RULES = (
    Rule("quota_exhausted", status=(403,), says=("totalrequests",)),
    Rule("rate_limited", sign=("request_limit_exceeded",)),
    Rule("insufficient_scope", sign=("insufficient_access", "insufficient_access_or_readonly")),
    Rule("insufficient_scope", sign=("insufficient_scope", "missing_oauth_scope")),
    Rule("insufficient_scope", status=REFUSED, says=("oauth scope", "oauth scopes")),
    Rule("insufficient_scope", sign=("api_disabled_for_org", "api_currently_disabled")),
    Rule("suspended", sign=("org_locked", "trial_expired")),
    Rule("address_not_allowed", status=REFUSED, says=BY_ADDRESS),
    Rule("provider_outage", sign=("server_unavailable", "unknown_exception")),
    Rule("account_missing", status=(404,), sign=("url_no_longer_exists",)),
    # What userinfo answers in place of JSON: https://help.salesforce.com (OpenID Connect)
    Rule("revoked", status=(403,), sign=("bad_oauth_token", "missing_oauth_token", "bad_id")),
)
TOKEN_RULES = (
    Rule("oauth_app_rejected", sign=("invalid_client", "invalid_client_id", "unauthorized_client")),
    Rule("oauth_app_rejected", sign=("invalid_app_access", "app_not_found")),
    Rule("address_not_allowed", status=(400, *REFUSED), says=BY_ADDRESS),
    Rule("suspended", sign=("inactive_user", "inactive_org", "org_locked")),
    Rule(
        "suspended",
        status=(400, *REFUSED),
        says=("inactive user", "inactive organization", "organization is inactive", "organization is locked"),
    ),
    Rule("rate_limited", status=(400, *REFUSED, 503), says=("login rate exceeded", "retry your request")),
)


class SalesforceOAuth2(Credential):
    KIND = "salesforce_oauth2"
    PROVIDER = PROVIDER
    LABEL = _("OAuth 2.0")
    SUMMARY = _("A user's consent to your connected app, good for one Salesforce organization.")
    HELP_URL = "https://help.salesforce.com/s/articleView?id=sf.domain_name_overview.htm"
    SECRETS_BEGIN = ("5Aep861",)
    PROPERTIES = ("domain", "refresh_token", "scope", "salesforce_id")
    DESTINATION = ("domain",)
    FORMATS = (usually("salesforce_id", r"00D.*", _("The id of an organization usually begins with 00D.")),)
    OLDER_KINDS = ("salesforce",)
    OLDER_PROPERTIES = {"instance_url": "domain"}
    USES_OAUTH_APP = True
    REFRESHES_WITH = "refresh_token"
    # Knows the apps of all organizations: https://help.salesforce.com/s/articleView?id=sf.remoteaccess_oauth_endpoints.htm
    APP_TEST_AT = {"domain": "login.salesforce.com"}
    CONSENT = Consent("https://{host}/services/oauth2/authorize", asks=("domain",))
    RULES = RULES
    TOKEN_RULES = TOKEN_RULES

    domain = HostField(
        _("domain"),
        pattern=HOST,
        suffix=".my.salesforce.com",
        mixed_up={
            ".lightning.force.com": _(
                "This is the host of the Lightning pages: the API is at name.my.salesforce.com."
            )
        },
        help_text=_("Setup, My Domain: a host like name.my.salesforce.com."),
    )
    refresh_token = SecretField(_("refresh token"), help_text=_("From the token endpoint, with the consent."))
    scope = ScopeField(_("scope"), help_text=_("The scopes that were granted, separated by spaces."))
    salesforce_id = PlainTextField(
        _("Salesforce id"), help_text=_("The organization's id: Setup, Company Information. Begins with 00D.")
    )

    class Meta:
        verbose_name = _("Salesforce OAuth 2.0 credential")
        verbose_name_plural = _("Salesforce OAuth 2.0 credentials")

    @classmethod
    def account_of(cls, properties: Values, answer: Values | None) -> str | None:
        # An id has 15 characters, or 18 of which the last three are a check sum of the rest.
        found = (answer or {}).get("organization_id") or properties.get("salesforce_id") or ""
        return (found[:15] if len(found) == 18 and found.isalnum() else found) or None

    def api_host(self) -> str:
        return self.domain

    def token_call(self, app: "OAuthApp") -> Call:
        return refresh_call(self, app, self.at("/services/oauth2/token"))

    def code_call(self, app: "OAuthApp", form: Mapping[str, str]) -> Call:
        return code_call(app, self.at("/services/oauth2/token"), form)

    def consented(self, tokens: Tokens, params: Values, facts: Values) -> dict[str, Any]:
        # Where the API is, says the answer; it must be the host that was entered, and checked.
        try:
            host = urlsplit(str(tokens.facts.get("instance_url", ""))).hostname
        except ValueError:
            host = None
        if host != self.domain:
            raise ValidationError(_("The consent came from another domain than this one."), code="account")
        return {
            "domain": self.domain,
            "refresh_token": tokens.refresh_token,
            "scope": " ".join(sorted(tokens.scopes or ())),
            "salesforce_id": facts.get("organization_id"),
        }

    def probe_call(self) -> Call:
        return Call("GET", self.at("/services/oauth2/userinfo"))

    def facts(self, answer: Answer) -> Mapping[str, Any] | None:
        found = super().facts(answer)
        return found if found and str(found.get("organization_id", "")).startswith("00D") else None

    def quota(self, answer: Answer) -> Quota | None:
        used, _slash, allowed = answer.header("Sforce-Limit-Info").partition("api-usage=")[2].partition("/")
        total, spent = whole(allowed.partition(";")[0].strip()), whole(used)
        return Quota(total, DAY, max(total - spent, 0)) if total and spent is not None else None

    @classmethod
    def default_limit(cls, properties: Values) -> Limit:
        return Limit(100_000, DAY, 25)
