"""Auth0: https://auth0.com/docs/api/management/v2"""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext_lazy as _

from credentials import answers
from credentials.answers import Rule
from credentials.exchange import Answer, Call
from credentials.fields import HostField, ScopeField
from credentials.kinds.common import client_credentials_call, joined, repeated
from credentials.kinds.provider import Provider
from credentials.models.access import Quota, whole
from credentials.models.credential import Credential
from credentials.models.declaration import Values
from credentials.models.formats import never, usually
from credentials.models.rate_limit import SECOND, Limit
from credentials.sealing import SecretField
from health.fields import PlainTextField

PROVIDER = Provider(
    key="auth0",
    name="Auth0",
    category=_("Developer tools"),
    docs_url="https://auth0.com/docs/troubleshoot/customer-support/operational-policies/rate-limit-policy/"
    "rate-limit-configurations",
    status_url="https://status.auth0.com/",
    limits=_("Management API: 2 requests per second for each tenant, 16 for production ones of Enterprise."),
)

# Auth0's own hosts among those of tenants.
# https://auth0.com/docs/troubleshoot/customer-support/operational-policies/public-cloud-service-endpoints
NO_TENANTS = ("cdn", "login", "manage")


class Auth0ClientCredentials(Credential):
    KIND = "auth0_client_credentials"
    PROVIDER = PROVIDER
    LABEL = _("Client credentials")
    SUMMARY = _(
        "A machine-to-machine application that the customer made and authorised for the Management API."
    )
    HELP_URL = (
        "https://auth0.com/docs/secure/tokens/access-tokens/management-api-access-tokens/"
        "get-management-api-access-tokens-for-production"
    )
    PROPERTIES = ("domain", "client_id", "client_secret", "audience", "scope")
    DESTINATION = ("domain",)
    FORMATS = (
        never(
            "domain",
            rf"({'|'.join(NO_TENANTS)})\.",
            _("This is a host of Auth0's own pages: the tenant has another."),
        ),
        never(
            "client_secret",
            r"eyJ[^.]*\.[^.]*\.[^.]*$",
            _("This is an access token, which ends after a day, not the secret."),
        ),
        usually("client_id", r"[\w-]{32}", _("A client id of Auth0 usually has 32 letters and digits.")),
        usually(
            "client_secret",
            r"[\w-]{64,}",
            _("A client secret of Auth0 usually has 64 letters and digits or more."),
        ),
    )
    TOKEN_LIFETIME = 24 * 3600
    # https://auth0.com/docs/api/management/v2 (common errors)
    RULES = (
        Rule("insufficient_scope", status=(403,), sign=("insufficient_scope",)),
        Rule("insufficient_scope", status=(403,), says=("scope", "scopes")),
        # Of the tenant: one of its users who is blocked is no concern of ours.
        Rule(
            "suspended", status=(403,), says=("tenant … disabled", "tenant … blocked", "tenant … suspended")
        ),
        Rule("account_missing", status=(404,)),
    )
    TOKEN_RULES = (
        Rule("client_rejected", sign=("unauthorized_client", "invalid_client")),
        Rule("insufficient_scope", status=(403,), sign=("access_denied",)),
        Rule("client_rejected", status=(401,)),
        Rule("account_missing", status=(404,)),
    )

    domain = HostField(
        _("domain"),
        # A tenant's name has at most 63 characters; the oldest tenants have no region in their host.
        pattern=r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z]{2})?\.auth0\.com",
        form="name.auth0.com or name.eu.auth0.com",
        help_text=_(
            "The application's Settings: like name.eu.auth0.com. A custom domain does not serve this API."
        ),
    )
    client_id = PlainTextField(
        _("client id"), max_length=100, help_text=_("The application's Settings: 32 characters.")
    )
    client_secret = SecretField(
        _("client secret"), help_text=_("The application's Settings, beneath the client id.")
    )
    audience = PlainTextField(
        _("audience"),
        blank=True,
        help_text=_(
            "The API's identifier under Applications, APIs. Empty: the Management API of the domain."
        ),
    )
    scope = ScopeField(
        _("scope"),
        blank=True,
        help_text=_("The permissions that the application has for that API, separated by spaces."),
    )

    class Meta:
        verbose_name = _("Auth0 client credentials")
        verbose_name_plural = _("Auth0 client credentials")

    @classmethod
    def account_of(cls, properties: Values, answer: Values | None) -> str | None:
        return joined(properties.get("domain"), properties.get("client_id"))

    def api_host(self) -> str:
        return self.domain

    def exchanges(self) -> bool:
        return True

    def token_call(self, app: Any) -> Call:
        secret = self.client_secret.use(self.destination())
        audience = self.audience or f"https://{self.domain}/api/v2/"
        return client_credentials_call(self.at("/oauth/token"), self.client_id, secret, audience=audience)

    def probe_call(self) -> Call:
        return Call("GET", self.at("/api/v2/users"), params={"per_page": "1", "fields": "user_id"})

    def facts(self, answer: Answer) -> Mapping[str, Any] | None:
        # A list of users; the account is the tenant that was asked.
        return {} if isinstance(answer.json, list) else None

    def wait(self, answer: Answer) -> float | None:
        return super().wait(answer) or answers.until(answer, "X-RateLimit-Reset")

    def quota(self, answer: Answer) -> Quota | None:
        allowed = whole(answer.header("X-RateLimit-Limit"))
        # What the bucket holds; how fast it fills is not said.
        return Quota(allowed, None, whole(answer.header("X-RateLimit-Remaining"))) if allowed else None

    @classmethod
    def default_limit(cls, properties: Values) -> Limit:
        return Limit(2, SECOND)

    def check_format(self) -> dict[str, Any]:
        return super().check_format() or repeated(self, "client_id", "client_secret")

    def warnings(self) -> dict[str, Any]:
        found = super().warnings()
        if self.audience not in ("", f"https://{self.domain}/api/v2/"):
            found["audience"] = _("The Management API's is https://, the domain, and /api/v2/ at the end.")
        return found
