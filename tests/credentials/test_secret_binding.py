"""A stored token means nothing in any other place: row, field, version or destination."""

import uuid

import pytest
from django.core.exceptions import ValidationError
from django.db import connection

from credentials.models import Conflict, Credential
from credentials.sealing import DestinationChanged, SealedElsewhere, SecretError, UnreadableSecret
from tests import canary
from tests.factories import make_credential, make_oauth_app
from tests.rawsql import store, stored

pytestmark = pytest.mark.django_db


def opened(instance, name):
    """The text of a secret, loaded anew."""
    loaded = type(instance)._base_manager.get(pk=instance.pk)
    return getattr(loaded, name).use(loaded.destination())


def refused(error, instance, name):
    """Assert that opening raises exactly this error."""
    with pytest.raises(SecretError) as caught:
        opened(instance, name)
    assert type(caught.value) is error
    return str(caught.value)


def move(source, source_name, target, target_name):
    """Copy a token with its key and version, as somebody would who knows the tables."""
    for suffix in ("", "_seal_key", "_seal_version"):
        store(target, **{target_name + suffix: stored(source, source_name + suffix)})


# --- places


def test_the_token_of_another_row_does_not_open():
    mine, theirs = make_credential(secret="sk_test_mine"), make_credential(secret="sk_test_theirs")
    move(theirs, "secret", mine, "secret")
    refused(SealedElsewhere, mine, "secret")
    assert opened(theirs, "secret") == "sk_test_theirs"


def test_two_swapped_tokens_open_in_neither_row_and_again_when_swapped_back():
    one, two = make_credential(secret="sk_test_one"), make_credential(secret="sk_test_two")
    tokens = stored(one, "secret"), stored(two, "secret")
    store(one, secret=tokens[1])
    store(two, secret=tokens[0])
    refused(SealedElsewhere, one, "secret")
    refused(SealedElsewhere, two, "secret")
    store(one, secret=tokens[0])
    assert opened(one, "secret") == "sk_test_one"


def test_the_token_of_another_field_does_not_open():
    credential = make_credential("linear_oauth2")
    move(credential, "refresh_token", credential, "access_token")
    refused(SealedElsewhere, credential, "access_token")


def test_the_token_of_an_app_does_not_open_in_its_other_field():
    app = make_oauth_app("github", client_secret="fake-client-secret")
    move(app, "private_key", app, "client_secret")
    refused(SealedElsewhere, app, "client_secret")


def test_the_token_of_another_kind_does_not_open_in_a_row_with_the_same_id():
    key = make_credential("stripe_key", secret="sk_test_key")
    token = {suffix: stored(key, f"secret{suffix}") for suffix in ("", "_seal_key", "_seal_version")}
    identity = key.pk
    Credential.objects.filter(pk=key.pk).purge()
    other = make_credential("stripe_oauth2", id=identity)
    store(other, **{f"secret{suffix}": value for suffix, value in token.items()})
    refused(SealedElsewhere, other, "secret")


def test_the_token_of_an_app_does_not_open_in_a_credential():
    app, credential = make_oauth_app("stripe"), make_credential("stripe_key")
    move(app, "client_secret", credential, "secret")
    refused(SealedElsewhere, credential, "secret")


# --- versions


def test_an_older_token_of_the_same_row_does_not_open():
    credential = make_credential(secret="sk_test_old")
    old = stored(credential, "secret")
    credential.secret = "sk_test_new"
    credential.save()
    store(credential, secret=old)
    refused(SealedElsewhere, credential, "secret")


def test_an_older_token_does_not_open_after_the_secret_was_cleared_and_entered_again():
    credential = make_credential("linear_oauth2", refresh_token="fake-one")
    old = stored(credential, "refresh_token")
    for value in (None, "fake-two"):
        credential.refresh_token = value
        credential.save()
    store(credential, refresh_token=old)
    refused(SealedElsewhere, credential, "refresh_token")


