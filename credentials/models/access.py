"""How a kind reaches its provider: what it asks, how it signs in, how answers read. Nothing here sends.

Kinds override what is their own. The code that sends is in `sessions`, `tokens` and `connect`.
"""

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, cast

import requests
from django.utils.translation import gettext_lazy as _

from credentials import answers
from credentials.answers import Reading, Rule
from credentials.exchange import Answer, Call
from health.meaning import CUSTOMER
from health.observations import CODES

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

    from credentials.models.credential import Credential
    from credentials.models.oauth_app import OAuthApp
    from credentials.probes import Test
    from credentials.sessions import Session

# What is sent in place of a token to see whether a provider knows the app. It is none of anybody's.
NO_TOKEN = "not-a-token-only-a-test-of-the-app"  # noqa: S105 - it says so

# A probe yields its calls one by one, is sent their answers, and returns what they mean.
Probe = Generator[Call, Answer, Reading]


@dataclass(frozen=True, repr=False)
class Tokens:
    """What a token endpoint gave. `expires_in` is in seconds; None where it does not say.

    `refresh_token` is None where the old one stays; `refresh_expires_in` is how long it lives, where it says.
    `facts` is what else the answer tells of the account.
    """

    access_token: str
    expires_in: float | None = None
    refresh_token: str | None = None
    refresh_expires_in: float | None = None
    scopes: frozenset[str] | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Quota:
    """What a provider's headers say: so many requests in so many milliseconds, and how many are left."""

    allowed_requests: int
    interval: int | None = None
    remaining: int | None = None


