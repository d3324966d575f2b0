"""Checkout Champ, formerly Konnektive: https://help.checkoutchamp.com"""

from typing import Any

from django.utils.translation import gettext_lazy as _

from credentials.kinds.provider import Provider
from credentials.models.credential import Credential, Values
from credentials.models.rate_limit import SECOND, Limit
from credentials.sealing import SecretField
from health.fields import PlainTextField

PROVIDER = Provider(
    key="checkout_champ",
    name="Checkout Champ",
    category=_("Commerce"),
    docs_url="https://help.checkoutchamp.com/checkoutchamp-crm/admin-setup/create-a-user/create-an-api-user",
    limits=_("Not published: begin with 2 requests per second, one at a time."),
)


class CheckoutChampPassword(Credential):
    KIND = "checkout_champ_password"
    PROVIDER = PROVIDER
    LABEL = _("API user and password")
    SUMMARY = _("The login of an API user. Our addresses must be on that user's list of allowed ones.")
    HELP_URL = PROVIDER.docs_url
    PROPERTIES = ("login_id", "password")

    login_id = PlainTextField(
        _("login id"), help_text=_("The login of an API user (Admin, Users), not of a person.")
    )
    password = SecretField(
        _("password"), spaces=True, help_text=_("Of the same API user. It cannot contain “&”.")
    )

    class Meta:
        verbose_name = _("Checkout Champ API user")
        verbose_name_plural = _("Checkout Champ API users")

    @classmethod
    def account_of(cls, properties: Values, answer: Values | None) -> str | None:
        return properties.get("login_id")

    @classmethod
    def default_limit(cls, properties: Values) -> Limit:
        return Limit(2, SECOND, 1)

    def check_format(self) -> dict[str, Any]:
        if "&" in (self.fresh("password") or ""):
            return {"password": _("A password at Checkout Champ cannot contain “&”: copy it again.")}
        return {}
