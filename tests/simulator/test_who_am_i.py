"""Every kind's credentials work, and nothing else does."""

import base64
import hashlib
import hmac

import pytest

from credentials.simulator import cast

KINDS = sorted(cast.PROPERTIES)
# Where the test call says whose account it is, and the property that says it too.
NAMED = {
    "airtable_oauth2": (lambda body: body["id"], "airtable_uid"),
    "github_app": (lambda body: body["id"], "installation_id"),
    "hubspot_oauth2": (lambda body: body["hub_id"], "hub_id"),
    "linear_oauth2": (lambda body: body["data"]["organization"]["id"], "linear_org_id"),
    "quickbooks_oauth2": (lambda body: body["CompanyInfo"]["CompanyName"], "company_name"),
    "salesforce_oauth2": (lambda body: body["organization_id"], "salesforce_id"),
    "servicenow_password": (lambda body: body["result"]["user_name"], "username"),
}
# The secrets of each kind, one of which is changed.
SECRETS = {
    "airtable_oauth2": ["refresh_token"],
    "checkout_champ_password": ["password", "login_id"],
    "hubspot_oauth2": ["refresh_token"],
    "linear_oauth2": ["access_token"],
    "salesforce_oauth2": ["refresh_token"],
    "shopify_oauth2": ["access_token"],
    "stripe_key": ["secret"],
    "stripe_oauth2": ["secret"],
    "auth0_client_credentials": ["client_secret", "client_id"],
    "marketo_client_credentials": ["client_secret", "client_id"],
    "netsuite_tba": ["consumer_secret", "token_secret", "consumer_key", "token_id"],
    "quickbooks_oauth2": ["refresh_token"],
    "sendgrid_key": ["api_key"],
    "servicenow_password": ["password", "username"],
    "servicenow_client_credentials": ["client_secret", "client_id"],
    "workday_oauth2": ["client_secret", "client_id", "refresh_token"],
}


def good(kind: str, answer) -> bool:
    """Whether the answer says that the credential works."""
    if kind == "checkout_champ_password":
        return answer.json()["result"] == "SUCCESS"
    if kind == "marketo_client_credentials":
        return answer.json().get("success") is True
    return answer.status_code == 200


@pytest.mark.parametrize("n", [0, 1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_the_credentials_of_the_file_work(call, kind, n):
    properties = cast.credential(kind, n)["properties"]
    answer = call.whoami(properties)
    assert good(kind, answer), answer.text
    if kind in NAMED:
        read, name = NAMED[kind]
        assert str(read(answer.json())) == str(properties[name])


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind, names in SECRETS.items() for name in names]
)
def test_another_secret_is_refused(call, kind, name):
    properties = cast.credential(kind, 0)["properties"]
    properties[name] = properties[name][:-1] + ("1" if properties[name][-1] != "1" else "2")
    if kind in ("checkout_champ_password", "netsuite_tba", "servicenow_password"):
        answers = [call.whoami(properties)]
    elif kind in ("auth0_client_credentials", "marketo_client_credentials", "workday_oauth2"):
        answers = [getattr(call, kind.split("_")[0] + "_token")(properties)]
    elif kind == "servicenow_client_credentials":
        answers = [call.servicenow_token(properties)]
    elif kind in ("linear_oauth2", "shopify_oauth2", "stripe_key", "sendgrid_key"):
        answers = [call.whoami(properties)]
    else:
        answers = [call.refresh(kind.split("_")[0], properties[name])]
    for answer in answers:
        assert not good(kind, answer), answer.text
        if kind != "checkout_champ_password":
            assert answer.status_code in (400, 401)
        if name not in ("client_id", "login_id", "username"):
            assert properties[name] not in answer.text


# Kinds whose calls carry a token that a consent can be taken back from, and the provider that knows it.
REVOCABLE = {
    kind: kind.split("_")[0]
    for kind in KINDS
    if kind not in ("github_app", "checkout_champ_password", "netsuite_tba", "servicenow_password")
}


@pytest.mark.parametrize(("kind", "provider"), REVOCABLE.items())
def test_a_revoked_account_is_refused_with_whatever_token(call, simulator, kind, provider):
    properties = cast.credential(kind, 0)["properties"]
    assert good(kind, call.whoami(properties))
    tokens = [token.value for token in simulator.world.access.values() if token.account.provider == provider]
    assert call.control("revoke", provider=provider)["revoked"] > 0
    for token in tokens:
        assert not good(kind, call.whoami(properties | {"api_key": token}, token))


