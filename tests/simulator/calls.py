"""Calls to the providers, written down once more with plain requests, oauthlib and PyJWT."""

import base64
import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import requests
from oauthlib.oauth1 import Client

from credentials.simulator import cast
from credentials.simulator.server import Simulator

VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
# Where each provider asks for consent, and where it gives tokens.
AUTHORIZE = {
    "airtable": "airtable.com/oauth2/v1/authorize",
    "hubspot": "app.hubspot.com/oauth/authorize",
    "linear": "linear.app/oauth/authorize",
    "quickbooks": "appcenter.intuit.com/connect/oauth2",
    "salesforce": "login.salesforce.com/services/oauth2/authorize",
    "shopify": "arrakis-water.myshopify.com/admin/oauth/authorize",
    "stripe": "marketplace.stripe.com/oauth/v2/authorize",
}
TOKEN = {
    "airtable": "airtable.com/oauth2/v1/token",
    "hubspot": "api.hubapi.com/oauth/v1/token",
    "linear": "api.linear.app/oauth/token",
    "quickbooks": "oauth.platform.intuit.com/oauth2/v1/tokens/bearer",
    "salesforce": "login.salesforce.com/services/oauth2/token",
    "shopify": "arrakis-water.myshopify.com/admin/oauth/access_token",
    "stripe": "api.stripe.com/v1/oauth/token",
}
# The account of a credential, as the consent page names it.
ACCOUNTS: dict[str, Callable[[dict[str, Any]], str]] = {
    "airtable": lambda p: p["airtable_uid"],
    "hubspot": lambda p: str(p["hub_id"]),
    "linear": lambda p: p["linear_org_id"],
    "quickbooks": lambda p: f"{p['realm_id']}:{p['environment']}",
    "salesforce": lambda p: p["salesforce_id"],
    "shopify": lambda p: p["shop_url"],
}
BASIC = {"airtable", "quickbooks"}
COMMAS = {"linear", "shopify"}


def redirect_uri(provider: str) -> str:
    return f"http://127.0.0.1:8000/oauth/{provider}/callback"


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def app_jwt(
    key: str, issuer: str, *, issued: float = -60, expires: float = 540, algorithm: str = "RS256"
) -> str:
    now = int(time.time())
    return jwt.encode({"iat": now + issued, "exp": now + expires, "iss": issuer}, key, algorithm=algorithm)


