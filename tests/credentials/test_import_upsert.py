"""Which row a document means, and what of it changes."""

import json
import uuid

import pytest

from credentials.documents import InvalidDocument
from credentials.models import Credential, OAuthApp, RateLimit
from credentials.sealing import MASK
from credentials.transfer import Outcome, import_document
from tests.credentials.kind_facts import FACTS

pytestmark = pytest.mark.django_db


def document(kind, *, without=(), beside=None, **changes):
    properties = {"kind": kind, **FACTS[kind].properties, **changes}
    name = {} if "name" in FACTS[kind].properties else {"name": "Arrakis"}
    return {**name, "properties": {k: v for k, v in properties.items() if k not in without}, **(beside or {})}


def shop(**changes):
    return document("shopify_oauth2", **changes)


def stripe(**changes):
    return document("stripe_key", **changes)


def only():
    return Credential.objects.get()


def refused(content):
    with pytest.raises(InvalidDocument) as caught:
        import_document(content)
    return caught.value.problems


# --- masks ------------------------------------------------------------


def test_eleven_stars_keep_the_stored_secret():
    import_document(shop())
    assert import_document(shop(access_token=MASK)) is Outcome.UNCHANGED
    assert import_document(shop(access_token=MASK, beside={"metadata": {"a": 1}})) is Outcome.UPDATED
    assert only().access_token.use(only().destination()) == FACTS["shopify_oauth2"].properties["access_token"]


def test_eleven_stars_on_a_new_row_ask_for_the_secret():
    assert refused(shop(access_token=MASK)) == [("properties.access_token", "masked value: enter the secret")]


@pytest.mark.parametrize(
    "mask", ["*" * 10, "*" * 12, "•" * 11, "shpa...0007", "…", "<redacted>", "***********\n"]
)
def test_any_other_mask_is_refused_where_a_secret_is_stored(mask):
    import_document(shop())
    [(place, message)] = refused(shop(access_token=mask))
    assert place == "properties.access_token"
    assert message == "This is a masked value: enter the secret itself."


def test_a_masked_document_for_another_destination_asks_for_the_secret():
    import_document(shop())
    moved = shop(access_token=MASK, shop_url="other.myshopify.com", beside={"id": str(only().pk)})
    [(place, message)] = refused(moved)
    assert place == "properties.access_token"
    assert message.startswith("Enter it again:")


def test_the_same_secret_given_for_another_destination_is_sealed_for_it():
    import_document(shop())
    moved = shop(shop_url="other.myshopify.com", beside={"id": str(only().pk)})
    assert import_document(moved) is Outcome.UPDATED
    assert only().access_token.opens()


# --- which row ------------------------------------------------------------


def test_an_unknown_id_is_kept():
    wanted = str(uuid.uuid4())
    assert import_document(shop(beside={"id": wanted})) is Outcome.CREATED
    assert str(only().pk) == wanted


def test_an_unknown_id_of_a_known_account_means_the_row_that_is_there():
    import_document(shop())
    assert import_document(shop(beside={"id": str(uuid.uuid4())})) is Outcome.UNCHANGED


def test_the_id_of_a_deleted_row_is_refused():
    import_document(shop())
    row = only()
    row.delete()
    assert refused(shop(beside={"id": str(row.pk)})) == [
        ("id", "this credential was deleted: leave the id out to create a new one")
    ]
    assert import_document(shop()) is Outcome.CREATED


def test_the_id_of_another_kind_is_refused():
    import_document(stripe())
    assert refused(shop(beside={"id": str(only().pk)})) == [
        ("id", "this credential is of the kind stripe_key")
    ]


def test_an_id_changes_the_account_of_its_row():
    import_document(shop())
    renamed = document("shopify_oauth2", shop_url="other.myshopify.com", beside={"id": str(only().pk)})
    assert import_document(renamed) is Outcome.UPDATED
    assert only().account == "other.myshopify.com"


def test_stripe_keys_of_one_name_are_two_credentials():
    import_document(stripe())
    assert import_document(stripe(secret="sk_test_another")) is Outcome.CREATED


def test_a_new_stripe_key_is_put_in_by_id():
    import_document(stripe())
    newer = stripe(secret="sk_test_newer", beside={"id": str(only().pk)})
    assert import_document(newer) is Outcome.UPDATED
    assert only().secret_version == 2


# --- what changes ------------------------------------------------------------


def test_the_mode_of_a_stripe_key_is_judged_beside_the_key():
    import_document(stripe())
    assert refused(stripe(test=False)) == [("properties.test", "The key is one of test mode.")]


def test_the_mode_of_a_token_without_a_mark_can_be_corrected_together_with_it():
    import_document(document("stripe_oauth2", test=True))
    assert import_document(document("stripe_oauth2", test=False)) is Outcome.UPDATED
    assert only().secret.opens()


def test_what_is_not_given_stays():
    import_document(shop(beside={"metadata": {"a": 1}, "name": "First"}))
    bare = {"properties": shop(without=["access_token"])["properties"]}
    assert import_document(bare) is Outcome.UNCHANGED
    assert (only().name, only().metadata) == ("First", {"a": 1})


