"""Whatever stands in an address of the admin: an answer below 500, the same on every database."""

import uuid

import pytest
from django.contrib.contenttypes.models import ContentType

from credentials.models import Credential
from tests.credentials.admin_pages import ADD_APP, APPS, CATALOGUE, LIST, add_page, page
from tests.factories import make_credential, make_oauth_app

pytestmark = pytest.mark.django_db

OK, MOVED, BAD, FORBIDDEN, NOTHING = 200, 302, 400, 403, 404

# Each query, and the answer of the list of credentials. A redirect drops what makes no sense.
QUERIES = {
    "name__regex=((((": BAD,
    "name__startswith=a": BAD,
    "secret__startswith=s": BAD,
    "secret__isnull=True": BAD,
    "stripekey__secret__isnull=True": BAD,
    "stripekey__secret_seal_key=a": BAD,
    "linearoauth2__refresh_token__isnull=1": BAD,
    "oauth_app__client_secret__startswith=a": BAD,
    "component__status=healthy": BAD,
    "metadata__contains={": BAD,
    "metadata__customer=1": BAD,
    "search__regex=(((": BAD,
    "deleted_at__isnull=False": BAD,
    "version=1": BAD,
    "id=garbage": BAD,
    "pk__in=a,b": BAD,
    "polymorphic_ctype=abc": BAD,
    "_to_field=secret": BAD,
    "_to_field=component__status": BAD,
    "_to_field=id": OK,
    "_popup=1": OK,
    "o=999": OK,
    "o=-999.1.1": OK,
    "o=abc": OK,
    "o=" + "9" * 5_000: OK,
    "p=0": OK,
    "p=-1": OK,
    "p=abc": OK,
    "p=" + "9" * 20: OK,
    "p=" + "9" * 5_000: OK,
    "all=": OK,
    "e=1": OK,
    "_facets=True": OK,
    "provider=nobody": OK,
    "kind=nothing": OK,
    "status='": OK,
    "unreadable=0": OK,
    "_changelist_filters=%25%25": BAD,
    "q=%25": OK,
    "q=_": OK,
    "q=%5C": OK,
    "q='; DROP TABLE credentials_credential; --": OK,
    'q="unbalanced': OK,
    "q=%ed%a0%80": OK,
    "q=%ff%fe": OK,
    "q=%e2%80%ae": OK,
    "q=" + "word+" * 5_000: OK,
    "q=" + "a" * 60_000: OK,
    "q=%00": BAD,
    "q=a%00b": BAD,
    "%00=1": BAD,
    "provider=stripe%00": BAD,
}
NO_IDS = ["x", "None", "0", "-1", "add2", "'", "_5F", "9" * 400, "%ed%a0%80", "..%2f..", "{}", "x/y"]


@pytest.fixture
def client(admin_client):
    admin_client.raise_request_exception = False
    return admin_client


def answer(client, address, method="get", **options):
    response = getattr(client, method)(address, **options)
    assert response.status_code < 500, address
    assert b"Traceback" not in response.content
    return response.status_code


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query[:40])
def test_a_strange_query_to_the_list(client, query):
    make_credential()
    assert answer(client, f"{LIST}?{query}") == QUERIES[query]


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query[:40])
@pytest.mark.parametrize(
    "address", [APPS, CATALOGUE, ADD_APP, "/admin/credentials/stripekey/", "/admin/auth/user/"]
)
def test_a_strange_query_to_another_page(client, address, query):
    make_oauth_app()
    assert answer(client, f"{address}?{query}") in (OK, MOVED, BAD)


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query[:40])
def test_a_strange_query_to_the_pages_of_a_row(client, query):
    credential = make_credential("linear_oauth2")
    for action in ("change", "delete", "history"):
        assert answer(client, f"{page(credential, action)}?{query}") in (OK, MOVED, BAD)


