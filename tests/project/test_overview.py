"""The overview: what needs whom right now, in few queries, with first steps where there is nothing."""

import time
from datetime import timedelta

import pytest
from cryptography.fernet import Fernet
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from credentials import limiter
from credentials.limiter import LimiterUnavailable, watching
from credentials.models import Credential, Limit
from health import incidents, pausing, reports
from health.models import Component
from project.console import overview
from tests.credentials.admin_pages import client_of, staff
from tests.factories import make_credential, make_oauth_app

pytestmark = pytest.mark.django_db
OURS, CUSTOMER = "sequin_intervention", "customer_intervention"
SAID = "cli:ops@host"
HOME = "/"


@pytest.fixture
def viewer(db):
    return client_of(staff("view_credential", "view_component"))


@pytest.fixture(autouse=True)
def nothing_seen(monkeypatch):
    """As in a process that has just begun."""
    monkeypatch.setattr(overview, "seen", overview.Seen())


def text_of(response):
    assert response.status_code == 200
    return " ".join(response.content.decode().replace("&nbsp;", " ").split())


def sync(name, *parts):
    made = Component.objects.create(kind="sync", name=name)
    made.rewire([part.component for part in parts], actor=SAID)
    return made


def turns(response):
    return {turn.owner: turn for turn in response.context["found"].turns}


def checked(*credentials):
    """As if a worker had just looked at them."""
    later = timezone.now() + timedelta(minutes=5)
    Component.objects.filter(credential__in=credentials).update(next_check_at=later)


def test_an_empty_installation_leads_to_the_first_credential(viewer, admin_client):
    text = text_of(viewer.get(HOME))
    assert "First steps" in text and "python manage.py demo" in text
    assert "Nothing waits for us." not in text
    assert "Whoever is an operator or an admin can add the first one." in text
    add = reverse("new_credential")
    assert f'href="{add}"' in text_of(admin_client.get(HOME))


def test_one_row_for_each_cause_with_the_syncs_that_fail_because_of_it(viewer):
    app = make_oauth_app("hubspot", name="Our app")
    several = [make_credential("hubspot_oauth2", hub_id=n, oauth_app=app, name=f"Hub {n}") for n in (1, 2, 3)]
    stripe = make_credential("stripe_key", name="Atreides")
    for credential in [*several, stripe]:
        sync(f"sync of {credential}", credential)
    sync("fine")
    reports.report(app.component, OURS, actor=SAID, code="oauth_app_rejected")
    reports.report(stripe.component, CUSTOMER, actor=SAID, code="revoked", note="It was revoked.")
    response = viewer.get(HOME)
    text, found = text_of(response), turns(response)
    assert [(one.causes, one.syncs) for one in (found["us"], found["customer"])] == [(1, 3), (1, 1)]
    assert [(one.component.name, one.syncs) for one in found["us"].newest] == [("Our app", 3)]
    assert "4 of 5 syncs" in text and "It was revoked." in text
    for link in (
        f"{reverse('health_board')}?owner=us",
        f"{reverse('health_board')}?view=sync&amp;owner=customer",
        f"{reverse('health_board')}?view=sync&amp;cause={app.component_id}",
        reverse("credential", args=[stripe.pk]),
        reverse("health_component", args=[app.component_id]),
        f"{reverse('credentials')}?provider=stripe&amp;owner=customer",
    ):
        assert f'href="{link}"' in text, link
        assert viewer.get(link.replace("&amp;", "&")).status_code == 200
    rows = {row.key: (row.credentials, row.us, row.customer) for row in response.context["found"].providers}
    assert rows == {"hubspot": (3, 3, 0), "stripe": (1, 0, 1)}
    # What only followed from another flip is no news.
    assert [flip.component.name for flip in response.context["found"].flips] == ["Atreides", "Our app"]


def test_the_newest_causes_come_first_and_the_others_are_counted(viewer):
    for number in range(overview.CAUSES + 2):
        credential = make_credential("stripe_key", name=f"number {number}")
        at = timezone.now() - timedelta(minutes=10 - number)
        reports.report(credential.component, CUSTOMER, actor=SAID, code="revoked", at=at)
    turn = turns(viewer.get(HOME))["customer"]
    assert [one.component.name for one in turn.newest] == [f"number {n}" for n in (6, 5, 4, 3, 2)]
    assert (turn.causes, turn.more) == (7, 2)


