"""ServiceNow: https://www.servicenow.com/docs/r/api-reference/rest-api-explorer/c_RESTAPI.html"""

from collections.abc import Mapping
from typing import Any

import requests
from django.utils.translation import gettext_lazy as _

from credentials import answers
from credentials.answers import Rule
from credentials.exchange import Answer, Call
from credentials.fields import HostField
from credentials.kinds.common import client_credentials_call, joined, repeated
from credentials.kinds.provider import Provider
from credentials.models.access import Quota, whole
from credentials.models.credential import Credential
from credentials.models.declaration import Values
from credentials.models.formats import usually
from credentials.models.rate_limit import HOUR, SECOND, Limit
from credentials.sealing import SecretField
from health.fields import PlainTextField

PROVIDER = Provider(
    key="servicenow",
    name="ServiceNow",
    category=_("People and IT"),
    docs_url="https://www.servicenow.com/docs/r/api-reference/rest-api-explorer/"
    "inbound-REST-API-rate-limiting.html",
    limits=_("Set by each instance's administrators, per hour: begin with 5 per second, 4 at a time."),
)


class ServiceNowCredential(Credential):
    """What both kinds share: the instance."""

    PROVIDER = PROVIDER
    DESTINATION = ("instance_url",)
    # Bodies look alike for many causes, so the status decides. A sleeping instance answers with a web page.
    RULES = (
        Rule(
            "insufficient_scope",
            status=(403,),
            says=(
                *("acl", "not authorized", "security constraints", "required role", "required roles"),
                *("insufficient rights", "insufficient privileges", "insufficient role"),
            ),
        ),
        Rule("account_missing", status=(404,)),
        Rule(
            "provider_outage",
            status=(400, 403, 500),
            says=("transaction cancelled", "maximum execution time"),
        ),
    )

    # Named as people know it; what is stored is the host.
    instance_url = HostField(
        _("instance"),
        pattern=r"[a-z0-9][a-z0-9-]{0,62}\.service-now\.com",
        suffix=".service-now.com",
        mixed_up={
            ".servicenow.com": _("This is a host of the company: instances are at name.service-now.com.")
        },
        help_text=_("The host in the address bar of the instance, like name.service-now.com."),
    )

    class Meta:
        abstract = True

    def api_host(self) -> str:
        return self.instance_url

    def probe_call(self) -> Call:
        return Call(
            "GET",
            self.at("/api/now/table/sys_user"),
            params={"sysparm_limit": "1", "sysparm_fields": "sys_id"},
        )

    def facts(self, answer: Answer) -> Mapping[str, Any] | None:
        found = super().facts(answer)
        # The account is the user that signed in at the instance that was asked.
        return {} if found and isinstance(found.get("result"), list) else None

    def wait(self, answer: Answer) -> float | None:
        return super().wait(answer) or answers.until(answer, "X-RateLimit-Reset")

    def quota(self, answer: Answer) -> Quota | None:
        allowed = whole(answer.header("X-RateLimit-Limit"))
        return Quota(allowed, HOUR) if allowed else None

    @classmethod
    def default_limit(cls, properties: Values) -> Limit:
        return Limit(5, SECOND, 4)


class ServiceNowPassword(ServiceNowCredential):
    KIND = "servicenow_password"
    LABEL = _("User and password")
    SUMMARY = _("An integration user of the instance, who may read what their roles allow.")
    HELP_URL = "https://www.servicenow.com/docs/r/api-reference/rest-api-explorer/c_RESTAPI.html"
    PROPERTIES = ("instance_url", "username", "password")

    username = PlainTextField(
        _("user name"), max_length=100, help_text=_("User Administration, Users: the User ID of that user.")
    )
    password = SecretField(
        _("password"), spaces=True, help_text=_("Of the same user: Set Password in the user's record.")
    )

    class Meta:
        verbose_name = _("ServiceNow user")
        verbose_name_plural = _("ServiceNow users")

    @classmethod
    def account_of(cls, properties: Values, answer: Values | None) -> str | None:
        return joined(properties.get("instance_url"), properties.get("username"))

    def authenticate(self, request: requests.PreparedRequest, token: str) -> None:
        request.prepare_auth((self.username.encode(), self.password.use(self.destination()).encode()))


class ServiceNowClientCredentials(ServiceNowCredential):
    KIND = "servicenow_client_credentials"
    LABEL = _("Client credentials")
    SUMMARY = _(
        "An OAuth application of the instance, with the user whom it acts for. No password is shared."
    )
    HELP_URL = "https://www.servicenow.com/docs/r/platform-security/authentication/client-credentials.html"
    PROPERTIES = ("instance_url", "client_id", "client_secret")
    FORMATS = (
        usually(
            "client_id",
            r"[0-9a-f]{32}",
            _("A client id of ServiceNow usually has 32 digits and letters from a to f."),
        ),
    )
    TOKEN_LIFETIME = 1800
    TOKEN_RULES = (
        Rule("revoked", sign=("invalid_grant",)),
        Rule("client_rejected", sign=("access_denied", "invalid_client", "unauthorized_client")),
        Rule("client_rejected", status=(401,)),
        Rule("account_missing", status=(404,)),
    )

    client_id = PlainTextField(
        _("client id"), max_length=100, help_text=_("System OAuth, Application Registry, the application.")
    )
    client_secret = SecretField(
        _("client secret"), help_text=_("Application Registry, the same application: the lock shows it.")
    )

    class Meta:
        verbose_name = _("ServiceNow client credentials")
        verbose_name_plural = _("ServiceNow client credentials")

    @classmethod
    def account_of(cls, properties: Values, answer: Values | None) -> str | None:
        return joined(properties.get("instance_url"), properties.get("client_id"))

    def exchanges(self) -> bool:
        return True

    def token_call(self, app: Any) -> Call:
        secret = self.client_secret.use(self.destination())
        return client_credentials_call(self.at("/oauth_token.do"), self.client_id, secret)

    def check_format(self) -> dict[str, Any]:
        return repeated(self, "client_id", "client_secret")
