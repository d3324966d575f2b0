"""What is true of each kind, from the providers' own documentation and the product's design.

Written down by hand and never computed from the code: the contract suite holds every kind against it. A
new kind gets one entry here.
"""

from dataclasses import dataclass, field
from typing import Any

SECOND, HOUR, DAY = 1_000, 3_600_000, 86_400_000


@dataclass(frozen=True)
class Refused:
    """A certain mix-up: the properties that change, the one to blame, and words of the message."""

    changes: dict[str, Any]
    blamed: str
    says: str


@dataclass(frozen=True)
class Facts:
    provider: str
    # A good document's properties, in documented order, without the optional ones.
    properties: dict[str, Any]
    secrets: tuple[str, ...]
    # What makes it separate, from its own properties: None where only a call to the provider can tell.
    account: str | None
    # A provider's answer, and the account that it means.
    answer: tuple[dict[str, Any], str]
    # Properties that make it another account; another secret where the account is unknown.
    another: dict[str, Any]
    # allowed requests, interval in milliseconds, at the same time
    limit: tuple[int, int, int | None]
    optional: dict[str, Any] = field(default_factory=dict)
    destination: dict[str, str] = field(default_factory=dict)
    # A change of these asks for the secrets again though they are sent to the same place.
    belongs_to_the_secret: dict[str, Any] = field(default_factory=dict)
    # What looks odd and is taken, with the property that the warning names.
    odd: dict[str, Any] = field(default_factory=dict)
    refused: tuple[Refused, ...] = ()
    uses_oauth_app: bool = True
    older_kinds: tuple[str, ...] = ()
    older_properties: dict[str, str] = field(default_factory=dict)


def stripe(secret: str, **more: Any) -> Facts:
    mixed_up = {
        "pk_test_51exampleNotARealKey": "publishable key",
        "pk_live_51exampleNotARealKey": "publishable key",
        "whsec_exampleNotARealKey": "signing secret of a webhook",
        "ca_exampleNotARealKey": "client id",
        "acct_1exampleNotReal": "id of an account",
    }
    return Facts(
        provider="stripe",
        properties={"name": "Arrakis, test", "secret": secret, "test": True},
        secrets=("secret",),
        account=None,
        answer=({"id": "acct_1"}, "acct_1:test"),
        another={"secret": secret + "Other"},
        limit=(25, SECOND, None),
        belongs_to_the_secret={"test": False},
        refused=(
            *(Refused({"secret": text}, "secret", says) for text, says in mixed_up.items()),
            Refused({"secret": "sk_live_exampleNotARealKey"}, "test", "one of live mode"),
            Refused({"secret": "rk_live_exampleNotARealKey"}, "test", "one of live mode"),
            Refused({"secret": "sk_test_exampleNotARealKey", "test": False}, "test", "one of test mode"),
            Refused({"secret": "rk_test_exampleNotARealKey", "test": False}, "test", "one of test mode"),
        ),
        older_properties={"secret_key": "secret", "refresh_token": "secret"},
        **more,
    )


