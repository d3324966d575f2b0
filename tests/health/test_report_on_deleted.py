"""Reporting on what was deleted, or is being deleted: said in a sentence, and nothing is stored."""

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse

from health import reports
from health.models import Component, Flip, Note
from tests.factories import make_credential
from tests.health.cast import ANNA, CUSTOMER, make

pytestmark = pytest.mark.django_db

BOARD = reverse("health_board")
SENTENCE = "was deleted, so nothing was stored"


@pytest.fixture
def retired():
    """The component of a deleted credential, as somebody loaded it before."""
    credential = make_credential("stripe_key", name="Acme")
    component = credential.component
    credential.delete()
    return component


def nothing_stored(component):
    stored = Component.everything.get(pk=component.pk)
    assert (stored.status, stored.own_status, stored.last_reported_at) == ("healthy", "healthy", None)
    assert not Flip.objects.exists() and not Note.objects.exists()
    return True


def test_a_report_on_a_retired_component_is_refused(retired):
    with pytest.raises(reports.Gone, match=f"Credential Acme {SENTENCE}"):
        reports.report(retired, CUSTOMER, actor=ANNA, code="revoked")
    assert nothing_stored(retired)


def test_a_report_on_a_component_that_is_no_more_is_refused():
    target = make("target", "orders-db")
    Component.objects.filter(pk=target.pk).delete()
    with pytest.raises(reports.Gone, match=f"Target orders-db {SENTENCE}"):
        reports.report(target, CUSTOMER, actor=ANNA, code="disk_full")


def test_the_roll_up_passes_over_what_is_retired(retired):
    target = make("target", "orders-db")
    assert reports.recompute([retired.pk, target.pk]) == 0
    assert nothing_stored(retired)


def test_the_command_says_so_and_ends_with_status_1(retired):
    with pytest.raises(CommandError, match=f"Credential Acme {SENTENCE}") as caught:
        call_command("report_health", str(retired.pk), "customer_intervention", "--code", "revoked")
    assert caught.value.returncode == 1
    assert nothing_stored(retired)


@pytest.mark.parametrize("method", ["get", "post"])
def test_the_page_leads_to_the_board_and_says_so(admin_client, retired, method):
    address = reverse("health_act", args=[retired.pk, "report"])
    answer = getattr(admin_client, method)(address, {"status": CUSTOMER, "code": "revoked"}, follow=True)
    assert answer.redirect_chain == [(BOARD, 302)]
    assert f"Credential Acme {SENTENCE}" in answer.text
    assert nothing_stored(retired)


def test_deleted_between_the_page_and_its_report(admin_client, retired, monkeypatch):
    """The page found it in use; the report came after the deletion."""
    address = reverse("health_act", args=[retired.pk, "report"])
    found = Component.everything.get(pk=retired.pk)
    found.retired_at = None
    monkeypatch.setattr("health.console.acts.found_component", lambda pk: found)
    answer = admin_client.post(address, {"status": CUSTOMER, "code": "revoked"}, follow=True)
    assert answer.redirect_chain == [(BOARD, 302)]
    assert SENTENCE in answer.text
    assert nothing_stored(retired)