@pytest.mark.parametrize("model", ["credential", "stripekey", "oauthapp"])
@pytest.mark.parametrize("key", NO_IDS, ids=lambda key: key[:20])
def test_an_id_that_is_none(client, model, key):
    for action in ("change/", "delete/", "history/", ""):
        for method in ("get", "post"):
            address = f"/admin/credentials/{model}/{key}/{action}"
            assert answer(client, address, method) in (MOVED, NOTHING)


@pytest.mark.parametrize("model", ["credential", "stripekey", "oauthapp"])
def test_an_id_that_nothing_has(client, model):
    for action in ("change", "delete", "history"):
        address = f"/admin/credentials/{model}/{uuid.uuid4()}/{action}/"
        assert answer(client, address) in (MOVED, NOTHING)


def test_an_id_with_nul(client):
    assert answer(client, f"{LIST}%00/change/") == BAD


@pytest.mark.parametrize("action", ["change", "delete", "history"])
def test_a_row_of_another_kind_is_not_found_at_this_one(client, action):
    credential = make_credential("github_app")
    for model in ("stripekey", "oauthapp"):
        assert answer(client, f"/admin/credentials/{model}/{credential.pk}/{action}/") == MOVED
    assert answer(client, f"/admin/credentials/credential/{credential.pk}/{action}/") == OK


@pytest.mark.parametrize("action", ["change", "delete", "history"])
def test_a_row_marked_as_deleted_is_not_found(client, action):
    credential = make_credential("github_app")
    credential.delete()
    assert answer(client, page(credential, action)) == MOVED
    assert answer(client, f"/admin/credentials/credential/{credential.pk}/{action}/") == NOTHING


@pytest.mark.parametrize(
    "to_field", ["secret", "secret_seal_key", "component__status", "metadata", "x", "", "id"]
)
def test_a_popup_for_a_field_that_it_may_not_give(client, to_field):
    for address in (add_page("stripe_key"), page(make_credential())):
        assert answer(client, f"{address}?_popup=1&_to_field={to_field}") in (OK, BAD)


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("", FORBIDDEN),
        ("app_label=x&model_name=y&field_name=z", FORBIDDEN),
        ("app_label=credentials&model_name=stripekey&field_name=secret&term=s", FORBIDDEN),
        ("app_label=credentials&model_name=credential&field_name=polymorphic_ctype&term=", FORBIDDEN),
        ("app_label=credentials&model_name=credential&field_name=oauth_app&term=fake", OK),
        ("app_label=credentials&model_name=credential&field_name=oauth_app&term=%ed%a0%80&page=1", OK),
        ("app_label=credentials&model_name=credential&field_name=oauth_app&page=x", NOTHING),
        ("app_label=credentials&model_name=credential&field_name=oauth_app&page=" + "9" * 5_000, NOTHING),
        ("app_label=credentials&model_name=credential&field_name=oauth_app&term=%00", BAD),
        ("app_label=credentials&model_name=credential&field_name=oauth_app&term=" + "a+" * 5_000, OK),
    ],
    ids=lambda value: str(value)[:80],
)
def test_a_strange_question_to_the_completion(client, query, status):
    make_oauth_app()
    assert answer(client, f"/admin/autocomplete/?{query}") == status


@pytest.mark.parametrize("term", ["", "a", "%25", "%ed%a0%80", "a" * 5_000, "'", "%E2%80%AE"])
def test_a_strange_word_for_the_search_of_pages(client, term):
    assert answer(client, f"/find/?q={term}") == OK
    assert client.get(f"/admin/search/?s={term}").status_code == 302


def test_the_redirect_to_any_row_is_gone(client):
    credential = make_credential()
    kind = ContentType.objects.get_for_model(Credential)
    assert answer(client, f"/admin/r/{kind.pk}/{credential.pk}/") == NOTHING
    assert answer(client, f"/admin/r/{kind.pk}/garbage/") == NOTHING


@pytest.mark.parametrize("method", ["put", "patch", "delete", "options", "head", "trace"])
def test_a_method_that_no_page_knows(client, method):
    credential = make_credential()
    for address in (LIST, CATALOGUE, page(credential), page(credential, "delete")):
        assert answer(client, address, method) in (OK, MOVED, 405)
    assert Credential.objects.exists()