def test_a_cleared_token_put_back_does_not_open():
    credential = make_credential("linear_oauth2")
    token, key = stored(credential, "refresh_token"), stored(credential, "refresh_token_seal_key")
    credential.refresh_token = None
    credential.save()
    store(credential, refresh_token=token, refresh_token_seal_key=key)
    refused(SealedElsewhere, credential, "refresh_token")


@pytest.mark.parametrize("version", [0, 2, 1000])
def test_another_version_does_not_open(version):
    credential = make_credential()
    store(credential, secret_seal_version=version)
    refused(SealedElsewhere, credential, "secret")


# --- destinations


def test_a_destination_changed_by_sql_makes_the_secret_unusable_until_it_is_changed_back():
    credential = make_credential("shopify_oauth2", access_token="shpat_fake", shop_url="mine.myshopify.com")
    store(credential, shop_url="evil.myshopify.com")
    refused(DestinationChanged, credential, "access_token")
    store(credential, shop_url="mine.myshopify.com")
    assert opened(credential, "access_token") == "shpat_fake"


def test_a_destination_changed_by_sql_makes_the_secret_unusable_until_it_is_entered_again():
    credential = make_credential("shopify_oauth2", access_token="shpat_fake")
    store(credential, shop_url="evil.myshopify.com")
    refused(DestinationChanged, credential, "access_token")
    loaded = Credential.objects.get(pk=credential.pk)
    loaded.access_token = "shpat_again"
    loaded.save()
    assert opened(credential, "access_token") == "shpat_again"


def test_a_changed_domain_of_salesforce_makes_the_secret_unusable():
    credential = make_credential("salesforce_oauth2")
    store(credential, domain="evil.my.salesforce.com")
    refused(DestinationChanged, credential, "refresh_token")


def test_another_app_makes_the_secret_unusable():
    app = make_oauth_app("hubspot")
    credential = make_credential("hubspot_oauth2")
    store(credential, oauth_app=app.pk.hex if connection.vendor == "sqlite" else app.pk)
    refused(DestinationChanged, credential, "refresh_token")


def test_another_provider_of_an_app_makes_its_secret_unusable():
    app = make_oauth_app("hubspot")
    store(app, provider="shopify")
    refused(DestinationChanged, app, "client_secret")


def test_a_destination_changed_in_memory_only_does_not_open():
    credential = make_credential("shopify_oauth2")
    credential.shop_url = "evil.myshopify.com"
    with pytest.raises(DestinationChanged):
        type(credential).objects.get(pk=credential.pk).access_token.use(credential.destination())
    loaded = type(credential).objects.get(pk=credential.pk)
    loaded.shop_url = "evil.myshopify.com"
    with pytest.raises(DestinationChanged):
        loaded.access_token.use(loaded.destination())


def test_saving_another_destination_asks_for_the_secret_again():
    credential = make_credential("shopify_oauth2")
    credential.shop_url = "other.myshopify.com"
    with pytest.raises(ValidationError) as caught:
        credential.save()
    assert "access_token" in caught.value.message_dict
    credential.access_token = "shpat_for_the_other"
    credential.save()
    assert opened(credential, "access_token") == "shpat_for_the_other"


@pytest.mark.parametrize("secret", [False, True])
def test_saving_another_provider_of_an_app_asks_for_its_secret_again(secret):
    app = make_oauth_app("hubspot", client_secret="fake-one")
    app.provider = "shopify"
    if secret:
        app.client_secret = "fake-two"
        app.save()
        assert opened(app, "client_secret") == "fake-two"
        return
    with pytest.raises(ValidationError):
        app.save()


def test_a_changed_name_account_or_metadata_is_no_other_destination():
    credential = make_credential(secret="sk_test_same")
    store(credential, name="other", account="acct_1:test")
    assert opened(credential, "secret") == "sk_test_same"


def test_the_id_of_an_app_given_as_a_text_seals_for_the_same_app():
    app = make_oauth_app("hubspot")
    credential = make_credential(
        "hubspot_oauth2", oauth_app_id=str(app.pk).upper(), refresh_token="fake-refresh"
    )
    assert opened(credential, "refresh_token") == "fake-refresh"


