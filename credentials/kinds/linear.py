"""Linear: https://linear.app/developers/oauth-2-0-authentication"""

from typing import Any

from django.utils.translation import gettext_lazy as _

from credentials.fields import ScopeField
from credentials.kinds.provider import Provider
from credentials.models.credential import Credential, Values
from credentials.models.rate_limit import HOUR, Limit
from credentials.sealing import SecretField
from health.fields import PlainTextField

PROVIDER = Provider(
    key="linear",
    name="Linear",
    category=_("Developer tools"),
    docs_url="https://linear.app/developers/rate-limiting",
    limits=_("5,000 requests per hour for each user of an OAuth app; complexity is counted besides."),
)


class LinearOAuth2(Credential):
    KIND = "linear_oauth2"
    PROVIDER = PROVIDER
    LABEL = _("OAuth 2.0")
    SUMMARY = _(
        "A workspace's consent to your Linear app. Apps made since October 2025 get a refresh token too."
    )
    HELP_URL = "https://linear.app/developers/oauth-2-0-authentication"
    PROPERTIES = ("access_token", "refresh_token", "scope", "linear_org_id", "linear_org_name")
    USES_OAUTH_APP = True

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

    @classmethod
    def default_limit(cls, properties: Values) -> Limit:
        return Limit(5000, HOUR)

    def check_format(self) -> dict[str, Any]:
        for name in ("access_token", "refresh_token"):
            text = self.fresh(name) or ""
            if text.startswith("lin_api_"):
                return {name: _("This is a personal API key, not a token of an OAuth app.")}
            if text.startswith("lin_wh_"):
                return {name: _("This is the secret of a webhook, not a token.")}
        return {}
