"""How each kind reaches its provider, from the providers' own documentation.

Written down by hand and never computed from the code: the contract in test_kind_access.py holds every kind
against it. `{name}` stands for a property of the good document in kind_facts.py.
"""

from dataclasses import dataclass, field
from typing import Any

from tests.credentials.kind_facts import DAY, HOUR, SECOND

BEARER = {"Authorization": "Bearer the-access-token"}
JSON = {"Accept": "application/json"}
APP_IN_FORM = {"client_id": "our-client", "client_secret": "our-secret"}
REFRESH = {"grant_type": "refresh_token", "refresh_token": "{refresh_token}"}
OWN_CLIENT = {
    "grant_type": "client_credentials",
    "client_id": "{client_id}",
    "client_secret": "{client_secret}",
}
NETSUITE, WORKDAY = "1234567-sb1.suitetalk.api.netsuite.com", "wd2-impl-services1.workday.com"


# What a token endpoint may say, by status and error.
ANSWERS = (
    *((400, error) for error in ("invalid_client", "unauthorized_client", "unauthorized", "bad_client_id")),
    *((400, error) for error in ("invalid_client_id", "bad_refresh_token", "inactive_user")),
    *((400, "invalid_request"), (401, ""), (403, "access_denied"), (404, "")),
)
OURS = {(400, "invalid_client"): "oauth_app_rejected", (400, "unauthorized_client"): "oauth_app_rejected"}
THEIRS = {
    **{(400, "invalid_client"): "client_rejected", (400, "unauthorized_client"): "client_rejected"},
    **{(401, ""): "client_rejected", (404, ""): "account_missing"},
}


@dataclass(frozen=True)
class AccessFacts:
    # All hosts that get its secrets, that of the API first.
    hosts: tuple[str, ...]
    # The calls of a probe, as (method, address without https://, query, form or JSON).
    probe: tuple[tuple[str, str, dict[str, str], Any], ...]
    # What answers them well, and what is read from it: the scopes, None where it names none.
    good: tuple[Any, ...]
    scopes: frozenset[str] | None = None
    # The account that the answer means, where it tells.
    account: str | None = None
    # What signs a request in with the access token "the-access-token": headers, and fields of its form.
    signs: dict[str, str] = field(default_factory=lambda: dict(BEARER))
    form: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=lambda: dict(JSON))
    # The exchange: address, form, and user and password of HTTP Basic. None where nothing is exchanged.
    exchange: tuple[str, dict[str, str], tuple[str, str] | None] | None = None
    # The property that each exchange may replace.
    rotates: str = ""
    # Seconds that a token lives where its answer does not say.
    lifetime: int = 3600
    # Headers about quotas, and what they say: (allowed, milliseconds, left).
    quota: tuple[dict[str, str], tuple[int, int | None, int | None]] | None = None
    # An answer that asks for a new access token.
    refused: tuple[int, Any] = (401, {})
    # Whether all customers share the API's host: one that is not found is the provider's fault then.
    shared: bool = True
    # Properties with which nothing is exchanged, and what signs in then.
    unexchanged: tuple[dict[str, Any], str] | None = None
    # What the token endpoint's answers mean, by status and error; all others of ANSWERS are unclassified.
    refusals: dict[tuple[int, str], str] = field(default_factory=dict)
    # Properties with which the API has another host, and that host.
    elsewhere: tuple[dict[str, str], str] | None = None
    # Optional properties that take part.
    optional: tuple[str, ...] = ()


