"""What the providers know: apps, accounts, grants, tokens with their lives, and who called how often.

One lock guards all of it, and is held while a request is answered: so two requests with one single-use token
never both succeed.
"""

import hashlib
import secrets
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from credentials.simulator import faults
from credentials.simulator.limits import Counter, Limit, Usage
from credentials.simulator.messages import Answer, Reply, Request

if TYPE_CHECKING:
    from credentials.simulator.faults import Fault

KEEPS, ROTATES, SINGLE_USE, DAILY = "keeps", "rotates", "single use", "daily"
CODE_LIFE = 600
LOGGED = 200_000
DAY = 86_400


@dataclass
class App:
    """An OAuth app as it is registered at a provider."""

    provider: str
    client_id: str
    client_secret: str
    scopes: list[str] = field(default_factory=list)
    redirect_uris: set[str] = field(default_factory=set)
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass
class Account:
    """A customer's account at a provider."""

    provider: str
    id: str
    name: str
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass
class Grant:
    """One consent: all tokens that came of it die with it. `policy` says what a refresh does to its token."""

    app: App | None
    account: Account
    scopes: list[str]
    policy: str = KEEPS
    kind: str = ""
    life: int | None = 3600
    revoked: bool = False
    # The access token that was handed out last.
    latest: "Token | None" = None


@dataclass
class Token:
    """An access or refresh token, or a key. Without `expires_at` it never expires by itself."""

    value: str
    grant: Grant
    issued_at: float
    expires_at: float | None = None
    dead: bool = False
    # The failure that the API answers it with.
    marked: str = ""

    @property
    def account(self) -> Account:
        return self.grant.account

    @property
    def scopes(self) -> list[str]:
        return self.grant.scopes


@dataclass
class Code:
    """An authorization code."""

    value: str
    grant: Grant
    redirect_uri: str
    challenge: str
    expires_at: float
    used: bool = False
    facts: dict[str, Any] = field(default_factory=dict)


