"""Registers documents, of OAuth apps and of credentials, at the providers: from then on they are accepted."""

from collections.abc import Callable, Mapping
from typing import Any

from credentials.simulator import signatures
from credentials.simulator.state import (
    DAILY,
    DAY,
    KEEPS,
    ROTATES,
    SINGLE_USE,
    Account,
    App,
    Grant,
    World,
)

Values = Mapping[str, Any]


def register(world: World, document: Mapping[str, Any], redirects: tuple[str, ...] = ()) -> None:
    """Registers one document as Lanyard imports it. Raises ValueError where its kind is not known, KeyError
    where a property is missing."""
    if document.get("object") == "oauth_app":
        _app(world, document, redirects)
        return
    values = dict(document["properties"])
    values.setdefault("name", document.get("name", ""))
    values["oauth_app_id"] = document.get("oauth_app_id")
    kind = values.get("kind", "")
    if kind not in KINDS:
        raise ValueError(f"no kind {kind!r}")
    KINDS[kind](world, values, document.get("name") or values["name"] or kind)


def _app(world: World, document: Mapping[str, Any], redirects: tuple[str, ...]) -> None:
    provider = document["provider"]
    app = App(
        provider,
        document["client_id"],
        document.get("client_secret") or "",
        list(document.get("scopes") or []),
    )
    app.redirect_uris = {uri.replace("{provider}", provider) for uri in redirects}
    if provider == "github":
        app.facts = {
            "app_id": document["app_id"],
            "public_key": signatures.public_of(document["private_key"]),
        }
    world.apps[provider, app.client_id] = app
    world.apps_by_id[str(document.get("id"))] = app
    if document.get("is_default") or provider not in world.default_apps:
        world.default_apps[provider] = app


def _account(world: World, provider: str, id: str, name: str, **facts: Any) -> Account:
    account = world.accounts.setdefault((provider, id), Account(provider, id, name))
    account.facts |= facts
    return account


def _app_of(world: World, provider: str, values: Values) -> App | None:
    """The app that a document names, else the provider's default one."""
    return world.apps_by_id.get(str(values["oauth_app_id"])) or world.default_apps.get(provider)


def airtable(world: World, values: Values, name: str) -> None:
    account = _account(world, "airtable", values["airtable_uid"], name)
    grant = Grant(_app_of(world, "airtable", values), account, values["scope"].split(), SINGLE_USE)
    world.add_refresh("airtable", values["refresh_token"], grant, 60 * DAY)


def hubspot(world: World, values: Values, name: str) -> None:
    account = _account(world, "hubspot", str(values["hub_id"]), name, hub_domain=values["hub_domain"])
    grant = Grant(_app_of(world, "hubspot", values), account, list(values["scopes"]), KEEPS, life=1800)
    world.add_refresh("hubspot", values["refresh_token"], grant)


def github(world: World, values: Values, name: str) -> None:
    facts = {key: values[key] for key in ("account_login", "account_type")}
    app = _app_of(world, "github", values)
    _account(
        world,
        "github",
        str(values["installation_id"]),
        name,
        **facts,
        app_id=app.facts["app_id"] if app else 0,
    )


def linear(world: World, values: Values, name: str) -> None:
    account = _account(world, "linear", values["linear_org_id"], values["linear_org_name"])
    grant = Grant(_app_of(world, "linear", values), account, values["scope"].split(), ROTATES, life=DAY)
    refresh = values.get("refresh_token")
    world.add_access("linear", values["access_token"], grant, DAY if refresh else 10 * 365 * DAY)
    if refresh:
        world.add_refresh("linear", refresh, grant)


def salesforce(world: World, values: Values, name: str) -> None:
    org = values["salesforce_id"]
    user = f"005{org[3:]}"
    account = _account(world, "salesforce", org, name, domain=values["domain"], user_id=user)
    grant = Grant(_app_of(world, "salesforce", values), account, values["scope"].split(), KEEPS, life=7200)
    world.add_refresh("salesforce", values["refresh_token"], grant)


def shopify(world: World, values: Values, name: str) -> None:
    app = _app_of(world, "shopify", values)
    account = _account(world, "shopify", values["shop_url"], name)
    world.add_access(
        "shopify", values["access_token"], Grant(app, account, list(app.scopes) if app else []), None
    )


def _stripe_account(world: World, values: Values, name: str, what: str) -> Account:
    # The same account for the same name: a key and a consent of one customer.
    acct = f"acct_1Sim{signatures.hmac_hex(what, name)[:12]}"
    mode = "test" if values["test"] else "live"
    return _account(world, "stripe", f"{acct}:{mode}", name, acct=acct, test=bool(values["test"]))


def stripe_key(world: World, values: Values, name: str) -> None:
    account = _stripe_account(world, values, name, "key")
    # Restricted keys may read what syncs read, but not the account itself.
    world.add_access("stripe", values["secret"], Grant(None, account, ["read"]), None)


