"""Every recorded answer is given as it is recorded, chosen by the secret or by the control endpoint."""

import http.client
import json
import time

import pytest
import requests

from credentials.simulator import answers, cast, faults
from health.observations import CODES

ALL = sorted(answers.recorded().values(), key=lambda one: (one.provider, one.name))
IDS = [f"{one.provider}/{one.name}" for one in ALL]
PROVIDERS = sorted({one.provider for one in ALL})
# A secret of each provider that can carry a marker, and the kind that it is of.
MARKED = {
    "airtable": ("airtable_oauth2", "refresh_token"),
    "auth0": ("auth0_client_credentials", "client_secret"),
    "checkout_champ": ("checkout_champ_password", "password"),
    "hubspot": ("hubspot_oauth2", "refresh_token"),
    "linear": ("linear_oauth2", "access_token"),
    "marketo": ("marketo_client_credentials", "client_secret"),
    "netsuite": ("netsuite_tba", "token_id"),
    "quickbooks": ("quickbooks_oauth2", "refresh_token"),
    "salesforce": ("salesforce_oauth2", "refresh_token"),
    "sendgrid": ("sendgrid_key", "api_key"),
    "servicenow": ("servicenow_client_credentials", "client_secret"),
    "shopify": ("shopify_oauth2", "access_token"),
    "stripe": ("stripe_oauth2", "secret"),
    "workday": ("workday_oauth2", "refresh_token"),
}
# The kinds whose access tokens are got by a call of their own.
TOKEN_CALLS = {
    "auth0": "auth0_token",
    "marketo": "marketo_token",
    "servicenow": "servicenow_token",
    "workday": "workday_token",
}


# --- The files


def test_there_are_enough_of_them():
    assert len(ALL) >= 150 and len(PROVIDERS) == 15
    for provider in PROVIDERS:
        of_it = [one for one in ALL if one.provider == provider]
        codes = {one.code for one in of_it}
        assert len(of_it) >= 6, provider
        assert {"ok", "provider_outage", "rate_limited", "unclassified"} <= codes, provider


@pytest.mark.parametrize("one", ALL, ids=IDS)
def test_a_file_says_what_it_means_and_why(one):
    assert one.code in CODES
    assert one.context in ("api", "token")
    assert 200 <= one.status <= 599
    assert one.source.startswith(("providers.md: ", "security.md: ", "https://")) and '"' in one.source
    assert one.why.strip() and "\n" not in one.why
    assert one.retry_after is None or (one.retry_after > 0 and one.code == "rate_limited")
    assert one.after_refresh in (True, False)
    assert all(isinstance(value, str) for value in one.headers.values())


@pytest.mark.parametrize("one", ALL, ids=IDS)
def test_the_times_of_an_answer_agree_with_its_retry_time(one):
    """Whatever says when there is room again says the same: the header, or the source's own number."""
    headers = {name.lower(): value for name, value in one.answer(1_000_000).headers.items()}
    if "retry-after" in headers:
        assert float(headers["retry-after"]) == one.retry_after


def test_no_two_files_say_the_same_and_mean_another_thing():
    seen = {}
    for one in ALL:
        text = json.dumps([one.provider, one.context, one.status, one.headers, one.body], sort_keys=True)
        assert seen.setdefault(text, one.code) == one.code, one.name


# --- Given


def asked(call, provider: str, name: str):
    """What comes back for a marked secret: from the token endpoint, or from the API."""
    kind, secret = MARKED[provider]
    properties = cast.credential(kind, 0)["properties"]
    properties[secret] = f"{'SG.' if provider == 'sendgrid' else ''}x-sim-{name}-1"
    if kind.endswith("_oauth2") and provider not in ("linear", "shopify", "workday"):
        answer = call.refresh(provider, properties[secret])
    elif provider in TOKEN_CALLS:
        answer = getattr(call, TOKEN_CALLS[provider])(properties)
    else:
        return call.whoami(properties)
    one = answers.find(provider, name, "token")
    if one and one.context == "token":
        return answer
    return call.whoami(properties, answer.json()["access_token"])


