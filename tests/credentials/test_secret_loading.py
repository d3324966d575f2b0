"""Deferred and partial loading, refresh_from_db, and what a second instance may hand over."""

from typing import Any

import pytest

from credentials.kinds import KINDS
from credentials.models import Credential
from credentials.sealing import Fresh
from tests.factories import make_credential
from tests.rawsql import stored

pytestmark = pytest.mark.django_db
StripeKey: Any = KINDS["stripe_key"]
LinearOAuth2: Any = KINDS["linear_oauth2"]


def opened(instance, name):
    loaded = type(instance)._base_manager.get(pk=instance.pk)
    return getattr(loaded, name).use(loaded.destination())


@pytest.fixture
def pk():
    return make_credential(secret="sk_test_one").pk


@pytest.mark.parametrize(
    "queryset",
    [
        lambda: StripeKey.objects.defer("secret"),
        lambda: StripeKey.objects.defer("secret_seal_key"),
        lambda: StripeKey.objects.defer("secret_seal_version", "secret"),
        lambda: StripeKey.objects.only("name"),
        lambda: StripeKey.objects.only("secret"),
        lambda: StripeKey.objects.non_polymorphic(),
    ],
)
def test_a_secret_that_was_not_loaded_is_loaded_and_opens(queryset, pk):
    credential = queryset().get(pk=pk)
    assert credential.secret.use(credential.destination()) == "sk_test_one"


def test_a_deferred_secret_costs_one_query(pk, django_assert_num_queries):
    credential = StripeKey.objects.defer("secret", "secret_seal_key", "secret_seal_version").get(pk=pk)
    with django_assert_num_queries(1):
        assert str(credential.secret) == "***********"
        assert credential.secret.key


def test_a_base_row_has_no_secrets(pk):
    assert not hasattr(Credential.objects.non_polymorphic().get(pk=pk), "secret")


def test_a_base_row_cannot_be_saved(pk):
    with pytest.raises(TypeError, match="without its kind"):
        Credential.objects.non_polymorphic().get(pk=pk).save()


@pytest.mark.parametrize("only", [("name",), ("name", "version"), ("secret",)])
def test_a_partly_loaded_row_is_renamed_and_keeps_its_secret(only, pk):
    credential = StripeKey.objects.only(*only).get(pk=pk)
    before = stored(credential, "secret")
    credential.name = "renamed"
    credential.save()
    assert stored(credential, "name") == "renamed" and stored(credential, "secret") == before


def test_a_deferred_secret_is_replaced(pk):
    credential = StripeKey.objects.defer("secret").get(pk=pk)
    credential.secret = "sk_test_two"
    credential.save()
    assert opened(credential, "secret") == "sk_test_two"


@pytest.mark.parametrize("defer", [("refresh_token",), ("refresh_token", "refresh_token_seal_version")])
def test_a_deferred_secret_is_cleared(defer):
    credential = LinearOAuth2.objects.defer(*defer).get(pk=make_credential("linear_oauth2").pk)
    credential.refresh_token = None
    credential.save()
    assert stored(credential, "refresh_token") is None


def test_a_partly_loaded_stale_row_is_refused(pk):
    from credentials.models import Conflict

    stale = StripeKey.objects.only("name").get(pk=pk)
    other = Credential.objects.get(pk=pk)
    other.name = "of somebody else"
    other.save()
    stale.name = "mine"
    with pytest.raises(Conflict):
        stale.save()


# --- refresh


def test_refresh_gives_the_stored_secret_with_version_and_key(pk):
    stale, other = (StripeKey.objects.get(pk=pk) for _ in range(2))
    other.secret = "sk_test_two"
    other.save()
    stale.refresh_from_db()
    assert stale.secret.use(stale.destination()) == "sk_test_two"
    assert stale.secret_seal_version == 2


@pytest.mark.parametrize("fields", [["secret"], ("secret",), {"secret"}, ["name", "secret"]])
def test_a_refresh_of_the_secret_alone_brings_version_and_key(fields, pk):
    stale, other = (StripeKey.objects.get(pk=pk) for _ in range(2))
    other.secret = "sk_test_two"
    other.save()
    stale.refresh_from_db(fields=fields)
    assert stale.secret.use(stale.destination()) == "sk_test_two"


def test_a_refresh_with_a_generator_of_fields_brings_them():
    credential = make_credential("linear_oauth2", access_token="fake-one")
    other = LinearOAuth2.objects.get(pk=credential.pk)
    other.access_token = "fake-two"
    other.save()
    credential.refresh_from_db(fields=(name for name in ["scope", "access_token"]))
    assert credential.access_token.use(credential.destination()) == "fake-two"


def test_a_refresh_of_other_fields_keeps_what_was_assigned(pk):
    credential = StripeKey.objects.get(pk=pk)
    credential.secret = "sk_test_two"
    credential.refresh_from_db(fields=["name"])
    assert isinstance(vars(credential)["secret"], Fresh)
    credential.save()
    assert opened(credential, "secret") == "sk_test_two"


def test_a_refresh_drops_what_was_assigned(pk):
    credential = StripeKey.objects.get(pk=pk)
    credential.secret = "sk_test_two"
    credential.refresh_from_db()
    assert credential.secret.use(credential.destination()) == "sk_test_one"


@pytest.mark.parametrize("fields", [None, ["refresh_token"]])
def test_a_refresh_takes_back_a_clearing(fields):
    credential = make_credential("linear_oauth2", refresh_token="fake-kept")
    credential.refresh_token = None
    credential.refresh_from_db(fields=fields)
    assert credential.refresh_token.use(credential.destination()) == "fake-kept"


@pytest.mark.parametrize("fields", [None, ["refresh_token"]])
def test_a_refresh_sees_that_somebody_cleared_it_and_the_next_save_agrees(fields):
    credential = make_credential("linear_oauth2")
    other = LinearOAuth2.objects.get(pk=credential.pk)
    other.refresh_token = None
    other.save()
    credential.refresh_from_db(fields=fields)
    assert credential.refresh_token is None
    credential.refresh_from_db()
    credential.name = "renamed"
    credential.save()
    assert credential.secret_version == 2


def test_a_refresh_of_a_deleted_row_fails_and_keeps_the_assigned_secret(pk):
    credential = StripeKey.objects.get(pk=pk)
    credential.secret = "sk_test_two"
    StripeKey.objects.all().purge()
    with pytest.raises(StripeKey.DoesNotExist):
        credential.refresh_from_db()
    assert credential.secret is not None and credential.secret.use(credential.destination()) == "sk_test_two"


def test_a_refresh_through_a_queryset_of_ones_own(pk):
    credential = StripeKey.objects.get(pk=pk)
    credential.secret = "sk_test_two"
    credential.refresh_from_db(from_queryset=StripeKey.objects.select_for_update())
    assert credential.secret.use(credential.destination()) == "sk_test_one"
