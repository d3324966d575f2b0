"""Consent, codes, PKCE, redirect URIs, clients, and what comes back at each provider."""

import hashlib
import hmac

import pytest

from credentials.simulator import cast
from tests.simulator.calls import AUTHORIZE, TOKEN, bearer, redirect_uri

PROVIDERS = sorted(AUTHORIZE)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_consent_gives_tokens_that_work(call, provider):
    page = call("GET", AUTHORIZE[provider], params=call.question(provider))
    assert page.status_code == 200 and "Allow" in page.text and "Deny" in page.text
    back = call.consent(provider, call.account(provider))
    assert back["state"] == "the-state"
    answer = call.exchange(provider, back["code"])
    assert answer.status_code == 200, answer.text
    body = answer.json()
    properties = cast.credential(f"{provider}_oauth2", 0)["properties"]
    assert call.whoami(properties, body["access_token"]).status_code == 200
    if "refresh_token" in body:
        assert call.refresh(provider, body["refresh_token"]).status_code == 200


def test_what_comes_with_the_tokens(call):
    bodies = {provider: call.exchange(provider, call.code(provider)).json() for provider in PROVIDERS}
    assert bodies["stripe"]["stripe_user_id"].startswith("acct_") and bodies["stripe"]["livemode"] in (
        True,
        False,
    )
    salesforce = bodies["salesforce"]
    assert salesforce["instance_url"] == "https://arrakis-water.my.salesforce.com"
    assert (
        salesforce["id"].startswith("https://login.salesforce.com/id/00D") and "expires_in" not in salesforce
    )
    assert bodies["hubspot"]["expires_in"] == 1800
    assert bodies["linear"]["scope"] == "read write issues:create"
    assert bodies["shopify"]["scope"] == "read_products,read_orders,read_customers"
    assert "refresh_token" not in bodies["shopify"] and "expires_in" not in bodies["shopify"]
    assert "realmId" not in bodies["quickbooks"]
    assert bodies["quickbooks"]["x_refresh_token_expires_in"] == 100 * 86_400


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_denial_comes_back_as_one(call, provider):
    back = call.consent(provider, call.account(provider), decision="deny")
    assert (back["error"], back["state"]) == ("access_denied", "the-state") and "code" not in back


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_redirect_uri_must_be_the_registered_one_to_the_letter(call, provider):
    for uri in (
        redirect_uri(provider) + "/",
        redirect_uri(provider) + "?next=/",
        redirect_uri(provider).replace("127.0.0.1", "evil.example"),
        redirect_uri(provider).replace(":8000", ":8001"),
        redirect_uri("other"),
    ):
        question = call.question(provider, redirect_uri=uri)
        for answer in (
            call("GET", AUTHORIZE[provider], params=question),
            call("POST", AUTHORIZE[provider], data=question | {"decision": "allow"}),
        ):
            assert answer.status_code == 400 and "Location" not in answer.headers


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_code_is_bound_to_all_of_its_question(call, provider):
    """Another verifier, none, another redirect URI, another client, a second time: all refused."""
    wrong = (
        {"code_verifier": "w" * 43},
        {"code_verifier": ""},
        {"code_verifier": "v" * 42},
        {"redirect_uri": redirect_uri("other")},
        {"code": "sim-code.unknown"},
    )
    for change in wrong:
        answer = call.exchange(provider, call.code(provider), **change)
        assert answer.status_code == 400, (change, answer.text)
        assert "access_token" not in answer.text
    once = call.code(provider)
    token = call.exchange(provider, once).json()["access_token"]
    assert call.exchange(provider, once).status_code == 400
    # A code that is used twice was stolen: what came of it is revoked.
    assert call.whoami(cast.credential(f"{provider}_oauth2", 0)["properties"], token).status_code in (
        401,
        403,
    )


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_code_lives_ten_minutes(call, provider):
    kept, late = call.code(provider), call.code(provider)
    call.control("clock", ahead=590)
    assert call.exchange(provider, kept).status_code == 200
    call.control("clock", ahead=601)
    assert call.exchange(provider, late).status_code == 400


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_client_signs_in_as_its_provider_wants_it(call, provider):
    fresh = call.code(provider)
    app = cast.app(provider)
    values = {"grant_type": "authorization_code", "code": fresh, "redirect_uri": redirect_uri(provider)}
    in_body = values | {"client_id": app["client_id"], "client_secret": app["client_secret"]}
    basic = (app["client_id"], app["client_secret"])
    tried = [
        {"data": in_body | {"client_secret": "wrong"}},
        {"data": values | {"client_id": app["client_id"]}},
        {"data": values, "auth": (app["client_id"], "wrong")},
        {"data": values},
    ]
    if provider in ("airtable", "quickbooks"):
        tried.append({"data": in_body})
    else:
        tried.append({"data": values, "auth": basic})
    for options in tried:
        answer = call("POST", TOKEN[provider], **options)
        assert answer.status_code in (400, 401) and "access_token" not in answer.text, (
            options.keys(),
            answer.text,
        )
    # None of these has used the code up.
    assert call.exchange(provider, fresh).status_code == 200