def test_registered_documents_are_accepted_from_then_on(call):
    document = cast.credential("stripe_key", 77)
    assert call.whoami(document["properties"]).status_code == 401
    answer = call("POST", "_control/credentials", json=[document])
    assert answer.json() == {"registered": 1}
    assert call.whoami(document["properties"]).status_code == 200


def test_tokens_hold_at_their_own_host_only(call):
    for kind, name in (
        ("salesforce_oauth2", "domain"),
        ("shopify_oauth2", "shop_url"),
        ("servicenow_password", "instance_url"),
        ("auth0_client_credentials", "domain"),
        ("marketo_client_credentials", "munchkin_id"),
        ("workday_oauth2", "tenant"),
    ):
        first, second = (cast.credential(kind, n)["properties"] for n in (0, 1))
        mixed = first | {name: second[name]}
        if kind == "salesforce_oauth2":
            answer = call.whoami(mixed)
        elif kind in ("shopify_oauth2", "servicenow_password"):
            answer = call.whoami(mixed)
        else:
            answer = getattr(call, kind.split("_")[0] + "_token")(mixed)
        assert answer.status_code in (401, 403), (kind, answer.text)


@pytest.mark.parametrize(
    "kind",
    [
        "auth0_client_credentials",
        "marketo_client_credentials",
        "servicenow_client_credentials",
        "workday_oauth2",
    ],
)
def test_a_token_of_one_customer_is_refused_at_anothers_host(call, kind):
    first, second = (cast.credential(kind, n)["properties"] for n in (0, 1))
    token = getattr(call, f"{kind.split('_')[0]}_token")(first).json()["access_token"]
    assert good(kind, call.whoami(first, token))
    assert not good(kind, call.whoami(second, token))


@pytest.mark.parametrize(
    "host",
    [
        "nowhere.example",
        "api.stripe.com.evil.example",
        "evil-myshopify.com",
        "myshopify.com",
        "localhost",
        "",
        "%2e%2e",
    ],
)
def test_other_hosts_are_nobodys(call, host):
    answer = call("GET", f"{host}/v1/account")
    assert answer.status_code == 404
    assert answer.headers["Content-Type"].startswith("text/plain")


@pytest.mark.parametrize(
    "host", ["gone.myshopify.com", "gone.eu.auth0.com", "999-ZZZ-999.mktorest.com", "gone.service-now.com"]
)
def test_an_account_that_nobody_has_is_not_found(call, host):
    assert call("GET", f"{host}/api/v2/clients", headers={"Authorization": "Bearer x"}).status_code == 404


def test_a_credential_belongs_to_the_app_that_its_document_names(call):
    own = cast.app("hubspot") | {
        "id": "0c0a6c1e-58a1-4f6f-9d1f-2f7a0c2f5d11",
        "client_id": "own",
        "is_default": False,
    }
    first, second = (cast.credential("hubspot_oauth2", n) for n in (60, 61))
    second["oauth_app_id"] = own["id"]
    call("POST", "_control/credentials", json=[own, first, second])
    tokens = [each["properties"]["refresh_token"] for each in (first, second)]
    assert [call.refresh("hubspot", token).status_code for token in tokens] == [200, 400]
    assert [call.refresh("hubspot", token, client_id="own").status_code for token in tokens] == [400, 200]


def test_a_restricted_key_reads_what_syncs_read_but_not_the_account(call):
    secret = cast.credential("stripe_key", 2)["properties"]["secret"]
    assert secret.startswith("rk_")
    statuses = [
        call("GET", f"api.stripe.com/v1/{what}", headers={"Authorization": f"Bearer {secret}"}).status_code
        for what in ("account", "balance", "events?limit=1")
    ]
    assert statuses == [403, 200, 200]


def test_stripe_takes_a_key_as_basic_user_too(call):
    secret = cast.credential("stripe_key", 0)["properties"]["secret"]
    assert call("GET", "api.stripe.com/v1/account", auth=(secret, "")).status_code == 200


