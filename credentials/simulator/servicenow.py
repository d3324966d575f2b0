"""ServiceNow: a user with a password, or client credentials, at the customer's own instance."""

import hmac
from typing import Any

from credentials.simulator import faults, signatures
from credentials.simulator.limits import Usage
from credentials.simulator.messages import Answer, Reply, Request
from credentials.simulator.oauth2 import failure_of
from credentials.simulator.routing import Provider
from credentials.simulator.state import Account, Grant, random_text

LIFE = 1799


def _error(status: int, message: str, detail: str = "") -> Answer:
    return Answer(status, {"error": {"message": message, "detail": detail}, "status": "failure"})


def refuse(request: Request, why: str) -> Answer:
    _instance(request)
    answer = _error(401, "User Not Authenticated", "Required to provide Auth information")
    answer.headers["WWW-Authenticate"] = 'BASIC realm="Service-now"'
    return answer


def throttled(request: Request, usage: Usage) -> Answer:
    answer = _error(429, "Rate limit exceeded", "Request was denied by a rate limit rule")
    answer.headers["Retry-After"] = str(int(usage.retry_after) + 1)
    return answer


def counted(request: Request, usage: Usage) -> dict[str, str]:
    return {
        "X-RateLimit-Limit": str(usage.limit),
        "X-RateLimit-Reset": str(int(usage.reset_at) + 1),
        "X-RateLimit-Rule": signatures.hmac_hex("rule", request.host)[:32],
    }


def not_found(request: Request) -> Answer:
    _instance(request)
    return _error(400, "Requested URI does not represent any resource", request.path[:200])


PROVIDER = Provider(
    "servicenow",
    hosts=(),
    suffixes=(".service-now.com",),
    # Each instance's administrators make the rules; without one nothing is limited.
    refuse=refuse,
    throttled=throttled,
    counted=counted,
    not_found=not_found,
)
route = PROVIDER.route


def _instance(request: Request) -> None:
    if ("servicenow", request.host) not in request.world.hosts:
        raise Reply(Answer(404, "<!DOCTYPE html><html><body><h1>Instance not found</h1></body></html>"))


@route("POST", r"/oauth_token\.do", context="token")
def token(request: Request) -> Answer:
    form = request.form()
    client_id, secret = form.get("client_id", ""), form.get("client_secret", "")
    request.token = secret
    marked = failure_of(request, secret)
    _instance(request)
    world = request.world
    client = world.clients.get(("servicenow client", request.host, client_id))
    if not marked and (client is None or not hmac.compare_digest(client["secret"].encode(), secret.encode())):
        return Answer(401, {"error": "access_denied", "error_description": "access_denied"})
    if form.get("grant_type") != "client_credentials":
        return Answer(400, {"error": "unsupported_grant_type", "error_description": "unsupported_grant_type"})
    request.caller = client["account"] if client else world.any_account("servicenow")
    world.at_entrance(request, of_account=True)
    value = random_text(86)
    world.add_access(
        "servicenow", value, Grant(None, request.account, ["useraccount"], life=LIFE), LIFE, marked
    )
    body = {"access_token": value, "scope": "useraccount", "token_type": "Bearer", "expires_in": LIFE}
    return Answer(200, body, {"Cache-Control": "no-store"})


def _signed_in(request: Request) -> Account:
    """The user of the Basic header or of the bearer token. Ends the request where neither is right."""
    world = request.world
    if request.bearer():
        found = world.sign_in(request, request.bearer())
        if found.account.facts["host"] != request.host and not found.marked:
            raise Reply(refuse(request, "invalid"))
    else:
        user, password = request.basic() or ("", "")
        request.token = password
        marked = faults.marker(password)
        world.fail_as(request, marked)
        client: dict[str, Any] | None = world.clients.get(("servicenow user", request.host, user))
        if request.as_other_account:
            client = client or {"secret": password, "account": world.any_account("servicenow")}
        right = client and hmac.compare_digest(client["secret"].encode(), password.encode())
        if client is None or not (right or request.as_other_account):
            raise Reply(refuse(request, "invalid"))
        world.enter(request, client["account"])
    return request.account


@route("GET", "/api/now/ui/user/current_user")
def current_user(request: Request) -> Answer:
    account = _signed_in(request)
    user = account.facts["user"]
    result = {"user_sys_id": signatures.hmac_hex("sys", account.id)[:32], "user_name": user}
    return Answer(200, {"result": result | {"user_display_name": account.name}})


@route("GET", "/api/now/table/(?P<table>[a-z_]+)")
def table(request: Request, table: str) -> Answer:
    _signed_in(request)
    return Answer(200, {"result": [{"sys_id": signatures.hmac_hex("row", table)[:32]}]})
