"""SendGrid: https://www.twilio.com/docs/sendgrid/api-reference/how-to-use-the-sendgrid-v3-api/authentication"""

import requests
from django.db import models
from django.utils.translation import gettext_lazy as _

from credentials import answers
from credentials.answers import Reading, Rule
from credentials.exchange import Answer, Call
from credentials.kinds.common import joined
from credentials.kinds.provider import Provider
from credentials.models.access import Probe, Quota, whole
from credentials.models.credential import Credential
from credentials.models.declaration import Values
from credentials.models.formats import Format, usually
from credentials.models.rate_limit import MINUTE, Limit
from credentials.sealing import SecretField
from health.fields import PlainTextField

PROVIDER = Provider(
    key="sendgrid",
    name="SendGrid",
    category=_("Customers and marketing"),
    docs_url="https://www.twilio.com/docs/sendgrid/api-reference/how-to-use-the-sendgrid-v3-api/rate-limits",
    status_url="https://status.sendgrid.com/",
    limits=_("Not published: they differ by call and plan, and each answer tells what is left."),
)

# https://www.twilio.com/docs/sendgrid/api-reference/how-to-use-the-sendgrid-v3-api/errors
RULES = (
    Rule("blocked", status=(403,), says=("too many", "temporarily", "temporary", "bad requests")),
    Rule(
        "address_not_allowed",
        status=(403,),
        says=(
            *("your ip address", "ip addresses allowed", "not allowed from"),
            *("whitelist", "whitelisted", "allowlist", "allowlisted"),
        ),
    ),
    Rule(
        "suspended",
        status=(401, 403),
        says=tuple(f"account … {how}" for how in ("suspended", "deactivated", "under review", "frozen")),
    ),
    Rule(
        "insufficient_scope",
        status=(403,),
        says=("access forbidden", "permission", "permissions", "scope", "scopes"),
    ),
)


class SendGridKey(Credential):
    KIND = "sendgrid_key"
    PROVIDER = PROVIDER
    LABEL = _("API key")
    SUMMARY = _("A key that the customer made in their settings. One with custom, read-only access is best.")
    HELP_URL = "https://www.twilio.com/docs/sendgrid/ui/account-and-settings/api-keys"
    SECRETS_BEGIN = ("SG.",)
    PROPERTIES = ("api_key", "region", "subuser")
    DESTINATION = ("region",)
    FORMATS = (
        Format("api_key", r"SG\..*", _("A key of SendGrid begins with “SG.”: this is something else.")),
        usually(
            "api_key",
            r"SG\.[\w-]{22}\.[\w-]{43}",
            _("A key of SendGrid has 69 characters: a part of it may be missing."),
        ),
    )
    SEPARATES = ("subuser",)
    API_HOST = "api.sendgrid.com"
    RULES = RULES

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

    def api_host(self) -> str:
        return "api.eu.sendgrid.com" if self.region == self.Region.EU else self.API_HOST

    def authenticate(self, request: requests.PreparedRequest, token: str) -> None:
        super().authenticate(request, self.api_key.use(self.destination()))
        if self.subuser:
            request.headers["On-Behalf-Of"] = self.subuser

    def probe(self) -> Probe:
        # What the key may do; any key may ask for it.
        rights = yield Call("GET", self.at("/v3/scopes"))
        if failure := self.read_failure(rights):
            return failure
        found = super().facts(rights)
        if not found or not isinstance(found.get("scopes"), list):
            return Reading("garbled")
        # Whose it is: few keys may ask for that, and it works without.
        name = yield Call("GET", self.at("/v3/user/username"))
        failure = self.read_failure(name)
        if failure and failure.code not in ("insufficient_scope", "account_missing"):
            return failure
        user = None if failure else super().facts(name)
        return Reading("ok", facts=user or {}, scopes=frozenset(map(str, found["scopes"])))

    def wait(self, answer: Answer) -> float | None:
        return super().wait(answer) or answers.until(answer, "X-RateLimit-Reset")

    def quota(self, answer: Answer) -> Quota | None:
        # For each endpoint, in a window whose length is not said.
        allowed = whole(answer.header("X-RateLimit-Limit"))
        return Quota(allowed, None, whole(answer.header("X-RateLimit-Remaining"))) if allowed else None

    @classmethod
    def default_limit(cls, properties: Values) -> Limit:
        # What the second version of the API allowed each user; the third publishes no number.
        return Limit(600, MINUTE)

    def destination(self) -> tuple[str, ...]:
        kind, region, app = super().destination()
        return (kind, "region=global" if region == "region=" else region, app)
