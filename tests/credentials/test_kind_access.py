"""The contract of how a kind reaches its provider: it holds for every kind against access_facts.py.

Each test takes nothing but the kind's name, so that tests/mutate_kinds.py can run them too.
"""

import base64
import hmac
import json
import re
from urllib.parse import parse_qsl, quote, unquote

import jwt
import pytest
import requests

from credentials import kinds
from credentials.answers import Reading
from credentials.egress import EgressError
from credentials.exchange import Answer
from credentials.kinds import KINDS
from credentials.models import Credential, OAuthApp
from credentials.models.access import Access
from credentials.simulator import signatures
from credentials.simulator.answers import recorded
from tests.credentials.access_facts import ACCESS, ANSWERS
from tests.credentials.kind_facts import FACTS

pytestmark = [pytest.mark.django_db, pytest.mark.parametrize("kind", list(KINDS))]

TOKEN = "the-access-token"


def properties_of(kind):
    facts = FACTS[kind]
    return {**facts.properties, **{name: facts.optional[name] for name in ACCESS[kind].optional}}


def made(kind, **changes):
    name = {} if "name" in FACTS[kind].properties else {"name": "Arrakis"}
    return KINDS[kind].from_properties({**properties_of(kind), **changes}, **name)


def app_of(kind):
    given = {"provider": FACTS[kind].provider, "name": "Our app", "client_id": "our-client"}
    if given["provider"] == "github":
        return OAuthApp(**given, app_id=42, private_key=signatures.pem(signatures.test_key()))
    return OAuthApp(**given, client_secret="our-secret")


def filled(kind, value):
    """A fact with the properties in the place of their names."""
    if isinstance(value, dict):
        return {name: filled(kind, each) for name, each in value.items()}
    if isinstance(value, tuple):
        return tuple(filled(kind, each) for each in value)
    properties = properties_of(kind)
    return re.sub(r"\{(\w+)\}", lambda name: str(properties[name[1]]), value)


def answer(body, status=200, headers=()):
    return Answer(status, dict(headers), body if isinstance(body, bytes) else json.dumps(body).encode())


def signed_in(kind, call):
    """A call of a probe as it is sent."""
    credential = made(kind)
    request = requests.Request(
        call.method, call.url, dict(call.headers), params=call.params, data=call.form, json=call.json
    ).prepare()
    credential.authenticate(request, TOKEN if credential.exchanges() else "")
    return request


def probed(kind, answers):
    """The calls of a probe that gets these answers, and what it means."""
    calls, asking = [], made(kind).probe()
    call = next(asking)
    for one in answers:
        calls.append(call)
        try:
            call = asking.send(one)
        except StopIteration as end:
            return calls, end.value
    return [*calls, call], None


def test_it_sends_its_secrets_to_these_hosts_alone(kind):
    credential = made(kind)
    assert credential.hosts() == ACCESS[kind].hosts
    assert credential.at("/a/path") == f"https://{ACCESS[kind].hosts[0]}/a/path"
    assert dict(credential.HEADERS) == ACCESS[kind].headers
    if ACCESS[kind].elsewhere:
        changes, host = ACCESS[kind].elsewhere
        assert made(kind, **changes).api_host() == host
    # One that is not found is the customer's where it is the customer's own.
    error = EgressError("name_not_found", "It is not there.", control_names_resolve=True)
    found = "provider_outage" if ACCESS[kind].shared else "account_missing"
    assert credential.read_egress_error(error).code == found


def test_its_probe_asks_what_is_cheap_and_reads_the_account(kind):
    facts = ACCESS[kind]
    calls, reading = probed(kind, [answer(one) for one in facts.good])
    assert reading is not None and reading.code == "ok", reading
    assert reading.scopes == facts.scopes
    assert len(calls) == len(facts.probe)
    for call, (method, address, query, sent) in zip(calls, facts.probe, strict=True):
        url = signed_in(kind, call).url.partition("?")[0]
        assert (call.method, url, dict(call.params)) == (method, f"https://{address}", query)
        assert (call.form or call.json) == sent
    credential = made(kind)
    if "probe" in {name for one in KINDS[kind].__mro__ if one is not Access for name in vars(one)}:
        # It says by itself what it asks.
        with pytest.raises(NotImplementedError):
            credential.probe_call()
    if facts.scopes is None or len(facts.probe) > 1:
        assert credential.granted({"scopes": ["x"], "access_scopes": [{"handle": "x"}]}) is None
    assert credential.facts(answer(facts.good[0])) is not None
    plain = {name: value for name, value in properties_of(kind).items() if name not in FACTS[kind].secrets}
    assert credential.account_of(plain, reading.facts) == facts.account