def test_what_is_paused_or_deleted_waits_for_nobody(viewer):
    paused, deleted, well = (make_credential("stripe_key", name=name) for name in ("p", "d", "w"))
    for one in (paused, deleted):
        reports.report(one.component, CUSTOMER, actor=SAID, code="revoked")
    pausing.pause(paused.component, reason="They move.", actor=SAID)
    Credential.objects.get(pk=deleted.pk).delete()
    response = viewer.get(HOME)
    assert turns(response)["customer"].causes == 0
    assert "Nothing waits for a customer." in text_of(response)
    assert response.context["found"].credentials == 2 and well


def test_incidents_and_secrets_that_cannot_be_read_are_said_first(viewer):
    credential = make_credential("stripe_key")
    reports.report(incidents.of_provider("stripe"), OURS, actor=SAID, code="provider_incident")
    Credential.objects.filter(pk=credential.pk).update(unreadable=True)
    response = viewer.get(HOME)
    text = text_of(response)
    assert "Stripe has an incident" in text and "1 credential cannot be read" in text
    assert f'href="{reverse("credentials")}?only=unreadable"' in text
    # It explains, and is in no count.
    assert turns(response)["us"].causes == 0


def test_that_no_worker_runs_is_said(viewer):
    late, on_time = make_credential("stripe_key"), make_credential("sendgrid_key")
    checked(late, on_time)
    assert "No worker seems to run." not in text_of(viewer.get(HOME))
    since = timezone.now() - timedelta(hours=3)
    Component.objects.filter(credential=late).update(next_check_at=since)
    response = viewer.get(HOME)
    assert "No worker seems to run." in text_of(response)
    assert response.context["found"].late_since == since


def test_limits_near_their_end_and_what_is_held_off(viewer):
    held, busy, quiet = (make_credential("stripe_key", name=name) for name in ("Held", "Busy", "Quiet"))
    for credential in (busy, quiet):
        credential.set_limit(Limit(10, 60_000))
    for credential, times in ((busy, 9), (quiet, 3)):
        limit = Credential.objects.get(pk=credential.pk).rate_limit
        for _number in range(times):
            limit.try_acquire()
    held.rate_limit.hold_off(seconds=600, reason="quota_exhausted")
    limiter.hold_off_provider("shopify", seconds=600)
    try:
        response = viewer.get(HOME)
    finally:
        limiter.hold_off_provider("shopify", seconds=0)
    found = response.context["found"]
    assert [row.credential.name for row in found.limits] == ["Held", "Busy"] and found.limits[1].full == 90
    text = text_of(response)
    assert "90 %" in text and f'href="{reverse("rate_limits")}?use=over"' in text
    assert [row.key for row in found.providers if row.held] == ["shopify"]


def test_all_limits_are_looked_through_now_and_then_only(viewer, monkeypatch):
    looks = []

    def look(share):
        looks.append(share)
        return watching.Over([], False)

    make_credential("stripe_key")
    monkeypatch.setattr(watching, "over", look)
    monkeypatch.setattr(overview, "AGAIN", 1e9)
    for _number in range(2):
        text_of(viewer.get(HOME))
    assert len(looks) == 1
    overview.seen.until = time.monotonic()
    text_of(viewer.get(HOME))
    assert len(looks) == 2


def test_the_limiter_may_not_answer(viewer, monkeypatch):
    def fail(*args):
        raise LimiterUnavailable("down")

    make_credential("stripe_key")
    monkeypatch.setattr(watching, "over", fail)
    text = text_of(viewer.get(HOME))
    assert "store failed, so no request may be made: down." in text and "By provider" in text


def test_queries_are_few_constant_and_open_no_secret(viewer, monkeypatch):
    monkeypatch.setattr(Fernet, "decrypt", lambda *args, **kwargs: pytest.fail("A secret was opened."))

    def filled(number):
        for _number in range(number):
            credential = make_credential("stripe_key")
            sync(f"sync of {credential}", credential)
            reports.report(credential.component, CUSTOMER, actor=SAID, code="revoked")
            credential.rate_limit.hold_off(seconds=60, reason="rate_limited")
        with CaptureQueriesContext(connection) as found:
            assert viewer.get(HOME).status_code == 200
        return len(found)

    viewer.get(HOME)
    assert filled(1) == filled(12) == 12
    part = viewer.get(HOME, {"part": "now"})
    assert "<html" not in part.content.decode() and 'id="overview"' in part.content.decode()


def test_who_may_not_see_it_is_led_elsewhere(client):
    keeper = client_of(staff("view_user"))
    assert keeper.get(HOME).url == reverse("admin:auth_user_changelist")
    assert keeper.get(reverse("admin:index")).url == reverse("admin:auth_user_changelist")
    everything = client_of(staff("view_credential", "view_component"))
    assert everything.get(reverse("admin:index")).url == HOME
