"""A `requests.Session` for one credential: it signs in, stays on the credential's hosts, keeps to its rate
limit, and tells health what it sees.

    with credential.session() as s:
        account = s.get("/v1/account").json()
"""

import time
from contextlib import nullcontext
from datetime import datetime
from http.cookiejar import DefaultCookiePolicy
from typing import Any, NamedTuple, NoReturn

import requests
from django.utils import timezone
from requests.hooks import default_hooks, dispatch_hook

from credentials import egress, feedback, limiter, tokens
from credentials.answers import Reading
from credentials.exchange import Answer, Call
from credentials.models import Credential
from credentials.sealing import Fresh, SecretError

# So often a session looks whether the credential was changed or deleted, or has a newer token: in seconds.
LOOK_EVERY = 30.0
# What a caller may not decide: these would open a way around the egress or the authentication.
DECIDED = ("auth", "cert", "cookies", "proxies", "verify")
# Failures that the request itself causes, whoever's it is: they tell nothing of the credential.
OF_THE_REQUEST = ("our_fault", "host_refused")


class Signer(NamedTuple):
    """What a request is signed in with: a credential as it was read, and its token where it exchanges one.

    One value, so that a thread never signs with the one half of it and tells of the other.
    """

    credential: Credential
    token: Fresh
    exchanges: bool = False


class SignInFailed(requests.RequestException):
    """The request was not sent, for the credential cannot sign in. `reading` says why."""

    def __init__(self, reading: Reading):
        super().__init__(f"This credential cannot sign in now: {reading.code}.")
        self.reading = reading


class Session(requests.Session):
    """Requests in the name of one credential. Paths are relative to the provider's API.

    `wait` is how long a request waits for its turn, in seconds; `body_limit` the most bytes of an answer.
    Beside what requests raises: `egress.EgressError` and `SignInFailed`, which are RequestExceptions too, and
    `limiter.RateLimited`. An answer's `request` is the one that was asked for, without what signed it in; so
    hooks see it.

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
        # A fresh consent brings its token along, before anything is stored.
        self._signer, self._given = Signer(credential, Fresh(token)), bool(token)
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
        self._looked_at = float("-inf")

    @property
    def credential(self) -> Credential:
        """The credential, as it was when the session last looked."""
        return self._signer.credential

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
        response, used = self._send(request, started_at, **kwargs)
        answer = _answer(response)
        # How an exchange fails tells better than the refused token why nothing works.
        if _is_refused(used.credential, answer) and self._has_another(used):
            started_at = timezone.now()
            response, used = self._send(request, started_at, **kwargs)
            answer = _answer(response)
        if not used.credential._state.adding:
            # By now another thread may have taken a newer one, of which this answer tells nothing.
            feedback.hear(
                used.credential, answer, started_at=started_at, source=self.source, telling=self.telling
            )
        heard: requests.Response = dispatch_hook("response", request.hooks, response, **kwargs)
        return heard

    def _send(
        self, request: requests.PreparedRequest, started_at: datetime, **kwargs: Any
    ) -> tuple[requests.Response, Signer]:
        """The answer, and what it was asked for with."""
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
            self._tell(used.credential, used.credential.read_egress_error(failed), started_at)
        raise failed

    def _turn(self, unused: Any = None) -> Any:
        """A lease of the credential's rate limit, in place of one that came too late. A credential that is
        being connected has no limit yet."""
        if self.credential._state.adding:
            return nullcontext()
        return self.credential.rate_limit.acquire(timeout=self.wait, purpose=self.source, unused=unused)

    def _tell(self, credential: Credential, reading: Reading, started_at: datetime) -> None:
        if self.telling and not credential._state.adding:
            feedback.tell(credential, reading, started_at=started_at, source=self.source)

    # --- signing in -----------------------------------------------------------------------------------------

    def _signed_in(self, request: requests.PreparedRequest) -> tuple[requests.PreparedRequest, Signer]:
        """A copy of the request that is signed in, and with what. Raises SignInFailed."""
        try:
            if not self._given and time.monotonic() - self._looked_at > LOOK_EVERY:
                self._look()
            signed, used = request.copy(), self._signer
            # They are for the caller, who sees no signed request.
            signed.hooks = default_hooks()
            used.credential.authenticate(signed, used.token.text)
            return signed, used
        except SecretError as error:
            reading = Reading(error.code)
        self._fail(used.credential, reading)

    def _look(self) -> None:
        """Take the credential as it stands now, and its token.

        Raises SignInFailed: it was deleted, or has another destination than this session.
        """
        held = credential = self.credential
        if not held._state.adding and not _is_current(held):
            current = Credential.objects.filter(pk=held.pk).first()
            if current is None:
                self._fail(held, Reading("deleted"))
            if current.destination() != held.destination():
                moved = Reading("superseded", "It was changed to another address: open a new session.")
                self._fail(held, moved)
            credential = current
        exchanges = credential.exchanges()
        token = self._token(credential) if exchanges else Fresh("")
        self._signer = Signer(credential, token, exchanges)
        self._looked_at = time.monotonic()

    def _has_another(self, refused: Signer) -> bool:
        """Whether there is something else to try in place of what was refused. Raises SignInFailed."""
        if self._given:
            return False
        if not refused.exchanges:
            self._look()
            return self.credential is not refused.credential
        held = self._signer
        if held.token is refused.token:
            self._signer = held._replace(token=self._token(held.credential, held.token))
        return True

    def _token(self, credential: Credential, refused: Fresh | None = None) -> Fresh:
        """The access token of a credential. Raises SignInFailed."""
        try:
            found = Fresh(tokens.access_token(credential, refused=refused))
        except tokens.NoToken as error:
            reading = error.reading
        else:
            feedback.token_given(credential)
            return found
        self._fail(credential, reading)

    def _fail(self, credential: Credential, reading: Reading) -> NoReturn:
        self._tell(credential, reading, timezone.now())
        raise SignInFailed(reading)

    # --- for kinds ------------------------------------------------------------------------------------------

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


def _is_current(credential: Credential) -> bool:
    """Whether a credential is stored as it is held here. One query; refreshes are no change."""
    rows = Credential.objects.non_polymorphic().filter(pk=credential.pk)
    return rows.values_list("version", flat=True).first() == credential.version


def _is_refused(credential: Credential, answer: Answer) -> bool:
    """Whether a new secret may help. What a rule of ours cannot read is an answer all the same."""
    try:
        return credential.token_refused(answer)
    except Exception:  # noqa: BLE001 - feedback says so
        return False


def _answer(response: requests.Response) -> Answer:
    return Answer(response.status_code, response.headers, response.content)


def _is_of_the_request(error: egress.EgressError, kwargs: dict[str, Any]) -> bool:
    """Whether a failure says nothing of the provider: the caller asked for too much, or too fast."""
    if error.code == "timeout":
        return kwargs.get("timeout") is not None
    return error.code in OF_THE_REQUEST or error.reason == "too_large"
