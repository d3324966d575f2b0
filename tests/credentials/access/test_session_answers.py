"""What a session gives back, and what it and its answers show; answers that are none."""

import copy
import pickle
import time
import tracemalloc

import pytest

from credentials import egress, tokens
from credentials.sessions import Session

pytestmark = pytest.mark.django_db(transaction=True)

ACCOUNT, LISTING = "/v1/account", "/v1/customers"
WHOAMI = "/v0/meta/whoami"
SEVERAL = ["airtable_oauth2", "hubspot_oauth2", "checkout_champ_password", "stripe_key"]


def test_a_session_shows_no_secret_and_is_not_copied(airtable, simulator):
    with airtable.session() as s:
        s.get(WHOAMI)
        token = tokens.access_token(airtable)
        assert token not in repr(s) + repr(vars(s))
        for copied in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError):
                copied(s)


@pytest.mark.parametrize("kind", SEVERAL)
def test_an_answer_holds_nothing_of_what_signed_it_in(kind, stored):
    credential = stored(kind)
    call = next(credential.probe())
    with Session(credential) as s:
        answer = s.request(call.method, call.url, data=call.form)
        secret = (
            tokens.access_token(credential)
            if credential.exchanges()
            else getattr(credential, "secret", None) or credential.password
        )
        if not isinstance(secret, str):
            secret = secret.use(credential.destination())
    assert answer.status_code == 200
    shown = f"{answer.url} {vars(answer.request)} {answer.headers}"
    assert secret not in shown and secret.encode() not in pickle.dumps(answer.request)


# --- answers that are no answers


@pytest.mark.parametrize(
    ("behaviour", "code", "total"),
    [
        ("hang", "timeout", None),
        ("drip", "timeout", 2.0),
        ("reset", "connection_failed", None),
        ("truncated", "garbled", None),
        ("endless", "garbled", None),
        ("bomb", "garbled", None),
    ],
)
def test_it_ends_in_time_and_says_why(behaviour, code, total, stripe, fail, told):
    fail(behaviour, provider="stripe", times=1)
    started = time.monotonic()
    tracemalloc.start()
    with stripe.session() as s:
        if total:
            s.get_adapter("https://").total = total
        with pytest.raises(egress.EgressError) as caught:
            s.get(ACCOUNT)
        assert time.monotonic() - started < 10
        assert tracemalloc.get_traced_memory()[1] < 32 * 1024 * 1024
        tracemalloc.stop()
        assert caught.value.code == code
        assert s.get(ACCOUNT).status_code == 200
    large = behaviour in ("endless", "bomb")
    assert [one.code for one in told] == (["answered"] if large else [code, "answered"])


def test_a_body_over_the_limit_names_it(stripe):
    with stripe.session(body_limit=100) as s, pytest.raises(egress.EgressError, match="100 bytes"):
        s.get(LISTING)
    with stripe.session(body_limit=10_000) as s:
        assert len(s.get(LISTING).content) > 100
