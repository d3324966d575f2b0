"""Every request of a session has a lease, and what a provider says of its limits is heeded."""

import time

import pytest
import requests

from credentials import egress, kinds, limiter
from credentials.exchange import Answer
from credentials.models import Limit, RateLimit
from credentials.simulator.answers import recorded
from health import reports

pytestmark = pytest.mark.django_db(transaction=True)

ACCOUNT, WHOAMI = "/v1/account", "/v0/meta/whoami"
HOUR = 3_600_000
THROTTLED = [
    one
    for one in recorded().values()
    if one.context == "api" and one.code in ("rate_limited", "quota_exhausted")
]


def test_every_request_takes_a_lease(stripe):
    stripe.set_limit(Limit(2, HOUR))
    with stripe.session(wait=0) as s:
        s.get(ACCOUNT)
        s.get(ACCOUNT)
        with pytest.raises(limiter.RateLimited):
            s.get(ACCOUNT)


def test_the_repeated_request_takes_one_of_its_own(airtable, fail, calls):
    airtable.set_limit(Limit(1, HOUR))
    fail("invalid_token", provider="airtable", times=1)
    with airtable.session(wait=0) as s, pytest.raises(limiter.RateLimited) as caught:
        s.get(WHOAMI)
    assert 3000 < caught.value.retry_after <= 3601
    assert len(calls(WHOAMI)) == 1


@pytest.mark.parametrize("behaviour", ["reset", "truncated", "garbage", "5xx", "bomb"])
def test_a_lease_is_given_back_whatever_happens(behaviour, stripe, fail):
    stripe.set_limit(Limit(1000, 1000, 1))
    fail(behaviour, provider="stripe", times=1)
    with stripe.session(wait=0) as s:
        try:
            s.get(ACCOUNT)
        except egress.EgressError:
            assert behaviour in ("reset", "truncated", "bomb")
        assert stripe.rate_limit.holders() == []
        assert s.get(ACCOUNT).status_code == 200


def test_no_lease_is_taken_for_what_is_not_sent(stripe, airtable, fail):
    fail("invalid_grant", provider="airtable", context="token")
    for credential, url in ((stripe, "https://evil.example/"), (airtable, WHOAMI)):
        with credential.session() as s, pytest.raises(requests.RequestException):
            s.get(url)
        assert credential.rate_limit.live().used == 0


def test_requests_wait_their_turn(stripe, calls):
    stripe.set_limit(Limit(1, 400))
    started = time.monotonic()
    with stripe.session(wait=5) as s:
        s.get(ACCOUNT)
        s.get(ACCOUNT)
    assert time.monotonic() - started > 0.35
    first, second = (one["at_ns"] for one in calls(ACCOUNT))
    assert second - first > 390e6


def test_quotas_in_headers_are_noted(stored):
    airtable_like = stored("github_app")
    with airtable_like.session() as s:
        s.get("/installation/repositories")
    told = limiter.reported(airtable_like.rate_limit)
    assert (told.allowed_requests, told.interval) == (5000, HOUR)


def test_without_a_place_for_leases_nothing_is_sent(stripe, calls, monkeypatch):
    from credentials.limiter import turns

    def broken():
        raise limiter.LimiterUnavailable("it is away")

    monkeypatch.setattr(turns, "store", broken)
    with stripe.session() as s, pytest.raises(limiter.LimiterUnavailable):
        s.get(ACCOUNT)
    assert calls() == []


def test_an_answer_is_not_lost_where_nobody_can_be_told(stored, monkeypatch):
    from django.db import OperationalError

    github = stored("github_app")

    def broken(*_args, **_more):
        raise limiter.LimiterUnavailable("it is away")

    def locked(*_args):
        raise OperationalError("database is locked")

    monkeypatch.setattr("credentials.limiter.note_quota", broken)
    monkeypatch.setattr(reports, "observe", locked)
    with github.session() as s:
        assert s.get("/installation/repositories").status_code == 200


# --- throttled answers


@pytest.mark.parametrize("one", THROTTLED, ids=lambda one: f"{one.provider}-{one.name}")
def test_a_throttled_answer_holds_the_limit_off_until_the_provider_s_time(one, stored, fail, calls):
    kind = kinds.of_provider(one.provider)[0]
    credential = stored(kind.KIND)
    fail(one.name, provider=one.provider, context="api", times=1)
    with credential.session(wait=0) as s:
        s.call(next(credential.probe()))
        asked = len(calls())
        live = credential.rate_limit.live()
        assert live.held_reason == one.code
        assert live.held_off == pytest.approx(one.retry_after or default_wait(kind, one), abs=2.5)
        with pytest.raises(limiter.RateLimited) as caught:
            s.call(next(credential.probe()))
    assert caught.value.reason == "held_off"
    assert caught.value.retry_after == pytest.approx(live.held_off, abs=2.5)
    assert len(calls()) == asked


def default_wait(kind, one):
    """What is waited where neither the answer nor its source says how long."""
    if one.code == "quota_exhausted":
        return 60.0
    sent = one.answer()
    return kind().wait(Answer(sent.status, sent.headers, sent.content())) or 1.0


def test_after_the_hold_off_it_goes_on(stored, fail):
    stripe = stored("stripe_key")
    fail("rate_limited_global_rate", provider="stripe", times=1)
    with stripe.session(wait=5) as s:
        assert s.get(ACCOUNT).status_code == 429
        started = time.monotonic()
        assert s.get(ACCOUNT).status_code == 200
    assert time.monotonic() - started > 0.5


def test_a_lease_that_comes_too_late_is_taken_again(stripe, calls, monkeypatch):
    stripe.set_limit(Limit(1, HOUR))
    acquire, taken = RateLimit.acquire, []

    def slowly(limit, **options):
        taken.append(acquire(limit, **options))
        if len(taken) == 1:
            time.sleep(0.03)
        return taken[-1]

    monkeypatch.setattr(RateLimit, "acquire", slowly)
    with stripe.session(wait=0) as s:
        assert s.get(ACCOUNT).status_code == 200
    assert len(taken) == 2
    assert len(calls(ACCOUNT)) == 1
