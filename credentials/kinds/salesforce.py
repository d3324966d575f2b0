"""Salesforce: https://help.salesforce.com (OAuth web server flow)"""

from typing import Any

from django.utils.translation import gettext_lazy as _

from credentials.fields import HostField, ScopeField
from credentials.kinds.provider import Provider
from credentials.models.credential import Credential, Values
from credentials.models.rate_limit import DAY, Limit
from credentials.sealing import SecretField
from health.fields import PlainTextField

PROVIDER = Provider(
    key="salesforce",
    name="Salesforce",
    category=_("Customers and marketing"),
    docs_url="https://developer.salesforce.com/docs/atlas.en-us.salesforce_app_limits_cheatsheet.meta/"
    "salesforce_app_limits_cheatsheet/salesforce_app_limits_platform_api.htm",
    limits=_("Enterprise: 100,000 requests per 24 hours and more for each licence; 25 long ones at a time."),
)

# My Domain hosts: production, and the named environments. login. and test. are no customer's own.
HOST = (
    r"[a-z0-9][a-z0-9-]{0,62}(--[a-z0-9]{1,20})?(\.(sandbox|develop|scratch|demo|trailblaze))?"
    r"\.my\.salesforce\.com"
)


class SalesforceOAuth2(Credential):
    KIND = "salesforce_oauth2"
    PROVIDER = PROVIDER
    LABEL = _("OAuth 2.0")
    SUMMARY = _("A user's consent to your connected app, good for one Salesforce organization.")
    HELP_URL = "https://help.salesforce.com/s/articleView?id=sf.domain_name_overview.htm"
    PROPERTIES = ("domain", "refresh_token", "scope", "salesforce_id")
    DESTINATION = ("domain",)
    OLDER_KINDS = ("salesforce",)
    OLDER_PROPERTIES = {"instance_url": "domain"}
    USES_OAUTH_APP = True

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

    @classmethod
    def default_limit(cls, properties: Values) -> Limit:
        return Limit(100_000, DAY, 25)

    def warnings(self) -> dict[str, Any]:
        if not self.salesforce_id.startswith("00D"):
            return {"salesforce_id": _("The id of an organization usually begins with 00D.")}
        return {}
