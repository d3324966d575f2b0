"""What is true of each kind, from the providers' own documentation and the product's design.

Written down by hand and never computed from the code: the contract suite holds every kind against it. A
new kind gets one entry here.
"""

from dataclasses import dataclass, field
from typing import Any

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000


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
    # Other words for the destination of the good document: no secret is asked for.
    same_destination: dict[str, Any] = field(default_factory=dict)
    # A change of these asks for the secrets again though they are sent to the same place.
    belongs_to_the_secret: dict[str, Any] = field(default_factory=dict)
    # What looks odd and is taken, with the property that the warning names.
    odd: dict[str, Any] = field(default_factory=dict)
    # Ways in which people write a property, and what is kept: the same destination and the same account.
    written: tuple[tuple[str, str, str], ...] = ()
    # How every secret begins that the provider gives out, where it promises that.
    begins: str = ""
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


SERVICENOW_WRITTEN = (
    ("instance_url", "guild", "guild.service-now.com"),
    ("instance_url", "https://Guild.service-now.com/nav_to.do?uri=home", "guild.service-now.com"),
)
SERVICENOW_REFUSED = (
    Refused({"instance_url": "guild.servicenow.com"}, "instance_url", "name.service-now.com"),
    Refused({"instance_url": "support.guild.example"}, "instance_url", "not a host"),
    Refused({"instance_url": "guild.service-now.com.evil.example"}, "instance_url", "not a host"),
    Refused({"instance_url": "guild.service-now.com:8443"}, "instance_url", "not a host"),
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
        refused=(Refused({"account_type": "Team"}, "account_type", "expected User or Organization"),),
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
        written=(
            ("domain", "Harkonnen", "harkonnen.my.salesforce.com"),
            ("domain", "https://harkonnen.my.salesforce.com/home", "harkonnen.my.salesforce.com"),
        ),
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
        written=(
            ("shop_url", "Spice-Bazaar", "spice-bazaar.myshopify.com"),
            ("shop_url", "https://spice-bazaar.myshopify.com/admin", "spice-bazaar.myshopify.com"),
        ),
        refused=(
            Refused({"access_token": "shpss_0000000000000000"}, "access_token", "shared secret"),
            Refused({"shop_url": "spice-bazaar.com"}, "shop_url", "not a host"),
        ),
    ),
    "stripe_key": stripe(
        "sk_test_exampleNotARealKey0008", uses_oauth_app=False, odd={"secret": "exampleNotARealKey0008"}
    ),
    "stripe_oauth2": stripe("rt_exampleNotARealToken0009", older_kinds=("stripe_oauth",)),
    "auth0_client_credentials": Facts(
        provider="auth0",
        properties={
            "domain": "caladan.eu.auth0.com",
            "client_id": "exampleClientIdOf32Characters_-0",
            "client_secret": "exampleNotARealSecretOf64Characters_-00000000000000000000000auth0",
        },
        optional={
            "audience": "https://caladan.eu.auth0.com/api/v2/",
            "scope": "read:users read:clients",
        },
        secrets=("client_secret",),
        account="caladan.eu.auth0.com:exampleClientIdOf32Characters_-0",
        answer=({}, "caladan.eu.auth0.com:exampleClientIdOf32Characters_-0"),
        another={"client_id": "exampleClientIdOf32Characters_-1"},
        limit=(2, SECOND, None),
        destination={"domain": "caladan.us.auth0.com"},
        odd={
            "client_id": "short",
            "client_secret": "exampleShort",
            "audience": "https://api.caladan.example",
        },
        written=(
            ("domain", "Caladan.EU.auth0.com", "caladan.eu.auth0.com"),
            ("domain", "https://caladan.eu.auth0.com/api/v2/", "caladan.eu.auth0.com"),
            ("domain", "https://caladan.auth0.com", "caladan.auth0.com"),
        ),
        refused=(
            Refused({"domain": "https://manage.auth0.com/dashboard/eu/caladan"}, "domain", "own pages"),
            Refused({"domain": "login.eu.auth0.com"}, "domain", "own pages"),
            Refused({"domain": "login.caladan.example"}, "domain", "not a host of the form name.auth0.com"),
            Refused({"domain": "caladan.guardian.eu.auth0.com"}, "domain", "not a host"),
            Refused({"domain": "caladan.eu.auth0.com.evil.example"}, "domain", "not a host"),
            Refused({"domain": "caladan.eu.auth0.com@evil.example"}, "domain", "not a host"),
            Refused({"domain": "caladan"}, "domain", "not a host"),
            Refused({"client_secret": "eyJhbGciOi.exampleNotReal.0000"}, "client_secret", "access token"),
            Refused(
                {"client_secret": "exampleClientIdOf32Characters_-0"},
                "client_secret",
                "same as the client id",
            ),
        ),
        uses_oauth_app=False,
    ),
    "marketo_client_credentials": Facts(
        provider="marketo",
        properties={
            "munchkin_id": "123-ABC-456",
            "client_id": "0c0a6c1e-58a1-4f6f-9d1f-2f7a0c2f5d11",
            "client_secret": "exampleNotARealSecret00000000011",
        },
        optional={"api_user": "lanyard@arrakis.example"},
        secrets=("client_secret",),
        account="123-ABC-456:0c0a6c1e-58a1-4f6f-9d1f-2f7a0c2f5d11",
        answer=({}, "123-ABC-456:0c0a6c1e-58a1-4f6f-9d1f-2f7a0c2f5d11"),
        another={"client_id": "0c0a6c1e-58a1-4f6f-9d1f-2f7a0c2f5d12"},
        limit=(50, 20 * SECOND, 5),
        destination={"munchkin_id": "123-ABC-457"},
        odd={"client_id": "lanyard", "client_secret": "exampleShort"},
        written=(
            ("munchkin_id", "123-abc-456", "123-ABC-456"),
            ("munchkin_id", "https://123-abc-456.mktorest.com/rest", "123-ABC-456"),
        ),
        refused=(
            Refused({"munchkin_id": "123ABC456"}, "munchkin_id", "123-ABC-456"),
            Refused({"munchkin_id": "1234-ABC-456"}, "munchkin_id", "123-ABC-456"),
            Refused({"munchkin_id": "123-ABC-456.evil.example"}, "munchkin_id", "123-ABC-456"),
            Refused({"munchkin_id": "https://123-ABC-456.mktorest.com.evil.example"}, "munchkin_id", "form"),
            Refused({"munchkin_id": "https://app-sj01.marketo.com"}, "munchkin_id", "123-ABC-456"),
            Refused({"munchkin_id": "１２３-ABC-456"}, "munchkin_id", "123-ABC-456"),
            Refused(
                {"client_secret": "0c0a6c1e-58a1-4f6f-9d1f-2f7a0c2f5d11:sj"}, "client_secret", "access token"
            ),
            Refused(
                {"client_secret": "0c0a6c1e-58a1-4f6f-9d1f-2f7a0c2f5d11"},
                "client_secret",
                "same as the client id",
            ),
        ),
        uses_oauth_app=False,
    ),
    "netsuite_tba": Facts(
        provider="netsuite",
        properties={
            "account_id": "1234567_SB1",
            "consumer_key": "1" * 52 + "exampleKey00",
            "consumer_secret": "2" * 50 + "exampleSecret0",
            "token_id": "3" * 52 + "exampleToken",
            "token_secret": "4" * 52 + "exampleSecrt",
        },
        secrets=("consumer_secret", "token_secret"),
        account="1234567_SB1",
        answer=({}, "1234567_SB1"),
        another={"account_id": "1234567_SB2"},
        limit=(10, SECOND, 5),
        destination={"account_id": "1234567"},
        odd={
            "consumer_key": "short",
            "consumer_secret": "exampleShort",
            "token_id": "shorter",
            "token_secret": "exampleShorter",
        },
        written=(
            ("account_id", "1234567_sb1", "1234567_SB1"),
            ("account_id", "1234567-sb1", "1234567_SB1"),
            ("account_id", "https://1234567-sb1.app.netsuite.com/app/center/card.nl", "1234567_SB1"),
            ("account_id", "1234567-sb1.suitetalk.api.netsuite.com", "1234567_SB1"),
            ("account_id", "7654321", "7654321"),
            ("account_id", "tstdrv1234567", "TSTDRV1234567"),
            ("account_id", "1234567_RP", "1234567_RP"),
            ("account_id", "1234567_RP1", "1234567_RP1"),
            ("account_id", "1234567_SB10", "1234567_SB10"),
        ),
        refused=(
            Refused({"account_id": "1234567_SANDBOX"}, "account_id", "1234567_SB1"),
            Refused({"account_id": "1234567_\u017fB1"}, "account_id", "1234567_SB1"),
            Refused({"account_id": "https://system.netsuite.com"}, "account_id", "1234567_SB1"),
            Refused({"account_id": "system"}, "account_id", "1234567_SB1"),
            Refused({"account_id": "1234567.evil.example"}, "account_id", "1234567_SB1"),
            Refused({"account_id": "https://1234567.evil.app.netsuite.com"}, "account_id", "1234567_SB1"),
            Refused({"consumer_secret": "1" * 52 + "exampleKey00"}, "consumer_secret", "the consumer key"),
            Refused({"token_id": "1" * 52 + "exampleKey00"}, "token_id", "the consumer key"),
            Refused({"token_secret": "1" * 52 + "exampleKey00"}, "token_secret", "the consumer key"),
            Refused({"token_id": "2" * 50 + "exampleSecret0"}, "token_id", "the consumer secret"),
            Refused({"token_secret": "2" * 50 + "exampleSecret0"}, "token_secret", "the consumer secret"),
            Refused({"token_secret": "3" * 52 + "exampleToken"}, "token_secret", "the token id"),
            Refused({"consumer_secret": "3" * 52 + "exampleToken"}, "token_id", "the consumer secret"),
            Refused({"consumer_secret": "4" * 52 + "exampleSecrt"}, "token_secret", "the consumer secret"),
        ),
        uses_oauth_app=False,
    ),
    "quickbooks_oauth2": Facts(
        provider="quickbooks",
        properties={
            "realm_id": "9130347012345678",
            "refresh_token": "AB11exampleNotARealToken0013",
            "scope": "com.intuit.quickbooks.accounting openid",
            "environment": "production",
        },
        optional={"company_name": "Spice Mining Guild"},
        secrets=("refresh_token",),
        account="9130347012345678:production",
        answer=({}, "9130347012345678:production"),
        another={"realm_id": "9130347012345679"},
        limit=(500, MINUTE, 10),
        destination={"environment": "sandbox"},
        odd={"realm_id": "123456789", "refresh_token": "exampleNotARealToken", "scope": "openid"},
        written=(("realm_id", "9130 3470 1234 5678", "9130347012345678"),),
        refused=(
            Refused({"realm_id": "9130-3470"}, "realm_id", "digits only"),
            Refused({"realm_id": "٩١٣٠٣٤٧٠١٢"}, "realm_id", "digits only"),
            Refused({"realm_id": "9130/../1"}, "realm_id", "digits only"),
            Refused({"environment": "live"}, "environment", "expected production or sandbox"),
            Refused({"environment": "Production"}, "environment", "expected production or sandbox"),
            Refused({"refresh_token": "eyJhbGciOi.exampleNotReal.0000"}, "refresh_token", "access token"),
            Refused({"refresh_token": "eyJlbmMiOi.exampleNotReal..0.0"}, "refresh_token", "access token"),
        ),
    ),
    "sendgrid_key": Facts(
        provider="sendgrid",
        properties={"api_key": "SG.exampleNotARealKey0014.exampleNotARealKeyOfFortyThreeCharacters014"},
        optional={"region": "eu", "subuser": "guild-mail"},
        secrets=("api_key",),
        account=None,
        answer=({"user_id": 180}, "180"),
        another={"api_key": "SG.exampleNotARealKey0015.exampleNotARealKeyOfFortyThreeCharacters015"},
        limit=(600, MINUTE, None),
        destination={"region": "eu"},
        odd={"api_key": "SG.exampleNotARealKey0014"},
        same_destination={"region": "global"},
        begins="SG.",
        refused=(
            Refused({"api_key": "SK0000exampleNotARealKey"}, "api_key", "begins with “SG.”"),
            Refused({"api_key": "exampleNotARealKey0014"}, "api_key", "begins with “SG.”"),
            Refused({"region": "EU"}, "region", "expected global or eu"),
        ),
        uses_oauth_app=False,
    ),
    "servicenow_password": Facts(
        provider="servicenow",
        properties={
            "instance_url": "guild.service-now.com",
            "username": "lanyard.integration",
            "password": "example-servicenow-password",
        },
        secrets=("password",),
        account="guild.service-now.com:lanyard.integration",
        answer=({}, "guild.service-now.com:lanyard.integration"),
        another={"username": "another.integration"},
        limit=(5, SECOND, 4),
        destination={"instance_url": "guilddev.service-now.com"},
        written=SERVICENOW_WRITTEN,
        refused=SERVICENOW_REFUSED,
        uses_oauth_app=False,
    ),
    "servicenow_client_credentials": Facts(
        provider="servicenow",
        properties={
            "instance_url": "guild.service-now.com",
            "client_id": "00000000000000000000000000000016",
            "client_secret": "exampleNotARealSecret0016",
        },
        secrets=("client_secret",),
        account="guild.service-now.com:00000000000000000000000000000016",
        answer=({}, "guild.service-now.com:00000000000000000000000000000016"),
        another={"client_id": "00000000000000000000000000000017"},
        limit=(5, SECOND, 4),
        destination={"instance_url": "guilddev.service-now.com"},
        odd={"client_id": "lanyard"},
        written=SERVICENOW_WRITTEN,
        refused=(
            *SERVICENOW_REFUSED,
            Refused({"client_secret": "00000000000000000000000000000016"}, "client_secret", "the client id"),
        ),
        uses_oauth_app=False,
    ),
    "workday_oauth2": Facts(
        provider="workday",
        properties={
            "services_host": "wd2-impl-services1.workday.com",
            "tenant": "guild_dpt1",
            "client_id": "exampleWorkdayClientId0017",
            "client_secret": "exampleNotARealSecret0017",
            "refresh_token": "exampleNotARealToken0017",
        },
        secrets=("client_secret", "refresh_token"),
        account="wd2-impl-services1.workday.com:guild_dpt1:exampleWorkdayClientId0017",
        answer=({}, "wd2-impl-services1.workday.com:guild_dpt1:exampleWorkdayClientId0017"),
        another={"client_id": "exampleWorkdayClientId0018"},
        limit=(5, SECOND, 5),
        destination={"services_host": "wd3-services1.myworkday.com", "tenant": "guild"},
        odd={"services_host": "impl.workday.com"},
        written=(
            (
                "services_host",
                "https://WD2-impl-services1.workday.com/ccx/oauth2/guild_dpt1/token",
                "wd2-impl-services1.workday.com",
            ),
            ("services_host", "wd3-services1.myworkday.com", "wd3-services1.myworkday.com"),
            ("services_host", "impl-services1.wd12.myworkday.com", "impl-services1.wd12.myworkday.com"),
        ),
        refused=(
            Refused({"services_host": "wd3-services1.notworkday.com"}, "services_host", "not a host"),
            Refused(
                {"services_host": "wd3-services1.workday.com.evil.example"}, "services_host", "not a host"
            ),
            Refused({"services_host": "evil.example/.workday.com"}, "services_host", "not a host"),
            Refused({"services_host": "wd3-services1"}, "services_host", "wd3-services1.myworkday.com"),
            Refused({"tenant": "guild/../other"}, "tenant", "letters, digits and underscores"),
            Refused({"tenant": "lanyard@guild"}, "tenant", "letters, digits and underscores"),
            Refused({"client_secret": "exampleWorkdayClientId0017"}, "client_secret", "the client id"),
            Refused({"refresh_token": "exampleWorkdayClientId0017"}, "refresh_token", "the client id"),
            Refused({"refresh_token": "exampleNotARealSecret0017"}, "refresh_token", "the client secret"),
        ),
        uses_oauth_app=False,
    ),
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
