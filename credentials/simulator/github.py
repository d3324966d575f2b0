"""GitHub: an app signs in with a JWT of its private key, and gets a token for each installation."""

import time
from typing import Any

from credentials.simulator import consent, signatures
from credentials.simulator.limits import Limit, Usage
from credentials.simulator.messages import Answer, Reply, Request
from credentials.simulator.oauth2 import sent_back
from credentials.simulator.routing import Provider
from credentials.simulator.signatures import BadSignature
from credentials.simulator.state import Account, App, Grant, random_text

DOCS = "https://docs.github.com/rest"
MAX_JWT_LIFE = 600
# Installations that fail: no customer of GitHub's has a secret that could be marked.
INSTALLATIONS = {
    "40400001": "installation_gone",
    "40300001": "installation_suspended",
    "40300002": "permission_missing",
    "42900001": "secondary_limit",
    "50000001": "server_error",
}


def _error(status: int, message: str, page: str = "") -> Answer:
    """An error; `page` is where in the documentation it leads, which tells one 404 from another."""
    return Answer(status, {"message": message, "documentation_url": DOCS + page, "status": str(status)})


def refuse(request: Request, why: str) -> Answer:
    return _error(401, "Requires authentication" if why == "missing" else "Bad credentials")


def throttled(request: Request, usage: Usage) -> Answer:
    if usage.why == "concurrency":
        answer = _error(403, "You have exceeded a secondary rate limit. Please wait a few minutes.")
        return Answer(403, answer.body, {"Retry-After": "60"}, as_it_is=True)
    return _error(403, f"API rate limit exceeded for installation ID {request.account.id}.")


def counted(request: Request, usage: Usage) -> dict[str, str]:
    return {
        "X-RateLimit-Limit": str(usage.limit),
        "X-RateLimit-Remaining": str(usage.remaining),
        "X-RateLimit-Used": str(usage.used),
        "X-RateLimit-Reset": str(int(usage.reset_at) + 1),
        "X-RateLimit-Resource": "core",
    }


PROVIDER = Provider(
    "github",
    hosts=("api.github.com", "github.com"),
    limits={"": Limit(5000, 3600, 100)},
    refuse=refuse,
    throttled=throttled,
    counted=counted,
    not_found=lambda request: _error(404, "Not Found"),
)
route = PROVIDER.route
API = "api.github.com"


def _with_agent(request: Request) -> None:
    if not request.headers.get("user-agent"):
        words = "Request forbidden by administrative rules. Please make sure your request has a User-Agent."
        raise Reply(Answer(403, words + "\n"))


def _app(request: Request) -> App:
    """The app that signed the request's JWT. Ends the request where the JWT is not right."""
    _with_agent(request)
    request.token = request.bearer()
    if not request.token:
        raise Reply(_error(401, "A JSON web token could not be decoded"))
    claims, app = _claims(request)
    now = time.time()
    issued, expires = claims.get("iat"), claims.get("exp")
    if not isinstance(issued, int | float) or issued > now:
        words = (
            "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued"
        )
        raise Reply(_error(401, words))
    if not isinstance(expires, int | float) or expires <= now:
        words = "'Expiration time' claim ('exp') must be a numeric value representing the future time"
        raise Reply(_error(401, f"{words} at which the assertion expires"))
    if expires > now + MAX_JWT_LIFE or expires - issued > MAX_JWT_LIFE + 60:
        raise Reply(_error(401, "'Expiration time' claim ('exp') is too far in the future"))
    return app


def _claims(request: Request) -> tuple[dict[str, Any], App]:
    for app in request.world.apps.values():
        if app.provider != "github":
            continue
        try:
            claims = signatures.verified_jwt(request.token, app.facts["public_key"])
        except BadSignature:
            continue
        if str(claims.get("iss")) in (str(app.facts["app_id"]), app.client_id):
            return claims, app
    raise Reply(_error(401, "A JSON web token could not be decoded"))


def _installation(request: Request, number: str) -> Account:
    request.world.fail_as(request, INSTALLATIONS.get(number, ""))
    found = request.world.accounts.get(("github", number))
    if found is None:
        raise Reply(_error(404, "Not Found", "/apps/apps#get-an-installation-for-the-authenticated-app"))
    request.caller = found
    request.world.at_entrance(request, of_account=True)
    return request.account


def _document(account: Account) -> dict[str, Any]:
    login, kind = account.facts["account_login"], account.facts["account_type"]
    return {
        "id": int(account.id),
        "account": {"login": login, "id": int(account.id) + 1, "type": kind},
        "repository_selection": "all",
        "access_tokens_url": f"https://api.github.com/app/installations/{account.id}/access_tokens",
        "app_id": account.facts.get("app_id", 0),
        "target_type": kind,
        "permissions": {"contents": "read", "issues": "read", "metadata": "read"},
        "events": [],
        "suspended_by": None,
        "suspended_at": None,
    }


