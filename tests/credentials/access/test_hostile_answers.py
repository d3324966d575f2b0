"""Numbers, lists and addresses in answers that are not what they should be."""

import base64
import hmac
import json
import re
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

import pytest
import requests
from django.core.exceptions import ValidationError

from credentials import answers, egress, tokens
from credentials.answers import Reading
from credentials.exchange import Answer
from credentials.kinds import KINDS
from credentials.models import AccessToken, Credential
from credentials.models.access import Tokens, seconds
from tests.credentials.access.test_misleading import answer, made


@pytest.mark.parametrize(
    "value", [10**400, "1" + "0" * 400, "1e400", float("inf"), float("nan"), -1, 0, True, None, [], "soon"]
)
def test_a_lifetime_that_is_none_is_not_believed(value: Any):
    assert seconds(value) is None
    body = json.dumps({"access_token": "a", "expires_in": value}).encode()
    found = made("hubspot_oauth2").read_token_answer(Answer(200, {}, body))
    assert isinstance(found, Tokens) and found.expires_in is None


def test_a_wait_beyond_all_numbers_is_not_believed():
    for cost in (10**400, None, "many", [1]):
        status = {"currentlyAvailable": 1, "restoreRate": 1}
        body = {"extensions": {"cost": {"requestedQueryCost": cost, "throttleStatus": status}}}
        assert made("shopify_oauth2").wait(answer(429, body)) is None
    for text in ("Mon, 01 Jan 99999999999999999999999 00:00:00 GMT", "nan", "\x00", ""):
        assert answers.retry_after(Answer(429, {"Retry-After": text})) is None
    assert answers.retry_after(Answer(429, {"Retry-After": "1e400"})) == answers.LONGEST_WAIT


@pytest.mark.parametrize(
    ("kind", "body"), [("hubspot_oauth2", {"hub_id": 7}), ("airtable_oauth2", {"id": "usrExample"})]
)
def test_scopes_that_are_no_texts_are_left_out(kind: str, body: dict[str, Any]):
    found = made(kind).read(answer(200, body | {"scopes": ["a", ["b"], {"c": 1}, 7, None]}))
    assert (found.code, found.scopes) == ("ok", frozenset({"a"}))


def test_an_address_that_is_none_is_another_domain():
    credential = made("salesforce_oauth2")
    for address in ("https://[bad", "", 7):
        with pytest.raises(ValidationError) as caught:
            credential.consented(Tokens("a", facts={"instance_url": address}), {}, {})
        assert caught.value.code == "account"


def test_an_account_that_is_no_text_is_none():
    body = {"data": {"organization": {"id": {"a": 1}, "name": "x"}}}
    assert made("linear_oauth2").read(answer(200, body)).code == "garbled"


@pytest.mark.parametrize("given", ["é", "\ud800", "", "0" * 64])
def test_a_signature_of_any_text_is_refused(given: str):
    from credentials.models import OAuthApp

    app = OAuthApp(provider="shopify", name="Ours", client_id="client", client_secret="our-secret")
    credential = made("shopify_oauth2")
    with pytest.raises(ValidationError):
        credential.consent_check(app, {"hmac": given, "shop": credential.shop_url, "note": given})  # type: ignore[attr-defined]


# --- bodies that are signed ---------------------------------------------------------------------------------

FORM_WITH_CHARSET = "application/x-www-form-urlencoded; charset=utf-8"
SECRETS = ("consumer_secret", "token_secret")


@pytest.mark.django_db
def test_netsuite_signs_the_fields_of_a_form():
    credential = made("netsuite_tba")
    for form, headers in (({"a": "1 2", "b": "é"}, {}), ({"a": "3"}, {"Content-Type": FORM_WITH_CHARSET})):
        request = requests.Request("POST", credential.at("/path"), headers=headers, data=form).prepare()
        credential.authenticate(request, "")
        assert _signature_is_right(credential, request)
        # With another field the signature is not right any more.
        request.body = f"{request.body}&c=4"
        assert not _signature_is_right(credential, request)
    # No other body is signed: RFC 5849 section 3.4.1.3.1.
    request = requests.Request("POST", credential.at("/path"), json={"a": 1}).prepare()
    credential.authenticate(request, "")
    assert request.headers["Authorization"].startswith("OAuth ") and request.body == b'{"a": 1}'


