"""The authorization code flow with all that the providers do differently in it."""

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from credentials.simulator import answers, consent, faults, signatures
from credentials.simulator.messages import Answer, Reply, Request
from credentials.simulator.routing import Provider
from credentials.simulator.state import DAILY, DAY, KEEPS, ROTATES, SINGLE_USE, Account, App, Grant, Token

BASIC, BODY = "basic", "body"


def plain_error(request: Request, name: str, words: str) -> Answer:
    """RFC 6749 section 5.2."""
    return Answer(401 if name == "invalid_client" else 400, {"error": name, "error_description": words})


@dataclass
class Flow:
    """How one provider does OAuth 2.0. What is given by functions gets the request, to know the host."""

    provider: Provider
    # Text of a new access and of a new refresh token.
    new_access: Callable[[Grant], str]
    new_refresh: Callable[[Grant], str] | None
    # The token endpoint's answer, besides access_token, refresh_token and expires_in.
    says: Callable[[Request, Grant], dict[str, Any]]
    separator: str = " "
    pkce_required: bool = False
    state_required: bool = False
    client_in: str = BODY
    policy: str = KEEPS
    access_life: int | None = 3600
    refresh_life: int | None = None
    kind: str = ""
    token_type: str = "bearer"  # noqa: S105 - no password
    error: Callable[[Request, str, str], Answer] = plain_error
    client: "Callable[[Request, Flow], App | None] | None" = None
    # What comes back to the redirect URI besides code and state; `broken` names what is wrong on purpose.
    callback: Callable[[Request, Account, App, dict[str, str], str], dict[str, str]] | None = None
    broken: tuple[tuple[str, str], ...] = ()
    # Only these accounts can consent at the request's host.
    here: Callable[[Request, Account], bool] = lambda request, account: True
    # What is meant where no grant type is sent, and whether the token endpoint tells how long a token lives.
    default_grant: str = ""
    tells_life: bool = True
    # Whether refreshed answers repeat the refresh token where it stays the same.
    repeats: bool = True


# --- The authorize endpoint -------------------------------------------------------------------------------


def authorize(request: Request, flow: Flow) -> Answer:
    """The consent page. What is wrong goes back to the redirect URI, or is shown where that is wrong."""
    asked = request.parameters()
    app, scopes = _checked(request, flow, asked)
    accounts = [a for a in request.world.accounts.values() if a.provider == flow.provider.name]
    accounts = [a for a in accounts if flow.here(request, a)]
    return consent.page(flow.provider.name, app.client_id, scopes, accounts, asked, flow.broken)


def decide(request: Request, flow: Flow) -> Answer:
    """What the person on the consent page chose: sends the browser back to the redirect URI."""
    form = request.form()
    app, scopes = _checked(request, flow, form)
    state = {"state": form["state"]} if form.get("state") else {}
    if form.get("decision") != "allow":
        denied = {"error": "access_denied", "error_description": "The user denied the request"}
        return sent_back(form["redirect_uri"], denied | state)
    broken = form.get("broken", "")
    account = request.world.accounts.get((flow.provider.name, form.get("account", "")))
    if account is None or not flow.here(request, account):
        return consent.problem("Choose an account.")
    if broken == "other_account":
        others = [a for a in request.world.accounts.values() if a.provider == account.provider]
        account = next((a for a in others if a is not account), account)
    if broken == "missing_scope":
        scopes = scopes[:-1]
    grant = Grant(app, account, scopes, flow.policy, flow.kind, flow.access_life)
    code = request.world.add_code(
        flow.provider.name, grant, form["redirect_uri"], form.get("code_challenge", "")
    )
    code.used = broken == "used_code"
    values = {"code": code.value} | state
    if broken == "wrong_state":
        values["state"] = "not-the-state-that-was-sent"
    elif broken == "no_state":
        values.pop("state", None)
    if flow.callback is not None:
        values |= flow.callback(request, account, app, values, broken)
    return sent_back(form["redirect_uri"], values)


def _checked(request: Request, flow: Flow, asked: dict[str, str]) -> tuple[App, list[str]]:
    """The app and the scopes that are asked for. Ends the request where something is not right."""
    app = request.world.app(flow.provider.name, asked.get("client_id", ""))
    if app is None:
        raise Reply(consent.problem("There is no app with this client id."))
    uri = asked.get("redirect_uri", "")
    if uri not in app.redirect_uris:
        raise Reply(consent.problem("The redirect URI is not one that is registered for this app.", uri))

    def refused(error: str, words: str) -> Reply:
        state = {"state": asked["state"]} if asked.get("state") else {}
        return Reply(sent_back(uri, {"error": error, "error_description": words} | state))

    if asked.get("response_type") != "code":
        raise refused("unsupported_response_type", "response_type must be code")
    if flow.state_required and not asked.get("state"):
        raise refused("invalid_request", "state is required")
    challenge = asked.get("code_challenge", "")
    if flow.pkce_required and not challenge:
        raise refused("invalid_request", "code_challenge is required")
    if challenge and asked.get("code_challenge_method") != "S256":
        raise refused("invalid_request", "code_challenge_method must be S256")
    scopes = [scope for scope in asked.get("scope", "").split(flow.separator) if scope]
    unknown = [scope for scope in scopes if app.scopes and scope not in app.scopes]
    if unknown:
        raise refused("invalid_scope", f"not among the app's scopes: {' '.join(unknown)}")
    return app, scopes or list(app.scopes)


