"""Shopify: everything is at the shop's own host, and the callback is signed."""

import base64
from typing import Any

from credentials.simulator import oauth2, signatures
from credentials.simulator.limits import Limit, Usage
from credentials.simulator.messages import Answer, Reply, Request
from credentials.simulator.oauth2 import Flow
from credentials.simulator.routing import Provider
from credentials.simulator.state import ROTATES, Account, App, Grant, Token, random_text


def refuse(request: Request, why: str) -> Answer:
    _shop(request)
    words = "[API] Invalid API key or access token (unrecognized login or wrong password)"
    return Answer(401, {"errors": words})


def throttled(request: Request, usage: Usage) -> Answer:
    if request.path.endswith("/graphql.json"):
        error = {"message": "Throttled", "extensions": {"code": "THROTTLED"}}
        return Answer(200, {"errors": [error], "extensions": _cost(usage)})
    words = (
        "Exceeded 2 calls per second for api client. Reduce request rates to resume uninterrupted service."
    )
    return Answer(429, {"errors": words}, {"Retry-After": "2.0"})


def counted(request: Request, usage: Usage) -> dict[str, str]:
    if request.path.endswith("/graphql.json"):
        return {}
    return {"X-Shopify-Shop-Api-Call-Limit": f"{usage.used}/{usage.limit}"}


def not_found(request: Request) -> Answer:
    _shop(request)
    return Answer(404, {"errors": "Not Found"})


PROVIDER = Provider(
    "shopify",
    hosts=(),
    suffixes=(".myshopify.com",),
    limits={"": Limit(2, 1, burst=40), "graphql": Limit(50, 1, burst=1000)},
    refuse=refuse,
    throttled=throttled,
    counted=counted,
    not_found=not_found,
)


def callback(
    request: Request, account: Account, app: App, values: dict[str, str], broken: str
) -> dict[str, str]:
    """The shop and the time, and the signature over all parameters: https://shopify.dev/docs/apps/build/"""
    shop = "another-shop.myshopify.com" if broken == "other_shop" else account.id
    host = base64.b64encode(f"{shop}/admin".encode()).decode().rstrip("=")
    signed = values | {"shop": shop, "timestamp": str(int(request.world.now())), "host": host}
    text = "&".join(f"{name}={signed[name]}" for name in sorted(signed))
    secret = "not-the-secret" if broken == "wrong_hmac" else app.client_secret  # noqa: S105 - no password
    signed["hmac"] = signatures.hmac_hex(secret, text)
    if broken == "no_hmac":
        del signed["hmac"]
    return signed


def says(request: Request, grant: Grant) -> dict[str, Any]:
    return {"scope": ",".join(grant.scopes)}


def error(request: Request, name: str, words: str) -> Answer:
    if name == "invalid_grant":
        return Answer(400, {"error": "invalid_request", "error_description": words})
    return oauth2.plain_error(request, name, words)


OFFLINE = Flow(
    PROVIDER,
    new_access=lambda grant: f"shpat_{random_text(32)}",
    new_refresh=None,
    says=says,
    separator=",",
    access_life=None,
    default_grant="authorization_code",
    error=error,
    callback=callback,
    broken=(
        ("wrong_hmac", "sign with another secret"),
        ("no_hmac", "send no signature back"),
        ("other_shop", "come back from another shop"),
    ),
    here=lambda request, account: account.id == request.host,
)
# Those of December 2025 and later, asked for with expiring=1.
EXPIRING = Flow(
    PROVIDER,
    new_access=lambda grant: f"shpat_{random_text(32)}",
    new_refresh=lambda grant: f"shprt_{random_text(32)}",
    says=says,
    policy=ROTATES,
    access_life=3600,
    default_grant="authorization_code",
    error=error,
)

route = PROVIDER.route


def _shop(request: Request) -> Account:
    """The shop at the request's host. Ends the request where there is none."""
    found = request.world.accounts.get(("shopify", request.host))
    if found is None:
        raise Reply(Answer(404, {"errors": "Not Found"}))
    return found


@route("GET", "/admin/oauth/authorize", context="authorize")
def page(request: Request) -> Answer:
    _shop(request)
    return oauth2.authorize(request, OFFLINE)


@route("POST", "/admin/oauth/authorize", context="authorize")
def decision(request: Request) -> Answer:
    _shop(request)
    return oauth2.decide(request, OFFLINE)


@route("POST", "/admin/oauth/access_token", context="token")
def token(request: Request) -> Answer:
    _shop(request)
    form = request.form()
    expiring = form.get("expiring") == "1" or form.get("grant_type") == "refresh_token"
    code = request.world.codes.get(("shopify", form.get("code", "")))
    if code is not None and code.grant.account.id != request.host:
        return error(request, "invalid_grant", "The code belongs to another shop")
    return oauth2.token(request, EXPIRING if expiring else OFFLINE)


def _signed_in(request: Request, counter: str | None = "") -> Token:
    value = request.headers.get("x-shopify-access-token", "")
    found = request.world.access.get(("shopify", value))
    if found is not None and found.account.id != request.host and not found.marked:
        request.token = value
        raise Reply(refuse(request, "invalid"))
    return request.world.sign_in(request, value, counter)


@route("GET", "/admin/oauth/access_scopes.json")
def access_scopes(request: Request) -> Answer:
    found = _signed_in(request)
    return Answer(200, {"access_scopes": [{"handle": scope} for scope in found.scopes]})


@route("GET", r"/admin/api/[a-z0-9-]+/shop\.json")
def shop(request: Request) -> Answer:
    _signed_in(request)
    return Answer(
        200, {"shop": {"id": 1, "name": request.account.name, "myshopify_domain": request.account.id}}
    )


@route("GET", r"/admin/api/[a-z0-9-]+/(?P<what>products|orders|customers|draft_orders)\.json")
def listing(request: Request, what: str) -> Answer:
    found = _signed_in(request)
    if f"read_{what}" not in found.scopes:
        words = f"[API] This action requires merchant approval for read_{what} scope."
        return Answer(403, {"errors": words})
    return Answer(200, {what: []})


@route("POST", r"/admin/api/[a-z0-9-]+/graphql\.json")
def graphql(request: Request) -> Answer:
    _signed_in(request, "graphql")
    data = {"id": "gid://shopify/Shop/1", "name": request.account.name, "myshopifyDomain": request.account.id}
    return Answer(200, {"data": {"shop": data}, "extensions": _cost(request.quota)})


def _cost(usage: Usage) -> dict[str, Any]:
    status = {"maximumAvailable": usage.limit, "currentlyAvailable": usage.remaining, "restoreRate": 50}
    return {"cost": {"requestedQueryCost": 1, "actualQueryCost": 1, "throttleStatus": status}}