def stripe_oauth2(world: World, values: Values, name: str) -> None:
    account, app = _stripe_account(world, values, name, "consent"), _app_of(world, "stripe", values)
    if values["secret"].startswith("rt_"):
        grant = Grant(app, account, ["read_only"], ROTATES, "app", life=3600)
        world.add_refresh("stripe", values["secret"], grant, 365 * DAY)
    else:
        world.add_access("stripe", values["secret"], Grant(app, account, ["read_only"], kind="connect"), None)


def quickbooks(world: World, values: Values, name: str) -> None:
    realm, environment = values["realm_id"], values["environment"]
    company = values.get("company_name") or name
    account = _account(
        world, "quickbooks", f"{realm}:{environment}", company, realm=realm, environment=environment
    )
    grant = Grant(_app_of(world, "quickbooks", values), account, values["scope"].split(), DAILY)
    # Old enough to be replaced at its first use.
    world.add_refresh("quickbooks", values["refresh_token"], grant, 100 * DAY, age=25 * 3600)


def auth0(world: World, values: Values, name: str) -> None:
    domain, client_id = values["domain"], values["client_id"]
    account = _account(world, "auth0", f"{domain}:{client_id}", name, domain=domain)
    world.hosts.add(("auth0", domain))
    scopes = (values.get("scope") or "read:users read:clients").split()
    facts = {"secret": values["client_secret"], "account": account, "scopes": scopes}
    world.clients["auth0", domain, client_id] = facts | {
        "audience": values.get("audience") or f"https://{domain}/api/v2/"
    }


def marketo(world: World, values: Values, name: str) -> None:
    munchkin, client_id = values["munchkin_id"], values["client_id"]
    account = _account(world, "marketo", f"{munchkin}:{client_id}", name, munchkin=munchkin)
    world.hosts.add(("marketo", f"{munchkin.lower()}.mktorest.com"))
    facts = {
        "secret": values["client_secret"],
        "account": account,
        "user": values.get("api_user") or "api@customer.example",
    }
    world.clients["marketo", munchkin.lower(), client_id] = facts


def netsuite(world: World, values: Values, name: str) -> None:
    account = _account(world, "netsuite", values["account_id"], name)
    keys = ("consumer_key", "consumer_secret", "token_id", "token_secret")
    facts = {key: values[key] for key in keys} | {"account": account}
    world.clients["netsuite", values["account_id"], values["consumer_key"], values["token_id"]] = facts


def sendgrid(world: World, values: Values, name: str) -> None:
    region, subuser = values.get("region") or "global", values.get("subuser") or ""
    user = str(int(signatures.hmac_hex("sendgrid", name)[:7], 16))
    account = _account(world, "sendgrid", user, name, region=region)
    account.facts.setdefault("subusers", set()).add(subuser)
    scopes = ["alerts.read", "mail.send", "stats.read", "user.account.read", "user.username.read"]
    world.add_access("sendgrid", values["api_key"], Grant(None, account, scopes), None)


def servicenow_password(world: World, values: Values, name: str) -> None:
    host, user = values["instance_url"], values["username"]
    account = _account(world, "servicenow", f"{host}:{user}", name, host=host, user=user)
    world.hosts.add(("servicenow", host))
    facts = {"secret": values["password"], "account": account}
    world.clients["servicenow user", host, user] = facts


def servicenow_client(world: World, values: Values, name: str) -> None:
    host, client_id = values["instance_url"], values["client_id"]
    account = _account(world, "servicenow", f"{host}:{client_id}", name, host=host, user="integration.user")
    world.hosts.add(("servicenow", host))
    world.clients["servicenow client", host, client_id] = {
        "secret": values["client_secret"],
        "account": account,
    }


def workday(world: World, values: Values, name: str) -> None:
    host, tenant, client_id = (values[key] for key in ("services_host", "tenant", "client_id"))
    account = _account(world, "workday", f"{host}:{tenant}:{client_id}", name, host=host, tenant=tenant)
    app = App("workday", client_id, values["client_secret"], facts={"host": host, "tenant": tenant})
    world.apps["workday", client_id] = app
    world.add_refresh("workday", values["refresh_token"], Grant(app, account, [], KEEPS))


def checkout_champ(world: World, values: Values, name: str) -> None:
    account = _account(world, "checkout_champ", values["login_id"], name)
    world.clients["checkout_champ", values["login_id"]] = {"secret": values["password"], "account": account}


KINDS: dict[str, Callable[[World, Values, str], None]] = {
    "airtable_oauth2": airtable,
    "auth0_client_credentials": auth0,
    "checkout_champ_password": checkout_champ,
    "github_app": github,
    "hubspot_oauth2": hubspot,
    "linear_oauth2": linear,
    "marketo_client_credentials": marketo,
    "netsuite_tba": netsuite,
    "quickbooks_oauth2": quickbooks,
    "salesforce_oauth2": salesforce,
    "sendgrid_key": sendgrid,
    "servicenow_client_credentials": servicenow_client,
    "servicenow_password": servicenow_password,
    "shopify_oauth2": shopify,
    "stripe_key": stripe_key,
    "stripe_oauth2": stripe_oauth2,
    "workday_oauth2": workday,
}