def by_marker(one) -> bool:
    """At Linear and Shopify the marked secret is an access token, which meets the API only."""
    return one.provider in MARKED and not (one.context == "token" and one.provider in ("linear", "shopify"))


@pytest.mark.parametrize("one", list(filter(by_marker, ALL)), ids=lambda one: f"{one.provider}/{one.name}")
def test_a_marked_secret_gets_the_answer_of_its_name(call, one):
    before = int(time.time())
    same(asked(call, one.provider, one.name), one, before)


def same(answer, one, before: int) -> None:
    """Whether an answer is the recorded one, give or take a second."""
    possible = [one.answer(now) for now in range(before, int(time.time()) + 1)]
    assert answer.status_code == one.status
    assert answer.content in [each.content() for each in possible]
    assert any(each.headers.items() <= dict(answer.headers).items() for each in possible)
    known = {"Date", "Content-Length", "Content-Type", *one.headers}
    # The provider's own quota headers would contradict the recorded ones.
    assert set(answer.headers) <= known


@pytest.mark.parametrize("provider", sorted(MARKED))
def test_a_marker_may_name_a_code(call, provider):
    answer = asked(call, provider, "revoked")
    first = answers.find(
        provider, "revoked", "api" if provider in ("linear", "shopify", "netsuite") else "token"
    )
    if first is None:
        first = answers.find(provider, "revoked")
    assert answer.status_code == first.status


@pytest.mark.parametrize(
    ("number", "status"),
    [("40400001", 404), ("40300001", 403), ("40300002", 403), ("50000001", 500), ("42900001", 403)],
)
def test_githubs_installations_fail_by_their_number(call, number, status):
    assert call.whoami({"kind": "github_app", "installation_id": number}).status_code == status


def test_a_name_that_there_is_not_is_refused(call):
    answer = call("POST", "_control/fail", json={"provider": "stripe", "answer": "no_such_thing"})
    assert answer.status_code == 400 and "no_such_thing" in answer.text
    for wrong in ({"answer": "hang", "provider": "nobody"}, {"answer": "hang", "colour": "red"}, {}):
        assert call("POST", "_control/fail", json=wrong).status_code == 400
    assert call("POST", "_control/fail", data="{").status_code == 400
    assert call("POST", "_control/nothing").status_code == 404


# --- By the control endpoint


def test_a_fault_meets_whom_it_is_for_and_so_often(call):
    first, second = (cast.credential("stripe_key", n)["properties"] for n in (0, 1))
    account = call(
        "GET", "api.stripe.com/v1/account", headers={"Authorization": f"Bearer {first['secret']}"}
    ).json()["id"]
    call.fail("invalid_key", provider="stripe", account=f"{account}:test", times=2)
    seen = [(call.whoami(second).status_code, call.whoami(first).status_code) for _time in range(3)]
    assert seen == [(200, 401), (200, 401), (200, 200)]


def test_a_fault_by_token_host_path_and_context(call):
    properties = cast.credential("stripe_key", 0)["properties"]
    for whom in (
        {"token": properties["secret"]},
        {"host": "api.stripe.com"},
        {"path": "/v1/bal"},
        {"context": "api"},
        {"provider": "stripe"},
    ):
        call.fail("503", **whom)
        assert (call.whoami(properties).status_code, call.whoami(properties).status_code) == (503, 200), whom
    for other in (
        {"token": "another"},
        {"host": "api.github.com"},
        {"path": "/v1/events"},
        {"context": "token"},
        {"provider": "hubspot"},
        {"account": "acct_other"},
    ):
        call.fail("503", **other)
        assert call.whoami(properties).status_code == 200, other


