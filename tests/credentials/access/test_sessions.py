"""Sessions: requests in the name of a credential, on its own hosts, signed in anew where that helps."""

import io
import threading

import pytest
import requests
from django.db import connection, transaction

from credentials import egress, tokens
from credentials.models import AccessToken, Credential
from credentials.sessions import SignInFailed
from tests.rawsql import store

pytestmark = pytest.mark.django_db(transaction=True)

ACCOUNT, LISTING = "/v1/account", "/v1/customers"
WHOAMI, TOKEN_PATH = "/v0/meta/whoami", "/oauth2/v1/token"


@pytest.fixture
def unopened(monkeypatch):
    """Fails where a secret is put into a request."""
    from credentials.kinds import KINDS

    def opened(*_args):
        pytest.fail("a secret was opened")

    for kind in KINDS.values():
        monkeypatch.setattr(kind, "authenticate", opened)
    monkeypatch.setattr(tokens, "access_token", opened)


# --- where requests go


def test_paths_are_relative_to_the_provider_s_api(stripe, calls):
    with stripe.session() as s:
        answer = s.get(LISTING, params={"limit": "2"})
        assert s.get("https://api.stripe.com/v1/balance").status_code == 200
    assert type(answer).__mro__[1] is requests.Response
    assert answer.ok and answer.json()["object"] == "list"
    assert answer.url == "https://api.stripe.com/v1/customers?limit=2"
    assert [(one["host"], one["path"]) for one in calls()] == [
        ("api.stripe.com", "/v1/customers"),
        ("api.stripe.com", "/v1/balance"),
    ]


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/v1/account",
        "https://api.stripe.com.evil.example/v1/account",
        "https://api.stripe.com@evil.example/",
        "https://evil.example@api.stripe.com/",
        "https://api.stripe.com:8443/v1/account",
        "https://files.stripe.com/v1/account",
        "http://api.stripe.com/v1/account",
        "//evil.example/v1/account",
        "file:///etc/passwd",
        "v1/account",
    ],
)
def test_nothing_goes_elsewhere_and_no_secret_is_opened_for_it(url, stripe, calls, unopened):
    with stripe.session() as s, pytest.raises(requests.RequestException):
        s.get(url)
    assert calls() == []


def test_one_customer_s_session_does_not_reach_another_s_host(stored, calls, unopened):
    shop = stored("shopify_oauth2")
    with shop.session() as s, pytest.raises(egress.EgressError) as caught:
        s.get("https://another-shop.myshopify.com/admin/api/shop.json")
    assert caught.value.code == "host_refused"
    assert calls() == []


def test_redirects_are_answers(stripe, fail, calls):
    fail("redirect", provider="stripe", times=1)
    with stripe.session() as s:
        answer = s.get(ACCOUNT, allow_redirects=True)
    assert (answer.status_code, answer.is_redirect, answer.history) == (302, False, [])
    assert len(calls()) == 1


@pytest.mark.parametrize(
    "decided",
    [
        {"auth": ("user", "password")},
        {"verify": False},
        {"verify": "/tmp/ca.pem"},
        {"cert": "/tmp/client.pem"},
        {"proxies": {"https": "http://127.0.0.1:1"}},
        {"cookies": {"a": "b"}},
    ],
)
def test_what_would_open_a_way_around_is_refused(decided, stripe, calls):
    with stripe.session() as s, pytest.raises(TypeError, match=next(iter(decided))):
        s.get(ACCOUNT, **decided)
    assert calls() == []


def test_the_caller_cannot_sign_in_as_somebody_else(stripe, calls, simulator):
    from credentials.simulator.state import token_hash

    with stripe.session() as s:
        s.get(ACCOUNT)
        s.get(ACCOUNT, headers={"Authorization": "Bearer sk_test_anotherOne"})
        s.auth = ("sk_test_anotherOne", "")
        s.get(ACCOUNT)
    sent = {one["token"] for one in calls()}
    assert len(sent) == 1 and token_hash("sk_test_anotherOne") not in sent


