"""The OAuth apps and credentials that work with the simulator, as the documents that Lanyard imports.

They are the same at every start, but for GitHub's private key. Every secret says that it is none.
"""

import random
import uuid
from typing import Any

from credentials.simulator import registration, signatures
from credentials.simulator.state import World

Document = dict[str, Any]

NAMESPACE = uuid.UUID("6c616e79-6172-5d00-8000-73696d756c61")
# Where the consent pages send people back to, unless --redirect says otherwise.
REDIRECTS = (
    "http://127.0.0.1:8000/oauth/{provider}/callback",
    "http://localhost:8000/oauth/{provider}/callback",
)
SCOPES = {
    "airtable": "data.records:read schema.bases:read webhook:manage",
    "github": "",
    "hubspot": "crm.objects.contacts.read crm.objects.companies.read oauth",
    "linear": "read write issues:create",
    "quickbooks": "com.intuit.quickbooks.accounting",
    "salesforce": "api refresh_token id",
    "shopify": "read_products read_orders read_customers",
    "stripe": "read_only",
}
NAMES = ("Arrakis Water", "Caladan Rice", "Giedi Metals", "Ix Machines", "Spice Guild", "Tleilax Labs")


def fill(world: World, count: int, redirects: tuple[str, ...]) -> None:
    """Registers all apps, and so many credentials of each kind."""
    for document in documents(count):
        registration.register(world, document, redirects)


def documents(count: int = 3) -> list[Document]:
    """The documents of the OAuth apps, then so many credentials of each kind."""
    return [*apps(), *(credential(kind, n) for n in range(count) for kind in PROPERTIES)]


def apps() -> list[Document]:
    """One OAuth app of each provider that has them."""
    return [app(provider) for provider in SCOPES]


def app(provider: str) -> Document:
    document = {
        "object": "oauth_app",
        "id": str(uuid.uuid5(NAMESPACE, f"app {provider}")),
        "provider": provider,
        "name": f"{provider.title()} app (simulated)",
        "client_id": f"sim-{provider}-client",
        "client_secret": secret(f"{provider}-app-", 0, 32),
        "scopes": SCOPES[provider].split(),
        "is_default": True,
    }
    if provider == "github":
        del document["client_secret"]
        document |= {"app_id": 424242, "private_key": signatures.pem(signatures.test_key())}
    return document


def credential(kind: str, n: int) -> Document:
    """The n-th working credential of a kind."""
    words = NAMES[n % len(NAMES)]
    name = words if n < len(NAMES) else f"{words} {n // len(NAMES) + 1}"
    slug = name.lower().replace(" ", "-")
    return {
        "id": str(uuid.uuid5(NAMESPACE, f"{kind} {n}")),
        "name": f"{name}, {kind}",
        "properties": {"kind": kind, **PROPERTIES[kind](n, slug, name)},
        "metadata": {"customer": slug, "simulated": True},
    }


def secret(beginning: str, n: int, length: int = 32) -> str:
    """A text of that many characters after its beginning, which says in clear that it is a made-up one."""
    return f"{beginning}simNotReal{n:07d}".ljust(len(beginning) + length, "0")


def number(n: int, digits: int) -> str:
    """A number of so many digits, the same for the same n, and another for another n."""
    start = random.Random(digits).randrange(10 ** (digits - 1), 5 * 10 ** (digits - 1))  # noqa: S311 - no secret
    return str(start + n)


def _munchkin(n: int) -> str:
    return f"{100 + n % 900}-SIM-{100 + n // 900 % 900}"


def _netsuite(n: int, slug: str, name: str) -> Document:
    keys = ("consumer_key", "consumer_secret", "token_id", "token_secret")
    return {"account_id": number(n, 7)} | {
        key: secret(key.replace("_", ""), n, 64 - len(key) + 1) for key in keys
    }


def _hex(what: str, n: int) -> str:
    return uuid.uuid5(NAMESPACE, f"{what} {n}").hex


