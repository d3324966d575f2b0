"""SendGrid: one key, and one call that shows what it may do."""

from credentials.simulator import signatures
from credentials.simulator.limits import Limit, Usage
from credentials.simulator.messages import Answer, Reply, Request
from credentials.simulator.routing import Provider
from credentials.simulator.state import Account, Token

HOSTS = {"api.sendgrid.com": "global", "api.eu.sendgrid.com": "eu"}


def _error(status: int, message: str) -> Answer:
    return Answer(status, {"errors": [{"field": None, "message": message}]})


def refuse(request: Request, why: str) -> Answer:
    if why == "missing":
        return _error(401, "Permission denied, wrong credentials")
    return _error(401, "The provided authorization grant is invalid, expired, or revoked")


def throttled(request: Request, usage: Usage) -> Answer:
    return _error(429, "too many requests")


def counted(request: Request, usage: Usage) -> dict[str, str]:
    return {
        "X-RateLimit-Limit": str(usage.limit),
        "X-RateLimit-Remaining": str(usage.remaining),
        "X-RateLimit-Reset": str(int(usage.reset_at) + 1),
    }


PROVIDER = Provider(
    "sendgrid",
    hosts=tuple(HOSTS),
    limits={"": Limit(600, 60)},
    refuse=refuse,
    throttled=throttled,
    counted=counted,
    not_found=lambda request: _error(404, "Not Found"),
)
route = PROVIDER.route


def _signed_in(request: Request, scope: str) -> Token:
    found = request.world.sign_in(request, request.bearer())
    if request.account.facts["region"] != HOSTS[request.host]:
        raise Reply(refuse(request, "invalid"))
    subuser = request.headers.get("on-behalf-of", "")
    if (subuser and subuser not in request.account.facts["subusers"]) or (
        scope and scope not in found.scopes
    ):
        raise Reply(_error(403, "access forbidden"))
    return found


@route("GET", "/v3/scopes")
def scopes(request: Request) -> Answer:
    return Answer(200, {"scopes": _signed_in(request, "").scopes})


@route("GET", "/v3/user/username")
def username(request: Request) -> Answer:
    _signed_in(request, "user.username.read")
    return Answer(200, _names(request.account, request.headers.get("on-behalf-of", "")))


def _names(account: Account, subuser: str) -> dict[str, object]:
    """A subuser is an account with a number of its own."""
    own = int(signatures.hmac_hex("subuser", account.id + subuser)[:7], 16)
    return {"username": subuser or account.name, "user_id": own if subuser else int(account.id)}


@route("GET", "/v3/user/account")
def account(request: Request) -> Answer:
    _signed_in(request, "user.account.read")
    return Answer(200, {"type": "paid", "reputation": 99.7})


@route("GET", "/v3/(stats|templates|suppression/bounces)")
def listing(request: Request) -> Answer:
    _signed_in(request, "stats.read")
    return Answer(200, [])