@pytest.mark.parametrize("provider", PROVIDERS)
def test_scopes_are_those_of_the_app(call, provider):
    question = call.question(provider, scope="admin:everything")
    answer = call("GET", AUTHORIZE[provider], params=question)
    assert answer.status_code == 302 and "error=invalid_scope" in answer.headers["Location"]


def test_scopes_are_separated_as_each_provider_does(call):
    for provider, separator in (("linear", ","), ("shopify", ","), ("hubspot", " "), ("salesforce", " ")):
        wrong = " " if separator == "," else ","
        question = call.question(provider, scope=wrong.join(cast.app(provider)["scopes"]))
        assert call("GET", AUTHORIZE[provider], params=question).status_code == 302
        assert call("GET", AUTHORIZE[provider], params=call.question(provider)).status_code == 200


def test_airtable_wants_pkce_and_a_state(call):
    for change in ({"code_challenge": ""}, {"state": ""}, {"code_challenge_method": "plain"}):
        answer = call("GET", AUTHORIZE["airtable"], params=call.question("airtable", **change))
        assert answer.status_code == 302 and "error=invalid_request" in answer.headers["Location"], change
    hubspot = call.question("hubspot", code_challenge="", code_challenge_method="", state="")
    assert call("GET", AUTHORIZE["hubspot"], params=hubspot).status_code == 200


@pytest.mark.parametrize("broken", ["wrong_state", "no_state", "missing_scope", "other_account", "used_code"])
def test_what_people_do_wrong_on_purpose(call, broken):
    mine = call.account("airtable")
    back = call.consent("airtable", mine, broken)
    answer = call.exchange("airtable", back["code"])
    if broken == "wrong_state":
        assert back["state"] != "the-state"
    elif broken == "no_state":
        assert "state" not in back
    elif broken == "missing_scope":
        assert answer.json()["scope"] == "data.records:read schema.bases:read"
    elif broken == "other_account":
        who = call("GET", "api.airtable.com/v0/meta/whoami", headers=bearer(answer.json()["access_token"]))
        assert who.json()["id"] != mine
    else:
        assert answer.status_code == 400


# --- Callbacks


def test_shopify_signs_its_callback(call):
    def signature(values):
        text = "&".join(f"{name}={values[name]}" for name in sorted(values) if name != "hmac")
        return hmac.new(
            cast.app("shopify")["client_secret"].encode(), text.encode(), hashlib.sha256
        ).hexdigest()

    shop = call.account("shopify")
    back = call.consent("shopify", shop)
    assert back["shop"] == shop and back["hmac"] == signature(back)
    wrong = call.consent("shopify", shop, "wrong_hmac")
    assert wrong["hmac"] != signature(wrong)
    other = call.consent("shopify", shop, "other_shop")
    assert other["shop"] != shop and other["hmac"] == signature(other)
    assert "hmac" not in call.consent("shopify", shop, "no_hmac")


def test_a_code_of_one_shop_is_refused_at_another(call):
    other = "caladan-rice.myshopify.com/admin/oauth/access_token"
    assert call.exchange("shopify", call.code("shopify"), other).status_code == 400


def test_quickbooks_names_the_company_in_the_callback(call):
    realm = cast.credential("quickbooks_oauth2", 0)["properties"]["realm_id"]
    mine = call.account("quickbooks")
    assert call.consent("quickbooks", mine)["realmId"] == realm
    assert "realmId" not in call.consent("quickbooks", mine, "no_realm")
    assert call.consent("quickbooks", mine, "wrong_realm")["realmId"] != realm


def test_github_comes_back_with_the_installation(call):
    number = str(cast.credential("github_app", 0)["properties"]["installation_id"])
    address = "github.com/apps/lanyard-simulated/installations/new"
    page = call("GET", address, params={"state": "the-state"})
    assert page.status_code == 200 and number in page.text
    form = {"state": "the-state", "account": number, "decision": "allow"}
    answer = call("POST", address, data=form)
    assert f"installation_id={number}" in answer.headers["Location"]
    assert (
        "setup_action=install" in answer.headers["Location"]
        and "state=the-state" in answer.headers["Location"]
    )