PROPERTIES = {
    "airtable_oauth2": lambda n, slug, name: {
        "airtable_uid": f"usr{_hex('airtable', n)[:14]}",
        "refresh_token": secret("oar.v1.", n),
        "scope": SCOPES["airtable"],
    },
    "checkout_champ_password": lambda n, slug, name: {
        "login_id": f"{slug}-api",
        "password": secret("pass-", n),
    },
    "github_app": lambda n, slug, name: {
        "account_login": slug,
        "account_type": "User" if n % 3 == 2 else "Organization",
        "installation_id": int(number(n, 8)),
    },
    "hubspot_oauth2": lambda n, slug, name: {
        "hub_domain": f"{slug}.example",
        "hub_id": int(number(n, 8)),
        "refresh_token": secret("na1-", n),
        "scopes": SCOPES["hubspot"].split(),
    },
    "linear_oauth2": lambda n, slug, name: {
        "access_token": secret("lin_oauth_", n, 64),
        # Every third is one of the long-lived tokens of before 2025.
        **({} if n % 3 == 2 else {"refresh_token": secret("lin_refresh_", n, 64)}),
        "scope": SCOPES["linear"],
        "linear_org_id": str(uuid.uuid5(NAMESPACE, f"linear {n}")),
        "linear_org_name": name,
    },
    "salesforce_oauth2": lambda n, slug, name: {
        "domain": f"{slug}.my.salesforce.com",
        "refresh_token": secret("5Aep861", n, 80),
        "scope": SCOPES["salesforce"],
        "salesforce_id": f"00D{n:012d}AAA",
    },
    "shopify_oauth2": lambda n, slug, name: {
        "access_token": secret("shpat_", n),
        "shop_url": f"{slug}.myshopify.com",
    },
    "stripe_key": lambda n, slug, name: {
        "secret": secret(f"{'rk' if n % 3 == 2 else 'sk'}_{'live' if n % 2 else 'test'}_", n),
        "test": n % 2 == 0,
    },
    "stripe_oauth2": lambda n, slug, name: {"secret": secret("rt_", n), "test": n % 2 == 1},
    "auth0_client_credentials": lambda n, slug, name: {
        "domain": f"{slug}.eu.auth0.com",
        "client_id": f"simClient{n:023d}",
        "client_secret": secret("auth0-", n, 58),
        "scope": "read:users read:clients",
    },
    "marketo_client_credentials": lambda n, slug, name: {
        "munchkin_id": _munchkin(n),
        "client_id": str(uuid.uuid5(NAMESPACE, f"marketo {n}")),
        "client_secret": secret("", n),
    },
    "netsuite_tba": _netsuite,
    "quickbooks_oauth2": lambda n, slug, name: {
        "realm_id": number(n, 16),
        "refresh_token": secret("AB11", n, 46),
        "scope": SCOPES["quickbooks"],
        "environment": "sandbox" if n % 3 == 2 else "production",
        "company_name": name,
    },
    "sendgrid_key": lambda n, slug, name: {
        "api_key": f"SG.{secret('', n, 22)}.{secret('', n, 43)}",
        **({"region": "eu"} if n % 3 == 2 else {}),
    },
    "servicenow_password": lambda n, slug, name: {
        "instance_url": f"{slug}.service-now.com",
        "username": "sync.integration",
        "password": secret("snow-", n),
    },
    "servicenow_client_credentials": lambda n, slug, name: {
        "instance_url": f"{slug}.service-now.com",
        "client_id": _hex("servicenow", n),
        "client_secret": secret("snow-client-", n),
    },
    "workday_oauth2": lambda n, slug, name: {
        "services_host": "wd3-services1.myworkday.com",
        "tenant": slug.replace("-", "_"),
        "client_id": _hex("workday", n),
        "client_secret": secret("workday-", n),
        "refresh_token": secret("workday-refresh-", n),
    },
}
