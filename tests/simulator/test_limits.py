"""Each provider slows down in its own way, exactly at its limit, and says how much is left."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from credentials.simulator import cast
from credentials.simulator.limits import Counter, Limit
from tests.simulator.calls import bearer

# How each provider's answer says "too many": status, and words of the body.
SIGNS = {
    "airtable_oauth2": (429, "RATE_LIMIT_REACHED"),
    "hubspot_oauth2": (429, "TEN_SECONDLY_ROLLING"),
    "linear_oauth2": (400, "RATELIMITED"),
    "quickbooks_oauth2": (429, "003001"),
    "salesforce_oauth2": (403, "REQUEST_LIMIT_EXCEEDED"),
    "sendgrid_key": (429, "too many requests"),
    "servicenow_password": (429, "Rate limit exceeded"),
    "shopify_oauth2": (429, "Exceeded 2 calls per second"),
    "stripe_key": (429, "rate_limit"),
    "auth0_client_credentials": (429, "too_many_requests"),
    "marketo_client_credentials": (200, "606"),
    "workday_oauth2": (429, "Too many"),
    "checkout_champ_password": (429, ""),
}
# The header that counts down, and how what is left is read from it.
HEADERS = {
    "hubspot_oauth2": ("X-HubSpot-RateLimit-Remaining", int),
    "linear_oauth2": ("X-RateLimit-Requests-Remaining", int),
    "sendgrid_key": ("X-RateLimit-Remaining", int),
    "shopify_oauth2": (
        "X-Shopify-Shop-Api-Call-Limit",
        lambda text: int(text.split("/")[1]) - int(text.split("/")[0]),
    ),
    "auth0_client_credentials": ("x-ratelimit-remaining", int),
    "workday_oauth2": ("x-ratelimit-remaining", int),
}


def provider_of(kind: str) -> str:
    return (
        cast.credential(kind, 0)["properties"]["kind"].split("_")[0]
        if kind != "checkout_champ_password"
        else "checkout_champ"
    )


def prepared(call, kind: str):
    """The test call of a kind, with its access token got beforehand."""
    properties = cast.credential(kind, 0)["properties"]
    access = ""
    if kind in ("airtable_oauth2", "hubspot_oauth2", "quickbooks_oauth2", "salesforce_oauth2"):
        access = call.refresh(kind.split("_")[0], properties["refresh_token"]).json()["access_token"]
    elif kind in ("auth0_client_credentials", "marketo_client_credentials", "workday_oauth2"):
        access = getattr(call, f"{kind.split('_')[0]}_token")(properties).json()["access_token"]
    if kind == "salesforce_oauth2":
        address = f"{properties['domain']}/services/data/v60.0/limits"
        return lambda: call("GET", address, headers=bearer(access))
    return lambda: call.whoami(properties, access)


@pytest.mark.parametrize("kind", sorted(SIGNS))
def test_the_limit_is_exact_and_has_the_providers_own_sign(call, kind):
    once = prepared(call, kind)
    call.control("limits", provider=provider_of(kind), requests=5, seconds=3600)
    answers = [once() for _time in range(7)]
    status, words = SIGNS[kind]
    for answer in answers[:5]:
        assert answer.status_code == 200 and "606" not in answer.text, answer.text
    for answer in answers[5:]:
        assert answer.status_code == status and words in answer.text


@pytest.mark.parametrize("kind", sorted(HEADERS))
def test_what_is_left_counts_down(call, kind):
    name, read = HEADERS[kind]
    once = prepared(call, kind)
    call.control("limits", provider=provider_of(kind), requests=3, seconds=3600)
    assert [read(once().headers[name]) for _time in range(4)] == [2, 1, 0, 0]


def test_salesforce_counts_up_and_linear_resets_in_milliseconds(call):
    once = prepared(call, "salesforce_oauth2")
    assert [once().headers["Sforce-Limit-Info"] for _time in range(2)] == [
        "api-usage=1/100000",
        "api-usage=2/100000",
    ]
    reset = int(prepared(call, "linear_oauth2")().headers["X-RateLimit-Requests-Reset"]) / 1000
    assert 3590 < reset - time.time() <= 3600


def test_github_says_it_with_403(call, simulator):
    app = cast.app("github")
    from tests.simulator.calls import app_jwt

    number = cast.credential("github_app", 0)["properties"]["installation_id"]
    headers = bearer(app_jwt(app["private_key"], str(app["app_id"])))
    token = call("POST", f"api.github.com/app/installations/{number}/access_tokens", headers=headers).json()[
        "token"
    ]
    call.control("limits", provider="github", requests=2, seconds=3600)
    address = "api.github.com/installation/repositories"
    answers = [call("GET", address, headers=bearer(token)) for _time in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 403]
    assert answers[2].headers["X-RateLimit-Remaining"] == "0" and "rate limit" in answers[2].json()["message"]
    assert 0 < int(answers[2].headers["X-RateLimit-Reset"]) - time.time() <= 3602


def test_airtable_stays_closed_for_thirty_seconds(call):
    once = prepared(call, "airtable_oauth2")
    call.control("limits", provider="airtable", requests=1, seconds=1, penalty=30)
    assert [once().status_code, once().status_code] == [200, 429]
    call.control("clock", ahead=29)
    assert once().status_code == 429
    call.control("clock", ahead=31)
    assert once().status_code == 200


def test_shopifys_bucket_empties_evenly(call):
    once = prepared(call, "shopify_oauth2")
    assert [once().status_code for _time in range(40)] == [200] * 40
    full = [once() for _time in range(3)]
    assert full[-1].status_code == 429 and full[-1].headers["Retry-After"] == "2.0"
    call.control("clock", ahead=10)
    assert [once().status_code for _time in range(20)] == [200] * 20


def test_shopifys_graphql_says_it_with_200(call):
    properties = cast.credential("shopify_oauth2", 0)["properties"]
    address = f"{properties['shop_url']}/admin/api/2024-10/graphql.json"
    headers = {"X-Shopify-Access-Token": properties["access_token"]}
    call.control("limits", provider="shopify", counter="graphql", requests=1, seconds=1, burst=2)
    answers = [
        call("POST", address, json={"query": "{ shop { id } }"}, headers=headers) for _time in range(4)
    ]
    assert {answer.status_code for answer in answers} == {200}
    assert "errors" not in answers[0].json()
    assert answers[-1].json()["errors"][0]["extensions"]["code"] == "THROTTLED"
    assert answers[-1].json()["extensions"]["cost"]["throttleStatus"]["maximumAvailable"] == 2


def test_stripe_counts_test_mode_and_live_mode_each(call, simulator):
    assert simulator.router.providers["stripe"].limits["test"].requests == 25
    once = prepared(call, "stripe_key")
    answers = [once() for _time in range(60)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused and all(
        answer.headers["Stripe-Rate-Limited-Reason"] == "global-rate" for answer in refused
    )


def test_marketos_integrations_share_one_limit(call):
    first = cast.credential("marketo_client_credentials", 0)
    second = cast.credential("marketo_client_credentials", 1)
    second["properties"] |= {"munchkin_id": first["properties"]["munchkin_id"]}
    call("POST", "_control/credentials", json=[second])
    tokens = [call.marketo_token(each["properties"]).json()["access_token"] for each in (first, second)]
    call.control("limits", provider="marketo", requests=3, seconds=3600)
    answers = [call.whoami(first["properties"], tokens[n % 2]) for n in range(4)]
    assert [answer.json()["success"] for answer in answers] == [True, True, True, False]


# --- At the same time


@pytest.mark.parametrize(
    ("kind", "status", "words"),
    [
        ("netsuite_tba", 429, "CONCURRENCY"),
        ("marketo_client_credentials", 200, "615"),
        ("stripe_key", 429, "rate_limit"),
        ("quickbooks_oauth2", 429, "003001"),
    ],
)
def test_how_too_many_at_the_same_time_are_told(call, simulator, kind, status, words):
    once = prepared(call, kind)
    call.control("limits", provider=provider_of(kind), requests=None, seconds=1, concurrent=3)
    once()
    (account,) = [key for key in simulator.world.at_once if key[0] == provider_of(kind)]
    simulator.world.at_once[account] = 3
    answer = once()
    assert answer.status_code == status and words in answer.text
    simulator.world.at_once[account] = 2
    assert words not in once().text


def test_only_so_many_are_let_in_at_the_same_time(call):
    properties = cast.credential("netsuite_tba", 0)["properties"]
    call.control("limits", provider="netsuite", requests=None, seconds=1, concurrent=3)
    call.control("latency", seconds=2)
    start = threading.Barrier(8)

    def together(_number):
        start.wait()
        return call.whoami(properties).status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(together, range(8)))
    assert sorted(statuses) == [200] * 3 + [429] * 5
    call.control("latency", seconds=0)
    assert call.whoami(properties).status_code == 200


def test_an_answered_request_no_longer_counts(call):
    """Not even for the blink of an eye: the next one is sent as soon as the answer is there."""
    properties = cast.credential("stripe_key", 0)["properties"]
    call.control("limits", provider="stripe", requests=None, seconds=1, concurrent=1)
    assert {call.whoami(properties).status_code for _time in range(300)} == {200}


def test_a_single_use_token_is_used_once_by_many(call, simulator):
    token = cast.credential("airtable_oauth2", 0)["properties"]["refresh_token"]
    app = cast.app("airtable")
    start = threading.Barrier(16)

    def refresh(_number):
        start.wait()
        return requests.post(
            f"{simulator.url}/airtable.com/oauth2/v1/token",
            data={"grant_type": "refresh_token", "refresh_token": token},
            auth=(app["client_id"], app["client_secret"]),
            timeout=10,
        ).status_code

    with ThreadPoolExecutor(16) as pool:
        statuses = sorted(pool.map(refresh, range(16)))
    assert statuses == [200] + [400] * 15


# --- The counters themselves


def test_no_window_holds_more_than_the_limit():
    counter, limit = Counter(), Limit(3, 10)
    moments = [0, 1, 2, 3, 9.9, 10, 10.5, 11, 11.5, 12, 20, 21]
    let_in = [moment for moment in moments if counter.count(limit, moment)[0]]
    for start in moments:
        assert len([moment for moment in let_in if start <= moment < start + 10]) <= 3
    assert let_in == [0, 1, 2, 10, 11, 12, 20, 21]


def test_a_counter_says_when_there_is_room():
    counter, limit = Counter(), Limit(2, 10)
    counter.count(limit, 100)
    counter.count(limit, 103)
    assert counter.count(limit, 104) == (False, 0, 6)
    assert counter.count(limit, 110)[0]


# --- The log


def test_the_log_counts_and_hides(call):
    properties = cast.credential("hubspot_oauth2", 0)["properties"]
    since = call.control("log", "GET")["last"]
    call.whoami(properties)
    call("GET", "nowhere.example/x")
    rows = call("GET", f"_control/log?since={since}").json()["requests"]
    assert [(row["host"], row["status"], row["context"]) for row in rows] == [
        ("api.hubapi.com", 200, "token"),
        ("api.hubapi.com", 200, "api"),
        ("nowhere.example", 404, ""),
    ]
    assert rows[0]["account"] == rows[1]["account"] == str(properties["hub_id"])
    assert rows[0]["at_ns"] <= rows[0]["done_ns"] <= rows[1]["at_ns"]
    text = json.dumps(rows)
    assert properties["refresh_token"] not in text and "CSim" not in text
    assert rows[1]["path"] == "/oauth/v1/access-tokens/TOKEN" and len(rows[1]["token"]) == 16


def test_lookup_tells_what_is_known_of_a_token(call):
    token = cast.credential("linear_oauth2", 0)["properties"]["refresh_token"]
    before = call("GET", f"_control/lookup?provider=linear&token={token}").json()
    call.refresh("linear", token)
    after = call("GET", f"_control/lookup?provider=linear&token={token}").json()
    assert (before["found"], before["live"], after["live"]) == ("refresh", True, False)
    assert call("GET", "_control/lookup?provider=linear&token=x").json() == {"found": None, "live": False}


def test_reset_puts_everything_back(call, simulator):
    properties = cast.credential("airtable_oauth2", 0)["properties"]
    call.refresh("airtable", properties["refresh_token"])
    call.fail("503", times=None)
    call.control("clock", ahead=500)
    call.control("reset")
    assert call.refresh("airtable", properties["refresh_token"]).status_code == 200
    assert simulator.world.ahead == 0 and call.control("log", "GET")["last"] == 1
