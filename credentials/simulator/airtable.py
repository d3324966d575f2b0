"""Airtable: PKCE is required, refresh tokens are single use, and a 429 closes it for 30 seconds."""

from credentials.simulator import oauth2
from credentials.simulator.limits import Limit, Usage
from credentials.simulator.messages import Answer, Reply, Request
from credentials.simulator.oauth2 import BASIC, Flow
from credentials.simulator.routing import Provider
from credentials.simulator.state import DAY, SINGLE_USE, random_text


def refuse(request: Request, why: str) -> Answer:
    kind, words = "AUTHENTICATION_REQUIRED", "Authentication required"
    if why != "missing":
        kind, words = "UNAUTHORIZED", "Invalid token"
    return Answer(401, {"error": {"type": kind, "message": words}})


def throttled(request: Request, usage: Usage) -> Answer:
    words = "Rate limit exceeded. Please try again later"
    return Answer(429, {"errors": [{"error": "RATE_LIMIT_REACHED", "message": words}]})


PROVIDER = Provider(
    "airtable",
    hosts=("airtable.com", "api.airtable.com"),
    limits={"": Limit(50, 1, penalty=30), "base": Limit(5, 1, penalty=30)},
    refuse=refuse,
    throttled=throttled,
    not_found=lambda request: Answer(404, {"error": "NOT_FOUND"}),
)
FLOW = Flow(
    PROVIDER,
    new_access=lambda grant: f"oaaSim{random_text(12)}.v1.{random_text(40)}.{random_text(64)}",
    new_refresh=lambda grant: f"oarSim{random_text(12)}.v1.refresh.{random_text(64)}",
    says=lambda request, grant: {"scope": " ".join(grant.scopes), "refresh_expires_in": 60 * DAY},
    pkce_required=True,
    state_required=True,
    client_in=BASIC,
    policy=SINGLE_USE,
    refresh_life=60 * DAY,
    token_type="Bearer",  # noqa: S106 - no password
)

route = PROVIDER.route
API = "api.airtable.com"


@route("GET", "/oauth2/v1/authorize", "airtable.com", "authorize")
def page(request: Request) -> Answer:
    return oauth2.authorize(request, FLOW)


@route("POST", "/oauth2/v1/authorize", "airtable.com", "authorize")
def decision(request: Request) -> Answer:
    return oauth2.decide(request, FLOW)


@route("POST", "/oauth2/v1/token", "airtable.com", "token")
def token(request: Request) -> Answer:
    return oauth2.token(request, FLOW)


@route("GET", "/v0/meta/whoami", API)
def whoami(request: Request) -> Answer:
    found = request.world.sign_in(request, request.bearer())
    body = {"id": request.account.id, "scopes": found.scopes}
    if "user.email:read" in found.scopes:
        body["email"] = "owner@customer.example"
    return Answer(200, body)


@route("GET", "/v0/meta/bases", API)
def bases(request: Request) -> Answer:
    found = request.world.sign_in(request, request.bearer())
    _needs(found.scopes, "schema.bases:read")
    base = {"id": "appSimulatedBase1", "name": "Orders", "permissionLevel": "read"}
    return Answer(200, {"bases": [base]})


@route("GET", "/v0/(?P<base>app[A-Za-z0-9]+)/(?P<table>[^/]+)", API)
def records(request: Request, base: str, table: str) -> Answer:
    found = request.world.sign_in(request, request.bearer())
    request.world.count(request, request.account, "base")
    _needs(found.scopes, "data.records:read")
    fields = {"Name": "Spice", "Amount": 7}
    return Answer(200, {"records": [{"id": f"recSim{n}", "fields": fields} for n in range(3)]})


def _needs(scopes: list[str], scope: str) -> None:
    if scope not in scopes:
        words = "You don't have permission, or the requested model was not found."
        kind = "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND"
        raise Reply(Answer(403, {"error": {"type": kind, "message": words}}))