def test_its_probe_is_not_fooled_by_another_s_answer(kind):
    # Nothing at all, another kind of JSON, and none.
    for body in ({}, {"hello": "world"}, [], "text", 7, b"", b"<html>", {"error": ""}):
        if kind == "auth0_client_credentials" and body == []:
            continue
        _calls, reading = probed(kind, [answer(body)] * 3)
        assert reading is None or reading.code in ("garbled", "unclassified"), (body, reading)


def test_a_request_is_signed_in(kind):
    facts = ACCESS[kind]
    request = requests.Request(
        "POST", made(kind).at("/path"), headers={"Accept": "text/plain"}, data={"a": "1"}
    ).prepare()
    credential = made(kind)
    before = dict(request.headers)
    credential.authenticate(request, TOKEN if facts.exchange else "")
    new = {name: value for name, value in request.headers.items() if before.get(name) != value}
    new.pop("Content-Length", None)
    expected = filled(kind, facts.signs)
    if kind == "netsuite_tba":
        assert new["Authorization"].startswith(expected["Authorization"])
    else:
        assert new == expected
    form = dict(parse_qsl(request.body if isinstance(request.body, str) else request.body.decode()))
    assert form == {"a": "1"} | filled(kind, facts.form)
    assert request.headers["Content-Length"] == str(len(request.body))


def test_a_secret_that_needs_no_exchange_signs_in_itself(kind):
    if ACCESS[kind].unexchanged is None:
        return
    changes, key = ACCESS[kind].unexchanged
    credential = made(kind, **changes)
    assert credential.exchanges() is False
    request = requests.Request("GET", credential.at("/path")).prepare()
    credential.authenticate(request, "")
    assert request.headers["Authorization"] == f"Bearer {key}"


def test_a_signature_is_right(kind):
    if kind != "netsuite_tba":
        return
    request = requests.Request("GET", made(kind).at("/path"), params={"q": "a b"}).prepare()
    made(kind).authenticate(request, "")
    header = request.headers["Authorization"]
    parts = {name: unquote(value) for name, value in re.findall(r'(\w+)="([^"]*)"', header)}
    properties = properties_of(kind)
    assert parts["oauth_consumer_key"] == properties["consumer_key"]
    assert parts["oauth_token"] == properties["token_id"]
    assert parts["oauth_signature_method"] == "HMAC-SHA256"
    signed = sorted({k: v for k, v in parts.items() if k not in ("realm", "oauth_signature")}.items())
    pairs = "&".join(f"{quote(k, '')}={quote(v, '')}" for k, v in sorted([*signed, ("q", "a b")]))
    base = "&".join(quote(part, "") for part in ("GET", made(kind).at("/path"), pairs))
    key = f"{properties['consumer_secret']}&{properties['token_secret']}"
    found = base64.b64encode(hmac.digest(key.encode(), base.encode(), "sha256")).decode()
    assert found == parts["oauth_signature"]


def test_its_secret_is_exchanged_as_the_provider_wants_it(kind):
    facts, credential = ACCESS[kind], made(kind)
    assert credential.exchanges() is (facts.exchange is not None)
    assert credential.REFRESHES_WITH == facts.rotates
    if facts.exchange is None:
        with pytest.raises(NotImplementedError):
            credential.token_call(app_of(kind))
        return
    call = credential.token_call(app_of(kind))
    address, form, basic = filled(kind, facts.exchange[:2]) + (facts.exchange[2],)
    assert (call.method, call.url) == ("POST", f"https://{address}")
    assert (dict(call.form or {}), call.basic) == (form, filled(kind, basic) if basic else None)
    assert call.json is None and not call.params
    if kind == "github_app":
        signed = call.headers["Authorization"].removeprefix("Bearer ")
        claims = jwt.decode(signed, signatures.test_key().public_key(), algorithms=["RS256"])
        assert claims["iss"] == "42" and 0 < claims["exp"] - claims["iat"] <= 600


def test_it_takes_what_the_exchange_gives(kind):
    facts, credential = ACCESS[kind], made(kind)
    assert credential.TOKEN_LIFETIME == facts.lifetime
    good = {"access_token": "a", "expires_in": "77", "refresh_token": "b", "scope": "x y", "livemode": False}
    good |= {"x_refresh_token_expires_in": 8_726_400, "token": "not this one"}
    if kind == "github_app":
        good |= {"token": "a", "access_token": "not this one"}
    found = credential.read_token_answer(answer(good))
    assert not isinstance(found, Reading)
    assert found.access_token == "a"
    assert credential.read_owner(found) is None
    assert credential.ROTATES is (
        kind in ("airtable_oauth2", "linear_oauth2", "quickbooks_oauth2", "stripe_oauth2")
    )
    if kind != "github_app":
        assert (found.expires_in, found.refresh_token, found.scopes) == (77, "b", frozenset({"x", "y"}))
    assert found.refresh_expires_in == (8_726_400 if kind == "quickbooks_oauth2" else None)
    for wrong in ({}, [], {"access_token": 7, "token": 7}, {"token_type": "bearer"}):
        assert credential.read_token_answer(answer(wrong)) == Reading("garbled")
    if kind == "stripe_oauth2":
        # A stored one is of one mode; a new one learns it.
        assert not isinstance(credential.read_token_answer(answer(good | {"livemode": True})), Reading)
        credential._state.adding = False
        other = credential.read_token_answer(answer(good | {"livemode": True}))
        # Its refresh token is the one that is in force now: it must not be thrown away.
        assert not isinstance(other, Reading) and other.refresh_token == "b"
        assert credential.read_owner(other).code == "other_account"


