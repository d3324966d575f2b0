"""Marketo: what is wrong comes with HTTP 200, and all integrations of an instance share its limits."""

import hmac
from typing import Any

from credentials.simulator.limits import Limit, Usage
from credentials.simulator.messages import Answer, Reply, Request
from credentials.simulator.oauth2 import failure_of
from credentials.simulator.routing import Provider
from credentials.simulator.state import Account, Grant, random_text

LIFE = 3599


def _error(code: str, message: str) -> Answer:
    errors = [{"code": code, "message": message}]
    return Answer(200, {"requestId": _number(), "success": False, "errors": errors})


def _number() -> str:
    return f"{random_text(4)}#{random_text(11)}"


def refuse(request: Request, why: str) -> Answer:
    _instance(request)
    if why == "missing":
        return _error("600", "Access token not specified")
    return (
        _error("602", "Access token expired") if why == "expired" else _error("601", "Access token invalid")
    )


def throttled(request: Request, usage: Usage) -> Answer:
    if usage.why == "concurrency":
        return _error("615", "Concurrent access limit reached")
    return _error("606", f"Max rate limit '{usage.limit}' exceeded with in '{usage.seconds:g}' secs")


def not_found(request: Request) -> Answer:
    _instance(request)
    return _error("610", "Requested resource not found")


PROVIDER = Provider(
    "marketo",
    hosts=(),
    suffixes=(".mktorest.com",),
    limits={"": Limit(100, 20, 10)},
    refuse=refuse,
    throttled=throttled,
    not_found=not_found,
)
route = PROVIDER.route


def _instance(request: Request) -> Account:
    """The instance of the host, by which calls are counted. Ends the request where there is none."""
    munchkin = request.host.removesuffix(".mktorest.com")
    if ("marketo", request.host) not in request.world.hosts:
        raise Reply(Answer(404, "Not found.\n"))
    return Account("marketo", munchkin, munchkin)


@route("GET", "/identity/oauth/token", context="token")
@route("POST", "/identity/oauth/token", context="token")
def token(request: Request) -> Answer:
    given = request.parameters() | request.form()
    client_id, secret = given.get("client_id", ""), given.get("client_secret", "")
    request.token = secret
    marked = failure_of(request, secret)
    _instance(request)
    world = request.world
    client = world.clients.get(("marketo", request.host.removesuffix(".mktorest.com"), client_id))
    if given.get("grant_type") != "client_credentials":
        return Answer(400, {"error": "unsupported_grant_type", "error_description": "Unsupported grant type"})
    if not marked and client is None:
        words = f"No client with requested id: {client_id[:100]}"
        return Answer(401, {"error": "invalid_client", "error_description": words})
    if not marked and client and not hmac.compare_digest(client["secret"].encode(), secret.encode()):
        return Answer(401, {"error": "invalid_client", "error_description": "Bad client credentials"})
    request.caller = client["account"] if client else world.any_account("marketo")
    world.at_entrance(request, of_account=True)
    user = client["user"] if client else "api@customer.example"
    # Asked again early, it is the same token with what is left of its life.
    held = client.get("token") if client else None
    if held is None or marked or held.dead or held.grant.revoked or (held.expires_at or 0) <= world.now():
        value = f"{random_text(8)}-{random_text(4)}-{random_text(4)}-{random_text(12)}:sj"
        held = world.add_access("marketo", value, Grant(None, request.account, [], life=LIFE), LIFE, marked)
        if client:
            client["token"] = held
    left = int((held.expires_at or 0) - world.now())
    return Answer(
        200, {"access_token": held.value, "token_type": "bearer", "expires_in": left, "scope": user}
    )


def _signed_in(request: Request) -> None:
    found = request.world.sign_in(request, request.bearer(), None)
    instance = _instance(request)
    if found.account.facts["munchkin"].lower() != instance.id and not found.marked:
        raise Reply(refuse(request, "invalid"))
    request.world.count(request, instance)


def _result(result: list[Any]) -> Answer:
    return Answer(200, {"requestId": _number(), "success": True, "result": result})


@route("GET", r"/rest/v1/activities/types\.json")
def activity_types(request: Request) -> Answer:
    _signed_in(request)
    return _result([{"id": 1, "name": "Visit Webpage", "attributes": []}])


@route("GET", r"/rest/v1/stats/usage\.json")
def usage(request: Request) -> Answer:
    _signed_in(request)
    return _result([{"date": "2026-01-01", "total": 17, "users": [{"userId": "api", "count": 17}]}])


@route("GET", r"/rest/v1/(leads|lists|campaigns)\.json")
def listing(request: Request) -> Answer:
    _signed_in(request)
    return _result([])