def test_metadata_replaces_metadata():
    import_document(shop(beside={"metadata": {"a": 1, "b": 2}}))
    assert import_document(shop(beside={"metadata": {"b": 2}})) is Outcome.UPDATED
    assert only().metadata == {"b": 2}
    assert import_document(shop(beside={"metadata": {}})) is Outcome.UPDATED
    assert import_document(shop(beside={"metadata": None})) is Outcome.UNCHANGED


@pytest.mark.parametrize(
    "value", [-0.0, 0.1, 1e-7, 5e-324, 123456789012345.6, 1e15, -5, 2**63 - 1, "ü\u2028", [], {}, None]
)
def test_metadata_is_the_same_the_second_time(value):
    content = shop(beside={"metadata": {"value": value}})
    from credentials.json_values import decoder

    content = decoder.decode(json.dumps(content))
    import_document(content)
    assert only().document()["metadata"] == {"value": value}
    assert import_document(content) is Outcome.UNCHANGED


def test_1_and_true_are_different_metadata():
    import_document(shop(beside={"metadata": {"a": 1}}))
    assert import_document(shop(beside={"metadata": {"a": True}})) is Outcome.UPDATED


def test_the_name_of_a_document_without_one_comes_from_its_account():
    content = shop()
    del content["name"]
    import_document(content)
    assert only().name == "Shopify spice-bazaar.myshopify.com"


@pytest.mark.parametrize("place", ["beside", "within", "both"])
def test_the_name_of_a_stripe_key_stands_in_either_place(place):
    content = stripe(without=["name"] if place == "beside" else [])
    if place != "within":
        content["name"] = FACTS["stripe_key"].properties["name"]
    import_document(content)
    assert only().name == only().properties["name"] == FACTS["stripe_key"].properties["name"]


@pytest.mark.parametrize("beside", [{}, {"name": None}, {"name": ""}])
def test_older_documents_name_themselves_among_the_properties(beside):
    content = document("salesforce_oauth2", name="Older name") | beside
    if not beside:
        del content["name"]
    import_document(content)
    assert only().name == "Older name"


@pytest.mark.parametrize("content", [document("salesforce_oauth2", name=7), shop(name="Arrakis")])
def test_any_other_name_among_the_properties_is_refused(content):
    assert refused(content) == [("properties.name", "the name stands beside the properties, as a text")]


@pytest.mark.parametrize(
    "address",
    [
        "https://Spice-Bazaar.myshopify.com/admin?x=1#y",
        "spice-bazaar",
        "SPICE-BAZAAR.MYSHOPIFY.COM",
        " spice-bazaar ",
    ],
)
def test_an_address_is_read_as_its_host(address):
    import_document(shop(shop_url=address))
    assert only().account == "spice-bazaar.myshopify.com"
    assert import_document(shop()) is Outcome.UNCHANGED


def test_what_is_ours_to_say_is_read_over():
    said = {
        "health": {"status": "sequin_intervention"},
        "created_at": "never",
        "updated_at": 7,
        "oauth_app": {},
    }
    import_document(shop(beside=said))
    assert only().component.status == "healthy"


# --- OAuth app and limit ------------------------------------------------------------


def app(provider="shopify", client_id="one"):
    made = OAuthApp(
        provider=provider, name="Ours", client_id=client_id, client_secret="example-client-secret"
    )
    made.save()
    return str(made.pk)


def test_an_oauth_app_is_set_kept_and_taken_away():
    import_document(shop(beside={"oauth_app_id": app()}))
    assert only().document()["oauth_app_id"]
    assert import_document(shop()) is Outcome.UNCHANGED
    assert import_document(shop(beside={"oauth_app_id": None})) is Outcome.UPDATED
    assert only().oauth_app is None
    assert only().access_token.opens()


def test_an_oauth_app_of_another_provider_is_refused():
    content = shop(beside={"oauth_app_id": app("hubspot")})
    assert refused(content) == [("oauth_app_id", "This OAuth app belongs to another provider.")]


def test_another_oauth_app_asks_for_a_masked_secret():
    import_document(shop())
    [(place, _)] = refused(shop(access_token=MASK, beside={"oauth_app_id": app()}))
    assert place == "properties.access_token"


def test_a_limit_is_kept_when_none_is_given():
    limit = {"allowed_requests": 7, "interval": 60_000, "max_concurrent_requests": 3}
    import_document(shop(beside={"rate_limit": limit}))
    assert import_document(shop()) is Outcome.UNCHANGED
    assert import_document(shop(beside={"rate_limit": None})) is Outcome.UNCHANGED
    assert only().document()["rate_limit"] == limit


@pytest.mark.parametrize("unbound", [{"max_concurrent_requests": 0}, {"max_concurrent_requests": None}, {}])
def test_0_null_and_nothing_are_no_bound(unbound):
    limit = {"allowed_requests": 7, "interval": 60_000}
    import_document(shop(beside={"rate_limit": limit | {"max_concurrent_requests": 3}}))
    assert import_document(shop(beside={"rate_limit": limit | unbound})) is Outcome.UPDATED
    assert RateLimit.objects.get().max_concurrent_requests is None
    assert only().document()["rate_limit"] == limit | {"max_concurrent_requests": 0}
    assert import_document(shop(beside={"rate_limit": limit | unbound})) is Outcome.UNCHANGED