@dataclass
class Caller:
    """A client of the simulator."""

    simulator: Simulator
    session: requests.Session

    def __call__(self, method: str, address: str, **options: Any) -> requests.Response:
        """Calls https://ADDRESS."""
        options.setdefault("timeout", 5)
        options.setdefault("allow_redirects", False)
        return self.session.request(method, f"{self.simulator.url}/{address}", **options)

    def control(self, act: str, method: str = "POST", **values: Any) -> Any:
        answer = self(method, f"_control/{act}", json=values)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def fail(self, answer: str, **whom: Any) -> None:
        self.control("fail", answer=answer, **whom)

    # --- OAuth 2.0

    def client(self, provider: str) -> dict[str, Any]:
        """How the app of this provider signs in at the token endpoint: options of a request."""
        app = cast.app(provider)
        if provider in BASIC:
            return {"auth": (app["client_id"], app["client_secret"]), "data": {}}
        return {"data": {"client_id": app["client_id"], "client_secret": app["client_secret"]}}

    def question(self, provider: str, **more: str) -> dict[str, str]:
        """What an app sends people to the authorize endpoint with. A value "" leaves one out."""
        app = cast.app(provider)
        asked = {
            "response_type": "code",
            "client_id": app["client_id"],
            "redirect_uri": redirect_uri(provider),
            "scope": ("," if provider in COMMAS else " ").join(app["scopes"]),
            "state": "the-state",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
        }
        return {name: value for name, value in (asked | more).items() if value}

    def account(self, provider: str) -> str:
        """The account of the provider's first OAuth credential."""
        if provider == "stripe":
            return next(a.id for a in self.simulator.world.accounts.values() if a.provider == "stripe")
        return ACCOUNTS[provider](cast.credential(f"{provider}_oauth2", 0)["properties"])

    def code(self, provider: str) -> str:
        """The code of a consent to everything that was asked for."""
        return self.consent(provider, self.account(provider))["code"]

    def consent(self, provider: str, account: str, broken: str = "", decision: str = "allow", **more: str):
        """The query with which the browser comes back."""
        form = self.question(provider, **more) | {"account": account, "broken": broken, "decision": decision}
        answer = self("POST", AUTHORIZE[provider], data=form)
        assert answer.status_code == 302, answer.text
        location = answer.headers["Location"]
        assert location.startswith(redirect_uri(provider) + "?")
        return {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}

    def exchange(self, provider: str, code: str, address: str = "", /, **more: str) -> requests.Response:
        options = self.client(provider)
        values = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri(provider)}
        data = options["data"] | values | {"code_verifier": VERIFIER} | more
        options["data"] = {name: value for name, value in data.items() if value}
        return self("POST", address or TOKEN[provider], **options)

    def refresh(self, provider: str, token: str, address: str = "", **more: str) -> requests.Response:
        options = self.client(provider)
        options["data"] |= {"grant_type": "refresh_token", "refresh_token": token} | more
        return self("POST", address or TOKEN[provider], **options)

    # --- Who am I, one for each kind, from a credential's properties

    def whoami(self, properties: dict[str, Any], access: str = "") -> requests.Response:
        """The test call of a kind; `access` is a token that was got before."""
        return getattr(self, properties["kind"])(properties, access)

    def _access(self, provider: str, token: str, address: str = "") -> str:
        answer = self.refresh(provider, token, address)
        assert answer.status_code == 200, answer.text
        return answer.json()["access_token"]

    def airtable_oauth2(self, p, access):
        access = access or self._access("airtable", p["refresh_token"])
        return self("GET", "api.airtable.com/v0/meta/whoami", headers=bearer(access))

    def checkout_champ_password(self, p, access):
        form = {"loginId": p["login_id"], "password": p["password"]}
        return self("POST", "api.checkoutchamp.com/campaign/query/", data=form)

    def github_app(self, p, access):
        app = cast.app("github")
        access = access or app_jwt(app["private_key"], str(app["app_id"]))
        return self("GET", f"api.github.com/app/installations/{p['installation_id']}", headers=bearer(access))

    def hubspot_oauth2(self, p, access):
        access = access or self._access("hubspot", p["refresh_token"])
        return self("GET", f"api.hubapi.com/oauth/v1/access-tokens/{access}")

    def linear_oauth2(self, p, access):
        query = {"query": "{ viewer { id email } organization { id name urlKey } }"}
        return self("POST", "api.linear.app/graphql", json=query, headers=bearer(access or p["access_token"]))

    def salesforce_oauth2(self, p, access):
        access = access or self._access("salesforce", p["refresh_token"])
        return self("GET", f"{p['domain']}/services/oauth2/userinfo", headers=bearer(access))

    def shopify_oauth2(self, p, access):
        headers = {"X-Shopify-Access-Token": access or p["access_token"]}
        return self("GET", f"{p['shop_url']}/admin/oauth/access_scopes.json", headers=headers)

    def stripe_key(self, p, access):
        return self("GET", "api.stripe.com/v1/balance", headers=bearer(access or p["secret"]))

    def stripe_oauth2(self, p, access):
        access = access or self._access("stripe", p["secret"])
        return self("GET", "api.stripe.com/v1/account", headers=bearer(access))

    def auth0_client_credentials(self, p, access):
        access = access or self.auth0_token(p).json()["access_token"]
        return self("GET", f"{p['domain']}/api/v2/clients?per_page=1", headers=bearer(access))

    def auth0_token(self, p, **more):
        body = {"grant_type": "client_credentials", "client_id": p["client_id"]}
        body |= {"client_secret": p["client_secret"], "audience": f"https://{p['domain']}/api/v2/"} | more
        return self("POST", f"{p['domain']}/oauth/token", json=body)

    def marketo_client_credentials(self, p, access):
        access = access or self.marketo_token(p).json()["access_token"]
        return self(
            "GET", f"{p['munchkin_id']}.mktorest.com/rest/v1/activities/types.json", headers=bearer(access)
        )

    def marketo_token(self, p, **more):
        form = {"grant_type": "client_credentials", "client_id": p["client_id"]}
        form |= {"client_secret": p["client_secret"]} | more
        return self("POST", f"{p['munchkin_id']}.mktorest.com/identity/oauth/token", data=form)

    def netsuite_tba(self, p, access):
        return self.netsuite(p)

    def netsuite(
        self, p, path="/services/rest/record/v1/metadata-catalog/", method="GET", change=None, **signing
    ):
        host = f"{p['account_id'].lower().replace('_', '-')}.suitetalk.api.netsuite.com"
        signing = {"realm": p["account_id"], "signature_method": "HMAC-SHA256"} | signing
        client = Client(p["consumer_key"], p["consumer_secret"], p["token_id"], p["token_secret"], **signing)
        _, headers, _ = client.sign(f"https://{host}{path}", method)
        header = headers["Authorization"]
        return self(method, host + path, headers={"Authorization": change(header) if change else header})

    def quickbooks_oauth2(self, p, access):
        access = access or self._access("quickbooks", p["refresh_token"])
        host = "sandbox-quickbooks" if p["environment"] == "sandbox" else "quickbooks"
        realm = p["realm_id"]
        headers = bearer(access) | {"Accept": "application/json"}
        return self("GET", f"{host}.api.intuit.com/v3/company/{realm}/companyinfo/{realm}", headers=headers)

    def sendgrid_key(self, p, access):
        host = "api.eu.sendgrid.com" if p.get("region") == "eu" else "api.sendgrid.com"
        return self("GET", f"{host}/v3/scopes", headers=bearer(p["api_key"]))

    def servicenow_password(self, p, access):
        address = f"{p['instance_url']}/api/now/ui/user/current_user"
        return self("GET", address, auth=(p["username"], p["password"]))

    def servicenow_client_credentials(self, p, access):
        access = access or self.servicenow_token(p).json()["access_token"]
        return self("GET", f"{p['instance_url']}/api/now/ui/user/current_user", headers=bearer(access))

    def servicenow_token(self, p, **more):
        form = {"grant_type": "client_credentials", "client_id": p["client_id"]}
        return self(
            "POST",
            f"{p['instance_url']}/oauth_token.do",
            data=form | {"client_secret": p["client_secret"]} | more,
        )

    def workday_oauth2(self, p, access):
        access = access or self.workday_token(p).json()["access_token"]
        address = f"{p['services_host']}/ccx/api/v1/{p['tenant']}/workers?limit=1"
        return self("GET", address, headers=bearer(access))

    def workday_token(self, p, **more):
        form = {"grant_type": "refresh_token", "refresh_token": p["refresh_token"]} | more
        address = f"{p['services_host']}/ccx/oauth2/{p['tenant']}/token"
        return self("POST", address, auth=(p["client_id"], p["client_secret"]), data=form)