def sent_back(uri: str, values: dict[str, str]) -> Answer:
    glue = "&" if urlsplit(uri).query else "?"
    return Answer(302, b"", {"Location": f"{uri}{glue}{urlencode(values)}", "Cache-Control": "no-store"})


# --- The token endpoint -----------------------------------------------------------------------------------


def token(request: Request, flow: Flow) -> Answer:
    """Exchanges a code or a refresh token."""
    form = request.form()
    app = (flow.client or registered_client)(request, flow)
    if app is None:
        return flow.error(request, "invalid_client", "Client authentication failed")
    kind = form.get("grant_type", flow.default_grant)
    if kind == "authorization_code":
        return _exchange(request, flow, app, form)
    if kind == "refresh_token" and flow.new_refresh is not None:
        return _refresh(request, flow, app, form.get("refresh_token", ""))
    return flow.error(request, "unsupported_grant_type", "This grant type is not supported")


def failure_of(request: Request, secret: str) -> str:
    """The failure that a secret asks of the API; one of the token endpoint ends the request."""
    name = faults.marker(secret)
    one = answers.find(request.provider.name, name, "token") if name else None
    if one is None or one.context == "token":
        request.world.fail_as(request, name)
    return name


def registered_client(request: Request, flow: Flow) -> App | None:
    """The app whose id and secret came where this provider wants them; None where it is not right."""
    form = request.form()
    if flow.client_in == BASIC:
        client_id, secret = request.basic() or ("", "")
    else:
        client_id, secret = form.get("client_id", ""), form.get("client_secret", "")
    app = request.world.app(flow.provider.name, client_id)
    if app is None or not hmac.compare_digest(app.client_secret.encode(), secret.encode()):
        return None
    return app


def _exchange(request: Request, flow: Flow, app: App, form: dict[str, str]) -> Answer:
    world = request.world
    code = world.codes.get((flow.provider.name, form.get("code", "")))
    if code is None or code.grant.app is not app or code.grant.kind != flow.kind:
        return flow.error(request, "invalid_grant", "The code is unknown")
    if code.used:
        # RFC 6749 section 4.1.2: what came of it is revoked too.
        world.revoke(code.grant)
        return flow.error(request, "invalid_grant", "The code was used before")
    code.used = True
    if code.expires_at <= world.now():
        return flow.error(request, "invalid_grant", "The code has expired")
    # Where a provider does not send it again, it is not compared.
    if form.get("redirect_uri", code.redirect_uri) != code.redirect_uri:
        return flow.error(request, "invalid_grant", "The redirect URI is another one")
    verifier = form.get("code_verifier", "")
    if code.challenge and not signatures.pkce_holds(code.challenge, verifier):
        return flow.error(request, "invalid_grant", "The code verifier does not belong to the challenge")
    code.grant.policy, code.grant.life = flow.policy, flow.access_life
    request.caller = code.grant.account
    request.world.at_entrance(request, of_account=True)
    refresh = _new_refresh(request, flow, code.grant) if flow.new_refresh else None
    return _tokens(request, flow, code.grant, refresh)


def _refresh(request: Request, flow: Flow, app: App, value: str) -> Answer:
    world, name = request.world, flow.provider.name
    request.token = value
    if marked := failure_of(request, value):
        grant = Grant(app, world.any_account(name), list(app.scopes), KEEPS, flow.kind, flow.access_life)
        return _tokens(request, flow, grant, value, marked)
    found = world.refresh.get((name, value))
    if found is None or found.grant.kind != flow.kind:
        return flow.error(request, "invalid_grant", "The refresh token is unknown")
    grant = found.grant
    if grant.app is not app:
        return flow.error(request, "invalid_grant", "The refresh token belongs to another client")
    if grant.revoked:
        return flow.error(request, "invalid_grant", "The refresh token was revoked")
    if found.dead:
        if grant.policy == SINGLE_USE:
            world.revoke(grant)
        return flow.error(request, "invalid_grant", "The refresh token was used before")
    if found.expires_at is not None and found.expires_at <= world.now():
        return flow.error(request, "invalid_grant", "The refresh token has expired")
    request.caller = grant.account
    request.world.at_entrance(request, of_account=True)
    old = grant.policy == DAILY and world.now() - found.issued_at >= DAY
    if grant.policy in (ROTATES, SINGLE_USE) or old:
        found.dead = True
        if grant.policy == SINGLE_USE and grant.latest is not None:
            grant.latest.dead = True
        return _tokens(request, flow, grant, _new_refresh(request, flow, grant))
    if flow.refresh_life is not None:
        found.expires_at = world.now() + flow.refresh_life
    return _tokens(request, flow, grant, value if flow.repeats else None)


def _new_refresh(request: Request, flow: Flow, grant: Grant) -> str:
    if flow.new_refresh is None:
        raise LookupError("this flow has no refresh tokens")
    value = flow.new_refresh(grant)
    request.world.add_refresh(flow.provider.name, value, grant, flow.refresh_life)
    return value


def _tokens(request: Request, flow: Flow, grant: Grant, refresh: str | None, marked: str = "") -> Answer:
    access: Token = request.world.add_access(
        flow.provider.name, flow.new_access(grant), grant, grant.life, marked
    )
    grant.latest = access
    body: dict[str, Any] = {"access_token": access.value, "token_type": flow.token_type}
    if grant.life is not None and flow.tells_life:
        body["expires_in"] = grant.life
    if refresh is not None:
        body["refresh_token"] = refresh
    body |= flow.says(request, grant)
    return Answer(200, body, {"Cache-Control": "no-store", "Pragma": "no-cache"})