class Access:
    """What a kind says of the way to its provider."""

    # The host of the API where all customers share one.
    API_HOST: ClassVar[str] = ""
    # Further hosts that get this credential's secrets: token endpoints.
    SIGN_IN_HOST: ClassVar[str] = ""
    # Sent with every request.
    HEADERS: ClassVar[Mapping[str, str]] = {"Accept": "application/json"}
    # Whether each exchange of the refresh token may give another one and end the old: when it breaks off, the
    # new one may be lost. Elsewhere the same one can be tried again.
    ROTATES: ClassVar[bool] = False
    # How this provider's answers read, before what holds for all: of the API, and of the token endpoint.
    RULES: ClassVar[tuple[Rule, ...]] = ()
    TOKEN_RULES: ClassVar[tuple[Rule, ...]] = ()
    # The property that holds a refresh token.
    REFRESHES_WITH: ClassVar[str] = ""
    # Properties with which any customer's host can be asked about the app, where there is such a host.
    APP_TEST_AT: ClassVar[Mapping[str, str]] = {}
    # What a test of the app cannot tell.
    APP_TEST_LEAVES_OPEN: ClassVar["StrOrPromise"] = _(
        "Its redirect address and its scopes: only a consent shows these. That the app is looked at before"
        " the token is what RFC 6749 asks of a provider; one that did it the other way round would look the"
        " same."
    )
    # How long an access token lives where the provider does not say, in seconds.
    TOKEN_LIFETIME: ClassVar[float] = 3600

    def session(self, **options: Any) -> "Session":
        """A `requests.Session` that is signed in: see `credentials.sessions`, which takes the options too."""
        # Above this floor: what sends knows the kinds, and not the other way round.
        from credentials.sessions import Session

        return Session(cast("Credential", self), **options)

    def test(self) -> "Test":
        """Look whether it works, tell health, and return what was asked and answered."""
        from credentials import probes

        return probes.test(cast("Credential", self))

    # --- where ----------------------------------------------------------------------------------------------

    def api_host(self) -> str:
        """The host of the API, made from what was checked."""
        return self.API_HOST

    def hosts(self) -> tuple[str, ...]:
        """All hosts that this credential's secrets may be sent to."""
        return tuple(dict.fromkeys(filter(None, (self.api_host(), self.SIGN_IN_HOST))))

    def at(self, path: str) -> str:
        """The address of a path at the API."""
        return f"https://{self.api_host()}{path}"

    # --- signing in -----------------------------------------------------------------------------------------

    def exchanges(self) -> bool:
        """Whether requests are made with a short-lived access token, for which the secret is exchanged."""
        return bool(self.REFRESHES_WITH)

    def token_call(self, app: "OAuthApp") -> Call:
        """The request that exchanges the secret for an access token.

        `app` is the app in use; kinds without one take no notice. Opens the secrets. Raises SecretError.
        """
        raise NotImplementedError

    def tokens(self, answer: Answer) -> Tokens | None:
        """What a good answer of the token endpoint holds; None where it is not what this provider gives."""
        found = answer.json
        if not isinstance(found, dict) or not isinstance(found.get("access_token"), str):
            return None
        scope = found.get("scope")
        refresh_token = found.get("refresh_token")
        return Tokens(
            access_token=found["access_token"],
            expires_in=seconds(found.get("expires_in")),
            refresh_token=refresh_token if isinstance(refresh_token, str) and refresh_token else None,
            scopes=self.scopes_in(scope) if isinstance(scope, str) else None,
            facts={
                name: value
                for name, value in found.items()
                if isinstance(value, (str, int)) and not name.endswith("token")
            },
        )

    def read_token_answer(self, answer: Answer) -> Tokens | Reading:
        """The tokens, or what went wrong."""
        rules = (*self.TOKEN_RULES, *answers.TOKEN_RULES)
        return self._timed(answers.read(answer, rules), answer) or self.tokens(answer) or Reading("garbled")

    def read_owner(self, found: Tokens) -> Reading | None:
        """What is wrong where tokens of the stored secret are another account's; None where nothing is.

        The refresh token among them is kept all the same, as the old one may have ended; the access token is
        not used.
        """
        return None

    def authenticate(self, request: requests.PreparedRequest, token: str) -> None:
        """Put into a request what signs it in. `token` is the access token of kinds that exchange, else "".

        Opens the secrets. Raises SecretError.
        """
        request.headers["Authorization"] = f"Bearer {token}"

    def token_refused(self, answer: Answer) -> bool:
        """Whether an answer says that the access token has ended: worth one exchange and one more try.

        Not by status alone: Salesforce says it with 403, Linear with 400, Marketo with 200.
        """
        failure = self.read_failure(answer)
        return answer.status == 401 or (failure is not None and failure.code == "revoked")

    # --- looking --------------------------------------------------------------------------------------------

    def probe(self) -> Probe:
        """The cheapest call that shows whether the credential works, and what its answer means."""
        answer = yield self.probe_call()
        return self.read(answer)

    def probe_call(self) -> Call:
        raise NotImplementedError

    def read(self, answer: Answer) -> Reading:
        """What an answer to the probe means."""
        if found := self.read_failure(answer):
            return found
        facts = self.facts(answer)
        if facts is None:
            # An error that no rule knows, or not this API at all.
            said = answers.signs_of(answer).words
            return Reading("unclassified" if answers.names_an_error(answer) else "garbled", said)
        return Reading("ok", facts=facts, scopes=self.granted(facts))

    def read_failure(self, answer: Answer) -> Reading | None:
        """What is wrong by any answer of the API; None where nothing is."""
        return self._timed(answers.read(answer, (*self.RULES, *answers.API_RULES)), answer)

    def read_traffic(self, answer: Answer) -> Reading | None:
        """What is wrong by an answer to whatever a worker asked for; None where nothing is.

        What the customer would have to mend is taken from error codes and from a status that speaks of the
        credential alone: other words and statuses may be about the request, and are "unclassified" here.
        """
        found = self.read_failure(answer)
        if found and found.guessed and CODES[found.code].owner == CUSTOMER:
            return Reading("unclassified", found.detail)
        return found

    def _timed(self, found: Reading | None, answer: Answer) -> Reading | None:
        """A throttled reading with the wait by this provider's own signs."""
        if found and found.code == "rate_limited":
            return replace(found, retry_after=self.wait(answer))
        return found

    def read_egress_error(self, error: Any) -> Reading:
        """What it means that a call got no answer: an `egress.EgressError`."""
        if error.code == "name_not_found" and error.control_names_resolve:
            # Only this host is unknown: the customer's own, if hosts differ by customer.
            return Reading("provider_outage" if self.API_HOST else "account_missing", str(error))
        return Reading(error.code, str(error))

    def facts(self, answer: Answer) -> Mapping[str, Any] | None:
        """What a good answer to the probe tells of the account, as `account_of` takes it; None where it is
        not what this provider answers."""
        return answer.json if isinstance(answer.json, dict) and answer.json else None

    def granted(self, facts: Mapping[str, Any]) -> frozenset[str] | None:
        """The scopes that the probe's answer names; None where it names none."""
        return None

    def required(self, app: "OAuthApp | None") -> frozenset[str]:
        """The scopes that a sync needs: what the app asks for, and else what was granted once."""
        stored = getattr(self, "scopes", None) or getattr(self, "scope", "").split()
        return frozenset((app.scopes if app else None) or stored)

    def scopes_in(self, text: str) -> frozenset[str]:
        """The scopes in a text, whichever way this provider separates them."""
        return frozenset(text.replace(",", " ").split())

    # --- the app itself -------------------------------------------------------------------------------------

    def app_call(self, app: "OAuthApp") -> Call:
        """A call by whose answer the provider shows whether it knows the app: with a token that is none.

        Of a credential that is thrown away. Opens the app's secrets. Raises SecretError.
        """
        setattr(self, self.REFRESHES_WITH, NO_TOKEN)
        return self.token_call(app)

    def read_app_answer(self, answer: Answer) -> Reading:
        """What its answer means for the app: "ok" where only the token was refused."""
        found = self.read_token_answer(answer)
        if isinstance(found, Tokens):
            return Reading("garbled")
        # RFC 6749 section 5.2: a client that is not known is invalid_client, whatever it brings.
        return Reading("ok") if found.code in ("revoked", "expired") else found

    # --- limits ---------------------------------------------------------------------------------------------

    def wait(self, answer: Answer) -> float | None:
        """Seconds to wait after a throttled answer; None where the provider does not say."""
        return answers.retry_after(answer)

    def quota(self, answer: Answer) -> Quota | None:
        """What the headers of any answer say about the limit; None where they say nothing."""
        return None


def seconds(value: Any) -> float | None:
    """A lifetime as token endpoints give it, a number or a text of digits; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if 0 < found < 10**9 else None


def whole(text: str) -> int | None:
    """A whole number in a header, or None."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
