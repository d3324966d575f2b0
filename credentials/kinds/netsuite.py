"""NetSuite: https://docs.oracle.com/en/cloud/saas/netsuite/ns-online-help/chapter_1540391670.html"""

import logging
from collections.abc import Mapping
from typing import Any

import requests
from django.utils.translation import gettext_lazy as _
from oauthlib import oauth1

from credentials.answers import Rule
from credentials.exchange import Answer, Call
from credentials.fields import IdentifierField
from credentials.kinds.common import repeated
from credentials.kinds.provider import Provider
from credentials.models.credential import Credential
from credentials.models.declaration import Values
from credentials.models.formats import usually
from credentials.models.rate_limit import SECOND, Limit
from credentials.sealing import SecretField
from health.fields import PlainTextField

# At DEBUG it writes down all that it signs, and the signatures.
logging.getLogger("oauthlib").setLevel(logging.INFO)

PROVIDER = Provider(
    key="netsuite",
    name="NetSuite",
    category=_("Payments and finance"),
    docs_url="https://docs.oracle.com/en/cloud/saas/netsuite/ns-online-help/section_1500275531.html",
    status_url="https://status.netsuite.com/",
    limits=_(
        "By requests at a time, 5 to 55 for the whole account by its tier, 10 more for each SuiteCloud Plus "
        "licence. No rate is published."
    ),
)

FORM = "application/x-www-form-urlencoded"
REFUSED = (401, 403)
TOO_MANY = (
    *("sss_request_limit_exceeded", "concurrency_limit_exceeded"),
    *("ws_concur_session_disallwd", "ws_concur_session_disallowed"),
)
# https://docs.oracle.com/en/cloud/saas/netsuite/ns-online-help/subsect_156935170194.html
RULES = (
    Rule("our_fault", sign=("nonce_used", "nonce_rejected", "invalidtimestamp", "invalid_timestamp")),
    Rule("our_fault", sign=("invalidsignature", "signature_invalid")),
    Rule("our_fault", status=REFUSED, says=("nonce", "timestamp", "signature")),
    # A fault of SOAP comes with status 500, whatever it is about.
    Rule("rate_limited", status=(*REFUSED, 400, 429, 500), sign=TOO_MANY),
    Rule(
        "rate_limited",
        status=(*REFUSED, 400, 429, 500),
        says=(
            "request limit exceeded",
            "exceededconcurrentrequestlimitfault",
            "only one request may be made",
        ),
    ),
    Rule("suspended", sign=("feature_disabled", "featuredisabled", "consumer_key_refused")),
    Rule("suspended", status=REFUSED, says=("feature is disabled", "consumer_key_refused")),
    Rule("client_rejected", sign=("consumer_key_unknown",)),
    Rule("client_rejected", status=REFUSED, says=("consumer_key_unknown",)),
    Rule("revoked", status=(*REFUSED, 400, 500), sign=("invalid_login", "invalid_login_attempt")),
    Rule("revoked", sign=("token_rejected",)),
    Rule("revoked", status=(*REFUSED, 500), says=("invalid login attempt", "invalid login")),
    Rule("insufficient_scope", status=(403,), sign=("insufficient_permission", "user_error")),
    Rule("insufficient_scope", status=(403,), says=("permission", "permissions")),
)


def account_id(text: str) -> str:
    """An account id as NetSuite writes it in signatures; hosts have it as 1234567-sb1."""
    return text.upper().replace("-", "_")


class NetSuiteTBA(Credential):
    KIND = "netsuite_tba"
    PROVIDER = PROVIDER
    LABEL = _("Token-based authentication")
    SUMMARY = _(
        "An integration record with a token of one user in one role. It ends when that user loses the role."
    )
    HELP_URL = "https://docs.oracle.com/en/cloud/saas/netsuite/ns-online-help/bridgehead_4254083671.html"
    PROPERTIES = ("account_id", "consumer_key", "consumer_secret", "token_id", "token_secret")
    DESTINATION = ("account_id",)
    FORMATS = tuple(
        usually(name, r"[A-Za-z0-9]{64}", _("One of NetSuite usually has 64 letters and digits."))
        for name in ("consumer_key", "consumer_secret", "token_id", "token_secret")
    )
    RULES = RULES

    account_id = IdentifierField(
        _("account id"),
        # A word without a digit is no account but another host of NetSuite's, such as system.netsuite.com.
        pattern=r"(?=[A-Z]*\d)[A-Z0-9]{3,20}(_(SB|RP)\d{0,2})?",
        says=_("An account id has the form 1234567, TSTDRV1234567 or 1234567_SB1."),
        endings=(".app.netsuite.com", ".suitetalk.api.netsuite.com", ".restlets.api.netsuite.com"),
        written=account_id,
        help_text=_("Setup, Company, Company Information: like 1234567, or 1234567_SB1 for a sandbox."),
    )
    consumer_key = PlainTextField(
        _("consumer key"), help_text=_("Shown once, when the integration record is made: Setup, Integration.")
    )
    consumer_secret = SecretField(_("consumer secret"), help_text=_("Shown once, beneath the consumer key."))
    token_id = PlainTextField(
        _("token id"), help_text=_("Shown once, when the token is made: Setup, Users/Roles, Access Tokens.")
    )
    token_secret = SecretField(_("token secret"), help_text=_("Shown once, beneath the token id."))

    class Meta:
        verbose_name = _("NetSuite token")
        verbose_name_plural = _("NetSuite tokens")

    @classmethod
    def account_of(cls, properties: Values, answer: Values | None) -> str | None:
        return properties.get("account_id")

    def api_host(self) -> str:
        return f"{self.account_id.lower().replace('_', '-')}.suitetalk.api.netsuite.com"

    def authenticate(self, request: requests.PreparedRequest, token: str) -> None:
        client = oauth1.Client(
            self.consumer_key,
            client_secret=self.consumer_secret.use(self.destination()),
            resource_owner_key=self.token_id,
            resource_owner_secret=self.token_secret.use(self.destination()),
            signature_method=oauth1.SIGNATURE_HMAC_SHA256,
            realm=self.account_id,
        )
        method: Any = request.method
        # RFC 5849 section 3.4.1.3: the fields of a form are signed too, and no other body is.
        kind = request.headers.get("Content-Type", "").partition(";")[0].strip().casefold()
        given: dict[str, Any] = {}
        if request.body and kind == FORM:
            body = request.body.decode() if isinstance(request.body, bytes) else request.body
            given = {"body": body, "headers": {"Content-Type": FORM}}
        _url, headers, _body = client.sign(str(request.url), http_method=method, **given)
        request.headers["Authorization"] = headers["Authorization"]

    def probe_call(self) -> Call:
        return Call("GET", self.at("/services/rest/record/v1/metadata-catalog"))

    def facts(self, answer: Answer) -> Mapping[str, Any] | None:
        found = super().facts(answer)
        # The account is a part of the host and of the signature: no other can answer.
        return {} if found and "items" in found else None

    @classmethod
    def default_limit(cls, properties: Values) -> Limit:
        # The smallest accounts take 5 at a time; the rate is a careful guess, as none is published.
        return Limit(10, SECOND, 5)

    def check_format(self) -> dict[str, Any]:
        return repeated(self, "consumer_key", "consumer_secret", "token_id", "token_secret")