def test_missing_scopes_are_named(call):
    hubspot = cast.credential("hubspot_oauth2", 0)["properties"]
    token = call.refresh("hubspot", hubspot["refresh_token"]).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    assert call("GET", "api.hubapi.com/crm/v3/objects/contacts", headers=headers).status_code == 200
    refused = call("GET", "api.hubapi.com/crm/v3/objects/deals", headers=headers)
    assert refused.status_code == 403 and "crm.objects.deals.read" in refused.text
    shop = cast.credential("shopify_oauth2", 0)["properties"]
    headers = {"X-Shopify-Access-Token": shop["access_token"]}
    refused = call("GET", f"{shop['shop_url']}/admin/api/2024-10/draft_orders.json", headers=headers)
    assert refused.status_code == 403 and "read_draft_orders" in refused.text
    tenant = cast.credential("auth0_client_credentials", 0)["properties"]
    token = call.auth0_token(tenant).json()["access_token"]
    address = f"{tenant['domain']}/api/v2/tenants/settings"
    refused = call("GET", address, headers={"Authorization": f"Bearer {token}"})
    assert refused.status_code == 403 and refused.json()["errorCode"] == "insufficient_scope"


def test_auth0_wants_the_right_audience(call):
    tenant = cast.credential("auth0_client_credentials", 0)["properties"]
    assert call.auth0_token(tenant, audience="https://else.example/").status_code == 403
    assert call.auth0_token(tenant, grant_type="password").json()["error"] == "unauthorized_client"


def test_marketo_gives_the_same_token_with_what_is_left_of_its_life(call):
    properties = cast.credential("marketo_client_credentials", 0)["properties"]
    first = call.marketo_token(properties).json()
    call.control("clock", ahead=1_000)
    second = call.marketo_token(properties).json()
    assert second["access_token"] == first["access_token"] and 2590 <= second["expires_in"] <= 2600
    call.control("clock", ahead=4_000)
    assert call.whoami(properties, first["access_token"]).json()["errors"][0]["code"] == "602"
    assert call.marketo_token(properties).json()["access_token"] != first["access_token"]


def test_quickbooks_tells_the_wrong_company_and_the_wrong_environment(call):
    properties = cast.credential("quickbooks_oauth2", 0)["properties"]
    token = call.refresh("quickbooks", properties["refresh_token"]).json()["access_token"]
    for change in ({"environment": "sandbox"}, {"realm_id": "1" * 16}):
        answer = call.whoami(properties | change, token)
        assert answer.status_code == 403 and "003100" in answer.text


def test_salesforce_signs_its_identity_and_says_403_where_others_say_401(call):
    properties = cast.credential("salesforce_oauth2", 0)["properties"]
    body = call.refresh("salesforce", properties["refresh_token"]).json()
    secret = cast.app("salesforce")["client_secret"].encode()
    signature = hmac.new(secret, (body["id"] + body["issued_at"]).encode(), hashlib.sha256).digest()
    assert base64.b64decode(body["signature"]) == signature
    headers = {"Authorization": f"Bearer {body['access_token']}"}
    assert call("GET", body["id"].removeprefix("https://"), headers=headers).status_code == 200
    call.control("expire-tokens", provider="salesforce")
    answer = call.whoami(properties, body["access_token"])
    assert (answer.status_code, answer.text) == (403, "Bad_OAuth_Token")
    answer = call("GET", f"{properties['domain']}/services/data/v60.0/limits", headers=headers)
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (401, "INVALID_SESSION_ID")
    # Another org's host takes neither its tokens nor its refresh token.
    other = "caladan-rice.my.salesforce.com/services/oauth2/token"
    assert call.refresh("salesforce", properties["refresh_token"], other).status_code == 400


def test_sendgrid_knows_regions_and_subusers(call):
    document = cast.credential("sendgrid_key", 2)
    eu = document["properties"]
    assert eu["region"] == "eu" and call.whoami(eu | {"region": "global"}).status_code == 401
    document["properties"] |= {"subuser": "guild-mail", "api_key": "SG.simNotRealSubuser.0"}
    call("POST", "_control/credentials", json=[document])
    headers = {"Authorization": "Bearer SG.simNotRealSubuser.0"}
    address = "api.eu.sendgrid.com/v3/user/username"
    own = call("GET", address, headers=headers).json()
    sub = call("GET", address, headers=headers | {"on-behalf-of": "guild-mail"}).json()
    assert sub["username"] == "guild-mail" and sub["user_id"] != own["user_id"]
    assert call("GET", address, headers=headers | {"on-behalf-of": "nobody"}).status_code == 403


def test_linears_query_must_be_one(call):
    token = cast.credential("linear_oauth2", 0)["properties"]["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    for body in ({"query": "{ viewer { id }"}, {"query": ""}, {}, []):
        assert call("POST", "api.linear.app/graphql", json=body, headers=headers).status_code == 400
    answer = call("POST", "api.linear.app/graphql", json={"query": "{ viewer { id } }"}, headers=headers)
    assert list(answer.json()["data"]) == ["viewer"]