class World:
    """The state of one simulator."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.apps: dict[tuple[str, str], App] = {}
        # By the id of their documents, and by provider the one that credentials without an app use.
        self.apps_by_id: dict[str, App] = {}
        self.default_apps: dict[str, App] = {}
        self.accounts: dict[tuple[str, str], Account] = {}
        # The customers' own hosts at providers where each has one: provider and host.
        self.hosts: set[tuple[str, str]] = set()
        self.access: dict[tuple[str, str], Token] = {}
        self.refresh: dict[tuple[str, str], Token] = {}
        self.codes: dict[tuple[str, str], Code] = {}
        # Clients, users and signing tokens that a provider keeps in a way of its own.
        self.clients: dict[tuple[str, ...], dict[str, Any]] = {}
        self.nonces: dict[tuple[str, str], float] = {}
        self.faults: list[Fault] = []
        self.counters: dict[tuple[str, str, str], Counter] = {}
        self.limits: dict[tuple[str, str, str], Limit] = {}
        self.at_once: dict[tuple[str, str], int] = {}
        self.latency: dict[str, float] = {}
        self.ahead: float = 0
        self.log: deque[dict[str, Any]] = deque(maxlen=LOGGED)
        self.numbers = 0

    # --- Time ---------------------------------------------------------------------------------------------

    def now(self) -> float:
        """The providers' clock, in UNIX seconds: the control endpoint can put it forward."""
        return time.time() + self.ahead

    # --- Tokens -------------------------------------------------------------------------------------------

    def app(self, provider: str, client_id: str) -> App | None:
        return self.apps.get((provider, client_id))

    def add_access(
        self, provider: str, value: str, grant: Grant, life: float | None, marked: str = ""
    ) -> Token:
        """Registers an access token or key; `life` is in seconds, None for one that does not expire."""
        expires_at = None if life is None else self.now() + life
        token = Token(value, grant, self.now(), expires_at, marked=marked)
        self.access[provider, value] = token
        return token

    def add_refresh(
        self, provider: str, value: str, grant: Grant, life: float | None = None, age: float = 0
    ) -> Token:
        now = self.now()
        token = Token(value, grant, now - age, None if life is None else now + life)
        self.refresh[provider, value] = token
        return token

    def add_code(self, provider: str, grant: Grant, redirect_uri: str, challenge: str, **facts: Any) -> Code:
        value = f"sim-code.{secrets.token_urlsafe(24)}"
        code = Code(value, grant, redirect_uri, challenge, self.now() + CODE_LIFE, facts=facts)
        self.codes[provider, value] = code
        return code

    def any_account(self, provider: str) -> Account:
        """The provider's first account: whose a secret is that was never registered."""
        return next(a for a in self.accounts.values() if a.provider == provider)

    def revoke(self, grant: Grant) -> None:
        """Kills all tokens of a consent."""
        grant.revoked = True

    # --- Who calls ----------------------------------------------------------------------------------------

    def sign_in(self, request: Request, value: str, counter: str | None = "") -> Token:
        """The live access token or key with this value. Ends the request with the provider's refusal where
        it is none, and with the failure that the token is marked with."""
        provider = request.provider
        request.token = value
        if not value:
            raise Reply(provider.refuse(request, "missing"))
        token = self.access.get((provider.name, value))
        self.fail_as(request, token.marked if token else faults.marker(value))
        if token is None and request.as_other_account:
            token = Token(value, Grant(None, self.any_account(provider.name), []), self.now())
        if token is None or token.dead or token.grant.revoked:
            raise Reply(provider.refuse(request, "invalid"))
        if token.expires_at is not None and token.expires_at <= self.now():
            raise Reply(provider.refuse(request, "expired"))
        self.enter(request, token.account, counter)
        return token

    def fail_as(self, request: Request, name: str) -> None:
        """Ends the request with the failure of this name; "" is none."""
        if name and (answer := faults.given(request, name)) is not None:
            raise Reply(answer)

    def enter(self, request: Request, account: Account, counter: str | None = "") -> None:
        """An account's call has begun: its faults come first, then its limits. No counter: free."""
        request.caller = account
        self.at_entrance(request, of_account=True)
        if counter is not None:
            self.count(request, account, counter)
        if request.as_other_account:
            others = (
                a for a in self.accounts.values() if a.provider == account.provider and a is not account
            )
            request.caller = next(
                others, Account(account.provider, "1", "Somebody Else", dict(account.facts))
            )

    def at_entrance(self, request: Request, of_account: bool = False) -> None:
        """Ends the request with a fault that was asked for."""
        for fault in self.faults:
            if bool(fault.account) == of_account and fault.meets(request):
                answer = fault.take(request)
                if fault.times == 0:
                    self.faults.remove(fault)
                if answer is not None:
                    raise Reply(answer)
                return

    # --- Limits -------------------------------------------------------------------------------------------

    def limit_of(self, request: Request, account: str, counter: str) -> Limit | None:
        name = request.provider.name
        for key in ((name, account, counter), (name, "", counter)):
            if key in self.limits:
                return self.limits[key]
        return request.provider.limits.get(counter)

    def count(self, request: Request, account: Account, counter: str = "") -> None:
        """Counts a call under one of the provider's limits. Ends the request where it is one too many."""
        counter = counter or request.provider.counter_of(account)
        limit = self.limit_of(request, account.id, counter)
        if limit is None:
            return
        here = (account.provider, account.id)
        if limit.concurrent and request.occupies is None:
            if self.at_once.get(here, 0) >= limit.concurrent:
                usage = Usage(limit.concurrent, 0, self.now() + 1, 1, "concurrency", limit.seconds)
                raise Reply(request.provider.throttled(request, usage))
            self.at_once[here] = self.at_once.get(here, 0) + 1
            request.occupies = here
        if limit.requests is None:
            return
        counter_of = self.counters.setdefault((*here, counter), Counter())
        inside, remaining, wait = counter_of.count(limit, self.now())
        size = limit.burst or limit.requests
        usage = Usage(size, remaining, self.now() + wait, wait, "" if inside else "rate", limit.seconds)
        if request.usage is None or not inside:
            request.usage = usage
        if not inside:
            raise Reply(request.provider.throttled(request, usage))

    def peek(self, request: Request, account: Account) -> Usage:
        """How much of an account's first limit is used, without counting."""
        counter = request.provider.counter_of(account)
        limit = self.limit_of(request, account.id, counter) or Limit(0)
        calls = self.counters.setdefault((account.provider, account.id, counter), Counter()).calls
        while calls and calls[0] <= self.now() - limit.seconds:
            calls.popleft()
        wait = calls[0] + limit.seconds - self.now() if calls else limit.seconds
        allowed = limit.requests or 0
        return Usage(allowed, allowed - len(calls), self.now() + wait, wait, "", limit.seconds)

    def leave(self, request: Request) -> None:
        """The answer has gone out: the request no longer counts among those at the same time."""
        if request.occupies is not None:
            with self.lock:
                self.at_once[request.occupies] = max(0, self.at_once.get(request.occupies, 0) - 1)
            request.occupies = None

    # --- The log ------------------------------------------------------------------------------------------

    def note(self, request: Request, answer: Answer, arrived_ns: int, arrived: float) -> None:
        """Writes a request down: what tests count and measure. A token stands there as a hash only."""
        self.numbers += 1
        self.log.append(
            {
                "n": self.numbers,
                "at_ns": arrived_ns,
                "at": arrived,
                "method": request.method,
                "host": request.host,
                # HubSpot has a token in the path of one call.
                "path": request.path.replace(request.token, "TOKEN") if request.token else request.path,
                "provider": request.provider.name if request.provider else "",
                "context": request.context,
                "account": request.caller.id if request.caller else "",
                "token": token_hash(request.token),
                "status": answer.status,
                "behaviour": answer.behaviour,
                "done_ns": time.monotonic_ns(),
            }
        )


def token_hash(value: str) -> str:
    """What stands in the log for a token: the beginning of its SHA-256, "" for none."""
    return hashlib.sha256(value.encode()).hexdigest()[:16] if value else ""


def random_text(length: int) -> str:
    """That many letters and digits, unpredictable."""
    return secrets.token_hex(length // 2 + 1)[:length]
