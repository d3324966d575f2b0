"""SendGrid: https://www.twilio.com/docs/sendgrid/api-reference/how-to-use-the-sendgrid-v3-api/authentication"""

import re
from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _

from credentials.kinds.common import joined
from credentials.kinds.provider import Provider
from credentials.models.credential import Credential, Values
from credentials.models.rate_limit import MINUTE, Limit
from credentials.sealing import SecretField
from health.fields import PlainTextField

PROVIDER = Provider(
    key="sendgrid",
    name="SendGrid",
    category=_("Customers and marketing"),
    docs_url="https://www.twilio.com/docs/sendgrid/api-reference/how-to-use-the-sendgrid-v3-api/rate-limits",
    limits=_("Not published: they differ by call and plan, and each answer tells what is left."),
)


class SendGridKey(Credential):
    KIND = "sendgrid_key"
    PROVIDER = PROVIDER
    LABEL = _("API key")
    SUMMARY = _("A key that the customer made in their settings. One with custom, read-only access is best.")
    HELP_URL = "https://www.twilio.com/docs/sendgrid/ui/account-and-settings/api-keys"
    PROPERTIES = ("api_key", "region", "subuser")
    DESTINATION = ("region",)
    SEPARATES = ("subuser",)

    class Region(models.TextChoices):
        GLOBAL = "global", _("Global")
        EU = "eu", _("European Union")

    api_key = SecretField(
        _("API key"), help_text=_("Settings, API Keys, shown once when it is made: begins with SG.")
    )
    region = models.CharField(
        _("region"),
        max_length=20,
        choices=Region.choices,
        blank=True,
        help_text=_("European Union for the key of an EU regional subuser. Empty: global."),
    )
    subuser = PlainTextField(
        _("subuser"),
        max_length=100,
        blank=True,
        help_text=_("Settings, Subuser Management: whom a parent account's key acts for. Usually empty."),
    )

    class Meta:
        verbose_name = _("SendGrid key")
        verbose_name_plural = _("SendGrid keys")

    @classmethod
    def account_of(cls, properties: Values, answer: Values | None) -> str | None:
        # The key itself does not tell its account: only a probe can.
        user, subuser = (answer or {}).get("user_id"), properties.get("subuser")
        return joined(user, subuser) if subuser else joined(user)

    @classmethod
    def default_limit(cls, properties: Values) -> Limit:
        # What the second version of the API allowed each user; the third publishes no number.
        return Limit(600, MINUTE)

    def destination(self) -> tuple[str, ...]:
        kind, region, app = super().destination()
        return (kind, "region=global" if region == "region=" else region, app)

    def check_format(self) -> dict[str, Any]:
        if not (self.fresh("api_key") or "SG.").startswith("SG."):
            return {"api_key": _("A key of SendGrid begins with “SG.”: this is something else.")}
        return {}

    def warnings(self) -> dict[str, Any]:
        text = self.fresh("api_key")
        if text and not re.fullmatch(r"SG\.[\w-]{22}\.[\w-]{43}", text, re.ASCII):
            return {"api_key": _("A key of SendGrid has 69 characters: a part of it may be missing.")}
        return {}
