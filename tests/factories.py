"""Plain functions that make credentials and OAuth apps for tests. Their secrets are obviously fake."""

import itertools
from typing import Any

from credentials.kinds import KINDS
from credentials.models import Credential, OAuthApp

number = itertools.count(1)

PEM = "-----BEGIN RSA PRIVATE KEY-----\nfake{n}notAKey\n-----END RSA PRIVATE KEY-----\n"

# By kind: the properties of a valid credential. {n} becomes a number of its own.
PROPERTIES: dict[str, dict[str, Any]] = {
    "airtable_oauth2": {
        "airtable_uid": "usrFake{n}",
        "refresh_token": "fake-airtable-refresh-token-{n}",
        "scope": "data.records:read",
    },
    "checkout_champ_password": {"login_id": "api-user-{n}", "password": "fake checkout password {n}"},
    "github_app": {
        "account_login": "fake-org-{n}",
        "account_type": "Organization",
        "installation_id": 41_000_000,
    },
    "hubspot_oauth2": {
        "hub_domain": "fake-{n}.com",
        "hub_id": 44_000_000,
        "refresh_token": "fake-hubspot-refresh-token-{n}",
        "scopes": ["contacts", "oauth"],
    },
    "linear_oauth2": {
        "access_token": "fake-linear-access-token-{n}",
        "refresh_token": "fake-linear-refresh-token-{n}",
        "scope": "read write",
        "linear_org_id": "fake-org-{n}",
        "linear_org_name": "Fake {n}",
    },
    "salesforce_oauth2": {
        "domain": "fake-{n}.my.salesforce.com",
        "refresh_token": "fake-salesforce-refresh-token-{n}",
        "scope": "api refresh_token id",
        "salesforce_id": "00Dfake{n}",
    },
    "shopify_oauth2": {"access_token": "shpat_fake_{n}", "shop_url": "fake-{n}.myshopify.com"},
    "stripe_key": {"secret": "sk_test_fakeNotARealKey{n}", "test": True},
    "stripe_oauth2": {"secret": "rt_fakeNotARealToken{n}", "test": False},
    "auth0_client_credentials": {
        "domain": "fake-{n}.eu.auth0.com",
        "client_id": "fakeClientId{n:020d}",
        "client_secret": "fakeNotARealSecret{n:046d}",
        "audience": "https://fake-{n}.eu.auth0.com/api/v2/",
        "scope": "read:users",
    },
    "marketo_client_credentials": {
        "munchkin_id": "123-ABC-456",
        "client_id": "0fa4e000-0000-4000-8000-{n:012d}",
        "client_secret": "fakeNotARealSecret{n:014d}",
        "api_user": "fake-{n}@example.com",
    },
    "netsuite_tba": {
        "account_id": "TSTDRV{n:07d}",
        "consumer_key": "fakeConsumerKey{n:049d}",
        "consumer_secret": "fakeConsumerSecret{n:046d}",
        "token_id": "fakeTokenId{n:053d}",
        "token_secret": "fakeTokenSecret{n:049d}",
    },
    "quickbooks_oauth2": {
        "realm_id": "9130{n:012d}",
        "refresh_token": "AB11fakeNotARealToken{n}",
        "scope": "com.intuit.quickbooks.accounting",
        "environment": "production",
        "company_name": "Fake {n}",
    },
    "sendgrid_key": {
        "api_key": "SG.fakeNotARealKey{n:07d}.fakeNotARealKey{n:028d}",
        "region": "global",
        "subuser": "fake-{n}",
    },
    "servicenow_password": {
        "instance_url": "fake-{n}.service-now.com",
        "username": "integration.{n}",
        "password": "fake servicenow password {n}",
    },
    "servicenow_client_credentials": {
        "instance_url": "fake-{n}.service-now.com",
        "client_id": "{n:032x}",
        "client_secret": "fakeNotARealSecret{n}",
    },
    "workday_oauth2": {
        "services_host": "wd3-services1.myworkday.com",
        "tenant": "fake_{n}",
        "client_id": "fakeWorkdayClient{n}",
        "client_secret": "fakeNotARealSecret{n}",
        "refresh_token": "fakeNotARealToken{n}",
    },
}


def properties_of(kind: str) -> dict[str, Any]:
    """Valid properties of a kind, as model fields, different at every call."""
    n = next(number)
    found: dict[str, Any] = {}
    for name, value in PROPERTIES[kind].items():
        if isinstance(value, str):
            value = value.format(n=n)
        elif isinstance(value, int) and not isinstance(value, bool):
            value += n
        found[name] = value
    return found


def new_credential(kind: str = "stripe_key", **overrides: Any) -> Credential:
    """A credential that is not saved yet."""
    fields = {"name": f"Fake {kind} {next(number)}"} | properties_of(kind) | overrides
    return KINDS[kind](**fields)


def make_credential(kind: str = "stripe_key", **overrides: Any) -> Any:
    """A saved credential of a kind; `overrides` are its fields."""
    credential = new_credential(kind, **overrides)
    credential.save()
    return credential


def new_oauth_app(provider: str = "shopify", **overrides: Any) -> OAuthApp:
    """An OAuth app that is not saved yet."""
    n = next(number)
    fields: dict[str, Any] = {
        "provider": provider,
        "name": f"Fake app {n} at {provider}",
        "client_id": f"fake-client-{n}",
        "scopes": ["read"],
    }
    if provider == "github":
        fields |= {"app_id": 100_000 + n, "private_key": PEM.format(n=n)}
    else:
        fields |= {"client_secret": f"fake-client-secret-{n}"}
    return OAuthApp(**fields | overrides)


def make_oauth_app(provider: str = "shopify", **overrides: Any) -> OAuthApp:
    """A saved OAuth app; `overrides` are its fields."""
    app = new_oauth_app(provider, **overrides)
    app.save()
    return app
