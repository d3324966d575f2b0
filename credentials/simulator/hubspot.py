"""HubSpot: OAuth with a refresh token that stays, and its own words for what is wrong."""

from typing import Any

from credentials.simulator import oauth2
from credentials.simulator.limits import Limit, Usage
from credentials.simulator.messages import Answer, Reply, Request
from credentials.simulator.oauth2 import Flow
from credentials.simulator.routing import Provider
from credentials.simulator.state import Grant, random_text


def _error(status: int, category: str, message: str, **more: Any) -> Answer:
    body = {"status": "error", "message": message, "correlationId": _correlation(), "category": category}
    return Answer(status, body | more)


def _correlation() -> str:
    text = random_text(32)
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def refuse(request: Request, why: str) -> Answer:
    if why == "expired":
        return _error(401, "EXPIRED_AUTHENTICATION", "The OAuth token used to make this call expired")
    words = "Authentication credentials not found. This API supports OAuth 2.0 authentication."
    return _error(401, "INVALID_AUTHENTICATION", words)


def throttled(request: Request, usage: Usage) -> Answer:
    search = request.path.endswith("/search")
    policy = "SECONDLY" if search else "TEN_SECONDLY_ROLLING"
    return _error(
        429,
        "RATE_LIMITS",
        f"You have reached your {policy.lower()} limit.",
        errorType="RATE_LIMIT",
        policyName=policy,
    )


def counted(request: Request, usage: Usage) -> dict[str, str]:
    if request.path.endswith("/search"):
        return {}
    return {
        "X-HubSpot-RateLimit-Max": str(usage.limit),
        "X-HubSpot-RateLimit-Remaining": str(usage.remaining),
        "X-HubSpot-RateLimit-Interval-Milliseconds": str(int(usage.seconds * 1000)),
    }


PROVIDER = Provider(
    "hubspot",
    hosts=("app.hubspot.com", "app-eu1.hubspot.com", "api.hubapi.com"),
    limits={"": Limit(100, 10), "search": Limit(4, 1)},
    refuse=refuse,
    throttled=throttled,
    counted=counted,
)

# RFC 6749's words and HubSpot's own status.
STATUSES = {
    "invalid_client": "BAD_CLIENT_SECRET",
    "invalid_grant": "BAD_REFRESH_TOKEN",
    "unsupported_grant_type": "BAD_GRANT_TYPE",
}


def error(request: Request, name: str, words: str) -> Answer:
    status = STATUSES[name]
    code = request.form().get("grant_type") == "authorization_code"
    if name == "invalid_grant" and code:
        status = "BAD_AUTH_CODE"
    if name == "invalid_client" and request.world.app("hubspot", request.form().get("client_id", "")) is None:
        status = "BAD_CLIENT_ID"
    message = {
        "BAD_REFRESH_TOKEN": "missing or invalid refresh token",
        "BAD_AUTH_CODE": "missing or unknown auth code",
        "BAD_CLIENT_ID": "missing or unknown client id",
        "BAD_CLIENT_SECRET": "missing or invalid client secret",
        "BAD_GRANT_TYPE": "missing or unknown grant type",
    }[status]
    return Answer(400, {"status": status, "message": message, "correlationId": _correlation()})


FLOW = Flow(
    PROVIDER,
    new_access=lambda grant: f"CSim{random_text(90)}",
    new_refresh=lambda grant: f"na1-{_correlation()}",
    says=lambda request, grant: {},
    access_life=1800,
    error=error,
)

route = PROVIDER.route
APP_HOST, API = r"app(-eu1)?\.hubspot\.com", "api.hubapi.com"


@route("GET", "/oauth/authorize", APP_HOST, "authorize")
def page(request: Request) -> Answer:
    return oauth2.authorize(request, FLOW)


@route("POST", "/oauth/authorize", APP_HOST, "authorize")
def decision(request: Request) -> Answer:
    return oauth2.decide(request, FLOW)


@route("POST", "/oauth/v[13]/token", API, "token")
def token(request: Request) -> Answer:
    return oauth2.token(request, FLOW)


@route("GET", "/oauth/v1/access-tokens/(?P<value>[^/]+)", API)
def access_token(request: Request, value: str) -> Answer:
    """What HubSpot says of an access token: it needs no other authentication than the token itself."""
    found = request.world.sign_in(request, value)
    left = int((found.expires_at or request.world.now()) - request.world.now())
    return Answer(
        200,
        {
            "token": value,
            "user": "owner@customer.example",
            "hub_domain": request.account.facts.get("hub_domain", ""),
            "scopes": found.scopes,
            "hub_id": int(request.account.id),
            "app_id": 4242,
            "expires_in": left,
            "user_id": 777,
            "token_type": "access",
        },
    )


@route("GET", "/account-info/v3/details", API)
def details(request: Request) -> Answer:
    request.world.sign_in(request, request.bearer())
    body = {"portalId": int(request.account.id), "accountType": "STANDARD", "timeZone": "Europe/Berlin"}
    return Answer(200, body | {"uiDomain": "app.hubspot.com"})


@route("GET", "/crm/v3/objects/(?P<what>[a-z]+)", API)
def objects(request: Request, what: str) -> Answer:
    found = request.world.sign_in(request, request.bearer())
    _needs(found.grant, what)
    return Answer(200, {"results": [{"id": str(n), "properties": {}} for n in range(3)]})


@route("POST", "/crm/v3/objects/(?P<what>[a-z]+)/search", API)
def search(request: Request, what: str) -> Answer:
    found = request.world.sign_in(request, request.bearer())
    request.world.count(request, request.account, "search")
    _needs(found.grant, what)
    return Answer(200, {"total": 0, "results": []})


def _needs(grant: Grant, what: str) -> None:
    wanted = {what, f"crm.objects.{what}.read"}
    if not wanted & set(grant.scopes):
        context = {"requiredGranularScopes": [f"crm.objects.{what}.read"]}
        words = "This app hasn't been granted all required scopes to make this call."
        raise Reply(_error(403, "MISSING_SCOPES", words, errors=[{"message": words, "context": context}]))
