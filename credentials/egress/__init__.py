"""The only way out: every call to a provider goes through `send`, or through a session with `mount`.

Who calls says which hosts it may go to, and a URL decides nothing beyond that. A call is https to port 443 of
one of them, at a public address; it takes bounded time and brings back a bounded answer. No redirect is
followed, no cookie kept, and nothing of the environment (proxies, .netrc) is heeded.
"""

import http.client
import io
import threading
import time
import zlib
from collections.abc import Callable, Collection
from contextlib import nullcontext
from typing import Any, Protocol, cast
from urllib.parse import urlsplit

import requests
from django.conf import settings
from requests.adapters import BaseAdapter

from credentials.egress import connections, content, requesting
from credentials.egress.bounds import CONNECT, READ, TOTAL, Bounds
from credentials.egress.bounds import EgressError as EgressError
from credentials.egress.connections import Connection
from credentials.egress.requesting import USER_AGENT as USER_AGENT
from credentials.egress.requesting import check_host as check_host
from credentials.egress.requesting import check_url as check_url
from credentials.exchange import Answer, Call

BODY_LIMIT = 1024 * 1024
HEADER_LIMIT = 64 * 1024
# Idle connections kept for one host.
KEPT = 10
# After so short a wait, in seconds, nobody has hung up for being kept waiting.
SHORT = 0.5
# Where the simulator may be.
LOOPBACK = ("127.0.0.1", "::1")


def address(url: str) -> str:
    """The URL as a browser must open it: itself or, where the simulator is on, the simulator's."""
    if not settings.PROVIDER_SIMULATOR_URL:
        return url
    return settings.PROVIDER_SIMULATOR_URL + "/" + url.removeprefix("https://")


def send(
    call: Call,
    *,
    hosts: Collection[str],
    body_limit: int = BODY_LIMIT,
    total: float = TOTAL,
) -> Answer:
    """The answer to one call, over a connection of its own. Raises EgressError, and nothing else."""
    requesting.split(call.url, hosts)
    with Adapter(hosts=hosts, body_limit=body_limit, total=total, keep=False) as adapter:
        response = adapter.send(requesting.prepared(call))
    return Answer(response.status_code, response.headers, response.content)


def mount(session: requests.Session, adapter: "Adapter") -> None:
    """Make the adapter a session's only way out: no other, and nothing from the environment."""
    session.trust_env = False
    session.proxies.clear()
    for other in list(session.adapters.values()):
        other.close()
    session.adapters.clear()
    session.mount("https://", adapter)


class Response(requests.Response):
    """Read whole and within its bounds. A session follows it nowhere."""

    @property
    def is_redirect(self) -> bool:
        return False


class Turn(Protocol):
    """A permission to send one request: a lease of a rate limit."""

    @property
    def late(self) -> bool:
        """Whether the permission is over before it was used."""

    def __enter__(self) -> Any: ...

    def __exit__(self, *raised: object) -> Any: ...


