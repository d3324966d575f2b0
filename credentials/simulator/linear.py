"""Linear: GraphQL, scopes with commas, and 400 where others say 429."""

import re
from typing import Any

from credentials.simulator import oauth2
from credentials.simulator.limits import Limit, Usage
from credentials.simulator.messages import Answer, Request
from credentials.simulator.oauth2 import Flow
from credentials.simulator.routing import Provider
from credentials.simulator.state import DAY, ROTATES, random_text


def _error(status: int, code: str, kind: str, message: str) -> Answer:
    extensions = {"type": kind, "code": code, "statusCode": status, "userError": True}
    return Answer(status, {"errors": [{"message": message, "extensions": extensions}]})


def refuse(request: Request, why: str) -> Answer:
    words = "Authentication required, not authenticated"
    return _error(401, "AUTHENTICATION_ERROR", "authentication error", words)


def throttled(request: Request, usage: Usage) -> Answer:
    return _error(400, "RATELIMITED", "ratelimited", "Rate limit exceeded")


def counted(request: Request, usage: Usage) -> dict[str, str]:
    return {
        "X-RateLimit-Requests-Limit": str(usage.limit),
        "X-RateLimit-Requests-Remaining": str(usage.remaining),
        "X-RateLimit-Requests-Reset": str(int(usage.reset_at * 1000)),
        "X-RateLimit-Complexity-Limit": "2000000",
        "X-RateLimit-Complexity-Remaining": str(2_000_000 - 3 * usage.used),
        "X-RateLimit-Complexity-Reset": str(int(usage.reset_at * 1000)),
        "X-Complexity": "3",
    }


PROVIDER = Provider(
    "linear",
    hosts=("linear.app", "api.linear.app"),
    limits={"": Limit(5000, 3600)},
    refuse=refuse,
    throttled=throttled,
    counted=counted,
)
FLOW = Flow(
    PROVIDER,
    new_access=lambda grant: f"lin_oauth_{random_text(64)}",
    new_refresh=lambda grant: f"lin_refresh_{random_text(64)}",
    says=lambda request, grant: {"scope": " ".join(grant.scopes)},
    separator=",",
    policy=ROTATES,
    access_life=DAY,
    token_type="Bearer",  # noqa: S106 - no password
)

route = PROVIDER.route


@route("GET", "/oauth/authorize", "linear.app", "authorize")
def page(request: Request) -> Answer:
    return oauth2.authorize(request, FLOW)


@route("POST", "/oauth/authorize", "linear.app", "authorize")
def decision(request: Request) -> Answer:
    return oauth2.decide(request, FLOW)


@route("POST", "/oauth/token", "api.linear.app", "token")
def token(request: Request) -> Answer:
    return oauth2.token(request, FLOW)


@route("POST", "/graphql", "api.linear.app")
def graphql(request: Request) -> Answer:
    request.world.sign_in(request, request.bearer())
    asked = request.json()
    query = asked.get("query") if isinstance(asked, dict) else None
    if not isinstance(query, str) or query.count("{") != query.count("}") or "{" not in query:
        return _error(400, "GRAPHQL_PARSE_FAILED", "graphql error", "Syntax Error: Unexpected <EOF>.")
    known: dict[str, Any] = {
        "viewer": {"id": request.account.id[::-1], "name": "Owner", "email": "owner@customer.example"},
        "organization": {"id": request.account.id, "name": request.account.name, "urlKey": "customer"},
        "issues": {"nodes": [{"id": f"issue-{n}"} for n in range(3)]},
    }
    data = {name: value for name, value in known.items() if re.search(rf"\b{name}\b", query)}
    return Answer(200, {"data": data})
