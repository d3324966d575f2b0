"""What a worker's requests prove and what not: of whose credential, which secret, which OAuth app."""

import threading
from datetime import timedelta

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from credentials import egress, feedback, probes, tokens
from credentials.models import AccessToken
from credentials.simulator import cast
from health import reports, schedule
from health.models import Component
from health.observations import Observation
from health.status import Status

pytestmark = pytest.mark.django_db(transaction=True)

ACCOUNT, LISTING = "/v1/account", "/v1/customers"
WHOAMI = "/v0/meta/whoami"
CUSTOMER, OURS = Status.CUSTOMER_INTERVENTION, Status.SEQUIN_INTERVENTION


def probed(component, code, minutes_ago):
    """As a probe saw it so long ago."""
    at = timezone.now() - timedelta(minutes=minutes_ago)
    reports.observe(component.pk, Observation(code, at, at, revision=_now(component).revision))


def _now(component):
    return Component.objects.get(pk=component.pk)


def works(credential, path=ACCOUNT):
    """A worker's request in its name, told to health as by another process."""
    feedback._told.clear()
    with credential.session() as s:
        assert s.get(path).status_code == 200


@pytest.fixture
def known(stripe):
    """One that was there for long, and has been looked at."""
    long_ago = timezone.now() - timedelta(days=1)
    Component.objects.filter(pk=stripe.component_id).update(since=long_ago, own_since=long_ago)
    probed(stripe.component, "ok", 60)
    return stripe


# --- whose account it is, and what is allowed


@pytest.mark.parametrize("code", ["other_account", "insufficient_scope", "consent_required"])
def test_requests_that_work_do_not_hide_what_a_probe_sees(known, code):
    probed(known.component, code, 30)
    works(known)
    # It began before that request, and is told after it.
    probed(known.component, code, 0.1)
    assert (_now(known.component).own_status, _now(known.component).own_code) == (CUSTOMER, code)
    works(known)
    works(known)
    assert _now(known.component).own_status == CUSTOMER


def test_a_request_that_works_shows_that_the_key_was_not_revoked(known):
    probed(known.component, "revoked", 30)
    works(known)
    assert _now(known.component).evidence.get("hard_owner") is None
    assert timezone.now() - _now(known.component).last_ok_at < timedelta(minutes=1)


def test_what_works_again_is_looked_at_at_once(known):
    for minutes_ago in (30, 20):
        probed(known.component, "revoked", minutes_ago)
    later = timezone.now() + timedelta(hours=6)
    Component.objects.filter(pk=known.component_id).update(next_check_at=later)
    works(known)
    assert _now(known.component).next_check_at <= timezone.now()
    for _twice in range(2):
        assert _now(known.component).own_status == CUSTOMER
        assert probes.test(known).works
        # The confirmation counts a minute later.
        evidence = _now(known.component).evidence
        if evidence.get("ok_at"):
            earlier = (timezone.now() - timedelta(minutes=2)).isoformat()
            Component.objects.filter(pk=known.component_id).update(evidence=evidence | {"ok_at": earlier})
    assert _now(known.component).own_status == Status.HEALTHY


# --- which secret it was


@pytest.fixture
def slowly(stripe, fail, monkeypatch):
    """Asks in a thread; before its answer is there, the secret is replaced and the session has noticed."""

    def ask(session, answer):
        found, arrived, replaced = [], threading.Event(), threading.Event()
        plain = egress.Adapter.send

        def send(adapter, request, **kwargs):
            response = plain(adapter, request, **kwargs)
            if request.path_url == LISTING and not replaced.is_set():
                arrived.set()
                assert replaced.wait(20)
            return response

        def worker():
            try:
                found.append(session.get(LISTING).status_code)
            finally:
                connection.close()

        monkeypatch.setattr(egress.Adapter, "send", send)
        fail(answer, provider="stripe", path=LISTING, times=1)
        thread = threading.Thread(target=worker)
        thread.start()
        assert arrived.wait(20)
        current = type(stripe).objects.get(pk=stripe.pk)
        current.secret = cast.credential("stripe_key", 2)["properties"]["secret"]
        current.save()
        session._looked_at = float("-inf")
        assert session.get("/v1/balance").status_code == 200
        replaced.set()
        thread.join()
        return found

    return ask


def test_a_late_answer_is_told_of_the_secret_that_was_sent(stripe, told, slowly):
    with stripe.session() as s:
        assert slowly(s, "permission_missing") == [403]
    assert [(one.code, one.revision) for one in told] == [("answered", "2"), ("insufficient_scope", "1")]


def test_a_late_refusal_of_the_old_secret_is_tried_with_the_new_one(stripe, told, slowly, calls):
    with stripe.session() as s:
        assert slowly(s, "invalid_key") == [200]
    assert [(one.code, one.revision) for one in told] == [("answered", "2")]
    assert [one["status"] for one in calls(LISTING)] == [401, 200]


