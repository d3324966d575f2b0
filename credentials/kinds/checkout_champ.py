"""Checkout Champ, formerly Konnektive: https://help.checkoutchamp.com"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

import requests
from django.utils.translation import gettext_lazy as _

from credentials.answers import Rule
from credentials.exchange import Answer, Call
from credentials.kinds.provider import Provider
from credentials.models.credential import Credential
from credentials.models.declaration import Values
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
    API_HOST = "api.checkoutchamp.com"
    # Failures come with status 200 and a message, whose texts are not published: these are words in them.
    RULES = (
        Rule("address_not_allowed", says=("whitelist", "white list", "ip address", "not allowed ip")),
        Rule("insufficient_scope", says=("endpoint", "not permitted", "permission", "access denied")),
        Rule("revoked", says=("login", "password", "credential", "authenticat", "unauthorized")),
        Rule("suspended", says=("disabled", "inactive", "suspended", "locked")),
        Rule("rate_limited", says=("rate limit", "too many requests")),
        Rule("unclassified", status=(200,), sign=("error",)),
    )

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

    def authenticate(self, request: requests.PreparedRequest, token: str) -> None:
        # In the form: the same in the address would end up in logs.
        body = request.body.decode() if isinstance(request.body, bytes) else request.body
        fields = parse_qsl(str(body or ""), keep_blank_values=True)
        signed = [("loginId", self.login_id), ("password", self.password.use(self.destination()))]
        request.headers.pop("Content-Type", None)
        request.prepare_body([*fields, *signed], None)

    def probe_call(self) -> Call:
        return Call("POST", self.at("/campaign/query/"), form={"resultsPerPage": "1"})

    def facts(self, answer: Answer) -> Mapping[str, Any] | None:
        found = super().facts(answer)
        # Each API user belongs to one installation: that it may sign in says whose it is.
        return {} if found and found.get("result") == "SUCCESS" else None

    @classmethod
    def default_limit(cls, properties: Values) -> Limit:
        return Limit(2, SECOND, 1)

    def check_format(self) -> dict[str, Any]:
        if "&" in (self.fresh("password") or ""):
            return {"password": _("A password at Checkout Champ cannot contain “&”: copy it again.")}
        return {}