class Adapter(BaseAdapter):
    """What a session sends through. Keeps connections alive between calls; may be used by many threads.

    Its `send` raises EgressError and takes no longer than `total` seconds. `turn` is asked when there is a
    connection and nothing but the request is left to send: its permission is good for a moment only, and is
    held until the answer is read. It is asked with None, or with the permission before where that was over
    too soon. Waiting for it is not counted, and what it raises goes through.
    """

    def __init__(
        self,
        *,
        hosts: Collection[str],
        body_limit: int = BODY_LIMIT,
        total: float = TOTAL,
        keep: bool = True,
        turn: Callable[[Any], Turn] = nullcontext,  # type: ignore[assignment]  # never late
    ):
        super().__init__()
        self.hosts, self.body_limit, self.total, self.keep = hosts, body_limit, total, keep
        self.turn = turn
        self._idle: dict[str, list[Connection]] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> "Adapter":
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def close(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, {}
        for kept in idle.values():
            for connection in kept:
                connection.close()

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Any = None,
    ) -> Response:
        """The answer, read. A timeout can only shorten the bounds; the other arguments change nothing."""
        host, target = requesting.split(str(request.url), self.hosts)
        body = requesting.body_of(request)
        if simulator := _simulator():
            target = f"{simulator[2]}/{host}{target}"
        connection, turn, spent = self._ready(host, simulator, timeout)
        bounds = _bounds(self.total - spent, timeout)
        try:
            with turn:
                requesting.put(connection, request, target, body, keep=self.keep)
                response, received = _exchange(connection, body, bounds, self.body_limit)
        except EgressError as error:
            failed = error
        except (OSError, http.client.HTTPException, zlib.error, ValueError) as error:
            failed = _meaning(error, host)
        else:
            if self.keep and content.ends_clearly(response):
                self._put_back(host, connection)
            else:
                connection.close()
            return self._built(request, response, received)
        connection.close()
        # Out here, so that what was caught is let go: it may hold what was sent.
        raise failed

    def _ready(
        self, host: str, simulator: tuple[str, int, str] | None, timeout: Any
    ) -> tuple[Connection, Turn, float]:
        """A connection, the permission to use it now, and the seconds that connecting took."""
        spent, unused = 0.0, None
        while True:
            begun = time.monotonic()
            connection = self._taken(host) or self._connected(host, simulator, timeout, spent)
            ready = time.monotonic()
            spent += ready - begun
            try:
                turn = self.turn(unused)
            except BaseException:
                self._put_back(host, connection)
                raise
            # Who waited long can find that the other side has hung up, or that the moment is over.
            waited = time.monotonic() - ready > SHORT
            if (not waited or connection.is_open()) and not getattr(turn, "late", False):
                return connection, turn, spent
            with turn:
                self._put_back(host, connection)
            unused = turn

    def _connected(
        self, host: str, simulator: tuple[str, int, str] | None, timeout: Any, spent: float
    ) -> Connection:
        try:
            return _connect(host, simulator, _bounds(self.total - spent, timeout))
        except EgressError as error:
            failed = error
        except (OSError, http.client.HTTPException, ValueError) as error:
            failed = _meaning(error, host)
        failed.sent = False
        raise failed

    def _taken(self, host: str) -> Connection | None:
        """An idle connection that is still good."""
        while True:
            with self._lock:
                kept = self._idle.get(host)
                if not kept:
                    return None
                connection = kept.pop()
            if connection.is_fresh():
                return connection
            connection.close()

    def _put_back(self, host: str, connection: Connection) -> None:
        connection.used = time.monotonic()
        with self._lock:
            kept = self._idle.setdefault(host, [])
            if len(kept) < KEPT:
                kept.append(connection)
                return
        connection.close()

    def _built(
        self, request: requests.PreparedRequest, answered: connections.Response, body: bytes
    ) -> Response:
        response = Response()
        response.status_code = answered.status
        response.reason = content.plain(answered.reason)
        response.headers = content.headers_of(answered)
        response.encoding = requests.utils.get_encoding_from_headers(response.headers)
        response.url, response.request = str(request.url), request
        response.raw, response._content = io.BytesIO(body), body
        response._content_consumed = True  # type: ignore[attr-defined]
        response.connection = self  # type: ignore[assignment]
        return response


# --- Before


def _bounds(total: float, timeout: Any) -> Bounds:
    connect, read = timeout if isinstance(timeout, tuple) else (timeout, timeout)
    return Bounds(
        ends=time.monotonic() + total,
        connect=min(CONNECT, connect or CONNECT),
        read=min(READ, read or READ),
    )


def _simulator() -> tuple[str, int, str] | None:
    """The simulator's address, port and path; None where providers themselves are called."""
    if not settings.PROVIDER_SIMULATOR_URL:
        return None
    split = urlsplit(settings.PROVIDER_SIMULATOR_URL)
    if split.scheme != "http" or split.hostname not in LOOPBACK:
        raise EgressError("host_refused", "The simulator is not on this machine: nothing was sent.")
    return split.hostname, split.port or 80, split.path


def _connect(host: str, simulator: tuple[str, int, str] | None, bounds: Bounds) -> Connection:
    if simulator:
        return connections.connect_plainly(simulator[0], simulator[1], bounds)
    return connections.connect(host, bounds)


# --- Meanwhile and after


def _exchange(
    connection: Connection, body: bytes, bounds: Bounds, limit: int
) -> tuple[connections.Response, bytes]:
    """Send what was put, and read the whole answer."""
    connection.sock.bounds = bounds
    bounds.room = HEADER_LIMIT
    try:
        connection.endheaders(body or None)
    except (BrokenPipeError, ConnectionResetError):
        pass  # it may have answered before it had read everything
    response = cast(connections.Response, connection.getresponse())
    content.check_head(response)
    # Room for the frames of small chunks.
    bounds.room = 2 * limit + HEADER_LIMIT
    return response, content.read(response, limit)


def _meaning(error: Exception, host: str) -> EgressError:
    if isinstance(error, TimeoutError):
        return EgressError("timeout", f"{host} did not answer in time.")
    if isinstance(error, OSError):
        return EgressError("connection_failed", f"The connection to {host} failed or broke off.")
    if isinstance(error, content.TooLarge):
        sentence = f"{host} answered with more than the {error.limit:,} bytes that are read."
        return EgressError("garbled", sentence, reason="too_large")
    return EgressError("garbled", f"{host} answered with something that cannot be read.")