def test_an_outage_lasts_until_it_is_taken_away(call):
    properties = cast.credential("hubspot_oauth2", 0)["properties"]
    fault = call.control("fail", answer="5xx", provider="hubspot", times=None)["id"]
    seen = {call.refresh("hubspot", properties["refresh_token"]).status_code for _time in range(8)}
    assert seen == {500, 502, 503, 504}
    assert call.control("fail", "DELETE", id=fault) == {"removed": 1}
    assert call.refresh("hubspot", properties["refresh_token"]).status_code == 200


def test_an_answer_of_the_token_endpoint_is_not_given_by_the_api(call):
    properties = cast.credential("hubspot_oauth2", 0)["properties"]
    token = call.refresh("hubspot", properties["refresh_token"]).json()["access_token"]
    call.fail("bad_refresh_token", provider="hubspot")
    assert call.whoami(properties, token).status_code == 200
    assert call.refresh("hubspot", properties["refresh_token"]).json()["status"] == "BAD_REFRESH_TOKEN"
    # Nothing was used up by it.
    assert call.refresh("hubspot", properties["refresh_token"]).status_code == 200


@pytest.mark.parametrize("kind", ["airtable_oauth2", "hubspot_oauth2", "linear_oauth2", "salesforce_oauth2"])
def test_it_can_answer_for_another_account(call, kind):
    properties = cast.credential(kind, 0)["properties"]
    right = call.whoami(properties).json()
    call.control("reset")
    call.fail("other_account", provider=kind.split("_")[0], context="api")
    wrong = call.whoami(properties)
    assert wrong.status_code == 200 and wrong.json() != right
    call.control("reset")
    assert call.whoami(properties).status_code == 200


# --- Broken connections


def raw(call, timeout: float = 1) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(call.simulator.url.removeprefix("http://"), timeout=timeout)
    connection.request("GET", "/api.stripe.com/v1/balance")
    return connection.getresponse()


def test_it_hangs(call):
    call.fail("hang", provider="stripe")
    with pytest.raises(requests.ReadTimeout):
        call("GET", "api.stripe.com/v1/balance", timeout=0.3)


def test_it_cuts_the_connection(call):
    call.fail("reset", provider="stripe")
    with pytest.raises(requests.ConnectionError):
        call("GET", "api.stripe.com/v1/balance")
    assert call("GET", "api.stripe.com/v1/balance").status_code == 401


def test_it_sends_less_than_it_promised(call):
    call.fail("truncated", provider="stripe")
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        call("GET", "api.stripe.com/v1/balance")


def test_it_drips(call):
    call.fail("drip", provider="stripe")
    answer = call("GET", "api.stripe.com/v1/balance", stream=True, timeout=3)
    started, size = time.monotonic(), 0
    for piece in answer.iter_content(1):
        size += len(piece)
        if size == 2:
            break
    answer.close()
    assert 1.5 < time.monotonic() - started < 6


def test_it_never_ends(call):
    call.fail("endless", provider="stripe")
    answer = call("GET", "api.stripe.com/v1/balance", stream=True)
    size = 0
    for piece in answer.iter_content(65_536):
        size += len(piece)
        if size > 5_000_000:
            break
    answer.close()
    assert size > 5_000_000


def test_a_small_body_unpacks_to_a_large_one(call):
    call.fail("bomb", provider="stripe")
    answer = call("GET", "api.stripe.com/v1/balance")
    assert int(answer.headers["Content-Length"]) < 100_000 and len(answer.content) == 64 * 1024 * 1024


@pytest.mark.parametrize(
    ("answer", "status"),
    [("html", 200), ("challenge", 403), ("garbage", 200), ("empty", 200), ("redirect", 302)],
)
def test_what_is_no_answer_of_a_provider(call, answer, status):
    call.fail(answer)
    got = call.whoami(cast.credential("sendgrid_key", 0)["properties"])
    assert got.status_code == status
    with pytest.raises(ValueError):
        got.json()


def test_every_behaviour_is_described():
    assert all(faults.made(name).behaviour == name for name in faults.BEHAVIOURS)
