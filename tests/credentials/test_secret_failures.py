"""What a failed save leaves behind: nothing in the database, and a secret that waits for the next try."""

import pytest
from django.db import DatabaseError, IntegrityError, transaction

from credentials.kinds import KINDS
from credentials.models import Conflict, Credential, Fingerprint, RateLimit
from credentials.sealing import secret_fields
from health.models import Component
from tests.factories import make_credential, make_oauth_app, new_credential, new_oauth_app
from tests.rawsql import failing, stored

pytestmark = pytest.mark.django_db
LinearOAuth2 = KINDS["linear_oauth2"]


def columns(instance):
    names = [field.name for field in secret_fields(type(instance))]
    return {
        name + suffix: stored(instance, name + suffix) for name in names for suffix in ("", "_seal_version")
    }


def opened(instance, name):
    loaded = type(instance)._base_manager.get(pk=instance.pk)
    return getattr(loaded, name).use(loaded.destination())


@pytest.mark.parametrize("table", [Fingerprint, Component, KINDS["stripe_key"], Credential])
def test_a_new_credential_that_failed_is_stored_at_the_next_try(table):
    credential = new_credential(secret="sk_test_one")
    with failing(table, "INSERT"), pytest.raises(DatabaseError), transaction.atomic():
        credential.save()
    assert not Credential.objects.exists() and not Component.objects.exists()
    credential.save()
    assert opened(credential, "secret") == "sk_test_one"
    assert Component.objects.count() == 1 and credential.secret_version == 1


def test_a_new_credential_whose_limit_failed_is_stored_at_the_next_try():
    credential = new_credential(secret="sk_test_one")
    with failing(RateLimit, "INSERT"), pytest.raises(DatabaseError), transaction.atomic():
        credential.save()
    credential.save()
    assert opened(credential, "secret") == "sk_test_one"


@pytest.mark.parametrize("table", [KINDS["stripe_key"], Credential, Component, Fingerprint])
def test_a_replacement_that_failed_is_stored_at_the_next_try(table):
    credential = make_credential(secret="sk_test_one")
    before = columns(credential)
    credential.secret = "sk_test_two"
    with failing(table, "UPDATE"), pytest.raises(DatabaseError), transaction.atomic():
        credential.save()
    assert columns(credential) == before and opened(credential, "secret") == "sk_test_one"
    assert (credential.version, credential.secret_version, credential.secret_seal_version) == (1, 1, 1)
    credential.save()
    assert opened(credential, "secret") == "sk_test_two" and credential.secret_version == 2


def test_a_taken_id_is_an_error_and_the_secret_waits():
    credential = make_credential()
    twin = new_credential(id=credential.pk, secret="sk_test_two")
    with pytest.raises(IntegrityError), transaction.atomic():
        twin.save()
    twin.id = twin.pk = None
    twin.save()
    assert opened(twin, "secret") == "sk_test_two"


def test_a_transaction_around_a_new_one_that_rolls_back_is_no_silent_loss():
    credential = new_credential(secret="sk_test_one")
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        credential.save()
        raise ZeroDivisionError
    with pytest.raises(Conflict):
        credential.save()


def test_a_transaction_around_a_replacement_that_rolls_back_is_no_silent_loss():
    credential = make_credential(secret="sk_test_one")
    credential.secret = "sk_test_two"
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        credential.save()
        raise ZeroDivisionError
    with pytest.raises(Conflict):
        credential.save()
    assert opened(credential, "secret") == "sk_test_one"
    fresh = Credential.objects.get(pk=credential.pk)
    fresh.secret = "sk_test_two"
    fresh.save()
    assert opened(credential, "secret") == "sk_test_two"


def test_a_forced_update_of_a_new_one_stores_nothing():
    app = new_oauth_app()
    with pytest.raises(DatabaseError), transaction.atomic():
        app.save(force_update=True)
    assert not Component.objects.exists()
    app.save()


def test_a_delete_that_failed_keeps_component_and_fingerprints():
    credential = make_credential(secret="sk_test_one")
    with failing(Component, "DELETE"), pytest.raises(DatabaseError), transaction.atomic():
        Credential.objects.filter(pk=credential.pk).purge()
    loaded = Credential.objects.get()
    assert loaded.component_id and Credential.holding("sk_test_one").get() == loaded


def test_deleting_takes_component_and_fingerprints_along():
    app = make_oauth_app()
    make_credential("shopify_oauth2", oauth_app=app).delete()
    make_credential("shopify_oauth2", oauth_app=app)
    Credential.everything.all().purge()
    app.delete()
    assert not Component.objects.exists() and not Fingerprint.objects.exists()
