"""Checkout Champ, formerly Konnektive: https://help.checkoutchamp.com"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import requests
from django.utils.translation import gettext_lazy as _

from credentials.answers import Rule
from credentials.exchange import Answer, Call
from credentials.kinds.provider import Provider
from credentials.models.credential import Credential
from credentials.models.declaration import Values
from credentials.models.formats import Format
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

# With which its messages come, whatever they say.
SAID = (200, 400, 401, 403)
FORM = "application/x-www-form-urlencoded"


class CheckoutChampPassword(Credential):
    KIND = "checkout_champ_password"
    PROVIDER = PROVIDER
    LABEL = _("API user and password")
    SUMMARY = _("The login of an API user. Our addresses must be on that user's list of allowed ones.")
    HELP_URL = PROVIDER.docs_url
    PROPERTIES = ("login_id", "password")
    FORMATS = (
        Format("password", r"[^&]*", _("A password at Checkout Champ cannot contain “&”: copy it again.")),
    )
    API_HOST = "api.checkoutchamp.com"
    # Failures come with status 200 and a message, whose texts are not published: these are words in them.
    # What stands in a customer's shop has logins, addresses and locks too: only whole phrases tell.
    RULES = (
        Rule("rate_limited", status=SAID, says=("rate limit", "too many requests")),
        Rule(
            "address_not_allowed",
            status=SAID,
            says=("whitelisted", "whitelist", "white list", "ip … not allowed", "ip address … not permitted"),
        ),
        Rule(
            "insufficient_scope",
            status=SAID,
            says=("user … not have permission", "user … not permitted", "no permission", "access denied"),
        ),
        Rule(
            "revoked",
            status=SAID,
            says=(
                *("invalid login", "invalid loginid", "incorrect login", "login not allowed", "login failed"),
                *("invalid credentials", "invalid password", "incorrect password", "password is invalid"),
                *("loginid is invalid", "authentication failed", "not authenticated", "unauthorized"),
                "api user … disabled",
            ),
        ),
        Rule(
            "suspended",
            status=SAID,
            says=tuple(f"your account … {how}" for how in ("disabled", "inactive", "suspended", "locked")),
        ),
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
        sent = request.body or b""
        if isinstance(sent, str):
            sent = sent.encode()
        kind = request.headers.get("Content-Type", "").partition(";")[0].strip().casefold()
        if not isinstance(sent, bytes) or (sent and kind not in ("", FORM)):
            raise TypeError("Checkout Champ takes forms only: give “data”, not “json” or “files”.")
        secret = self.password.use(self.destination())
        signed = urlencode({"loginId": self.login_id, "password": secret}).encode()
        request.body = sent + b"&" * bool(sent) + signed
        request.headers["Content-Type"] = FORM
        request.prepare_content_length(request.body)

    def probe_call(self) -> Call:
        return Call("POST", self.at("/campaign/query/"), form={"resultsPerPage": "1"})

    def facts(self, answer: Answer) -> Mapping[str, Any] | None:
        found = super().facts(answer)
        # Each API user belongs to one installation: that it may sign in says whose it is.
        return {} if found and found.get("result") == "SUCCESS" else None

    @classmethod
    def default_limit(cls, properties: Values) -> Limit:
        return Limit(2, SECOND, 1)
