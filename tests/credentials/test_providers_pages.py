"""The pages of providers: what each needs, how its credentials are, and its incidents."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from credentials.console import providers
from credentials.kinds import KINDS, PROVIDERS
from health import doubts, incidents
from health.models import Component
from tests.factories import make_credential, make_oauth_app
from tests.health.cast import CUSTOMER, HEALTHY, OURS, say

pytestmark = pytest.mark.django_db


def get(client, slug=None):
    answer = client.get(reverse("provider", args=[slug]) if slug else reverse("providers"))
    assert answer.status_code == 200
    return answer


def card_of(client, key):
    return next(card for card in get(client).context["cards"] if card.provider.key == key)


def test_every_provider_has_a_card_and_a_page_that_says_what_it_needs(admin_client):
    cards = get(admin_client)
    assert [card.provider for card in cards.context["cards"]] == list(PROVIDERS.values())
    for key, provider in PROVIDERS.items():
        one = get(admin_client, key)
        assert provider.name in cards.text and str(provider.limits).split(";")[0] in cards.text.replace(
            "&#x27;", "'"
        )
        for kind in (kind for kind in KINDS.values() if kind.PROVIDER is provider):
            assert f"<code>{kind.KIND}</code>" in one.text
    assert admin_client.get("/providers/nobody/").status_code == 404


def test_a_kind_says_how_it_signs_in():
    said = {name: providers.way(kind) for name, kind in KINDS.items()}
    assert "own page" in said["hubspot_oauth2"].how and said["hubspot_oauth2"].uses_app
    assert "exchanged" in said["marketo_client_credentials"].how
    assert "each request" in said["stripe_key"].how and not said["stripe_key"].uses_app
    assert said["sendgrid_key"].needs[0] == "API key" and said["sendgrid_key"].limit == "600 per minute"


def test_credentials_are_counted_by_what_people_see_of_them_and_lead_to_the_list(admin_client):
    works, never, fails, doubted, deleted = (make_credential("sendgrid_key") for _number in range(5))
    say(works.component, HEALTHY)
    say(fails.component, CUSTOMER)
    say(doubted.component, CUSTOMER)
    doubts.begin(doubted.component_id, timezone.now())
    deleted.delete()
    card = card_of(admin_client, "sendgrid")
    assert [(one.status, one.number) for one in card.counts] == [
        ("customer_intervention", 1),
        ("unchecked", 2),
        ("healthy", 1),
    ]
    assert card.total == 4
    for one in card.counts:
        assert admin_client.get(one.address).context["found"].rows.__len__() == one.number, one.status
    assert never.pk


def test_an_incident_stands_on_top_and_is_history_later(admin_client):
    stripe = incidents.of_provider("stripe")
    now = timezone.now()
    say(stripe, OURS, "provider_incident", at=now - timedelta(hours=5))
    say(stripe, HEALTHY, at=now - timedelta(hours=3))
    assert "has had an incident" not in get(admin_client).text
    say(stripe, OURS, "provider_incident", at=now - timedelta(minutes=90))
    for answer in (get(admin_client), get(admin_client, "stripe")):
        assert "Stripe has had an incident for 1 h 30 min" in answer.text
    [first] = card_of(admin_client, "stripe").past
    assert first.lasted == timedelta(hours=2)
    # A person who says that the customer must act makes no second incident of it.
    say(stripe, CUSTOMER, at=now - timedelta(minutes=60))
    card = card_of(admin_client, "stripe")
    assert (len(card.past), round(card.incident.lasted.total_seconds() / 60)) == (1, 90)
    # One that began before what is looked back at.
    Component.objects.get(pk=stripe.pk).flips.all().delete()
    Component.objects.filter(pk=stripe.pk).update(since=now - timedelta(days=120))
    assert card_of(admin_client, "stripe").incident.lasted > timedelta(days=119)


def test_a_provider_without_an_app_says_so_where_it_needs_one(admin_client):
    assert "It needs an OAuth app of ours" in get(admin_client, "shopify").text
    assert "It needs an OAuth app of ours" not in get(admin_client, "sendgrid").text
    app = make_oauth_app("shopify", is_default=False)
    assert "must name one" in get(admin_client, "shopify").text
    app.is_default = True
    app.save()
    answer = get(admin_client, "shopify")
    assert "must name one" not in answer.text and app.name in answer.text


def test_the_queries_are_as_many_for_many_as_for_none(admin_client):
    def queries(slug=None):
        with CaptureQueriesContext(connection) as captured:
            get(admin_client, slug)
        return len(captured)

    empty = queries(), queries("stripe")
    for kind in ("stripe_key", "sendgrid_key", "servicenow_password"):
        for _number in range(3):
            say(make_credential(kind).component, OURS)
    for key in PROVIDERS:
        say(incidents.of_provider(key), OURS)
    assert (queries(), queries("stripe")) == empty
    assert empty[0] <= 12
