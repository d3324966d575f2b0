"""Salesforce: tokens hold at the org's own host only, and too many calls are a 403."""

from typing import Any

from credentials.simulator import oauth2, signatures
from credentials.simulator.limits import Limit, Usage
from credentials.simulator.messages import Answer, Reply, Request
from credentials.simulator.oauth2 import Flow
from credentials.simulator.routing import Provider
from credentials.simulator.state import Account, Grant, Token, random_text

LOGIN, SANDBOX = "login.salesforce.com", "test.salesforce.com"


def _errors(status: int, code: str, message: str) -> Answer:
    return Answer(status, [{"message": message, "errorCode": code}])


def refuse(request: Request, why: str) -> Answer:
    if request.path == "/services/oauth2/userinfo" or request.path.startswith("/id/"):
        # https://github.com/forcedotcom/SalesforceMobileSDK-iOS/issues/3398 ,
        # https://github.com/jsforce/jsforce/pull/736 : the identity endpoints say it with 403.
        return Answer(403, "Bad_OAuth_Token" if why != "missing" else "Missing_OAuth_Token")
    return _errors(401, "INVALID_SESSION_ID", "Session expired or invalid")


def throttled(request: Request, usage: Usage) -> Answer:
    what = "ConcurrentRequests (Concurrent API Requests)" if usage.why == "concurrency" else "TotalRequests"
    return _errors(403, "REQUEST_LIMIT_EXCEEDED", f"{what} Limit exceeded.")


def counted(request: Request, usage: Usage) -> dict[str, str]:
    return {"Sforce-Limit-Info": f"api-usage={usage.used}/{usage.limit}"}


PROVIDER = Provider(
    "salesforce",
    hosts=(LOGIN, SANDBOX),
    suffixes=(".my.salesforce.com",),
    limits={"": Limit(100_000, 86_400, 25)},
    refuse=refuse,
    throttled=throttled,
    counted=counted,
    not_found=lambda request: _errors(404, "NOT_FOUND", "The requested resource does not exist"),
)


def here(request: Request, account: Account) -> bool:
    """Whether an org can be signed in to at the request's host."""
    domain = account.facts["domain"]
    if request.host in (LOGIN, SANDBOX):
        return ("--" in domain) == (request.host == SANDBOX)
    return bool(domain == request.host)


def says(request: Request, grant: Grant) -> dict[str, Any]:
    facts, login = grant.account.facts, SANDBOX if "--" in grant.account.facts["domain"] else LOGIN
    identity = f"https://{login}/id/{grant.account.id}/{facts['user_id']}"
    issued = str(int(request.world.now() * 1000))
    return {
        "scope": " ".join(grant.scopes),
        "instance_url": f"https://{facts['domain']}",
        "id": identity,
        "issued_at": issued,
        "signature": signatures.hmac_base64(grant.app.client_secret if grant.app else "", identity + issued),
    }


def error(request: Request, name: str, words: str) -> Answer:
    if name == "invalid_client":
        return Answer(400, {"error": name, "error_description": "invalid client credentials"})
    if name == "invalid_grant" and request.form().get("grant_type") == "refresh_token":
        words = "expired access/refresh token"
    return Answer(400, {"error": name, "error_description": words})


FLOW = Flow(
    PROVIDER,
    new_access=lambda grant: f"{grant.account.id[:15]}!AQSim{random_text(90)}",
    new_refresh=lambda grant: f"5Aep861Sim{random_text(78)}",
    says=says,
    access_life=7200,
    tells_life=False,
    token_type="Bearer",  # noqa: S106 - no password
    error=error,
    here=here,
    # A refresh tells the refresh token only where rotation is on.
    repeats=False,
)

route = PROVIDER.route


@route("GET", "/services/oauth2/authorize", context="authorize")
def page(request: Request) -> Answer:
    return oauth2.authorize(request, FLOW)


@route("POST", "/services/oauth2/authorize", context="authorize")
def decision(request: Request) -> Answer:
    return oauth2.decide(request, FLOW)


@route("POST", "/services/oauth2/token", context="token")
def token(request: Request) -> Answer:
    value = request.form().get("refresh_token", "")
    found = request.world.refresh.get(("salesforce", value))
    if found is not None and not here(request, found.account):
        return error(request, "invalid_grant", "")
    return oauth2.token(request, FLOW)


def _signed_in(request: Request, counter: str | None) -> Token:
    found = request.world.sign_in(request, request.bearer(), counter)
    if request.host not in (found.account.facts["domain"], LOGIN, SANDBOX):
        raise Reply(refuse(request, "invalid"))
    return found


def _identity(account: Account) -> dict[str, Any]:
    user = account.facts["user_id"]
    return {
        "sub": f"https://{LOGIN}/id/{account.id}/{user}",
        "user_id": user,
        "organization_id": account.id,
        "preferred_username": "owner@customer.example",
        "name": account.name,
        "email": "owner@customer.example",
    }


@route("GET", "/services/oauth2/userinfo")
def userinfo(request: Request) -> Answer:
    _signed_in(request, None)
    return Answer(200, _identity(request.account))


@route("GET", "/id/(?P<org>[A-Za-z0-9]+)/(?P<user>[A-Za-z0-9]+)")
def identity(request: Request, org: str, user: str) -> Answer:
    _signed_in(request, None)
    if org != request.account.id and not request.as_other_account:
        return Answer(403, "Wrong_Org")
    return Answer(200, _identity(request.account))


@route("GET", r"/services/data/v\d+\.0/limits")
def limits(request: Request) -> Answer:
    _data(request)
    usage = request.quota
    return Answer(200, {"DailyApiRequests": {"Max": usage.limit, "Remaining": usage.remaining}})


@route("GET", r"/services/data/v\d+\.0/(sobjects.*|query)")
def objects(request: Request) -> Answer:
    _data(request)
    return Answer(200, {"totalSize": 0, "done": True, "records": []})


def _data(request: Request) -> None:
    found = _signed_in(request, "")
    if not {"api", "full"} & set(found.scopes):
        raise Reply(
            _errors(403, "INSUFFICIENT_ACCESS", "This session is not valid for use with the REST API")
        )
