"""Workday: https://community.workday.com/sites/default/files/file-hosting/restapi/"""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext_lazy as _

from credentials.answers import Rule
from credentials.exchange import Answer, Call
from credentials.fields import HostField, IdentifierField
from credentials.kinds.common import joined, repeated
from credentials.kinds.provider import Provider
from credentials.models.credential import Credential
from credentials.models.declaration import Values
from credentials.models.formats import usually
from credentials.models.rate_limit import SECOND, Limit
from credentials.sealing import SecretField
from health.fields import PlainTextField

PROVIDER = Provider(
    key="workday",
    name="Workday",
    category=_("People and IT"),
    docs_url="https://community.workday.com/sites/default/files/file-hosting/restapi/",
    limits=_("Not published: begin with 5 requests per second, 5 at a time."),
)


class WorkdayOAuth2(Credential):
    KIND = "workday_oauth2"
    PROVIDER = PROVIDER
    LABEL = _("OAuth 2.0, refresh token")
    SUMMARY = _(
        "An API client for integrations. Make its refresh token, of a system user, one that never ends."
    )
    HELP_URL = "https://doc.workday.com/"
    PROPERTIES = ("services_host", "tenant", "client_id", "client_secret", "refresh_token")
    DESTINATION = ("services_host", "tenant")
    FORMATS = (
        usually(
            "services_host",
            r"[^.]*services.*",
            _("This looks like the host of the pages: that of the API has “services”."),
        ),
    )
    REFRESHES_WITH = "refresh_token"
    RULES = (
        # A fault of SOAP comes with status 500, whatever it is about.
        Rule(
            "revoked",
            status=(401, 500),
            says=("invalid username or password", "invalid user name or password"),
        ),
        Rule("rate_limited", status=(429, 500, 503), says=("too many requests", "rate limit")),
        Rule("insufficient_scope", status=(403,), sign=("s21",)),
        Rule(
            "insufficient_scope",
            status=(403,),
            says=("permission denied", "not in the scope", "not authorized"),
        ),
        Rule("insufficient_scope", status=(500,), says=("task submitted is not authorized",)),
    )
    TOKEN_RULES = (
        # The API client is the customer's own.
        Rule("client_rejected", sign=("invalid_client", "unauthorized_client")),
        Rule("client_rejected", status=(401,)),
        Rule("account_missing", status=(404,)),
    )

    services_host = HostField(
        _("services host"),
        pattern=r"[a-z0-9][a-z0-9-]{0,62}(\.wd[0-9]{1,4})?\.(workday|myworkday)\.com",
        form="wd3-services1.myworkday.com",
        help_text=_("View API Clients, Token Endpoint: its host, like wd3-services1.myworkday.com."),
    )
    tenant = IdentifierField(
        _("tenant"),
        pattern=r"[A-Za-z0-9_]{1,64}",
        says=_("A tenant's name has letters, digits and underscores only."),
        help_text=_("View API Clients, Token Endpoint: the part before /token."),
    )
    client_id = PlainTextField(
        _("client id"), max_length=100, help_text=_("View API Clients, API Clients for Integrations.")
    )
    client_secret = SecretField(
        _("client secret"), help_text=_("Shown once, when the API client is registered or a new one made.")
    )
    refresh_token = SecretField(
        _("refresh token"),
        help_text=_("The API client's menu: Manage Refresh Tokens for Integrations, for the system user."),
    )

    class Meta:
        verbose_name = _("Workday OAuth 2.0 credential")
        verbose_name_plural = _("Workday OAuth 2.0 credentials")

    @classmethod
    def account_of(cls, properties: Values, answer: Values | None) -> str | None:
        names = ("services_host", "tenant", "client_id")
        return joined(*(properties.get(name) for name in names))

    def api_host(self) -> str:
        return self.services_host

    def token_call(self, app: Any) -> Call:
        form = {
            "grant_type": "refresh_token",
            "refresh_token": self.refresh_token.use(self.destination()),
        }
        basic = (self.client_id, self.client_secret.use(self.destination()))
        return Call("POST", self.at(f"/ccx/oauth2/{self.tenant}/token"), form=form, basic=basic)

    def probe_call(self) -> Call:
        return Call("GET", self.at(f"/ccx/api/v1/{self.tenant}/workers"), params={"limit": "1"})

    def facts(self, answer: Answer) -> Mapping[str, Any] | None:
        found = super().facts(answer)
        # Host and tenant are in the address: no other can answer.
        return {} if found and isinstance(found.get("data"), list) else None

    @classmethod
    def default_limit(cls, properties: Values) -> Limit:
        return Limit(5, SECOND, 5)

    def check_format(self) -> dict[str, Any]:
        return repeated(self, "client_id", "client_secret", "refresh_token")
