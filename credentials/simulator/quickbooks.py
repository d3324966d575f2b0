"""QuickBooks: the company comes back in the redirect, and refresh tokens change about every day."""

import time
from typing import Any

from credentials.simulator import oauth2
from credentials.simulator.limits import Limit, Usage
from credentials.simulator.messages import Answer, Reply, Request
from credentials.simulator.oauth2 import BASIC, Flow
from credentials.simulator.routing import Provider
from credentials.simulator.state import DAILY, DAY, Account, App, random_text

HOSTS = {"quickbooks.api.intuit.com": "production", "sandbox-quickbooks.api.intuit.com": "sandbox"}


def _fault(status: int, kind: str, name: str, code: str, detail: str = "") -> Answer:
    message = f"message={name}; errorCode={code}; statusCode={status}"
    error = {"message": message, "detail": detail, "code": code.lstrip("0"), "element": None}
    body = {
        "fault": {"error": [error], "type": kind},
        "requestId": random_text(32),
        "time": int(time.time() * 1000),
    }
    return Answer(status, body, {"intuit_tid": random_text(24)})


def refuse(request: Request, why: str) -> Answer:
    detail = "Token expired" if why == "expired" else "Token revoked"
    return _fault(401, "AUTHENTICATION", "AuthenticationFailed", "003200", detail)


def throttled(request: Request, usage: Usage) -> Answer:
    return _fault(429, "SERVICE", "ThrottleExceeded", "003001")


PROVIDER = Provider(
    "quickbooks",
    hosts=("appcenter.intuit.com", "oauth.platform.intuit.com", *HOSTS),
    limits={"": Limit(500, 60, 10)},
    refuse=refuse,
    throttled=throttled,
)


def callback(
    request: Request, account: Account, app: App, values: dict[str, str], broken: str
) -> dict[str, str]:
    if broken == "no_realm":
        return {}
    return {"realmId": "4611686018427387904" if broken == "wrong_realm" else account.facts["realm"]}


def says(request: Request, grant: Any) -> dict[str, Any]:
    return {"x_refresh_token_expires_in": 100 * DAY}


FLOW = Flow(
    PROVIDER,
    new_access=lambda grant: f"eyJlbmMiOiJzaW0ifQ..{random_text(80)}",
    new_refresh=lambda grant: f"AB11sim{random_text(43)}",
    says=says,
    client_in=BASIC,
    policy=DAILY,
    refresh_life=100 * DAY,
    callback=callback,
    broken=(("no_realm", "send no company id back"), ("wrong_realm", "send another company's id back")),
)

route = PROVIDER.route


@route("GET", "/connect/oauth2", "appcenter.intuit.com", "authorize")
def page(request: Request) -> Answer:
    return oauth2.authorize(request, FLOW)


@route("POST", "/connect/oauth2", "appcenter.intuit.com", "authorize")
def decision(request: Request) -> Answer:
    return oauth2.decide(request, FLOW)


@route("POST", "/oauth2/v1/tokens/bearer", "oauth.platform.intuit.com", "token")
def token(request: Request) -> Answer:
    return oauth2.token(request, FLOW)


def _company(request: Request, realm: str) -> Account:
    """The company of the token. Ends the request where it is another one, or of the other environment."""
    request.world.sign_in(request, request.bearer())
    account = request.account
    right = account.facts.get("realm") == realm and account.facts.get("environment") == HOSTS[request.host]
    if not right and not request.as_other_account:
        raise Reply(_fault(403, "AuthorizationFault", "ApplicationAuthorizationFailed", "003100"))
    return account


@route("GET", r"/v3/company/(?P<realm>\d+)/companyinfo/\d+", r"(sandbox-)?quickbooks\.api\.intuit\.com")
def company(request: Request, realm: str) -> Answer:
    account = _company(request, realm)
    info = {"CompanyName": account.name, "LegalName": account.name, "Id": "1", "Country": "US"}
    return Answer(200, {"CompanyInfo": info, "time": "2026-01-01T00:00:00.000-08:00"}, _tid())


@route("GET", r"/v3/company/(?P<realm>\d+)/query", r"(sandbox-)?quickbooks\.api\.intuit\.com")
def query(request: Request, realm: str) -> Answer:
    _company(request, realm)
    return Answer(200, {"QueryResponse": {"Customer": [], "startPosition": 1, "maxResults": 0}}, _tid())


def _tid() -> dict[str, str]:
    return {"intuit_tid": random_text(24)}