@route("GET", "/app", API)
def app(request: Request) -> Answer:
    found = _app(request)
    return Answer(
        200, {"id": found.facts["app_id"], "slug": "lanyard-simulated", "client_id": found.client_id}
    )


@route("GET", "/app/installations", API)
def installations(request: Request) -> Answer:
    _app(request)
    rows = [_document(a) for a in request.world.accounts.values() if a.provider == "github"]
    return Answer(200, rows[:30])


@route("GET", r"/app/installations/(?P<number>\d+)", API)
def installation(request: Request, number: str) -> Answer:
    _app(request)
    found = _installation(request, number)
    if request.as_other_account:
        found = next(a for a in request.world.accounts.values() if a.provider == "github" and a is not found)
    return Answer(200, _document(found))


@route("POST", r"/app/installations/(?P<number>\d+)/access_tokens", API, "token")
def access_tokens(request: Request, number: str) -> Answer:
    app = _app(request)
    grant = Grant(app, _installation(request, number), ["contents", "issues", "metadata"], life=3600)
    value = f"ghs_sim{random_text(33)}"
    request.world.add_access("github", value, grant, 3600)
    expires_at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(request.world.now() + 3600))
    body = {"token": value, "expires_at": expires_at, "permissions": {"contents": "read", "metadata": "read"}}
    return Answer(201, body | {"repository_selection": "all"})


def _signed_in(request: Request, counter: str | None = "") -> None:
    _with_agent(request)
    value = request.bearer()
    scheme, _, rest = request.headers.get("authorization", "").partition(" ")
    request.world.sign_in(request, rest.strip() if scheme.lower() == "token" else value, counter)


@route("GET", "/installation/repositories", API)
def repositories(request: Request) -> Answer:
    _signed_in(request)
    login = request.account.facts["account_login"]
    rows = [{"id": n, "name": f"repo{n}", "full_name": f"{login}/repo{n}"} for n in (1, 2, 3)]
    size = request.parameters().get("per_page", "30")
    return Answer(200, {"total_count": 3, "repositories": rows[: int(size) if size.isdigit() else 30]})


@route("GET", "/rate_limit", API)
def rate_limit(request: Request) -> Answer:
    """Costs nothing itself."""
    _signed_in(request, None)
    usage = request.world.peek(request, request.account)
    core = {
        "limit": usage.limit,
        "remaining": usage.remaining,
        "used": usage.used,
        "reset": int(usage.reset_at),
    }
    return Answer(200, {"resources": {"core": core}, "rate": core})


@route("GET", "/repos/(?P<owner>[^/]+)/(?P<name>[^/]+)(/issues|/commits)?", API)
def repository(request: Request, owner: str, name: str) -> Answer:
    _signed_in(request)
    if owner != request.account.facts["account_login"]:
        return _error(404, "Not Found", "/repos/repos#get-a-repository")
    return Answer(200, {"id": 1, "name": name, "full_name": f"{owner}/{name}"})


@route("GET", "/apps/(?P<slug>[a-z0-9-]+)/installations/(new|select_target)", "github.com", "authorize")
def install_page(request: Request, slug: str) -> Answer:
    accounts = [a for a in request.world.accounts.values() if a.provider == "github"]
    return consent.page("github", slug, ["contents: read", "issues: read"], accounts, request.parameters())


@route("POST", "/apps/(?P<slug>[a-z0-9-]+)/installations/(new|select_target)", "github.com", "authorize")
def install(request: Request, slug: str) -> Answer:
    """Sends the browser to the app's setup address, which is not told in the request."""
    form = request.form()
    app = next(a for a in request.world.apps.values() if a.provider == "github")
    uri = sorted(app.redirect_uris)[0] if form.get("setup", "") not in app.redirect_uris else form["setup"]
    if form.get("decision") != "allow":
        # Whoever closes GitHub's page comes back to nowhere.
        return consent.problem("The app was not installed.", status=200)
    broken = form.get("broken", "")
    values = {"installation_id": form.get("account", ""), "setup_action": "install"}
    if broken == "other_account":
        others = (a for a in request.world.accounts.values() if a.provider == "github")
        values["installation_id"] = next(a.id for a in others if a.id != form.get("account"))
    if form.get("state") and broken != "no_state":
        values["state"] = "not-the-state-that-was-sent" if broken == "wrong_state" else form["state"]
    return sent_back(uri, values)
