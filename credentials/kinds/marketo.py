"""Marketo Engage: https://experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/authentication"""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext_lazy as _

from credentials.answers import Rule
from credentials.exchange import Answer, Call
from credentials.fields import IdentifierField
from credentials.kinds.common import client_credentials_call, joined, repeated
from credentials.kinds.provider import Provider
from credentials.models.credential import Credential
from credentials.models.declaration import Values
from credentials.models.formats import never, usually
from credentials.models.rate_limit import SECOND, Limit
from credentials.sealing import SecretField
from health.fields import PlainTextField

PROVIDER = Provider(
    key="marketo",
    name="Marketo",
    category=_("Customers and marketing"),
    docs_url="https://experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/"
    "marketo-integration-best-practices",
    status_url="https://status.adobe.com/",
    limits=_(
        "100 requests per 20 seconds, 10 at a time and usually 50,000 a day, which all integrations of an "
        "instance share: take half."
    ),
)

UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"

# Failures come with status 200: https://experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/error-codes
RULES = (
    Rule("revoked", sign=("601", "602")),
    Rule("insufficient_scope", sign=("603", "703")),
    Rule("rate_limited", sign=("606", "615")),
    Rule("quota_exhausted", sign=("607",)),
    Rule("suspended", sign=("616",)),
    Rule("provider_outage", sign=("604", "608", "611", "614", "713", "719")),
)


class MarketoClientCredentials(Credential):
    KIND = "marketo_client_credentials"
    PROVIDER = PROVIDER
    LABEL = _("Client credentials")
    SUMMARY = _("A custom service (LaunchPoint) of the customer's instance. It may do what its API user may.")
    HELP_URL = (
        "https://experienceleague.adobe.com/docs/marketo/using/product-docs/administration/"
        "additional-integrations/create-a-custom-service-for-use-with-rest-api.html"
    )
    PROPERTIES = ("munchkin_id", "client_id", "client_secret", "api_user")
    DESTINATION = ("munchkin_id",)
    FORMATS = (
        never(
            "client_secret",
            rf"{UUID}:\w+$",
            _("This is an access token, which ends within an hour, not the secret."),
        ),
        usually("client_id", UUID, _("A client id of Marketo is usually a UUID.")),
        usually(
            "client_secret",
            r"[A-Za-z0-9]{32}",
            _("A client secret of Marketo usually has 32 letters and digits."),
        ),
    )
    RULES = RULES
    TOKEN_RULES = (
        Rule("client_rejected", sign=("unauthorized", "invalid_client", "unauthorized_client")),
        Rule("client_rejected", status=(401,)),
        Rule("account_missing", status=(404,)),
    )

    munchkin_id = IdentifierField(
        _("Munchkin id"),
        pattern=r"\d{3}-[A-Z]{3}-\d{3}",
        says=_("A Munchkin id has the form 123-ABC-456."),
        endings=(".mktorest.com",),
        written=str.upper,
        help_text=_("Admin, Munchkin: like 123-ABC-456. The REST API's address begins with it."),
    )
    client_id = PlainTextField(
        _("client id"), max_length=100, help_text=_("Admin, LaunchPoint, the service's View Details.")
    )
    client_secret = SecretField(
        _("client secret"),
        help_text=_("Admin, LaunchPoint, the service's View Details, beneath the client id."),
    )
    api_user = PlainTextField(
        _("API user"),
        blank=True,
        help_text=_("The API-only user whom the service acts for: “Authorized User” in View Details."),
    )

    class Meta:
        verbose_name = _("Marketo client credentials")
        verbose_name_plural = _("Marketo client credentials")

    @classmethod
    def account_of(cls, properties: Values, answer: Values | None) -> str | None:
        return joined(properties.get("munchkin_id"), properties.get("client_id"))

    def api_host(self) -> str:
        return f"{self.munchkin_id.lower()}.mktorest.com"

    def exchanges(self) -> bool:
        return True

    def token_call(self, app: Any) -> Call:
        secret = self.client_secret.use(self.destination())
        return client_credentials_call(self.at("/identity/oauth/token"), self.client_id, secret)

    def probe_call(self) -> Call:
        return Call("GET", self.at("/rest/v1/activities/types.json"))

    def facts(self, answer: Answer) -> Mapping[str, Any] | None:
        found = super().facts(answer)
        return {} if found and found.get("success") is True else None

    def wait(self, answer: Answer) -> float | None:
        # A hundred calls in any twenty seconds: by then there is room again.
        return super().wait(answer) or 20.0

    @classmethod
    def default_limit(cls, properties: Values) -> Limit:
        # Half of what the instance has: Adobe's advice, as other integrations share it.
        return Limit(50, 20 * SECOND, 5)

    def check_format(self) -> dict[str, Any]:
        return super().check_format() or repeated(self, "client_id", "client_secret")
