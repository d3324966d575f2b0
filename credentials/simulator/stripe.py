"""Stripe: keys, Connect (tokens stay) and Stripe Apps (refresh tokens rotate)."""

import hmac
from typing import Any

from credentials.simulator import oauth2
from credentials.simulator.limits import Limit, Usage
from credentials.simulator.messages import Answer, Reply, Request
from credentials.simulator.oauth2 import Flow
from credentials.simulator.routing import Provider
from credentials.simulator.state import DAY, KEEPS, ROTATES, App, Grant, Token, random_text


def _error(status: int, kind: str, message: str, **more: str) -> Answer:
    headers = {"Request-Id": f"req_{random_text(14)}"}
    return Answer(status, {"error": {"type": kind, "message": message, **more}}, headers)


def refuse(request: Request, why: str) -> Answer:
    if why == "missing":
        return _error(401, "invalid_request_error", "You did not provide an API key.")
    if why == "expired":
        return _error(401, "invalid_request_error", "Expired API Key provided: ****", code="api_key_expired")
    return _error(401, "invalid_request_error", "Invalid API Key provided: ****")


def throttled(request: Request, usage: Usage) -> Answer:
    answer = _error(429, "invalid_request_error", "Request rate limit exceeded.", code="rate_limit")
    reason = "global-concurrency" if usage.why == "concurrency" else "global-rate"
    answer.headers["Stripe-Rate-Limited-Reason"] = reason
    return answer


PROVIDER = Provider(
    "stripe",
    hosts=("api.stripe.com", "connect.stripe.com", "marketplace.stripe.com"),
    limits={"live": Limit(100, 1), "test": Limit(25, 1)},
    counter_of=lambda account: "test" if account.facts.get("test") else "live",
    refuse=refuse,
    throttled=throttled,
    not_found=lambda request: _error(
        404, "invalid_request_error", f"Unrecognized request URL ({request.path})."
    ),
)


def client(request: Request, flow: Flow) -> App | None:
    """The platform that signs in with its secret key: as Basic user, bearer or field."""
    form = request.form()
    secret = (request.basic() or ("",))[0] or request.bearer() or form.get("client_secret", "")
    for app in request.world.apps.values():
        if app.provider == "stripe" and hmac.compare_digest(app.client_secret.encode(), secret.encode()):
            return app if form.get("client_id", app.client_id) == app.client_id else None
    return None


def says(request: Request, grant: Grant) -> dict[str, Any]:
    return {
        "scope": " ".join(grant.scopes) or "read_only",
        "livemode": not grant.account.facts.get("test"),
        "stripe_user_id": grant.account.facts["acct"],
        "stripe_publishable_key": f"pk_test_{random_text(24)}",
    }


def new_access(grant: Grant) -> str:
    return f"sk_{'test' if grant.account.facts.get('test') else 'live'}_sim{random_text(96)}"


CONNECT = Flow(
    PROVIDER,
    new_access=new_access,
    new_refresh=lambda grant: f"rt_sim{random_text(60)}",
    says=says,
    policy=KEEPS,
    access_life=None,
    kind="connect",
    client=client,
)
APP = Flow(
    PROVIDER,
    new_access=new_access,
    new_refresh=lambda grant: f"rt_sim{random_text(60)}",
    says=says,
    policy=ROTATES,
    access_life=3600,
    refresh_life=365 * DAY,
    kind="app",
    client=client,
)

route = PROVIDER.route


@route("GET", "/oauth(/v2)?/authorize", "connect.stripe.com", "authorize")
def connect_page(request: Request) -> Answer:
    return oauth2.authorize(request, CONNECT)


@route("POST", "/oauth(/v2)?/authorize", "connect.stripe.com", "authorize")
def connect_decision(request: Request) -> Answer:
    return oauth2.decide(request, CONNECT)


@route("POST", "/oauth/token", "connect.stripe.com", "token")
def connect_token(request: Request) -> Answer:
    return oauth2.token(request, CONNECT)


@route("GET", "/oauth/v2/authorize", "marketplace.stripe.com", "authorize")
def app_page(request: Request) -> Answer:
    return oauth2.authorize(request, APP)


@route("POST", "/oauth/v2/authorize", "marketplace.stripe.com", "authorize")
def app_decision(request: Request) -> Answer:
    return oauth2.decide(request, APP)


@route("POST", "/v1/oauth/token", "api.stripe.com", "token")
def app_token(request: Request) -> Answer:
    return oauth2.token(request, APP)


def _signed_in(request: Request) -> Token:
    value = request.bearer() or (request.basic() or ("",))[0]
    return request.world.sign_in(request, value)


@route("GET", "/v1/account", "api.stripe.com")
def account(request: Request) -> Answer:
    token = _signed_in(request)
    if token.value.startswith("rk_") and "account" not in token.scopes:
        words = "The provided key does not have the required permissions for this endpoint on account."
        raise Reply(_error(403, "invalid_request_error", words, code="secret_key_required"))
    acct = request.account.facts.get("acct", request.account.id)
    body = {"id": acct, "object": "account", "business_profile": {"name": request.account.name}}
    return Answer(200, body | {"charges_enabled": True, "type": "standard"}, _request_id())


@route("GET", "/v1/balance", "api.stripe.com")
def balance(request: Request) -> Answer:
    _signed_in(request)
    amounts = [{"amount": 125_000, "currency": "eur"}]
    body = {"object": "balance", "available": amounts, "pending": []}
    return Answer(200, body | {"livemode": not request.account.facts.get("test")}, _request_id())


@route("GET", "/v1/(?P<what>events|customers|charges|invoices)", "api.stripe.com")
def listing(request: Request, what: str) -> Answer:
    _signed_in(request)
    rows = [{"id": f"{what[:3]}_sim{n}", "object": what.rstrip("s")} for n in range(3)]
    return Answer(
        200, {"object": "list", "data": rows, "has_more": False, "url": f"/v1/{what}"}, _request_id()
    )


def _request_id() -> dict[str, str]:
    return {"Request-Id": f"req_{random_text(14)}"}
