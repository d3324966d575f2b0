"""What is sent, and to which host: both checked letter for letter. For `egress` alone."""

import base64
import http.client
import logging
import re
from collections.abc import Collection, Mapping
from typing import Any

import requests

from credentials.egress.bounds import EgressError
from credentials.egress.connections import Connection
from credentials.exchange import Call

logger = logging.getLogger(__name__)

USER_AGENT = "Lanyard/0.1.0"
# What a request may carry beside our own headers.
HEADERS = frozenset(
    "accept accept-language authorization content-type idempotency-key if-match if-modified-since"
    " if-none-match on-behalf-of prefer soapaction stripe-account stripe-version x-github-api-version"
    " webhook-id webhook-signature webhook-timestamp x-request-id x-shopify-access-token".split()
)
_OURS = frozenset({"host", "user-agent", "accept-encoding", "content-length", "connection"})

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
# The last label has a letter, so that no number passes for a name.
_HOST = re.compile(rf"(?=.{{4,253}}\Z)(?:{_LABEL}\.)+(?=[a-z0-9-]*[a-z]){_LABEL}", re.ASCII)
_URL = re.compile(r"https://([^/?#]*)((?:/[^?#]*)?(?:\?[^#]*)?)(?:#.*)?", re.ASCII | re.DOTALL)
_TARGET = re.compile(r"[\x21-\x7e]*", re.ASCII)


def check_host(host: str, hosts: Collection[str]) -> None:
    """Raise EgressError where a host is not one of `hosts`, letter for letter, or is no plain name."""
    if isinstance(hosts, str):
        raise TypeError("hosts must be a collection of names, not one text")
    if not _HOST.fullmatch(host) or host not in hosts:
        raise EgressError(
            "host_refused",
            "The request was for a host that does not belong to this credential: it was not sent.",
        )


def split(url: str, hosts: Collection[str]) -> tuple[str, str]:
    """The host and the target of a URL, checked. Raises EgressError."""
    match = _URL.fullmatch(url)
    host, target = match.groups() if match else ("", "")
    check_host(host, hosts)
    return host, target if target.startswith("/") else f"/{target}"


def check_url(url: str, hosts: Collection[str]) -> None:
    """Raise EgressError where a URL is not https at one of `hosts`, without port, user or the like."""
    split(url, hosts)


def _our_fault(what: str) -> EgressError:
    return EgressError("our_fault", f"The request could not be made: {what}.")


def prepared(call: Call) -> requests.PreparedRequest:
    headers = dict(call.headers)
    if call.basic:
        headers["Authorization"] = "Basic " + base64.b64encode(":".join(call.basic).encode()).decode()
    request = requests.Request(
        call.method, call.url, headers, params=call.params, data=call.form, json=call.json
    )
    try:
        return request.prepare()
    except (requests.RequestException, ValueError, TypeError):
        pass
    raise _our_fault("its headers, query or body are malformed")


def body_of(request: requests.PreparedRequest) -> bytes:
    if request.body is None or isinstance(request.body, bytes):
        return request.body or b""
    if isinstance(request.body, str):
        return request.body.encode()
    raise _our_fault("its body is neither text nor bytes")


def put(
    connection: Connection, request: requests.PreparedRequest, target: str, body: bytes, *, keep: bool
) -> None:
    """Write the head of a request into the connection's buffer. Raises EgressError."""
    sent = {"Host": connection.authority, "User-Agent": USER_AGENT, "Accept-Encoding": "identity"}
    if not keep:
        sent["Connection"] = "close"
    if body or request.method in ("POST", "PUT", "PATCH"):
        sent["Content-Length"] = str(len(body))
    given: Mapping[Any, Any] = request.headers
    for name, value in given.items():
        name, value = (text.decode("latin-1") if isinstance(text, bytes) else text for text in (name, value))
        if name.lower() in HEADERS:
            sent[name] = value
        elif name.lower() not in _OURS:
            logger.warning("A header is not sent, for it is not on the list of those that are: %.60r", name)
    try:
        if not _TARGET.fullmatch(target):
            raise ValueError
        connection.putrequest(str(request.method), target, skip_host=True, skip_accept_encoding=True)
        for name, value in sent.items():
            connection.putheader(name, value)
        return
    except (ValueError, http.client.HTTPException):
        pass
    raise _our_fault("its address or headers are malformed")
