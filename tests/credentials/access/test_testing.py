"""Tests that people start from pages: how many in a minute, until when, and what is said of the rest."""

import time

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from credentials import app_tests, limiter, probes, testing, tokens, views
from credentials.models import Credential
from credentials.models import properties as declared
from health import reports
from health.observations import Observation
from project import gunicorn
from tests.credentials.access.consents import Person

pytestmark = pytest.mark.django_db(transaction=True)


def of(credential, code="ok"):
    now = timezone.now()
    return probes.Test(credential, Observation(code, now, now), [])


@pytest.fixture
def quick(monkeypatch):
    """Nobody is asked."""
    monkeypatch.setattr(probes, "test", of)


def one_tested(person, credential):
    return person.client.post(reverse("test_credential", args=[credential.pk]))


def selected_tested(person, *credentials):
    data = {"action": "test_selected", "_selected_action": [str(one.pk) for one in credentials]}
    return person.client.post(reverse("admin:credentials_credential_changelist"), data)


def test_a_person_starts_so_many_tests_in_a_minute(person, stripe, apps, quick, monkeypatch):
    monkeypatch.setattr(app_tests, "test", lambda app: pytest.fail("It was asked."))
    for _number in range(testing.PER_MINUTE):
        assert one_tested(person, stripe).status_code == 200
    refused = one_tested(person, stripe)
    text = refused.content.decode()
    assert refused.status_code == 429
    assert "Nothing was tested" in text
    assert f"You have started {testing.PER_MINUTE} tests within a minute: try again in" in text
    assert selected_tested(person, stripe).status_code == 429
    app = apps["hubspot"]
    shown = person.client.post(reverse("test_oauth_app", args=[app.pk]), follow=True).content.decode()
    assert "tests within a minute" in shown
    # Nobody else is held up by that.
    other = Person(User.objects.create_superuser("grace", password="only-for-tests-0123456789"))
    assert one_tested(other, stripe).status_code == 200


def test_a_command_is_not_limited_by_what_people_start(person, stripe, quick):
    for _number in range(testing.PER_MINUTE + 1):
        one_tested(person, stripe)
    assert probes.test(stripe).works


def test_of_a_selection_only_what_is_left_of_the_minute_is_tested(person, stored, quick):
    one, other = stored("sendgrid_key"), stored("stripe_key")
    for _number in range(testing.PER_MINUTE - 1):
        one_tested(person, one)
    page = selected_tested(person, one, other)
    assert page.status_code == 200
    assert [len(some) for some in page.context["left"].values()] == [1]
    assert "1 of 1 work, 1 not tested" in page.content.decode()
    assert "Not tested" in page.content.decode() and "tests within a minute" in page.content.decode()


def test_a_limiter_that_cannot_be_reached_is_found_by_the_test_itself(person, stripe, quick, monkeypatch):
    def broken(*args, **named):
        raise limiter.LimiterUnavailable("down")

    monkeypatch.setattr(limiter, "try_acquire", broken)
    assert one_tested(person, stripe).status_code == 200


def test_too_many_are_not_tested_at_all(person, stripe, monkeypatch):
    monkeypatch.setattr(testing, "MOST", 0)
    monkeypatch.setattr(probes, "test", lambda credential: pytest.fail("It was asked."))
    assert (
        "too many at once"
        in selected_tested(person, stripe).wsgi_request._messages._queued_messages[0].message
    )


def test_no_further_test_is_started_when_time_is_up(person, stored, monkeypatch):
    one, other = stored("sendgrid_key"), stored("stripe_key")
    asked = []

    def slow(credential):
        asked.append(credential.pk)
        time.sleep(0.3)
        return of(credential)

    monkeypatch.setattr(probes, "test", slow)
    monkeypatch.setattr(testing, "AT_ONCE", 1)
    monkeypatch.setattr(testing, "STARTED_WITHIN", 0.1)
    page = selected_tested(person, one, other)
    assert len(asked) == 1
    ((left,),) = page.context["left"].values()
    assert {left.pk} == {one.pk, other.pk} - set(asked)
    assert "The others took too long" in page.content.decode()


def test_the_web_server_waits_for_the_slowest_test():
    of_one = probes.WAIT + probes.MOST_CALLS * 10 + tokens.PATIENCE
    assert gunicorn.timeout > testing.STARTED_WITHIN + of_one


def test_health_that_is_busy_costs_no_other_result(person, stored, monkeypatch):
    one, other = stored("sendgrid_key"), stored("stripe_key")

    def busy_for_one(credential):
        if credential.pk == one.pk:
            raise reports.Busy("busy")
        return of(credential)

    monkeypatch.setattr(probes, "test", busy_for_one)
    page = selected_tested(person, one, other)
    assert [[row.pk for row in some] for some in page.context["left"].values()] == [[one.pk]]
    assert [row["test"].credential.pk for row in page.context["closely"]] == [other.pk]
    alone = one_tested(person, one)
    assert alone.status_code == 200
    assert "Others keep changing its health" in alone.content.decode()


def test_health_that_is_busy_costs_no_test_of_an_app(apps, monkeypatch):
    def busy(*args):
        raise reports.Busy("busy")

    monkeypatch.setattr(reports, "observe", busy)
    assert apps["hubspot"].test().works


def test_many_that_fail_cost_as_many_queries_as_two(person, stored):
    kinds = ("hubspot_oauth2", "airtable_oauth2", "linear_oauth2")
    pks = [stored(kind, n).pk for kind in kinds for n in (0, 1)]
    # Some name their app, the others follow the default one.
    for credential in Credential.objects.filter(pk__in=pks[::2]):
        credential.oauth_app = credential.app_in_use()
        for name in declared.secret_names(type(credential)):
            setattr(credential, name, f"fake_{name}_of_{credential.pk}")
        credential.save()
    request = RequestFactory(HTTP_HOST="127.0.0.1:8000").get("/")
    request.user, request.session = person.user, person.client.session
    counts = []
    for some in (pks[:2], pks):
        found = [of(one, "revoked") for one in Credential.objects.filter(pk__in=some)]
        with CaptureQueriesContext(connection) as queries:
            text = views.tested(request, testing.Outcome(found)).render().content.decode()
        assert text.count("Test its OAuth app") == len(some)
        counts.append(len(queries))
    assert counts[0] == counts[1]
