"""A `requests.Session` for one credential: it signs in, stays on the credential's hosts, keeps to its rate
limit, and tells health what it sees.

    with credential.session() as s:
        account = s.get("/v1/account").json()
"""

import time
from contextlib import nullcontext
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests

from credentials import egress, feedback, tokens
from credentials.answers import Reading
from credentials.exchange import Answer, Call
from credentials.models import Credential
from credentials.sealing import SecretError

if TYPE_CHECKING:
    from collections.abc import Iterator

# How long a session keeps an access token before it looks whether there is a newer one, in seconds.
TOKEN_KEPT = 30.0
# What a caller may not decide: these would open a way around the egress or the authentication.
DECIDED = ("allow_redirects", "auth", "cert", "cookies", "proxies", "verify")


class SignInFailed(requests.RequestException):
    """The request was not sent, for the credential cannot sign in. `reading` says why."""

    def __init__(self, reading: Reading):
        super().__init__(f"This credential cannot sign in now: {reading.code}.")
        self.reading = reading


class Session(requests.Session):
    """Requests in the name of one credential. Paths are relative to the provider's API.

    `wait` is how long a request waits for its turn, in seconds; `body_limit` the most bytes of an answer.
    Beside what requests raises: `egress.EgressError` and `SignInFailed`, which are RequestExceptions too, and
    `limiter.RateLimited`.
    """

    def __init__(
        self,
        credential: Credential,
        *,
        wait: float = 30.0,
        body_limit: int = egress.BODY_LIMIT,
        source: str = "session",
        telling: bool = True,
        token: str = "",
    ):
        super().__init__()
        self.credential = credential
        self.wait = wait
        self.source = source
        # A probe tells by itself what its answers mean.
        self.telling = telling
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self.headers.clear()
        self.headers.update({"User-Agent": egress.USER_AGENT, **credential.HEADERS})
        adapter = egress.Adapter(hosts=credential.hosts(), body_limit=body_limit, turn=self._turn)
        egress.mount(self, adapter)
        # A fresh consent brings its token along, before anything is stored.
        self._token, self._token_from = token, time.monotonic() + (3600 if token else -TOKEN_KEPT)

    def request(self, method: str, url: str, **kwargs: Any) -> requests.Response:  # type: ignore[override]
        """Like that of requests; the URL may be a path at the provider's API."""
        if refused := sorted(name for name in DECIDED if kwargs.get(name) is not None):
            raise TypeError(f"A session of a credential decides by itself: {', '.join(refused)}.")
        return super().request(method, self._absolute(str(url)), allow_redirects=False, **kwargs)

    def _absolute(self, url: str) -> str:
        return self.credential.at(url) if url.startswith("/") and not url.startswith("//") else url

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Take a lease, sign in, send; once more with a new token where an old one is refused with 401."""
        plain = request.copy()
        response = self._send(request, **kwargs)
        answer = Answer(response.status_code, response.headers, response.content)
        if self._token and self.credential.token_refused(answer) and _repeatable(plain.body):
            # How the exchange fails tells better than the refused token why nothing works.
            self._take_token(refused=self._token)
            response = self._send(plain, **kwargs)
            answer = Answer(response.status_code, response.headers, response.content)
        if not self.credential._state.adding:
            feedback.hear(self.credential, answer, source=self.source, telling=self.telling)
        return response

    def _send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        # Signed in first: a lease is good for a moment only, and an exchange takes its time.
        self._sign_in(request)
        try:
            return super().send(request, **kwargs)
        except egress.EgressError as error:
            self._tell(self.credential.read_egress_error(error))
            raise

    def _turn(self) -> Any:
        """A lease of the credential's rate limit. One that is being connected has no limit yet."""
        if self.credential._state.adding:
            return nullcontext()
        return self.credential.rate_limit.acquire(timeout=self.wait, purpose=self.source)

    def _tell(self, reading: Reading) -> None:
        if self.telling:
            feedback.tell(self.credential, reading, source=self.source)

    def _sign_in(self, request: requests.PreparedRequest) -> None:
        host = urlsplit(request.url or "").hostname or ""
        # Before any secret is opened: the adapter checks it again.
        egress.check_host(host, self.credential.hosts())
        try:
            if self.credential.exchanges() and time.monotonic() - self._token_from > TOKEN_KEPT:
                self._take_token()
            self.credential.authenticate(request, self._token)
            return
        except SecretError as error:
            reading = Reading(error.code)
        self._tell(reading)
        raise SignInFailed(reading)

    def _take_token(self, refused: str = "") -> None:
        try:
            self._token = tokens.access_token(self.credential, refused=refused)
            self._token_from = time.monotonic()
            return
        except tokens.NoToken as error:
            reading = error.reading
        self._tell(reading)
        raise SignInFailed(reading)

    def resolve_redirects(self, *args: Any, **kwargs: Any) -> "Iterator[requests.Response]":  # type: ignore[override]
        """None is followed: a redirect is an answer like any other."""
        return iter(())

    def call(self, call: Call) -> Answer:
        """Send what a kind asks for, and return the answer."""
        response = self.request(
            call.method,
            call.url,
            headers=dict(call.headers),
            params=call.params or None,
            data=call.form,
            json=call.json,
        )
        return Answer(response.status_code, response.headers, response.content)


def _repeatable(body: Any) -> bool:
    return body is None or isinstance(body, (str, bytes))
