"""Pages of the list of credentials: each row once, in order, found in an index."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from credentials.models import Credential
from health.models import Component
from tests.credentials.admin_pages import LIST
from tests.factories import make_credential

pytestmark = pytest.mark.django_db

KINDS = ("stripe_key", "stripe_oauth2", "github_app")
USUAL = ("-updated_at", "-id")


@pytest.fixture
def credentials():
    """Rows for three pages, several of them with the same name, some of them failing."""
    for index in range(120):
        made = make_credential(KINDS[index % 3], name=f"Customer {index % 7}")
        if index % 2:
            Component.objects.filter(pk=made.component_id).update(status="customer_intervention")


def page(client, query):
    response = client.get(f"{LIST}?{query}")
    assert response.status_code == 200, response
    return [row.pk for row in response.context["cl"].result_list]


@pytest.mark.parametrize(
    ("query", "narrowed", "order"),
    [
        ("", {}, USUAL),
        ("o=1", {}, ("name", *USUAL)),
        ("o=-1", {}, ("-name", *USUAL)),
        ("o=2.-1", {}, ("provider", "-name", *USUAL)),
        ("provider=stripe", {"provider": "stripe"}, USUAL),
        ("status=customer_intervention", {"component__status": "customer_intervention"}, USUAL),
        ("q=CUSTOMER", {}, USUAL),
        ("kind=github_app", {"kind": "github_app"}, USUAL),
        ("q=zzzzzz", {"name": "nobody"}, USUAL),
    ],
)
def test_the_pages_together_hold_each_row_once_and_in_order(
    admin_client, credentials, query, narrowed, order
):
    whole = list(Credential.objects.filter(**narrowed).order_by(*order).values_list("pk", flat=True))
    pages = [
        page(admin_client, f"{query}&p={number}") for number in range(1, max(1, -(-len(whole) // 50)) + 1)
    ]
    assert [pk for found in pages for pk in found] == whole
    assert [len(found) for found in pages[:-1]] == [50] * (len(pages) - 1)


@pytest.mark.parametrize("query", ["", "p=3", "o=1", "provider=stripe", "q=customer"])
def test_what_is_skipped_and_sorted_is_joined_to_nothing(admin_client, credentials, query):
    with CaptureQueriesContext(connection) as captured:
        page(admin_client, query)
    joined = [one["sql"] for one in captured if "health_component" in one["sql"]]
    assert len(joined) == 1
    assert "LIMIT" not in joined[0]
    assert "OFFSET" not in joined[0]


@pytest.mark.parametrize(
    ("narrowed", "order"),
    [({}, USUAL), ({}, ("name", *USUAL)), ({"provider": "stripe"}, USUAL), ({"kind": "stripe_key"}, USUAL)],
)
def test_a_page_is_found_in_an_index(narrowed, order):
    rows = Credential.objects.non_polymorphic().filter(**narrowed).order_by(*order).values_list("pk")[50:100]
    if connection.vendor == "postgresql":
        # A small table is quicker read and sorted: only where there is no other way it says so now.
        with connection.cursor() as cursor:
            for switch in ("enable_sort", "enable_incremental_sort", "enable_seqscan"):
                cursor.execute(f"SET LOCAL {switch} = off")
    plan = rows.explain()
    assert "Sort" not in plan and "TEMP B-TREE" not in plan, plan
    assert "credential_list" in plan
