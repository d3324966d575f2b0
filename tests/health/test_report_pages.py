"""Reporting by hand in the browser, and the list of what flipped."""

import pytest
from django.urls import reverse

from health.models import Flip
from tests.health.cast import CUSTOMER, OURS, make, make_cast, say
from tests.health.pages import ADD, FLIPS, act, client_with, page

pytestmark = pytest.mark.django_db


def test_a_report_by_hand_counts_and_names_the_person(ada):
    cast = make_cast()
    assert "3 other components depend" in ada.get(act(cast.target, "report")).content.decode()
    response = ada.post(
        act(cast.target, "report"), {"status": CUSTOMER, "note": "Full.", "code": "disk_full"}, follow=True
    )
    assert response.redirect_chain == [(page(cast.target), 302)]
    assert "Target orders-db: Customer must act." in response.content.decode()
    flip = cast.target.flips.get()
    assert (flip.new, flip.note, flip.code, flip.actor) == (CUSTOMER, "Full.", "disk_full", "user:admin")
    assert cast.refresh().sync.status == CUSTOMER


@pytest.mark.parametrize(
    ("posted", "words"),
    [
        ({"status": CUSTOMER}, "Say what is wrong"),
        ({"status": "broken", "note": "x"}, "Select a valid choice"),
        ({}, "This field is required"),
        ({"status": CUSTOMER, "code": "Disk Full"}, "A code has at most 48"),
        ({"status": CUSTOMER, "note": "a\u202eb"}, "Character 2 is invisible"),
        ({"status": CUSTOMER, "note": "x", "at": "2126-01-01T00:00"}, "lies in the future"),
        ({"status": CUSTOMER, "note": "x", "at": "soon"}, "Enter a valid date"),
        # No time zone west of ours could show it: every list with that flip would be an error.
        ({"status": CUSTOMER, "note": "x", "at": "0001-01-01T00:00"}, "too far away"),
    ],
)
def test_a_bad_report_is_shown_again(ada, posted, words):
    target = make("target", "orders-db")
    response = ada.post(act(target, "report"), posted)
    assert response.status_code == 200 and words in response.content.decode()
    assert not Flip.objects.exists()


@pytest.mark.parametrize("entered", [{"starts_at": "9999-12-31T23:59"}, {"until": "9999-12-31T23:59"}])
def test_a_pause_that_no_calendar_holds_is_shown_again(ada, entered):
    target = make("target", "orders-db")
    response = ada.post(act(target, "pause"), {"reason": "They rebuild it", "hours": "168", **entered})
    assert response.status_code == 200 and "too far away" in response.content.decode()
    assert not target.pauses.exists()


def test_a_report_under_a_broken_parent_says_that_it_waits(ada):
    cast = make_cast()
    say(cast.app, OURS)
    posted = {"status": CUSTOMER, "code": "revoked"}
    response = ada.post(act(cast.credential, "report"), posted, follow=True)
    assert "Kept. OAuth app shopify app fails as well" in response.content.decode()


def test_who_may_look_may_not_report(client):
    target = make("target", "orders-db")
    bo = client_with(client, "view_component", "view_flip")
    text = bo.get(page(target)).content.decode()
    assert act(target, "report") not in text
    assert bo.get(act(target, "report")).status_code == 403
    assert bo.post(act(target, "report"), {"status": OURS, "code": "x"}).status_code == 403
    assert bo.get(FLIPS).status_code == 200 and bo.get(ADD).status_code == 403
    assert not Flip.objects.exists()


def test_who_may_report_need_not_be_able_to_edit(client):
    target = make("target", "orders-db")
    bo = client_with(client, "view_component", "report_component")
    assert act(target, "report") in bo.get(page(target)).content.decode()
    assert bo.post(act(target, "report"), {"status": OURS, "code": "x"}).status_code == 302


def test_flips_are_for_reading(ada):
    cast = make_cast()
    flip = say(cast.target, CUSTOMER, "disk_full", note="Full.")
    text = ada.get(FLIPS).content.decode()
    assert "target:disk_full" in text and "Full." in text and page(cast.sync) in text
    address = reverse("admin:health_flip_change", args=[flip.pk])
    assert ada.get(address).status_code == 200
    assert ada.post(address, {"note": "nothing"}).status_code == 403
    assert ada.get(reverse("admin:health_flip_add")).status_code == 403
    assert ada.get(reverse("admin:health_flip_delete", args=[flip.pk])).status_code == 403


def test_flips_are_filtered(ada):
    cast = make_cast()
    say(cast.target, CUSTOMER, "disk_full")
    say(cast.credential, OURS, "unreadable")

    def found(**query):
        return {flip.component.name for flip in ada.get(FLIPS, query).context["cl"].result_list}

    assert found(new=OURS) == {"acme shop", "acme orders", "orders consumer"}
    assert found(kind="target") == {"orders-db"}
    assert found(origin="own") == {"orders-db", "acme shop"}
    assert found(component=cast.other.pk) == {"globex orders"}
    assert found(component="nonsense") == found()
    assert found(q="disk_full") == found(new=CUSTOMER)
