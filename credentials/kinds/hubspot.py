"""HubSpot: https://developers.hubspot.com/docs/api/usage-details"""

from typing import Any

from django.utils.translation import gettext_lazy as _

from credentials.fields import StringListField, WholeNumberField
from credentials.kinds.provider import Provider
from credentials.models.credential import Credential, Values
from credentials.models.rate_limit import SECOND, Limit
from credentials.sealing import SecretField
from health.fields import PlainTextField

PROVIDER = Provider(
    key="hubspot",
    name="HubSpot",
    category=_("Customers and marketing"),
    docs_url="https://developers.hubspot.com/docs/api/usage-details",
    limits=_("100 requests per 10 seconds for each app and account; searches 4 per second."),
)


class HubSpotOAuth2(Credential):
    KIND = "hubspot_oauth2"
    PROVIDER = PROVIDER
    LABEL = _("OAuth 2.0")
    SUMMARY = _("A portal's consent to your HubSpot app. The refresh token lives until the app is removed.")
    HELP_URL = "https://developers.hubspot.com/docs/api/working-with-oauth"
    PROPERTIES = ("hub_domain", "hub_id", "refresh_token", "scopes")
    OLDER_KINDS = ("hubspot",)
    USES_OAUTH_APP = True

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

    def check_format(self) -> dict[str, Any]:
        if (self.fresh("refresh_token") or "").startswith("pat-"):
            return {"refresh_token": _("This is the token of a private app, not a refresh token.")}
        return {}