def test_what_breaks_off_is_dated_by_when_it_was_asked(stripe, told, fail):
    fail("hang", provider="stripe", times=1)
    before = timezone.now()
    with stripe.session() as s:
        s.get_adapter("https://").total = 1.0
        with pytest.raises(egress.EgressError):
            s.get(ACCOUNT)
    assert (told[0].started_at - before).total_seconds() < 0.8


# --- what is told, and how often


def test_answers_and_failures_in_turn_are_told_a_few_times_only(stripe, told, fail):
    with stripe.session() as s:
        for _number in range(10):
            s.get(ACCOUNT)
            fail("permission_missing", provider="stripe", times=1)
            assert s.get(ACCOUNT).status_code == 403
    assert [one.code for one in told] == ["answered", "insufficient_scope", "answered"]
    del told[:]
    for key in feedback._told:
        feedback._told[key] -= 61
    with stripe.session() as s:
        fail("permission_missing", provider="stripe", times=1)
        s.get(ACCOUNT)
        s.get(ACCOUNT)
    assert [one.code for one in told] == ["insufficient_scope", "answered"]


def test_an_answer_that_our_rules_cannot_read_reaches_the_caller(stripe, told, monkeypatch, caplog):
    def broken(*_args):
        raise OverflowError("sk_test_fake in the message")

    monkeypatch.setattr(type(stripe), "quota", broken)
    with stripe.session() as s:
        assert s.get(ACCOUNT).status_code == 200
        monkeypatch.setattr(type(stripe), "read_failure", broken)
        fine = s.get(ACCOUNT)
    assert fine.json()["object"] == "account" and "sk_test_fake" not in caplog.text
    assert "OverflowError" in caplog.text


def test_hooks_see_the_answer_and_not_what_signed_it_in(stripe, fail):
    seen = []

    def hook(response, **kwargs):
        assert response.status_code == 200
        seen.append(f"{vars(response.request)} {response.url} {kwargs}")

    secret = stripe.secret.use(stripe.destination())
    with stripe.session() as s:
        s.hooks["response"].append(hook)
        s.get(ACCOUNT)
        assert len(seen) == 1
        answer = s.get(ACCOUNT, hooks={"response": [hook, lambda *_args, **_kwargs: "another"]})
    assert answer == "another" and len(seen) == 2
    assert secret not in "".join(seen) and "Authorization" not in "".join(seen)


# --- where health cannot hear


def test_a_test_inside_a_transaction_says_that_it_cannot_exchange(airtable, stripe, calls):
    with transaction.atomic():
        found = probes.test(airtable)
        assert probes.test(stripe).works
    assert (found.observation.code, found.works) == ("inside_transaction", False)
    assert probes.test(airtable).works
    component = Component.objects.get(pk=airtable.component_id)
    assert component.own_status == Status.HEALTHY and component.evidence is None


def test_our_own_faults_stay_ours(stripe, monkeypatch):
    def broken(*_args):
        raise RuntimeError("anything")

    monkeypatch.setattr(type(stripe), "probe", broken)
    assert probes.probe(stripe).code == "internal_error"


@pytest.mark.parametrize("error", [reports.Busy("busy"), DatabaseError("gone")])
def test_a_test_is_answered_where_health_is_busy(stripe, monkeypatch, error):
    def busy(*_args):
        raise error

    monkeypatch.setattr(reports, "observe", busy)
    assert probes.test(stripe).works


# --- OAuth apps


@pytest.mark.parametrize(
    "status, exchanged, hurried",
    [
        (Status.SEQUIN_INTERVENTION, True, True),
        (Status.SEQUIN_INTERVENTION, False, False),
        ("healthy", True, False),
    ],
    ids=["failing", "failing, with a token from before", "well"],
)
def test_an_app_that_gave_a_token_is_looked_at_again(airtable, status, exchanged, hurried):
    app, now = airtable.app_in_use().component, timezone.now()
    if not exchanged:
        tokens.access_token(airtable)
        AccessToken.objects.update(obtained_at=now - timedelta(minutes=20))
    Component.objects.filter(pk=app.pk).update(
        own_status=status,
        last_observed_at=now - timedelta(minutes=10),
        next_check_at=now + timedelta(hours=6),
    )
    works(airtable, WHOAMI)
    assert (Component.objects.get(pk=app.pk).next_check_at <= timezone.now()) == hurried


def test_one_app_is_thought_of_once_a_minute(airtable, monkeypatch):
    asked, app = [], airtable.app_in_use()
    monkeypatch.setattr(schedule, "sooner", lambda component, **_kwargs: asked.append(component))
    for _twice in range(2):
        works(airtable, WHOAMI)
    assert asked.count(app.component_id) == 1
