"""Workday: each customer's own API client, with a refresh token that stays."""

import hmac

from credentials.simulator import oauth2
from credentials.simulator.limits import Limit, Usage
from credentials.simulator.messages import Answer, Reply, Request
from credentials.simulator.oauth2 import BASIC, Flow
from credentials.simulator.routing import Provider
from credentials.simulator.state import App, random_text


def refuse(request: Request, why: str) -> Answer:
    return Answer(
        401, {"error": "invalid_token", "error_description": "The access token is invalid or expired"}
    )


def throttled(request: Request, usage: Usage) -> Answer:
    answer = Answer(429, {"error": "Too many requests", "code": "A429"})
    answer.headers["Retry-After"] = str(int(usage.retry_after) + 1)
    return answer


PROVIDER = Provider(
    "workday",
    hosts=(),
    suffixes=(".workday.com", ".myworkday.com"),
    # Not published; what was observed.
    limits={"": Limit(10, 1)},
    refuse=refuse,
    throttled=throttled,
    counted=lambda request, usage: {"x-ratelimit-remaining": str(usage.remaining)},
)


def client(request: Request, flow: Flow) -> App | None:
    """The API client of the Basic header, where it belongs to the tenant of the address."""
    client_id, secret = request.basic() or ("", "")
    app = request.world.app("workday", client_id)
    if app is None or not hmac.compare_digest(app.client_secret.encode(), secret.encode()):
        return None
    here = f"{app.facts['host']}/ccx/oauth2/{app.facts['tenant']}/token"
    return app if here == f"{request.host}{request.path}" else None


FLOW = Flow(
    PROVIDER,
    new_access=lambda grant: f"simWorkday{random_text(60)}",
    new_refresh=lambda grant: f"simWorkdayRefresh{random_text(60)}",
    says=lambda request, grant: {},
    client_in=BASIC,
    token_type="Bearer",  # noqa: S106 - no password
    client=client,
)
route = PROVIDER.route


@route("POST", r"/ccx/oauth2/\w+/token", context="token")
def token(request: Request) -> Answer:
    return oauth2.token(request, FLOW)


@route("GET", r"/ccx/api/v1/(?P<tenant>\w+)/workers")
def workers(request: Request, tenant: str) -> Answer:
    found = request.world.sign_in(request, request.bearer())
    facts = found.account.facts
    if (facts["host"], facts["tenant"]) != (request.host, tenant) and not found.marked:
        raise Reply(refuse(request, "invalid"))
    return Answer(200, {"total": 1, "data": [{"id": "sim1", "descriptor": "Duncan Idaho"}]})