def test_what_the_token_endpoint_refuses_is_told_apart(kind):
    credential = made(kind)
    for status, error in ANSWERS:
        found = credential.read_token_answer(answer({"error": error} if error else {}, status))
        otherwise = "our_fault" if error == "invalid_request" else "unclassified"
        expected = ACCESS[kind].refusals.get((status, error), otherwise)
        assert (status, error, found.code) == (status, error, expected)


def test_its_answers_are_read_as_their_sources_say(kind):
    for one in recorded().values():
        if one.provider != FACTS[kind].provider:
            continue
        credential, sent = made(kind), one.answer()
        given = Answer(sent.status, sent.headers, sent.content())
        if one.context == "token":
            if ACCESS[kind].exchange is None:
                continue
            found = credential.read_token_answer(given)
        elif one.code == "ok":
            found = credential.read_failure(given) or Reading("ok")
        else:
            found = credential.read(given)
        assert (found.code if isinstance(found, Reading) else "ok") == one.code, one.name
        if one.retry_after is not None:
            assert found.retry_after == pytest.approx(one.retry_after, abs=2.5), one.name


def test_some_words_mean_something_at_one_provider_only(kind):
    said = {
        "tenant is disabled": {"auth0": "suspended"},
        "missing scope": {"auth0": "insufficient_scope", "hubspot": "insufficient_scope"},
        "failed the ACL check": {"servicenow": "insufficient_scope"},
        "transaction cancelled": {"servicenow": "provider_outage"},
    }
    for words, meant in said.items():
        found = made(kind).read_failure(answer({"message": words}, 403))
        if FACTS[kind].provider in meant:
            assert found.code == meant[FACTS[kind].provider], words


def test_a_token_that_has_ended_is_told_from_other_failures(kind):
    credential = made(kind)
    status, body = ACCESS[kind].refused
    assert credential.token_refused(answer(body, status))
    for other in (200, 400, 403, 404, 429, 500):
        assert not credential.token_refused(answer({"message": "something"}, other))


def test_it_knows_what_its_provider_says_of_limits(kind):
    facts, credential = ACCESS[kind], made(kind)
    everything = {name: value for one in ACCESS.values() if one.quota for name, value in one.quota[0].items()}
    mine = facts.quota[0] if facts.quota else {}
    others = {name: value for name, value in everything.items() if name not in mine}
    assert credential.quota(answer({}, headers=others)) is None
    if facts.quota:
        found = credential.quota(answer({}, headers=mine))
        assert (found.allowed_requests, found.interval, found.remaining) == facts.quota[1]


def test_it_waits_as_its_provider_says(kind):
    credential = made(kind)
    assert credential.wait(answer({}, 429, {"Retry-After": "7"})) == 7
    default = {
        "airtable_oauth2": 30,
        "github_app": 60,
        "hubspot_oauth2": 10,
        "marketo_client_credentials": 20,
    }.get(kind)
    assert credential.wait(answer({}, 429)) == default
    if kind == "shopify_oauth2":
        status = {"maximumAvailable": 1000, "currentlyAvailable": 50, "restoreRate": 50}
        body = {"extensions": {"cost": {"requestedQueryCost": 200, "throttleStatus": status}}}
        assert credential.wait(answer(body)) == 3


def test_its_scopes_are_compared_with_what_is_asked_for(kind):
    credential = made(kind)
    stored = properties_of(kind).get("scopes") or properties_of(kind).get("scope", "").split()
    assert credential.required(None) == frozenset(stored)
    if FACTS[kind].uses_oauth_app and kind != "github_app":
        app = app_of(kind)
        app.scopes = ["one", "two"]
        assert credential.required(app) == {"one", "two"}


def test_every_kind_is_known_here(kind):
    assert set(ACCESS) == set(KINDS) and kinds.named(kind) is KINDS[kind]
    assert issubclass(KINDS[kind], Credential)