FACTS: dict[str, Facts] = {
    "airtable_oauth2": Facts(
        provider="airtable",
        properties={
            "airtable_uid": "usrziLeD23j9AJ1",
            "refresh_token": "example-airtable-refresh-token",
            "scope": "data.records:read webhook:manage",
        },
        secrets=("refresh_token",),
        account="usrziLeD23j9AJ1",
        answer=({"id": "usrFromTheAnswer"}, "usrFromTheAnswer"),
        another={"airtable_uid": "usrAnother0000000"},
        limit=(5, SECOND, None),
        refused=(
            Refused({"refresh_token": "patExampleNotAReal.0000"}, "refresh_token", "personal access token"),
            Refused({"refresh_token": "keyExampleNotReal"}, "refresh_token", "ended in 2024"),
            Refused({"airtable_uid": "appziLeD23j9AJ1"}, "airtable_uid", "begins with usr"),
        ),
    ),
    "checkout_champ_password": Facts(
        provider="checkout_champ",
        properties={"login_id": "user123", "password": "example-checkout-password"},
        secrets=("password",),
        account="user123",
        answer=({}, "user123"),
        another={"login_id": "user124"},
        limit=(2, SECOND, 1),
        refused=(Refused({"password": "example&password"}, "password", "cannot contain “&”"),),
        uses_oauth_app=False,
    ),
    "github_app": Facts(
        provider="github",
        properties={
            "account_login": "arrakis-org",
            "account_type": "Organization",
            "installation_id": 41234567,
        },
        secrets=(),
        account="41234567",
        answer=({"id": 7}, "7"),
        another={"installation_id": 41234568},
        limit=(5000, HOUR, 100),
        refused=(Refused({"account_type": "Team"}, "account_type", "Team"),),
        older_kinds=("github",),
    ),
    "hubspot_oauth2": Facts(
        provider="hubspot",
        properties={
            "hub_domain": "atreides-dev-44625669.com",
            "hub_id": 44000669,
            "refresh_token": "example-hubspot-refresh-token",
            "scopes": ["contacts", "automation", "oauth"],
        },
        secrets=("refresh_token",),
        account="44000669",
        answer=({"hub_id": 8}, "8"),
        another={"hub_id": 44000670},
        limit=(100, 10 * SECOND, None),
        refused=(Refused({"refresh_token": "pat-na1-example"}, "refresh_token", "private app"),),
        older_kinds=("hubspot",),
    ),
    "linear_oauth2": Facts(
        provider="linear",
        properties={
            "access_token": "example-linear-access-token",
            "scope": "read write issues:create",
            "linear_org_id": "0b0a6c1e-58a1-4f6f-9d1f-2f7a0c2f5d11",
            "linear_org_name": "House Atreides",
        },
        optional={"refresh_token": "example-linear-refresh-token"},
        secrets=("access_token", "refresh_token"),
        account="0b0a6c1e-58a1-4f6f-9d1f-2f7a0c2f5d11",
        answer=({"organization_id": "org-from-the-answer"}, "org-from-the-answer"),
        another={"linear_org_id": "1c1b7d2f-69b2-4a7a-8e2a-3a8b1d3a6e22"},
        limit=(5000, HOUR, None),
        refused=(
            Refused({"access_token": "lin_api_example"}, "access_token", "personal API key"),
            Refused({"access_token": "lin_wh_example"}, "access_token", "webhook"),
            Refused({"refresh_token": "lin_api_example"}, "refresh_token", "personal API key"),
            Refused({"refresh_token": "lin_wh_example"}, "refresh_token", "webhook"),
        ),
    ),
    "salesforce_oauth2": Facts(
        provider="salesforce",
        properties={
            "domain": "harkonnen.my.salesforce.com",
            "refresh_token": "example-salesforce-refresh-token",
            "scope": "api refresh_token id",
            "salesforce_id": "00D5e000001AbCdEFG",
        },
        secrets=("refresh_token",),
        # The first fifteen characters are the id; the other three are a check sum.
        account="00D5e000001AbCd",
        answer=({"organization_id": "00D000000000001AAA"}, "00D000000000001"),
        another={"salesforce_id": "00D5e000001AbCeEFG"},
        limit=(100_000, DAY, 25),
        odd={"salesforce_id": "0015e000001AbCdEFG"},
        destination={"domain": "harkonnen--uat.sandbox.my.salesforce.com"},
        refused=(
            Refused({"domain": "harkonnen.lightning.force.com"}, "domain", "Lightning"),
            Refused({"domain": "harkonnen.my.salesforce.com.evil.example"}, "domain", "not a host"),
            Refused({"domain": "evil.example"}, "domain", "not a host"),
        ),
        older_kinds=("salesforce",),
        older_properties={"instance_url": "domain"},
    ),
    "shopify_oauth2": Facts(
        provider="shopify",
        properties={
            "access_token": "shpat_00000000000000000000000000000007",
            "shop_url": "spice-bazaar.myshopify.com",
        },
        secrets=("access_token",),
        account="spice-bazaar.myshopify.com",
        answer=({}, "spice-bazaar.myshopify.com"),
        another={"shop_url": "water-bazaar.myshopify.com"},
        limit=(2, SECOND, None),
        destination={"shop_url": "water-bazaar.myshopify.com"},
        refused=(
            Refused({"access_token": "shpss_0000000000000000"}, "access_token", "shared secret"),
            Refused({"shop_url": "spice-bazaar.com"}, "shop_url", "not a host"),
        ),
    ),
    "stripe_key": stripe(
        "sk_test_exampleNotARealKey0008", uses_oauth_app=False, odd={"secret": "exampleNotARealKey0008"}
    ),
    "stripe_oauth2": stripe("rt_exampleNotARealToken0009", older_kinds=("stripe_oauth",)),
}

# Every secret that some kind refuses: the others take it, as its form means nothing there.
MIX_UPS = sorted(
    {
        text
        for facts in FACTS.values()
        for refused in facts.refused
        for name, text in refused.changes.items()
        if name in facts.secrets
    }
)
