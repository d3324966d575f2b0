"""NetSuite: every request is signed with OAuth 1.0a and HMAC-SHA256."""

import time
from typing import Any

from credentials.simulator import faults, signatures
from credentials.simulator.limits import Limit, Usage
from credentials.simulator.messages import Answer, Reply, Request
from credentials.simulator.routing import Provider
from credentials.simulator.signatures import BadSignature

SUFFIX = ".suitetalk.api.netsuite.com"
MAX_SKEW = 300
# RFC 5849 section 3.1, and the realm, which NetSuite wants too.
NEEDED = ("realm", "oauth_consumer_key", "oauth_token", "oauth_nonce", "oauth_timestamp", "oauth_signature")
DETAILS = {
    "INVALID_LOGIN": "Invalid login attempt. For more details, see the Login Audit Trail in the NetSuite UI.",
    "consumer_key_unknown": "The consumer key is not known in this account.",
    "nonce_used": "The nonce was used before.",
    "nonce_rejected": "The nonce is too short.",
    "InvalidTimestamp": "The timestamp is too far from the time of the server.",
    "signature_invalid": "The signature is not valid.",
    "parameter_absent": "A parameter of the OAuth header is missing.",
    "signature_method_rejected": "Only HMAC-SHA256 is accepted.",
}


def _error(status: int, title: str, code: str, detail: str, **headers: str) -> Answer:
    body = {
        "type": "https://www.rfc-editor.org/rfc/rfc9110.html#section-15.5.2",
        "title": title,
        "status": status,
        "o:errorDetails": [{"detail": detail, "o:errorCode": code}],
    }
    return Answer(
        status, body, {"Content-Type": "application/vnd.oracle.resource+json; type=error", **headers}
    )


def refused(request: Request, code: str) -> Reply:
    realm = request.host.removesuffix(SUFFIX).upper().replace("-", "_")
    sign = f'OAuth realm="{realm}", error="{code}", error_description="{DETAILS[code]}"'
    return Reply(_error(401, "Unauthorized", code, DETAILS[code], **{"WWW-Authenticate": sign}))


def throttled(request: Request, usage: Usage) -> Answer:
    words = "Concurrent request limit exceeded. Request blocked."
    return _error(429, "Too Many Requests", "CONCURRENCY_LIMIT_EXCEEDED", words)


PROVIDER = Provider(
    "netsuite",
    hosts=(),
    suffixes=(SUFFIX,),
    limits={"": Limit(None, 1, 15)},
    refuse=lambda request, why: refused(request, "INVALID_LOGIN").answer,
    throttled=throttled,
    not_found=lambda request: _error(404, "Not Found", "NONEXISTENT_ENDPOINT", "There is no such address."),
)
route = PROVIDER.route


def _signed_in(request: Request) -> dict[str, Any]:
    """The client whose signature the request carries. Ends the request where anything of it is not right."""
    try:
        given = signatures.oauth1_parameters(request.headers.get("authorization", ""))
    except BadSignature:
        raise refused(request, "INVALID_LOGIN") from None
    if any(not given.get(name) for name in NEEDED):
        raise refused(request, "parameter_absent")
    account, key, token = (given[name] for name in ("realm", "oauth_consumer_key", "oauth_token"))
    world, request.token = request.world, token
    world.fail_as(request, faults.marker(token))
    client = world.clients.get(("netsuite", account, key, token))
    if account.lower().replace("_", "-") + SUFFIX != request.host:
        raise refused(request, "INVALID_LOGIN")
    if given.get("oauth_signature_method") != "HMAC-SHA256" or given.get("oauth_version", "1.0") != "1.0":
        raise refused(request, "signature_method_rejected")
    # What has to do with signatures goes by the real clock, as the client's does.
    now, said = time.time(), given["oauth_timestamp"]
    if not said.isdigit() or abs(int(said) - now) > MAX_SKEW:
        raise refused(request, "InvalidTimestamp")
    if client is None:
        keys = (k for k in world.clients if k[0] == "netsuite" and k[1:3] == (account, key))
        raise refused(request, "INVALID_LOGIN" if next(keys, None) else "consumer_key_unknown")
    signed = [(name, value) for name, value in given.items() if name not in ("realm", "oauth_signature")]
    base = signatures.oauth1_base_string(request.method, request.url, signed + request.query)
    if not signatures.oauth1_holds(
        base, client["consumer_secret"], client["token_secret"], given["oauth_signature"]
    ):
        raise refused(request, "signature_invalid")
    nonce = (f"{account} {token}", given["oauth_nonce"])
    if len(nonce[1]) < 6:
        raise refused(request, "nonce_rejected")
    if nonce in world.nonces:
        raise refused(request, "nonce_used")
    world.nonces[nonce] = now
    world.enter(request, client["account"])
    return client


@route("GET", "/services/rest/record/v1/metadata-catalog(/.*)?")
def catalog(request: Request) -> Answer:
    _signed_in(request)
    return Answer(200, {"items": [{"name": "customer"}, {"name": "invoice"}]})


@route("GET", r"/services/rest/record/v1/(?P<what>[a-zA-Z]+)")
def records(request: Request, what: str) -> Answer:
    _signed_in(request)
    return Answer(
        200, {"links": [], "count": 0, "hasMore": False, "items": [], "offset": 0, "totalResults": 0}
    )


@route("POST", "/services/rest/query/v1/suiteql")
def suiteql(request: Request) -> Answer:
    _signed_in(request)
    return Answer(200, {"links": [], "count": 0, "hasMore": False, "items": [], "totalResults": 0})
