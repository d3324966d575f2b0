"""Auth0: client credentials for the Management API of one tenant."""

import hmac
import json
from typing import Any

from credentials.simulator import signatures
from credentials.simulator.limits import Limit, Usage
from credentials.simulator.messages import Answer, Reply, Request
from credentials.simulator.oauth2 import failure_of
from credentials.simulator.routing import Provider
from credentials.simulator.state import DAY, Grant, Token, random_text


def _error(status: int, name: str, message: str, **more: Any) -> Answer:
    return Answer(status, {"statusCode": status, "error": name, "message": message, **more})


def refuse(request: Request, why: str) -> Answer:
    _tenant(request)
    if why == "missing":
        return _error(401, "Unauthorized", "Missing authentication")
    words = "Expired token received for JSON Web Token validation" if why == "expired" else "Invalid token"
    return _error(401, "Unauthorized", words, attributes={"error": words})


def throttled(request: Request, usage: Usage) -> Answer:
    return _error(429, "Too Many Requests", "Global limit has been reached", errorCode="too_many_requests")


def counted(request: Request, usage: Usage) -> dict[str, str]:
    return {
        "x-ratelimit-limit": str(usage.limit),
        "x-ratelimit-remaining": str(usage.remaining),
        "x-ratelimit-reset": str(int(usage.reset_at) + 1),
    }


PROVIDER = Provider(
    "auth0",
    hosts=(),
    suffixes=(".auth0.com",),
    limits={"": Limit(2, 1)},
    refuse=refuse,
    throttled=throttled,
    counted=counted,
    not_found=lambda request: _error(404, "Not Found", "Not Found"),
)
route = PROVIDER.route


def _tenant(request: Request) -> None:
    if ("auth0", request.host) not in request.world.hosts:
        raise Reply(Answer(404, "Not found.\n"))


def _new_token(host: str, client_id: str) -> str:
    """A text of the form of a JWT; what it is worth stands in the simulator's state."""
    claims = {"iss": f"https://{host}/", "sub": f"{client_id}@clients", "gty": "client-credentials"}
    parts = [
        signatures.unpadded(json.dumps(part).encode()) for part in ({"alg": "RS256", "typ": "JWT"}, claims)
    ]
    return ".".join((*parts, f"sim{random_text(80)}"))


@route("POST", "/oauth/token", context="token")
def token(request: Request) -> Answer:
    form = request.form()
    client_id, secret = form.get("client_id", ""), form.get("client_secret", "")
    request.token = secret
    marked = failure_of(request, secret)
    _tenant(request)
    client = request.world.clients.get(("auth0", request.host, client_id))
    if not marked and (client is None or not hmac.compare_digest(client["secret"].encode(), secret.encode())):
        return Answer(401, {"error": "access_denied", "error_description": "Unauthorized"})
    if form.get("grant_type") != "client_credentials":
        words = "Grant type not allowed for the client."
        return Answer(403, {"error": "unauthorized_client", "error_description": words})
    audience = form.get("audience", "")
    if audience != (client["audience"] if client else f"https://{request.host}/api/v2/"):
        words = f'Client is not authorized to access "{audience[:200]}". You need to create a client grant.'
        return Answer(403, {"error": "access_denied", "error_description": words})
    request.caller = client["account"] if client else request.world.any_account("auth0")
    request.world.at_entrance(request, of_account=True)
    scopes = client["scopes"] if client else ["read:users", "read:clients"]
    grant = Grant(None, request.account, scopes, life=DAY)
    value = _new_token(request.host, client_id)
    request.world.add_access("auth0", value, grant, DAY, marked)
    body = {"access_token": value, "scope": " ".join(scopes), "expires_in": DAY, "token_type": "Bearer"}
    return Answer(200, body, {"Cache-Control": "no-store"})


def _signed_in(request: Request, scope: str) -> Token:
    found = request.world.sign_in(request, request.bearer())
    if found.account.facts["domain"] != request.host and not found.marked:
        raise Reply(refuse(request, "invalid"))
    if scope not in found.scopes:
        words = f"Insufficient scope, expected any of: {scope}"
        raise Reply(_error(403, "Forbidden", words, errorCode="insufficient_scope"))
    return found


@route("GET", "/api/v2/(?P<what>clients|users)")
def listing(request: Request, what: str) -> Answer:
    found = _signed_in(request, f"read:{what}")
    key = "client_id" if what == "clients" else "user_id"
    name = f"{found.account.name} {what}"
    return Answer(200, [{key: f"sim{what}1", "name": name}])


@route("GET", "/api/v2/tenants/settings")
def settings(request: Request) -> Answer:
    found = _signed_in(request, "read:tenant_settings")
    return Answer(200, {"friendly_name": found.account.name})
