"""What is observed of a credential goes to the component that it is about, with the secret that was tried."""

from datetime import timedelta

import pytest
from django.utils import timezone

from credentials import feedback
from credentials.answers import Reading
from health import reports
from health.models import Component
from tests.factories import make_credential, make_oauth_app
from tests.health.cast import CUSTOMER, HEALTHY, OURS

pytestmark = pytest.mark.django_db


def seen(credential, code, minutes_ago):
    at = timezone.now() - timedelta(minutes=minutes_ago)
    return feedback.observation(credential, Reading(code), started_at=at, source="probe")


def component(holder):
    return Component.objects.get(pk=holder.component_id)


def test_a_rejected_app_is_one_cause_and_no_fault_of_its_credentials():
    app = make_oauth_app("shopify")
    # Its secret was replaced more often than theirs.
    for secret in ("sk_example_second", "sk_example_third"):
        app.client_secret = secret
        app.save()
    shops = [make_credential("shopify_oauth2", oauth_app=app) for _ in range(3)]
    assert component(app).revision != component(shops[0]).revision
    for minutes_ago, shop in ((9, shops[0]), (7, shops[1])):
        feedback.observe(shop, seen(shop, "oauth_app_rejected", minutes_ago))
    assert (component(app).status, component(app).code) == (OURS, "oauth_app_rejected")
    for shop in shops:
        found = component(shop)
        assert (found.own_status, found.status, found.cause_id) == (HEALTHY, OURS, app.component_id)
    # What it brings about below is not counted.
    for minutes_ago in (6, 4):
        feedback.observe(shops[2], seen(shops[2], "revoked", minutes_ago))
    assert component(shops[2]).own_status == HEALTHY and reports.drift() == []


def test_a_late_result_of_a_replaced_secret_counts_nothing_and_one_ok_heals():
    credential = make_credential("stripe_key")
    for minutes_ago in (20, 18):
        feedback.observe(credential, seen(credential, "revoked", minutes_ago))
    assert component(credential).status == CUSTOMER
    late = seen(credential, "secret_missing", 1)
    credential.secret = "sk_test_exampleExampleExample2"
    credential.save()
    feedback.observe(credential, late)
    assert component(credential).code == "revoked"
    feedback.observe(credential, seen(credential, "ok", 0.5))
    assert component(credential).status == HEALTHY
