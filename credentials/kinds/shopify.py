"""Shopify: https://shopify.dev/docs/api/usage/access-scopes"""

from typing import Any

from django.utils.translation import gettext_lazy as _

from credentials.fields import HostField
from credentials.kinds.provider import Provider
from credentials.models.credential import Credential, Values
from credentials.models.rate_limit import SECOND, Limit
from credentials.sealing import SecretField

PROVIDER = Provider(
    key="shopify",
    name="Shopify",
    category=_("Commerce"),
    docs_url="https://shopify.dev/docs/api/usage/limits",
    limits=_("2 requests per second for each app and shop, with a bucket of 40; more on larger plans."),
)


class ShopifyOAuth2(Credential):
    KIND = "shopify_oauth2"
    PROVIDER = PROVIDER
    LABEL = _("OAuth 2.0, offline token")
    SUMMARY = _("A shop's consent to your Shopify app. The token must be an offline one.")
    HELP_URL = (
        "https://shopify.dev/docs/apps/build/authentication-authorization/access-tokens/offline-access-tokens"
    )
    PROPERTIES = ("access_token", "shop_url")
    DESTINATION = ("shop_url",)
    USES_OAUTH_APP = True

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

    @classmethod
    def default_limit(cls, properties: Values) -> Limit:
        return Limit(2, SECOND)

    def check_format(self) -> dict[str, Any]:
        if (self.fresh("access_token") or "").startswith("shpss_"):
            return {"access_token": _("This is the app's shared secret, not an access token.")}
        return {}
