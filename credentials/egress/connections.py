"""Connections to checked addresses, on which every wait ends at a deadline. For `egress` alone.

A name is looked up once, all its addresses are checked, and the connection goes to one of those: nothing
looks it up again. The authorities are those of `certifi`, or those that SSL_CERT_FILE or SSL_CERT_DIR names.
"""

import functools
import http.client
import os
import select
import socket
import ssl
import time
from typing import Any, cast

from requests.utils import DEFAULT_CA_BUNDLE_PATH

from credentials.egress import names
from credentials.egress.bounds import Bounds, EgressError

# A connection that waited longer, or is older, is not used again.
IDLE, AGE = 15.0, 300.0

# How many addresses of one host are tried.
TRIES = 4

_REASONS = {9: "expired", 10: "expired", 62: "name", 64: "name", **dict.fromkeys(range(18, 22), "untrusted")}


class TooMuch(http.client.HTTPException):
    """More came than is read."""


class _Bounded(socket.socket):
    """A socket that asks its bounds before every wait."""

    bounds: Bounds

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        if self.bounds.ended:
            return 0
        self.settimeout(self.bounds.within(self.bounds.read))
        count = super().recv_into(*args, **kwargs)
        self.bounds.room -= count
        if self.bounds.room < 0:
            raise TooMuch
        return count

    def send(self, *args: Any, **kwargs: Any) -> int:
        self.settimeout(self.bounds.within(self.bounds.read))
        return super().send(*args, **kwargs)

    def sendall(self, *args: Any, **kwargs: Any) -> None:
        self.settimeout(self.bounds.within(self.bounds.read))
        super().sendall(*args, **kwargs)


class PlainSocket(_Bounded):
    pass


class TLSSocket(_Bounded, ssl.SSLSocket):
    pass


class Response(http.client.HTTPResponse):
    """Python's throws away what came beyond the end of an answer: `excess` is whether there was any."""

    excess = False

    def __init__(self, sock: _Bounded, *args: Any, **kwargs: Any):
        super().__init__(sock, *args, **kwargs)
        self._socket = sock

    def _close_conn(self) -> None:
        self._socket.bounds.ended = True
        try:
            self.excess = bool(self.fp.peek(1))
        except OSError:  # it failed before, and says so again
            self.excess = True
        super()._close_conn()  # type: ignore[misc]


class Connection(http.client.HTTPConnection):
    """An open connection to one host. It never opens itself again."""

    response_class = Response
    auto_open = 0

    def __init__(self, host: str, sock: _Bounded):
        super().__init__(host)
        self.authority = host
        self.sock: _Bounded = sock
        self.opened = self.used = time.monotonic()

    def is_fresh(self) -> bool:
        """Whether it may serve another call."""
        now = time.monotonic()
        return now - self.used <= IDLE and now - self.opened <= AGE and self.is_open()

    def is_open(self) -> bool:
        """Whether the other side has not hung up: what can be read before anything was asked is its end."""
        poll = select.poll()
        try:
            poll.register(self.sock, select.POLLIN)
        except ValueError:  # closed by an answer that was the last
            return False
        return not poll.poll(0) or self._has_only_tickets()

    def _has_only_tickets(self) -> bool:
        """Whether what has come is TLS's own, such as the tickets that a server sends after the handshake."""
        if not isinstance(self.sock, TLSSocket):
            return False
        self.sock.settimeout(0)
        try:
            self.sock.read(1)
        except ssl.SSLWantReadError:
            return True
        except (OSError, ValueError):
            pass
        return False


def dial(address: str, port: int, seconds: float) -> socket.socket:
    """A connection to an address, which is never a name."""
    sock = PlainSocket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.settimeout(seconds)
        sock.connect((address, port))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        sock.close()
        raise
    return sock


def _dial_one_of(host: str, found: list[str], bounds: Bounds) -> socket.socket:
    """A connection to one of a host's checked addresses. Raises EgressError, OSError."""
    ends = time.monotonic() + bounds.within(bounds.connect)
    found = found[:TRIES]
    for number, address in enumerate(found):
        try:
            sock = dial(address, 443, bounds.within((ends - time.monotonic()) / (len(found) - number)))
        except OSError:
            if number == len(found) - 1 or time.monotonic() >= ends:
                raise
            continue
        if sock.getsockname()[0] == sock.getpeername()[0]:
            sock.close()
            raise EgressError("address_refused", f"{host} leads to this machine itself: nothing was sent.")
        return sock
    raise TimeoutError


@functools.cache
def tls_context() -> ssl.SSLContext:
    """How certificates are checked. Not `create_default_context`: that one can be told to log its keys."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.hostname_checks_common_name = False
    context.sslsocket_class = TLSSocket
    context.set_alpn_protocols(["http/1.1"])
    if os.environ.get("SSL_CERT_FILE") or os.environ.get("SSL_CERT_DIR"):
        context.load_default_certs()
    else:
        context.load_verify_locations(DEFAULT_CA_BUNDLE_PATH)
    return context


def connect(host: str, bounds: Bounds) -> Connection:
    """A connection over TLS to one of a host's addresses. Raises EgressError, OSError, ssl.SSLError."""
    # The names take their share of the time to connect.
    started = time.monotonic()
    found = names.addresses_of(host, bounds)
    bounds.connect = max(0.05, bounds.connect - (time.monotonic() - started))
    raw = _dial_one_of(host, found, bounds)
    sock: TLSSocket | None = None
    try:
        wrapped = tls_context().wrap_socket(raw, server_hostname=host, do_handshake_on_connect=False)
        sock = cast(TLSSocket, wrapped)
        sock.settimeout(bounds.within(bounds.read))
        sock.do_handshake()
    except BaseException as error:
        (sock or raw).close()
        if isinstance(error, ssl.SSLCertVerificationError):
            reason = _REASONS.get(error.verify_code, "other")
        elif isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError):
            reason = "other"
        else:
            raise
    else:
        return Connection(host, sock)
    raise EgressError("tls_failed", f"No trusted connection to {host} could be made.", reason=reason)


def connect_plainly(address: str, port: int, bounds: Bounds) -> Connection:
    """A connection without TLS, for the simulator. Raises OSError."""
    sock = dial(address, port, bounds.within(bounds.connect))
    return Connection(f"[{address}]:{port}" if ":" in address else f"{address}:{port}", cast(_Bounded, sock))
