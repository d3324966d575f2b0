"""Believable properties for the demo, one entry for each kind. Every secret says that it is none."""

import uuid
from collections.abc import Callable
from typing import Any

Properties = dict[str, Any]

NAMESPACE = uuid.UUID("6c616e79-6172-5d00-8000-64656d6f0001")


def secret(beginning: str, n: int, length: int = 24) -> str:
    """A text that passes as a secret by its form, and says in clear that it is a made-up one."""
    return f"{beginning}demoNotReal{n:06d}".ljust(len(beginning) + length, "0")


def number(n: int, digits: int) -> str:
    """A number of so many digits: the same for the same n, another for any other n, until all are used."""
    size = 9 * 10 ** (digits - 1)
    # The factor shares no divisor with the size, so that all numbers come before one comes again.
    return str(10 ** (digits - 1) + n * 7_368_787 % size)


def _netsuite(n: int, slug: str) -> Properties:
    keys = ("consumer_key", "consumer_secret", "token_id", "token_secret")
    return {"account_id": number(n, 7)} | {key: secret(f"{key}-", n, 64 - len(key)) for key in keys}


PROPERTIES: dict[str, Callable[[int, str], Properties]] = {
    "airtable_oauth2": lambda n, slug: {
        "airtable_uid": f"usr{uuid.uuid5(NAMESPACE, str(n)).hex[:14]}",
        "refresh_token": secret("airtable.", n),
        "scope": "data.records:read schema.bases:read",
    },
    "auth0_client_credentials": lambda n, slug: {
        "domain": f"{slug}.eu.auth0.com",
        "client_id": f"demoClient{n:022d}",
        "client_secret": secret("auth0-", n, 58),
        "scope": "read:users read:clients",
    },
    "checkout_champ_password": lambda n, slug: {"login_id": f"{slug}-api", "password": secret("pass-", n)},
    "github_app": lambda n, slug: {
        "account_login": slug,
        "account_type": "Organization",
        "installation_id": int(number(n, 8)),
    },
    "hubspot_oauth2": lambda n, slug: {
        "hub_domain": f"{slug}.example",
        "hub_id": int(number(n, 8)),
        "refresh_token": secret("hubspot-", n),
        "scopes": ["crm.objects.contacts.read", "oauth"],
    },
    "linear_oauth2": lambda n, slug: {
        "access_token": secret("lin_oauth_", n, 64),
        "refresh_token": secret("lin_refresh_", n, 64),
        "scope": "read",
        "linear_org_id": str(uuid.uuid5(NAMESPACE, f"linear {n}")),
        "linear_org_name": slug,
    },
    "marketo_client_credentials": lambda n, slug: {
        "munchkin_id": f"{number(n, 3)}-DMO-{number(n + 7, 3)}",
        "client_id": str(uuid.uuid5(NAMESPACE, f"marketo {n}")),
        "client_secret": secret("", n, 32),
    },
    "netsuite_tba": _netsuite,
    "quickbooks_oauth2": lambda n, slug: {
        "realm_id": number(n, 15),
        "refresh_token": secret("AB11", n, 46),
        "scope": "com.intuit.quickbooks.accounting",
        "environment": "production",
        "company_name": slug.title(),
    },
    "salesforce_oauth2": lambda n, slug: {
        "domain": f"{slug}.my.salesforce.com",
        "refresh_token": secret("5Aep861", n, 80),
        "scope": "api refresh_token id",
        "salesforce_id": f"00D{n:012d}",
    },
    "sendgrid_key": lambda n, slug: {"api_key": f"SG.{secret('', n, 22)}.{secret('', n, 43)}"},
    "servicenow_client_credentials": lambda n, slug: {
        "instance_url": f"{slug}.service-now.com",
        "client_id": uuid.uuid5(NAMESPACE, f"servicenow {n}").hex,
        "client_secret": secret("snow-", n),
    },
    "servicenow_password": lambda n, slug: {
        "instance_url": f"{slug}.service-now.com",
        "username": "sync.integration",
        "password": secret("snow-", n),
    },
    "shopify_oauth2": lambda n, slug: {
        "access_token": secret("shpat_", n, 32),
        "shop_url": f"{slug}.myshopify.com",
    },
    "stripe_key": lambda n, slug: {"secret": secret("rk_live_", n), "test": False},
    "stripe_oauth2": lambda n, slug: {"secret": secret("rt_", n), "test": False},
    "workday_oauth2": lambda n, slug: {
        "services_host": "wd3-services1.myworkday.com",
        "tenant": slug.replace("-", "_"),
        "client_id": uuid.uuid5(NAMESPACE, f"workday {n}").hex,
        "client_secret": secret("workday-", n),
        "refresh_token": secret("workday-refresh-", n),
    },
}
