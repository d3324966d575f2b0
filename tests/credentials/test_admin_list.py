"""The list of all credentials: what it shows, how it is narrowed, and that it opens no secret."""

import pytest
from cryptography.fernet import Fernet
from django.contrib.contenttypes.models import ContentType
from django.utils import timezone

from credentials.kinds import KINDS
from credentials.models import Credential, Limit
from credentials.models.rate_limit import MINUTE
from health.models import Component
from health.status import Status
from tests import rawsql
from tests.credentials.admin_pages import LIST
from tests.factories import make_credential

pytestmark = pytest.mark.django_db

# Session, user, the number of rows, the keys of a page, and its rows with component and limit.
QUERIES = 5


def names(client, query=""):
    response = client.get(f"{LIST}?{query}")
    assert response.status_code == 200, response
    return [credential.name for credential in response.context["cl"].result_list]


def report(credential, status):
    Component.objects.filter(pk=credential.component_id).update(status=status, known_since=timezone.now())


def test_a_row_says_what_a_credential_is(admin_client):
    credential = make_credential("shopify_oauth2", name="Spice Bazaar", shop_url="spice.myshopify.com")
    credential.set_limit(Limit(1200, MINUTE, 4))
    html = admin_client.get(LIST).content.decode()
    for text in (
        "Spice Bazaar",
        "spice.myshopify.com",
        "Shopify",
        "OAuth 2.0, offline token",
        "Not checked yet",
        "1,200 per minute, 4 at a time",
        "just now",
    ):
        assert text in html


def test_a_credential_without_account_says_that_it_is_not_known_yet(admin_client):
    make_credential("stripe_key")
    assert "account not known yet" in admin_client.get(LIST).content.decode()


@pytest.mark.parametrize("status", Status)
def test_a_status_is_shown_in_words(admin_client, status):
    report(make_credential(), status)
    assert f"{status.icon}</span>{status.label}</span>" in admin_client.get(LIST).content.decode()


def test_the_provider_narrows_the_list(admin_client):
    make_credential("stripe_key", name="Stripe key")
    make_credential("stripe_oauth2", name="Stripe consent")
    make_credential("github_app", name="GitHub")
    assert sorted(names(admin_client, "provider=stripe")) == ["Stripe consent", "Stripe key"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_kind_narrows_the_list(admin_client, kind):
    for each in KINDS:
        make_credential(each, name=each)
    assert names(admin_client, f"kind={kind}") == [kind]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("status=unchecked", ["unchecked"]),
        ("status=healthy", ["healthy"]),
        ("status=customer_intervention", ["customer"]),
        ("status=sequin_intervention", ["us"]),
    ],
)
def test_the_status_narrows_the_list(admin_client, query, expected):
    make_credential(name="unchecked")
    for name, status in (
        ("healthy", Status.HEALTHY),
        ("customer", Status.CUSTOMER_INTERVENTION),
        ("us", Status.SEQUIN_INTERVENTION),
    ):
        report(make_credential(name=name), status)
    assert sorted(names(admin_client, query)) == expected


def test_unreadable_credentials_are_found_by_their_filter(admin_client):
    make_credential(name="good")
    broken = make_credential(name="broken")
    Credential.objects.filter(pk=broken.pk).update(unreadable=True)
    assert names(admin_client, "unreadable=1") == ["broken"]


def test_an_unreadable_credential_is_listed_and_says_so(admin_client):
    broken = make_credential(name="Broken")
    rawsql.store(broken, secret=b"garbage", secret_seal_key="00000000")
    Credential.objects.filter(pk=broken.pk).update(unreadable=True)
    html = admin_client.get(LIST).content.decode()
    assert "Broken" in html
    assert "Unreadable" in html


@pytest.mark.parametrize("words", ["bazaar", "SPICE", "spice-bazaar.myshop", "choam", "bazaar choam", "42"])
def test_the_search_finds_a_name_an_account_and_metadata(admin_client, words):
    # Its numbers are given: those that are counted up can hold a 42.
    make_credential("github_app", name="Another", account_login="elsewhere", installation_id=1)
    make_credential(
        "shopify_oauth2",
        name="Bazaar",
        shop_url="spice-bazaar.myshopify.com",
        metadata={"customer": {"id": "CHOAM"}, "seats": 42},
    )
    assert names(admin_client, f"q={words}") == ["Bazaar"]


def test_the_search_does_not_find_a_secret(admin_client):
    make_credential("stripe_key", secret="sk_test_findme", test=True)
    assert names(admin_client, "q=findme") == []


@pytest.mark.parametrize(("order", "expected"), [("1", ["a", "b"]), ("-1", ["b", "a"]), ("-5", ["b", "a"])])
def test_the_list_is_ordered_by_a_column(admin_client, order, expected):
    make_credential(name="a")
    make_credential(name="b")
    assert names(admin_client, f"o={order}") == expected


def test_the_newest_change_stands_first(admin_client):
    first, second = make_credential(name="first"), make_credential(name="second")
    assert names(admin_client) == ["second", "first"]
    first.save()
    assert names(admin_client) == ["first", "second"]
    assert second.version == 1


def test_a_page_holds_fifty_rows(admin_client):
    for _ in range(51):
        make_credential("github_app")
    assert len(names(admin_client)) == 50
    assert len(names(admin_client, "p=2")) == 1


def test_a_deleted_credential_is_not_listed(admin_client):
    gone = make_credential(name="gone")
    gone.delete()
    assert names(admin_client) == []


def test_an_empty_list_says_how_to_begin(admin_client):
    html = admin_client.get(LIST).content.decode()
    assert "No credentials yet" in html
    assert "manage.py import_credentials" in html


def test_a_search_without_result_offers_the_way_back(admin_client):
    make_credential()
    html = admin_client.get(f"{LIST}?q=nothing-like-this").content.decode()
    assert "Nothing matches" in html
    assert "Clear search and filters" in html


def test_the_list_of_a_kind_leads_to_the_list_of_all_with_its_filter(admin_client):
    response = admin_client.get("/admin/credentials/stripekey/")
    assert response.url == f"{LIST}?kind=stripe_key"


@pytest.mark.parametrize("rows", [10, 300])
def test_the_list_costs_the_same_queries_at_any_length(admin_client, django_assert_num_queries, rows):
    ContentType.objects.get_for_model(Credential)
    kinds = list(KINDS)
    for index in range(rows):
        make_credential(kinds[index % len(kinds)])
    with django_assert_num_queries(QUERIES):
        admin_client.get(LIST)


def test_the_list_opens_no_secret(admin_client, monkeypatch):
    for kind in KINDS:
        make_credential(kind)
    opened = []
    monkeypatch.setattr(Fernet, "decrypt", lambda *_, **__: opened.append(1) or b"")
    admin_client.get(LIST)
    admin_client.get(f"{LIST}?q=fake&provider=stripe&o=-1")
    assert opened == []
