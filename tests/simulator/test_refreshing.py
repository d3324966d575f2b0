"""What refreshing does at each provider: which tokens stay, which change, and which die."""

import pytest

from credentials.simulator import cast


@pytest.mark.parametrize("provider", ["hubspot", "salesforce", "workday"])
def test_here_a_refresh_token_stays(call, provider):
    properties = cast.credential(f"{provider}_oauth2", 0)["properties"]
    for _time in range(3):
        if provider == "workday":
            answer = call.workday_token(properties)
        else:
            answer = call.refresh(provider, properties["refresh_token"])
        assert answer.status_code == 200
        assert answer.json().get("refresh_token", properties["refresh_token"]) == properties["refresh_token"]


@pytest.mark.parametrize("provider", ["linear", "stripe"])
def test_here_each_refresh_gives_another_token_and_the_old_one_dies(call, provider):
    properties = cast.credential(f"{provider}_oauth2", 0)["properties"]
    old = properties.get("refresh_token") or properties["secret"]
    new = call.refresh(provider, old).json()["refresh_token"]
    assert new != old
    assert call.refresh(provider, old).json()["error"] == "invalid_grant"
    assert call.refresh(provider, new).status_code == 200


def test_airtable_revokes_everything_when_a_refresh_token_is_used_twice(call):
    properties = cast.credential("airtable_oauth2", 0)["properties"]
    first = call.refresh("airtable", properties["refresh_token"]).json()
    second = call.refresh("airtable", first["refresh_token"]).json()
    # The previous access token dies with its refresh token.
    assert call.whoami(properties, first["access_token"]).status_code == 401
    assert call.whoami(properties, second["access_token"]).status_code == 200
    assert call.refresh("airtable", properties["refresh_token"]).json()["error"] == "invalid_grant"
    assert call.whoami(properties, second["access_token"]).status_code == 401
    assert call.refresh("airtable", second["refresh_token"]).json()["error"] == "invalid_grant"


def test_quickbooks_changes_the_refresh_token_about_daily(call):
    old = cast.credential("quickbooks_oauth2", 0)["properties"]["refresh_token"]
    new = call.refresh("quickbooks", old).json()["refresh_token"]
    assert new != old and call.refresh("quickbooks", old).status_code == 400
    assert call.refresh("quickbooks", new).json()["refresh_token"] == new
    call.control("clock", ahead=86_401)
    assert call.refresh("quickbooks", new).json()["refresh_token"] != new


@pytest.mark.parametrize(("provider", "days"), [("airtable", 60), ("quickbooks", 100), ("stripe", 365)])
def test_an_unused_refresh_token_dies(call, provider, days):
    properties = cast.credential(f"{provider}_oauth2", 0)["properties"]
    call.control("clock", ahead=days * 86_400 + 1)
    answer = call.refresh(provider, properties.get("refresh_token") or properties["secret"])
    assert answer.json()["error"] == "invalid_grant"


def test_connect_tokens_stay_and_are_refused_at_the_apps_endpoint(call):
    address = "connect.stripe.com/oauth/token"
    form = call.question("stripe") | {"account": call.account("stripe"), "decision": "allow"}
    answer = call("POST", "connect.stripe.com/oauth/authorize", data=form)
    fresh = answer.headers["Location"].split("code=")[1].split("&")[0]
    body = call.exchange("stripe", fresh, address).json()
    assert "expires_in" not in body
    for _time in range(2):
        assert (
            call.refresh("stripe", body["refresh_token"], address).json()["refresh_token"]
            == body["refresh_token"]
        )
    assert call.refresh("stripe", body["refresh_token"]).json()["error"] == "invalid_grant"


def test_shopifys_expiring_tokens(call):
    body = call.exchange("shopify", call.code("shopify"), expiring="1").json()
    assert body["expires_in"] == 3600
    again = call.refresh("shopify", body["refresh_token"]).json()
    assert again["refresh_token"] != body["refresh_token"]
    call.control("expire-tokens", provider="shopify")
    properties = cast.credential("shopify_oauth2", 0)["properties"]
    assert call.whoami(properties, again["access_token"]).status_code == 401
    # Classic ones have no end.
    assert call.whoami(properties).status_code == 200


@pytest.mark.parametrize(
    "kind", ["airtable_oauth2", "hubspot_oauth2", "quickbooks_oauth2", "salesforce_oauth2"]
)
def test_access_tokens_expire(call, simulator, kind):
    properties = cast.credential(kind, 0)["properties"]
    token = call.refresh(kind.split("_")[0], properties["refresh_token"]).json()["access_token"]
    assert call.whoami(properties, token).status_code == 200
    assert call.control("expire-tokens", provider=kind.split("_")[0])["expired"] == 1
    assert call.whoami(properties, token).status_code in (401, 403)


def test_a_refresh_token_of_another_client_is_refused(call, simulator):
    properties = cast.credential("hubspot_oauth2", 0)["properties"]
    app = cast.app("hubspot") | {"client_id": "another", "id": None}
    call("POST", "_control/credentials", json=[app])
    answer = call.refresh("hubspot", properties["refresh_token"], client_id="another")
    assert answer.json()["status"] == "BAD_REFRESH_TOKEN"


def test_stripes_platform_is_known_by_its_key_and_must_not_say_another_id(call):
    token = cast.credential("stripe_oauth2", 0)["properties"]["secret"]
    assert call.refresh("stripe", token, client_id="ca_another").json()["error"] == "invalid_client"
    assert call.refresh("stripe", token).status_code == 200