def _signature_is_right(credential: Any, request: requests.PreparedRequest) -> bool:
    """As RFC 5849 section 3.4 has it, with the secrets that NetSuite knows."""
    header = str(request.headers["Authorization"])
    given = {name: unquote(value) for name, value in re.findall(r'(\w+)="([^"]*)"', header)}
    signed = [(name, value) for name, value in given.items() if name not in ("realm", "oauth_signature")]
    body = request.body.decode() if isinstance(request.body, bytes) else str(request.body)
    pairs = sorted((quote(name, ""), quote(value, "")) for name, value in [*signed, *parse_qsl(body)])
    text = "&".join(f"{name}={value}" for name, value in pairs)
    base = "&".join(quote(part, "") for part in ("POST", credential.at("/path"), text))
    secrets = (getattr(credential, name).use(credential.destination()) for name in SECRETS)
    found = hmac.digest("&".join(secrets).encode(), base.encode(), "sha256")
    return base64.b64encode(found).decode() == given["oauth_signature"]


@pytest.mark.django_db
def test_checkout_champ_takes_forms_only():
    credential = made("checkout_champ_password")
    for given in ({"json": {"a": 1}}, {"files": {"a": b"1"}}, {"data": iter([b"a=1"])}):
        request = requests.Request("POST", credential.at("/path"), **given).prepare()
        with pytest.raises(TypeError, match="takes forms only"):
            credential.authenticate(request, "")


@pytest.mark.django_db
@pytest.mark.parametrize("body", [b"a=%FF&b=\xff", "a=1&a=2&e=", "", None])
def test_checkout_champ_leaves_a_form_as_it_is(body: Any):
    credential = made("checkout_champ_password")
    headers = {"Content-Type": "application/x-www-form-urlencoded"} if body else {}
    request = requests.Request("POST", credential.at("/path"), headers=headers, data=body).prepare()
    credential.authenticate(request, "")
    before = (body.encode() if isinstance(body, str) else body) or b""
    assert isinstance(request.body, bytes) and request.body.startswith(before)
    signed = dict(parse_qsl(request.body[len(before) :].decode().lstrip("&")))
    assert signed == {
        "loginId": credential.login_id,  # type: ignore[attr-defined]
        "password": credential.password.use(credential.destination()),  # type: ignore[attr-defined]
    }
    assert request.headers["Content-Length"] == str(len(request.body))


# --- Stripe -------------------------------------------------------------------------------------------------


def test_the_token_endpoint_tells_whose_a_stripe_consent_is():
    account_of = KINDS["stripe_oauth2"].account_of
    assert account_of({"test": True}, {"stripe_user_id": "acct_1"}) == "acct_1:test"
    assert account_of({"test": False}, {"id": "acct_2", "stripe_user_id": "acct_1"}) == "acct_2:live"
    assert account_of({"test": False}, {}) is None


@pytest.mark.django_db(transaction=True)
def test_a_refresh_token_of_the_other_mode_is_kept_and_not_used(stored, monkeypatch):
    credential = stored("stripe_oauth2")
    body = {"access_token": "sk_new", "refresh_token": "rt_exampleNew", "livemode": credential.test}
    monkeypatch.setattr(egress, "send", lambda call, **options: answer(200, body))
    with pytest.raises(tokens.NoToken) as caught:
        tokens.access_token(credential)
    assert caught.value.reading.code == "other_account"
    current = Credential.objects.get(pk=credential.pk)
    assert current.secret.use(current.destination()) == "rt_exampleNew"
    assert AccessToken.objects.get(credential=credential).token is None
    body["livemode"] = not credential.test
    assert tokens.access_token(current) == "sk_new"
    assert current.read_owner(Tokens("a")) is None and Reading("ok").guessed is False
