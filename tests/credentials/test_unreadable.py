"""Rows whose key is lost, and changes of keys: everything but opening goes on working."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from credentials.kinds import KINDS
from credentials.models import Credential, OAuthApp
from credentials.sealing import SealedElsewhere, UnreadableSecret, key_id
from tests.factories import PROPERTIES, make_credential, make_oauth_app
from tests.postgres_plugin import fake_key
from tests.rawsql import store, stored

pytestmark = pytest.mark.django_db

OTHER, THIRD = (
    "another key, known to everybody, for tests only!",
    "a third key, known to everybody, for tests only!",
)
WITH_SECRET = sorted(set(PROPERTIES) - {"github_app"})


def fail_to_open(pk):
    credential = Credential.objects.get(pk=pk)
    with pytest.raises(UnreadableSecret):
        credential.secret.use(credential.destination())
    return credential


@pytest.fixture
def lost(settings):
    """The id of a credential whose key is lost."""
    pk = make_credential(name="Lost").pk
    settings.FERNET_KEYS = [OTHER]
    return pk


@pytest.mark.parametrize("kind", WITH_SECRET)
def test_it_lists_renames_and_deletes(kind, settings):
    pk = make_credential(kind).pk
    settings.FERNET_KEYS = [OTHER]
    credential = Credential.objects.get(pk=pk)
    assert credential.document()["name"] == credential.name
    credential.name = "renamed"
    credential.save()
    assert [row.name for row in Credential.objects.all()] == ["renamed"]
    credential.delete()
    assert not Credential.objects.exists()


def test_it_says_so_when_it_is_opened_and_names_the_key(lost, settings):
    credential = Credential.objects.get(pk=lost)
    assert not credential.secret.readable
    with pytest.raises(UnreadableSecret, match=credential.secret_seal_key):
        credential.secret.use(credential.destination())


def test_after_a_failed_opening_it_is_found_as_unreadable(lost):
    assert not Credential.objects.filter(unreadable=True).exists()
    credential = fail_to_open(lost)
    assert credential.unreadable
    assert [row.pk for row in Credential.objects.filter(unreadable=True)] == [lost]


def test_a_moved_token_is_found_as_unreadable():
    one, two = make_credential(), make_credential()
    store(one, secret=stored(two, "secret"))
    loaded = Credential.objects.get(pk=one.pk)
    with pytest.raises(SealedElsewhere):
        loaded.secret.use(loaded.destination())
    assert Credential.objects.filter(unreadable=True).get() == one


def test_an_app_is_found_as_unreadable(settings):
    app = make_oauth_app("shopify")
    settings.FERNET_KEYS = [OTHER]
    with pytest.raises(UnreadableSecret):
        app.client_secret.use(app.destination())
    assert OAuthApp.objects.filter(unreadable=True).get() == app


def test_marking_it_leaves_version_and_time_of_change_alone(lost):
    before = Credential.objects.filter(pk=lost).values("version", "updated_at", "secret_version").get()
    fail_to_open(lost)
    assert (
        Credential.objects.filter(pk=lost).values("version", "updated_at", "secret_version").get() == before
    )


def test_a_secret_entered_again_makes_it_readable(lost, settings):
    credential = fail_to_open(lost)
    credential.secret = "sk_test_again"
    credential.save()
    assert credential.secret.key == key_id(OTHER)
    loaded = Credential.objects.get(pk=lost)
    assert loaded.secret.use(loaded.destination()) == "sk_test_again" and not loaded.unreadable
    assert not Credential.objects.filter(unreadable=True).exists()


def test_a_key_that_comes_back_makes_it_readable_and_takes_the_mark_away(lost, settings):
    fail_to_open(lost)
    settings.FERNET_KEYS = [OTHER, fake_key("FERNET_KEYS, newest")]
    credential = Credential.objects.get(pk=lost)
    assert credential.secret.use(credential.destination())
    assert not Credential.objects.filter(unreadable=True).exists()


def test_a_stale_instance_does_not_mark_a_row_that_is_well():
    pk = make_credential().pk
    stale = KINDS["stripe_key"].objects.defer("secret_seal_version").get(pk=pk)
    fresh = Credential.objects.get(pk=pk)
    fresh.secret = "sk_test_two"
    fresh.save()
    with pytest.raises(SealedElsewhere):
        stale.secret.use(stale.destination())
    assert not Credential.objects.filter(unreadable=True).exists()


def test_a_changed_destination_is_not_unreadable():
    credential = make_credential("shopify_oauth2")
    store(credential, shop_url="evil.myshopify.com")
    loaded = Credential.objects.get(pk=credential.pk)
    with pytest.raises(Exception, match="destination"):
        loaded.access_token.use(loaded.destination())
    assert not Credential.objects.filter(unreadable=True).exists()


# --- changes of keys


def test_an_old_key_in_second_place_still_opens_and_new_seals_use_the_newest(settings):
    settings.FERNET_KEYS = [OTHER]
    credential = make_credential("linear_oauth2", access_token="fake-one", refresh_token="fake-two")
    settings.FERNET_KEYS = [THIRD, OTHER]
    loaded = Credential.objects.get(pk=credential.pk)
    assert loaded.access_token.use(loaded.destination()) == "fake-one"
    loaded.access_token = "fake-three"
    loaded.save()
    assert (loaded.access_token.key, loaded.refresh_token.key) == (key_id(THIRD), key_id(OTHER))
    settings.FERNET_KEYS = [THIRD]
    loaded = Credential.objects.get(pk=credential.pk)
    assert loaded.access_token.use(loaded.destination()) == "fake-three"
    with pytest.raises(UnreadableSecret):
        loaded.refresh_token.use(loaded.destination())


def test_the_order_of_keys_does_not_matter_for_opening(settings):
    settings.FERNET_KEYS = [OTHER, THIRD]
    credential = make_credential(secret="sk_test_one")
    settings.FERNET_KEYS = [THIRD, OTHER]
    loaded = Credential.objects.get(pk=credential.pk)
    assert loaded.secret.use(loaded.destination()) == "sk_test_one"


def test_a_rename_under_new_keys_does_not_seal_again(settings):
    credential = make_credential()
    before = credential.secret.key
    settings.FERNET_KEYS = [OTHER, *settings.FERNET_KEYS]
    loaded = Credential.objects.get(pk=credential.pk)
    loaded.name = "renamed"
    loaded.save()
    assert Credential.objects.get(pk=credential.pk).secret.key == before


def test_without_any_key_nothing_is_stored_in_clear(settings):
    settings.FERNET_KEYS = []
    with pytest.raises(ImproperlyConfigured):
        make_credential()
    assert not Credential.objects.exists()


def test_another_secret_key_changes_nothing(settings):
    credential = make_credential(secret="sk_test_one")
    settings.SECRET_KEY = OTHER
    loaded = Credential.objects.get(pk=credential.pk)
    assert loaded.secret.use(loaded.destination()) == "sk_test_one"


def test_rows_whose_key_is_gone_are_marked_all_at_once(settings):
    from credentials.models.unreadable import mark_unreadable

    for kind in KINDS:
        make_credential(kind)
    make_oauth_app("hubspot")
    sealed = sum(1 for kind in KINDS if kind != "github_app")
    assert mark_unreadable() == 0
    settings.FERNET_KEYS = ["another-key-" + "x" * 40]
    assert mark_unreadable() == sealed + 1
    assert Credential.objects.filter(unreadable=True).count() == sealed
    assert mark_unreadable() == 0