ACCESS: dict[str, AccessFacts] = {
    "airtable_oauth2": AccessFacts(
        refusals=OURS,
        hosts=("api.airtable.com", "airtable.com"),
        probe=(("GET", "api.airtable.com/v0/meta/whoami", {}, None),),
        good=({"id": "usrFromTheAnswer", "scopes": ["data.records:read"]},),
        scopes=frozenset({"data.records:read"}),
        account="usrFromTheAnswer",
        exchange=("airtable.com/oauth2/v1/token", REFRESH, ("our-client", "our-secret")),
        rotates="refresh_token",
    ),
    "checkout_champ_password": AccessFacts(
        hosts=("api.checkoutchamp.com",),
        probe=(("POST", "api.checkoutchamp.com/campaign/query/", {}, {"resultsPerPage": "1"}),),
        good=({"result": "SUCCESS", "message": {"data": []}},),
        account="user123",
        signs={},
        form={"loginId": "{login_id}", "password": "{password}"},
    ),
    "github_app": AccessFacts(
        refusals={(401, ""): "oauth_app_rejected"},
        hosts=("api.github.com",),
        probe=(("GET", "api.github.com/installation/repositories", {"per_page": "1"}, None),),
        good=({"total_count": 0, "repositories": []},),
        account="41234567",
        headers={"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"},
        exchange=("api.github.com/app/installations/41234567/access_tokens", {}, None),
        quota=(
            {"X-RateLimit-Limit": "5000", "X-RateLimit-Remaining": "4999"},
            (5000, HOUR, 4999),
        ),
    ),
    "hubspot_oauth2": AccessFacts(
        refusals={
            **{(400, "invalid_client"): "oauth_app_rejected", (400, "bad_client_id"): "oauth_app_rejected"},
            **{(401, ""): "oauth_app_rejected", (400, "bad_refresh_token"): "revoked"},
        },
        hosts=("api.hubapi.com",),
        probe=(("GET", "api.hubapi.com/oauth/v1/access-tokens/the-access-token", {}, None),),
        good=({"hub_id": 7, "scopes": ["oauth", "contacts"], "hub_domain": "a.example"},),
        scopes=frozenset({"oauth", "contacts"}),
        account="7",
        exchange=("api.hubapi.com/oauth/v1/token", REFRESH | APP_IN_FORM, None),
        rotates="refresh_token",
        lifetime=1800,
        quota=(
            {
                "X-HubSpot-RateLimit-Max": "100",
                "X-HubSpot-RateLimit-Remaining": "98",
                "X-HubSpot-RateLimit-Interval-Milliseconds": "10000",
            },
            (100, 10_000, 98),
        ),
    ),
    "linear_oauth2": AccessFacts(
        unexchanged=({"refresh_token": None}, "example-linear-access-token"),
        refusals=OURS,
        hosts=("api.linear.app",),
        probe=(
            (
                "POST",
                "api.linear.app/graphql",
                {},
                {"query": "query { viewer { id } organization { id name urlKey } }"},
            ),
        ),
        good=({"data": {"viewer": {"id": "1"}, "organization": {"id": "org-7", "name": "Ix"}}},),
        account="org-7",
        exchange=("api.linear.app/oauth/token", REFRESH | APP_IN_FORM, None),
        rotates="refresh_token",
        lifetime=DAY // 1000,
        quota=(
            {"X-RateLimit-Requests-Limit": "5000", "X-RateLimit-Requests-Remaining": "17"},
            (5000, HOUR, 17),
        ),
        refused=(200, {"errors": [{"message": "no", "extensions": {"type": "authentication error"}}]}),
        optional=("refresh_token",),
    ),
    "salesforce_oauth2": AccessFacts(
        shared=False,
        refusals=OURS
        | {(400, "invalid_client_id"): "oauth_app_rejected", (400, "inactive_user"): "suspended"},
        hosts=("harkonnen.my.salesforce.com",),
        probe=(("GET", "harkonnen.my.salesforce.com/services/oauth2/userinfo", {}, None),),
        good=({"organization_id": "00D000000000007AAA", "user_id": "005000000000001"},),
        account="00D000000000007",
        exchange=("harkonnen.my.salesforce.com/services/oauth2/token", REFRESH | APP_IN_FORM, None),
        rotates="refresh_token",
        quota=({"Sforce-Limit-Info": "api-usage=18/5000"}, (5000, DAY, 4982)),
    ),
    "shopify_oauth2": AccessFacts(
        refusals=OURS | {(400, "invalid_request"): "unclassified"},
        shared=False,
        hosts=("spice-bazaar.myshopify.com",),
        probe=(("GET", "spice-bazaar.myshopify.com/admin/oauth/access_scopes.json", {}, None),),
        good=({"access_scopes": [{"handle": "write_products"}, {"handle": "read_orders"}]},),
        scopes=frozenset({"write_products", "read_products", "read_orders"}),
        account="spice-bazaar.myshopify.com",
        signs={"X-Shopify-Access-Token": "{access_token}"},
        quota=({"X-Shopify-Shop-Api-Call-Limit": "32/80"}, (4, SECOND, 48)),
    ),
    "stripe_key": AccessFacts(
        unexchanged=({"secret": "rt_exampleNotARealKey"}, "rt_exampleNotARealKey"),
        hosts=("api.stripe.com",),
        probe=(("GET", "api.stripe.com/v1/account", {}, None),),
        good=({"id": "acct_7", "object": "account"},),
        account="acct_7:test",
        signs={"Authorization": "Bearer {secret}"},
    ),
    "stripe_oauth2": AccessFacts(
        unexchanged=({"secret": "sk_test_exampleNotARealKey"}, "sk_test_exampleNotARealKey"),
        refusals=OURS | {(401, ""): "oauth_app_rejected"},
        hosts=("api.stripe.com",),
        probe=(("GET", "api.stripe.com/v1/account", {}, None),),
        good=({"id": "acct_7", "object": "account"},),
        account="acct_7:test",
        exchange=(
            "api.stripe.com/v1/oauth/token",
            {"grant_type": "refresh_token", "refresh_token": "{secret}"},
            ("our-secret", ""),
        ),
        rotates="secret",
    ),
    "auth0_client_credentials": AccessFacts(
        shared=False,
        refusals=THEIRS | {(403, "access_denied"): "insufficient_scope"},
        hosts=("caladan.eu.auth0.com",),
        probe=(("GET", "caladan.eu.auth0.com/api/v2/users", {"per_page": "1", "fields": "user_id"}, None),),
        good=([{"user_id": "1"}],),
        account="caladan.eu.auth0.com:exampleClientIdOf32Characters_-0",
        exchange=(
            "caladan.eu.auth0.com/oauth/token",
            OWN_CLIENT | {"audience": "https://caladan.eu.auth0.com/api/v2/"},
            None,
        ),
        lifetime=DAY // 1000,
        quota=({"X-RateLimit-Limit": "10", "X-RateLimit-Remaining": "9"}, (10, None, 9)),
    ),
    "marketo_client_credentials": AccessFacts(
        shared=False,
        refusals=THEIRS | {(400, "unauthorized"): "client_rejected"},
        hosts=("123-abc-456.mktorest.com",),
        probe=(("GET", "123-abc-456.mktorest.com/rest/v1/activities/types.json", {}, None),),
        good=({"requestId": "1", "success": True, "result": []},),
        account="123-ABC-456:0c0a6c1e-58a1-4f6f-9d1f-2f7a0c2f5d11",
        exchange=("123-abc-456.mktorest.com/identity/oauth/token", OWN_CLIENT, None),
        refused=(200, {"success": False, "errors": [{"code": "602", "message": "Access token expired"}]}),
    ),
    "netsuite_tba": AccessFacts(
        shared=False,
        hosts=("1234567-sb1.suitetalk.api.netsuite.com",),
        probe=(("GET", f"{NETSUITE}/services/rest/record/v1/metadata-catalog", {}, None),),
        good=({"items": []},),
        account="1234567_SB1",
        # A signature has a time and a number of its own: its parts are looked at.
        signs={"Authorization": 'OAuth realm="1234567_SB1",'},
    ),
    "quickbooks_oauth2": AccessFacts(
        elsewhere=({"environment": "sandbox"}, "sandbox-quickbooks.api.intuit.com"),
        refusals=OURS,
        hosts=("quickbooks.api.intuit.com", "oauth.platform.intuit.com"),
        probe=(
            (
                "GET",
                "quickbooks.api.intuit.com/v3/company/9130347012345678/companyinfo/9130347012345678",
                {},
                None,
            ),
        ),
        good=({"CompanyInfo": {"CompanyName": "Guild"}},),
        account="9130347012345678:production",
        exchange=(
            "oauth.platform.intuit.com/oauth2/v1/tokens/bearer",
            REFRESH,
            ("our-client", "our-secret"),
        ),
        rotates="refresh_token",
    ),
    "sendgrid_key": AccessFacts(
        elsewhere=({"region": "global"}, "api.sendgrid.com"),
        hosts=("api.eu.sendgrid.com",),
        probe=(
            ("GET", "api.eu.sendgrid.com/v3/scopes", {}, None),
            ("GET", "api.eu.sendgrid.com/v3/user/username", {}, None),
        ),
        good=({"scopes": ["mail.send"]}, {"user_id": 7, "username": "guild"}),
        scopes=frozenset({"mail.send"}),
        account="7:guild-mail",
        signs={"Authorization": "Bearer {api_key}", "On-Behalf-Of": "guild-mail"},
        quota=({"X-RateLimit-Limit": "600", "X-RateLimit-Remaining": "599"}, (600, None, 599)),
        optional=("region", "subuser"),
    ),
    "servicenow_password": AccessFacts(
        shared=False,
        hosts=("guild.service-now.com",),
        probe=(
            (
                "GET",
                "guild.service-now.com/api/now/table/sys_user",
                {"sysparm_limit": "1", "sysparm_fields": "sys_id"},
                None,
            ),
        ),
        good=({"result": []},),
        account="guild.service-now.com:lanyard.integration",
        signs={
            "Authorization": "Basic bGFueWFyZC5pbnRlZ3JhdGlvbjpleGFtcGxlLXNlcnZpY2Vub3ctcGFzc3dvcmQ=",
        },
        quota=({"X-RateLimit-Limit": "900"}, (900, HOUR, None)),
    ),
    "servicenow_client_credentials": AccessFacts(
        shared=False,
        refusals=THEIRS | {(403, "access_denied"): "client_rejected"},
        hosts=("guild.service-now.com",),
        probe=(
            (
                "GET",
                "guild.service-now.com/api/now/table/sys_user",
                {"sysparm_limit": "1", "sysparm_fields": "sys_id"},
                None,
            ),
        ),
        good=({"result": []},),
        account="guild.service-now.com:00000000000000000000000000000016",
        exchange=("guild.service-now.com/oauth_token.do", OWN_CLIENT, None),
        lifetime=1800,
        quota=({"X-RateLimit-Limit": "900"}, (900, HOUR, None)),
    ),
    "workday_oauth2": AccessFacts(
        shared=False,
        refusals=THEIRS,
        hosts=("wd2-impl-services1.workday.com",),
        probe=(("GET", f"{WORKDAY}/ccx/api/v1/guild_dpt1/workers", {"limit": "1"}, None),),
        good=({"total": 0, "data": []},),
        account="wd2-impl-services1.workday.com:guild_dpt1:exampleWorkdayClientId0017",
        exchange=(
            "wd2-impl-services1.workday.com/ccx/oauth2/guild_dpt1/token",
            REFRESH,
            ("{client_id}", "{client_secret}"),
        ),
        rotates="refresh_token",
    ),
}