def test_a_secret_saved_alone_is_not_sealed_for_a_destination_that_is_not_saved():
    credential = make_credential("shopify_oauth2")
    credential.shop_url, credential.access_token = "other.myshopify.com", "shpat_other"
    try:
        credential.save(update_fields=["access_token"])
    except Exception:  # noqa: BLE001  a refusal is as good
        return
    assert opened(credential, "access_token") == "shpat_other"


# --- copies


def test_a_copied_row_is_not_stored_and_does_not_open():
    original = make_credential(secret="sk_test_original")
    copied = Credential.objects.get(pk=original.pk)
    copied.pk = copied.id = copied.credential_ptr_id = uuid.uuid4()
    copied._state.adding = True
    with pytest.raises(ValidationError, match="not in a copy"):
        copied.save()
    with pytest.raises(SealedElsewhere):
        copied.secret.use(copied.destination())
    assert opened(original, "secret") == "sk_test_original"


@pytest.mark.parametrize("identity", [None, uuid.uuid4()])
def test_a_copy_that_does_not_say_it_is_new_is_refused(identity):
    copied = Credential.objects.get(pk=make_credential().pk)
    copied.pk = copied.id = identity
    with pytest.raises(Conflict):
        copied.save()
    assert Credential.objects.count() == 1


def test_a_copy_takes_a_secret_of_its_own():
    copied = Credential.objects.get(pk=make_credential().pk)
    copied.pk = copied.id = None
    copied._state.adding = True
    copied.secret = "sk_test_own"
    copied.save()
    assert opened(copied, "secret") == "sk_test_own"


# --- damage


@pytest.mark.parametrize(
    "value",
    [b"", b"\0", b"gAAAAA", b"sk_test_plaintext_as_bytes", b"\xff" * 300],
    ids=["empty", "nul", "stub", "plaintext", "garbage"],
)
def test_what_is_no_token_is_unreadable_and_lists_all_the_same(value):
    credential = make_credential()
    store(credential, secret=value)
    message = refused(UnreadableSecret, credential, "secret")
    assert "plaintext" not in message
    assert [str(row.secret) for row in Credential.objects.all()] == ["***********"]


@pytest.mark.skipif("connection.vendor != 'sqlite'")
@pytest.mark.parametrize("value", ["sk_test_plaintext_as_text", 7, 1.5])
def test_a_value_of_another_type_in_the_column_is_unreadable_and_lists_all_the_same(value):
    credential = make_credential()
    store(credential, secret=value)
    refused(UnreadableSecret, credential, "secret")
    assert len(Credential.objects.all()) == 1


@pytest.mark.parametrize("cut", [1, 4, 100, -4])
def test_a_truncated_token_is_unreadable(cut):
    credential = make_credential()
    store(credential, secret=stored(credential, "secret")[:-cut])
    refused(UnreadableSecret, credential, "secret")


def test_no_flipped_bit_opens_it():
    secret = canary.make_plain()
    credential = make_credential(secret=secret)
    token = stored(credential, "secret")
    for position in range(0, len(token), 37):
        broken = bytearray(token)
        broken[position] ^= 1 << position % 7
        store(credential, secret=bytes(broken))
        assert canary.find(secret, refused(UnreadableSecret, credential, "secret")) == []


@pytest.mark.parametrize("key", ["", "00000000", "deadbeef"])
def test_a_swapped_key_id_does_not_open(key):
    credential = make_credential()
    store(credential, secret_seal_key=key)
    refused(UnreadableSecret, credential, "secret")


def test_a_token_that_was_broken_opens_after_it_is_entered_again():
    credential = make_credential()
    store(credential, secret=b"broken")
    refused(UnreadableSecret, credential, "secret")
    loaded = Credential.objects.get(pk=credential.pk)
    loaded.secret = "sk_test_again"
    loaded.save()
    assert opened(credential, "secret") == "sk_test_again"
