"""What health is told of what a session sees: dated, not too often, and nothing that tells nothing."""

import pytest
from django.db import transaction
from django.utils import timezone

from credentials import egress, feedback
from credentials.exchange import Answer
from credentials.kinds import KINDS
from health.evidence import Evidence
from health.observations import CODES

pytestmark = pytest.mark.django_db(transaction=True)

ACCOUNT, LISTING = "/v1/account", "/v1/customers"


def test_it_is_told_at_most_once_a_minute(stripe, told, monkeypatch):
    with stripe.session() as s:
        for _number in range(3):
            s.get(ACCOUNT)
        assert [one.code for one in told] == ["answered"]
        feedback._told[stripe.pk, stripe.secret_version, "answered"] -= 61
        s.get(ACCOUNT)
    assert [(one.code, one.source, one.revision) for one in told] == [
        ("answered", "session", str(stripe.secret_version))
    ] * 2


def test_that_it_answers_is_news_again_after_a_failure(stripe, told, fail):
    with stripe.session() as s:
        s.get(ACCOUNT)
        fail("5xx", provider="stripe", times=1)
        s.get(ACCOUNT)
        s.get(ACCOUNT)
    assert [one.code for one in told] == ["answered", "provider_outage", "answered"]


def test_it_is_dated_by_when_it_was_asked(stripe, told, simulator):
    simulator.world.latency["stripe"] = 0.3
    before = timezone.now()
    with stripe.session() as s:
        s.get(ACCOUNT)
    (seen,) = told
    assert (seen.started_at - before).total_seconds() < 0.25
    assert (seen.finished_at - seen.started_at).total_seconds() >= 0.3


def test_what_may_be_the_request_s_own_fault_is_not_told(stripe, told, fail):
    with stripe.session(body_limit=10) as s, pytest.raises(egress.EgressError):
        s.get(LISTING)
    with stripe.session() as s:
        assert s.get("/v1/never-heard-of").status_code == 404
        fail("hang", provider="stripe", times=1)
        with pytest.raises(egress.EgressError) as caught:
            s.get(ACCOUNT, timeout=0.2)
        assert caught.value.code == "timeout"
        with pytest.raises(egress.EgressError):
            s.request("G\nET", ACCOUNT)
    assert told == []


def test_data_that_sound_like_a_failure_are_data():
    bodies = (
        b'{"data": {"issues": [{"title": "forbidden", "type": "authentication error", "code": "601"}]}}',
        b'{"result": "SUCCESS", "message": {"data": [{"status": "password login disabled, suspended"}]}}',
        b'{"id": 1, "name": "account suspended", "message": "permission denied", "code": "api_key_expired"}',
        b'[{"name": "invalid login", "error": "token_rejected"}]',
    )
    for kind in KINDS.values():
        for body in bodies:
            assert kind().read_failure(Answer(200, {}, body)) is None, (kind.KIND, body)


def test_what_is_told_are_codes_of_health():
    assert feedback.TELLING <= set(CODES)


def test_nothing_is_told_that_the_caller_reads_itself(stripe, told):
    with stripe.session(telling=False) as s:
        s.get(ACCOUNT)
    assert told == []


def test_a_dead_key_reaches_health(stored):
    credential = stored("stripe_key", secret="sk_test_-sim-expired-0000")
    with credential.session() as s:
        assert s.get(ACCOUNT).status_code == 401
    credential.component.refresh_from_db()
    assert Evidence.of(credential.component.evidence).hard_owner == "customer_intervention"


def test_inside_a_transaction_it_works_and_health_hears_after_the_commit(stripe, monkeypatch):
    stripe.component.refresh_from_db()
    checked = type(stripe.component).objects.filter(pk=stripe.component_id).values()
    before = checked.get()
    with transaction.atomic():
        with stripe.session() as s:
            assert s.get(ACCOUNT).status_code == 200
        assert checked.get() == before
    assert checked.get() != before
