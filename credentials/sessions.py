"""A `requests.Session` for one credential: it signs in, stays on the credential's hosts, keeps to its rate
limit, and tells health what it sees.

    with credential.session() as s:
        account = s.get("/v1/account").json()
"""

import time
from contextlib import nullcontext
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Any, NoReturn

import requests
from django.utils import timezone

from credentials import egress, feedback, limiter, tokens
from credentials.answers import Reading
from credentials.exchange import Answer, Call
from credentials.models import Credential
from credentials.sealing import Fresh, SecretError

if TYPE_CHECKING:
    from collections.abc import Iterator

# So often a session looks whether the credential was changed or deleted, or has a newer token: in seconds.
LOOK_EVERY = 30.0
# What a caller may not decide: these would open a way around the egress or the authentication.
DECIDED = ("auth", "cert", "cookies", "proxies", "verify")
# Failures that the request itself causes, whoever's it is: they tell nothing of the credential.
OF_THE_REQUEST = ("our_fault", "host_refused")


class SignInFailed(requests.RequestException):
    """The request was not sent, for the credential cannot sign in. `reading` says why."""

    def __init__(self, reading: Reading):
        super().__init__(f"This credential cannot sign in now: {reading.code}.")
        self.reading = reading


class Session(requests.Session):
    """Requests in the name of one credential. Paths are relative to the provider's API.

    `wait` is how long a request waits for its turn, in seconds; `body_limit` the most bytes of an answer.
    Beside what requests raises: `egress.EgressError` and `SignInFailed`, which are RequestExceptions too, and
    `limiter.RateLimited`. An answer's `request` is the one that was asked for, without what signed it in.

    Threads may share it. Inside a transaction it works as long as no token has to be exchanged, which raises
    RuntimeError there; what health is told is written after the commit.
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
        self._hosts = credential.hosts()
        adapter = egress.Adapter(hosts=self._hosts, body_limit=body_limit, turn=self._turn)
        egress.mount(self, adapter)
        # A fresh consent brings its token along, before anything is stored.
        self._token, self._given, self._exchanges = Fresh(token), bool(token), False
        self._looked_at = float("-inf")

    def __reduce__(self) -> NoReturn:
        raise TypeError("A session cannot be copied or pickled: open one where it is used.")

    def request(self, method: str, url: str, **kwargs: Any) -> requests.Response:  # type: ignore[override]
        """Like that of requests; the URL may be a path at the provider's API. No redirect is followed."""
        if refused := sorted(name for name in DECIDED if kwargs.get(name) is not None):
            raise TypeError(f"A session of a credential decides by itself: {', '.join(refused)}.")
        kwargs["allow_redirects"] = False
        return super().request(method, self._absolute(str(url)), **kwargs)

    def _absolute(self, url: str) -> str:
        return self.credential.at(url) if url.startswith("/") and not url.startswith("//") else url

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Take a lease, sign in, send; once more with a new secret where an old one is refused."""
        # Before any secret is opened: the adapter checks it again.
        egress.check_url(str(request.url), self._hosts)
        started_at = timezone.now()
        response, used = self._send(request, **kwargs)
        answer = _answer(response)
        # How an exchange fails tells better than the refused token why nothing works.
        if self.credential.token_refused(answer) and self._has_another(used):
            response, _used = self._send(request, **kwargs)
            answer = _answer(response)
        if not self.credential._state.adding:
            feedback.hear(
                self.credential, answer, started_at=started_at, source=self.source, telling=self.telling
            )
        return response

    def _send(self, request: requests.PreparedRequest, **kwargs: Any) -> tuple[requests.Response, Fresh]:
        """The answer, and the token that it was asked for with."""
        # Signed in first: a lease is good for a moment only, and an exchange takes its time.
        signed, used = self._signed_in(request)
        failed: Exception
        try:
            response = super().send(signed, **kwargs)
        except (egress.EgressError, limiter.LimiterError) as error:
            # Without its frames, which hold what was sent.
            failed = error.with_traceback(None)
        else:
            response.request, response.url = request, str(request.url)
            return response, used
        del signed
        if isinstance(failed, egress.EgressError) and not _is_of_the_request(failed, kwargs):
            self._tell(self.credential.read_egress_error(failed))
        raise failed

    def _turn(self) -> Any:
        """A lease of the credential's rate limit. One that is being connected has no limit yet."""
        if self.credential._state.adding:
            return nullcontext()
        return self.credential.rate_limit.acquire(timeout=self.wait, purpose=self.source)

    def _tell(self, reading: Reading) -> None:
        if self.telling and not self.credential._state.adding:
            feedback.tell(self.credential, reading, started_at=timezone.now(), source=self.source)

    # --- signing in -----------------------------------------------------------------------------------------

    def _signed_in(self, request: requests.PreparedRequest) -> tuple[requests.PreparedRequest, Fresh]:
        """A copy of the request that is signed in, and the token in it. Raises SignInFailed."""
        try:
            if not self._given and time.monotonic() - self._looked_at > LOOK_EVERY:
                self._look()
            signed, used = request.copy(), self._token
            self.credential.authenticate(signed, used.text)
            return signed, used
        except SecretError as error:
            reading = Reading(error.code)
        self._fail(reading)

    def _look(self) -> bool:
        """Take the credential as it stands now, and its token; returns whether it was changed.

        Raises SignInFailed: it was deleted, or has another destination than this session.
        """
        held = self.credential
        if not held._state.adding and not self._is_current():
            current = Credential.objects.filter(pk=held.pk).first()
            if current is None:
                self._fail(Reading("deleted"))
            if current.destination() != held.destination():
                self._fail(Reading("superseded", "It was changed to another address: open a new session."))
            self.credential = current
        self._exchanges = self.credential.exchanges()
        if self._exchanges:
            self._take_token()
        self._looked_at = time.monotonic()
        return self.credential is not held

    def _is_current(self) -> bool:
        """Whether the credential is stored as it is held here. One query; refreshes are no change."""
        rows = Credential.objects.non_polymorphic().filter(pk=self.credential.pk)
        return rows.values_list("version", flat=True).first() == self.credential.version

    def _has_another(self, refused: Fresh) -> bool:
        """Whether there is something else to try in place of what was refused. Raises SignInFailed."""
        if self._given:
            return False
        if not self._exchanges:
            return self._look()
        if self._token is refused:
            self._take_token(refused)
        return True

    def _take_token(self, refused: Fresh | None = None) -> None:
        try:
            self._token = Fresh(tokens.access_token(self.credential, refused=refused))
            return
        except tokens.NoToken as error:
            reading = error.reading
        self._fail(reading)

    def _fail(self, reading: Reading) -> NoReturn:
        self._tell(reading)
        raise SignInFailed(reading)

    # --- for kinds ------------------------------------------------------------------------------------------

    def resolve_redirects(self, *args: Any, **kwargs: Any) -> "Iterator[requests.Response]":
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
        return _answer(response)


def _answer(response: requests.Response) -> Answer:
    return Answer(response.status_code, response.headers, response.content)


def _is_of_the_request(error: egress.EgressError, kwargs: dict[str, Any]) -> bool:
    """Whether a failure says nothing of the provider: the caller asked for too much, or too fast."""
    if error.code == "timeout":
        return kwargs.get("timeout") is not None
    return error.code in OF_THE_REQUEST or error.reason == "too_large"