def test_cookies_are_not_kept(stripe, fail, simulator, monkeypatch):
    from credentials.simulator import server

    plain = server.Connection.send
    seen = []

    def with_cookie(self, answer, method, close):
        answer.headers["Set-Cookie"] = "session=1; Path=/"
        return plain(self, answer, method, close)

    monkeypatch.setattr(server.Connection, "send", with_cookie)
    note = simulator.world.note
    monkeypatch.setattr(
        type(simulator.world), "note", lambda w, r, *rest: (seen.append(r.headers), note(r, *rest))
    )
    with stripe.session() as s:
        assert "Set-Cookie" not in s.get(ACCOUNT).headers
        s.get(ACCOUNT)
        assert len(s.cookies) == 0
    assert len(seen) == 2 and not any("cookie" in headers for headers in seen)


def test_the_environment_changes_nothing(stripe, monkeypatch, tmp_path, calls):
    (tmp_path / "netrc").write_text("machine api.stripe.com login somebody password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
        monkeypatch.setenv(name.upper(), "http://127.0.0.1:1")
    with stripe.session() as s:
        assert s.get(ACCOUNT).status_code == 200


# --- an access token that has ended


def test_a_refused_token_is_exchanged_once_and_the_request_repeated(airtable, calls, simulator):
    with airtable.session() as s:
        assert s.get(WHOAMI).status_code == 200
        for grant in {token.grant.account.id: token for token in simulator.world.access.values()}.values():
            grant.expires_at = simulator.world.now() - 1
        assert s.get(WHOAMI).status_code == 200
    assert [one["status"] for one in calls(WHOAMI)] == [200, 401, 200]
    assert len(calls(TOKEN_PATH)) == 2


def test_it_is_not_repeated_twice(airtable, fail, calls):
    fail("invalid_token", provider="airtable")
    with airtable.session() as s:
        assert s.get(WHOAMI).status_code == 401
    assert [one["status"] for one in calls(WHOAMI)] == [401, 401]
    assert len(calls(TOKEN_PATH)) == 2


def test_bodies_are_sent_again(airtable, fail, simulator, monkeypatch):
    bodies = []
    note = simulator.world.note
    monkeypatch.setattr(
        type(simulator.world), "note", lambda w, r, *rest: (bodies.append((r.path, r.body)), note(r, *rest))
    )
    fail("invalid_token", provider="airtable", times=1)
    with airtable.session() as s:
        s.post("/v0/appSim/Table", json={"fields": {"Name": "Arrakis"}})
    sent = [body for path, body in bodies if path == "/v0/appSim/Table"]
    assert sent == [b'{"fields": {"Name": "Arrakis"}}'] * 2


@pytest.mark.parametrize("body", ["generator", "file"])
def test_a_body_that_can_be_sent_only_once_is_refused(body, stripe, calls, told):
    given = (part for part in (b"1", b"2")) if body == "generator" else io.BytesIO(b"12")
    with stripe.session() as s, pytest.raises(egress.EgressError) as caught:
        s.post(LISTING, data=given)
    assert caught.value.code == "our_fault"
    assert calls() == [] and told == []


def test_how_the_exchange_fails_is_what_is_raised(airtable, fail, told):
    with airtable.session() as s:
        s.get(WHOAMI)
        fail("invalid_token", provider="airtable")
        fail("invalid_grant", provider="airtable", context="token")
        with pytest.raises(SignInFailed) as caught:
            s.get(WHOAMI)
    assert caught.value.reading.code == "revoked"
    assert [one.code for one in told] == ["answered", "revoked"]


def test_a_new_key_is_found_where_the_old_one_is_refused(stripe, stored, calls, fail):
    with stripe.session() as s:
        assert s.get(ACCOUNT).status_code == 200
        row = Credential.objects.get(pk=stripe.pk)
        row.secret = "sk_test_-sim-invalid_key-0000"
        row.save()
        # For a while a session goes on with what it has.
        assert s.get(ACCOUNT).status_code == 200
        fail("invalid_key", provider="stripe", times=1)
        assert s.get(ACCOUNT).status_code == 401
        row.secret = stripe.secret.use(stripe.destination())
        row.save()
        assert s.get(ACCOUNT).status_code == 200
    assert [one["status"] for one in calls(ACCOUNT)] == [200, 200, 401, 401, 401, 200]


def test_threads_that_are_refused_together_exchange_once(airtable, fail, calls, simulator):
    with airtable.session() as s:
        s.get(WHOAMI)
        for token in simulator.world.access.values():
            token.expires_at = simulator.world.now() - 1
        found, together = [], threading.Barrier(4)

        def worker():
            try:
                together.wait()
                found.append(s.get(WHOAMI).status_code)
            finally:
                connection.close()

        workers = [threading.Thread(target=worker) for _number in range(4)]
        for one in workers:
            one.start()
        for one in workers:
            one.join()
    assert found == [200] * 4
    assert len(calls(TOKEN_PATH)) == 2


# --- credentials that cannot sign in


def failed(credential, url=WHOAMI):
    with credential.session() as s, pytest.raises(SignInFailed) as caught:
        s.get(url)
    assert caught.value.reading.code in str(caught.value)
    return caught.value.reading.code


@pytest.mark.parametrize("kind", ["stripe_key", "airtable_oauth2"])
def test_a_deleted_one(kind, stored, calls):
    credential = stored(kind)
    with credential.session() as s:
        s.get(ACCOUNT if kind == "stripe_key" else WHOAMI)
        before = len(calls())
        Credential.objects.get(pk=credential.pk).delete()
        assert failed(credential) == "deleted"
        # A session that is open already notices as well.
        s._looked_at -= 31
        with pytest.raises(SignInFailed):
            s.get(WHOAMI)
    assert len(calls()) == before


@pytest.mark.parametrize(("kind", "field"), [("stripe_key", "secret"), ("airtable_oauth2", "refresh_token")])
def test_an_unreadable_secret(kind, field, stored, calls):
    credential = stored(kind)
    store(credential, **{field: b"broken"})
    assert failed(Credential.objects.get(pk=credential.pk)) == "decryption_failed"
    assert calls() == []


def test_a_changed_destination(stored, calls):
    shop = stored("shopify_oauth2")
    changed = Credential.objects.get(pk=shop.pk)
    changed.shop_url = "another-shop.myshopify.com"
    assert failed(changed, "/admin/api/shop.json") in ("secret_must_be_reentered", "superseded")
    assert calls() == []


@pytest.mark.parametrize("kind", ["servicenow_client_credentials", "servicenow_password"])
def test_a_session_does_not_follow_to_a_new_address(kind, stored, calls):
    """What was entered for the new host must not reach the old one."""
    credential = stored(kind)
    name = "password" if kind.endswith("password") else "client_secret"
    with credential.session() as s:
        s.get("/api/now/table/sys_user")
        row = Credential.objects.get(pk=credential.pk)
        row.instance_url = "another-place.service-now.com"
        setattr(row, name, "the-secret-of-another-place")
        row.save()
        AccessToken.objects.update(obtained_at=None)
        before = len(calls())
        s._looked_at -= 31
        with pytest.raises(SignInFailed) as caught:
            s.get("/api/now/table/sys_user")
        assert caught.value.reading.code == "superseded"
    with pytest.raises(tokens.NoToken) if name == "client_secret" else pytest.raises(SignInFailed):
        if name == "client_secret":
            tokens.access_token(credential)
        with credential.session() as s:
            s.get("/api/now/table/sys_user")
    assert len(calls()) == before


def test_a_missing_app(stored, calls):
    hubspot = stored("hubspot_oauth2")
    app = hubspot.app_in_use()
    app.is_default = False
    app.save()
    assert failed(Credential.objects.get(pk=hubspot.pk), "/crm/v3/objects") == "oauth_app_missing"
    assert calls() == []


def test_no_token_is_exchanged_inside_a_transaction(airtable, calls):
    with pytest.raises(RuntimeError), transaction.atomic(), airtable.session() as s:
        s.get(WHOAMI)
    assert calls() == []
    tokens.access_token(airtable)
    with transaction.atomic(), airtable.session() as s:
        assert s.get(WHOAMI).status_code == 200
