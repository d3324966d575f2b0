"""save(), versions and staleness: what is written, and what is not."""

import pytest
from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from credentials.kinds import KINDS
from credentials.models import Conflict, Credential, Fingerprint, OAuthApp
from credentials.sealing import Fresh, Sealed, fingerprint, secret_fields
from health.models import Component
from tests.factories import PROPERTIES, make_credential, make_oauth_app, new_oauth_app
from tests.rawsql import store, stored

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


# --- what is written


@pytest.mark.parametrize("kind", PROPERTIES)
def test_a_rename_leaves_every_token_byte_for_byte(kind):
    made = make_credential(kind)
    before = columns(made)
    for instance in (made, Credential.objects.get(pk=made.pk)):
        instance.refresh_from_db()
        instance.name += " renamed"
        instance.save()
    assert columns(made) == before


def test_a_rename_does_not_even_name_the_secret_columns():
    credential = Credential.objects.get(pk=make_credential().pk)
    credential.name = "renamed"
    with CaptureQueriesContext(connection) as queries:
        credential.save()
    updates = [query["sql"] for query in queries if query["sql"].startswith("UPDATE")]
    assert updates and not any('"secret"' in sql or "seal" in sql for sql in updates)


def test_a_replacement_writes_the_secret_its_version_and_its_key():
    credential = make_credential(secret="sk_test_one")
    before = columns(credential)
    credential.secret = "sk_test_two"
    credential.save()
    after = columns(credential)
    assert after["secret"] != before["secret"] and after["secret_seal_version"] == 2
    assert opened(credential, "secret") == "sk_test_two"


def test_a_replacement_leaves_the_other_secret_alone():
    credential = make_credential("linear_oauth2")
    before = columns(credential)
    credential.access_token = "fake-two"
    credential.save()
    assert columns(credential)["refresh_token"] == before["refresh_token"]
    assert columns(credential)["access_token"] != before["access_token"]


def test_the_same_secret_entered_again_is_a_replacement():
    credential = make_credential(secret="sk_test_same")
    credential.secret = "sk_test_same"
    credential.save()
    assert credential.secret_version == 2 and opened(credential, "secret") == "sk_test_same"


def test_versions_count_edits_and_replacements():
    credential = make_credential()
    assert (credential.version, credential.secret_version) == (1, 1)
    credential.name = "renamed"
    credential.save()
    assert (credential.version, credential.secret_version) == (2, 1)
    credential.secret = "sk_test_two"
    credential.save()
    stored_row = Credential.objects.get(pk=credential.pk)
    assert (stored_row.version, stored_row.secret_version) == (3, 2)


def test_the_component_knows_the_version_of_the_secret_and_the_name():
    credential = make_credential()
    credential.secret, credential.name = "sk_test_two", "renamed"
    credential.save()
    component = Component.objects.get(pk=credential.component_id)
    assert (component.revision, component.name, component.provider) == ("2", "renamed", "stripe")


def test_an_optional_secret_is_cleared():
    credential = make_credential("linear_oauth2")
    credential.refresh_token = None
    assert credential.refresh_token is None
    credential.save()
    loaded = Credential.objects.get(pk=credential.pk)
    assert loaded.refresh_token is None and loaded.refresh_token_seal_key == ""
    assert stored(loaded, "refresh_token") is None
    assert loaded.secret_version == 2


def test_a_required_secret_cannot_be_cleared():
    credential = make_credential()
    credential.secret = None
    with pytest.raises(ValidationError) as caught:
        credential.save()
    assert "secret" in caught.value.message_dict
    assert stored(credential, "secret")


@pytest.mark.parametrize("text", ["", "***********", "sk_live_...wxyz", " sk_test_x", "a\nb", "x" * 9000])
def test_a_text_that_is_no_secret_is_refused_and_the_stored_one_stays(text):
    credential = make_credential(secret="sk_test_kept")
    credential.secret = text
    with pytest.raises(ValidationError):
        credential.save()
    assert opened(credential, "secret") == "sk_test_kept"


# --- update_fields


def test_update_fields_with_the_secret_stores_it_whole():
    credential = make_credential()
    credential.secret, credential.name = "sk_test_two", "not stored"
    credential.save(update_fields=["secret"])
    loaded = Credential.objects.get(pk=credential.pk)
    assert loaded.secret.use(loaded.destination()) == "sk_test_two"
    assert loaded.name != "not stored" and (loaded.version, loaded.secret_version) == (2, 2)


def test_update_fields_without_the_secret_keeps_it_for_later():
    credential = make_credential(secret="sk_test_one")
    credential.secret, credential.name = "sk_test_two", "stored"
    credential.save(update_fields=["name"])
    assert opened(credential, "secret") == "sk_test_one"
    assert isinstance(vars(credential)["secret"], Fresh)
    credential.save()
    assert opened(credential, "secret") == "sk_test_two"


def test_update_fields_of_an_untouched_secret_write_no_token():
    credential = make_credential()
    before = columns(credential)
    credential.save(update_fields=["secret", "secret_seal_key", "secret_seal_version"])
    assert columns(credential) == before


def test_update_fields_make_a_renamed_credential_findable():
    credential = make_credential()
    credential.name = "Entirely different"
    credential.save(update_fields=["name"])
    assert "entirely different" in Credential.objects.get(pk=credential.pk).search


def test_update_fields_cannot_move_the_destination_alone():
    credential = make_credential("shopify_oauth2")
    credential.shop_url = "evil.myshopify.com"
    with pytest.raises(ValidationError):
        credential.save(update_fields=["shop_url"])


# --- stale instances


@pytest.mark.parametrize("change", ["name", "secret"])
def test_a_stale_instance_is_refused_and_writes_nothing(change):
    made = make_credential(secret="sk_test_one")
    first, second = (Credential.objects.get(pk=made.pk) for _ in range(2))
    setattr(first, change, "sk_test_first")
    first.save()
    before = columns(made)
    setattr(second, change, "sk_test_second")
    with pytest.raises(Conflict):
        second.save()
    assert columns(made) == before
    assert Credential.objects.get(pk=made.pk).version == 2 and second.version == 1
    assert not Credential.holding("sk_test_second").exists()


def test_an_update_of_a_query_makes_open_forms_stale():
    credential = make_credential()
    Credential.objects.filter(pk=credential.pk).update(expires_at=timezone.now())
    credential.name = "renamed"
    with pytest.raises(Conflict):
        credential.save()


def test_notes_of_the_code_make_no_form_stale():
    credential = make_credential()
    Credential.objects.filter(pk=credential.pk).update(unreadable=True)
    Credential.objects.get(pk=credential.pk).secret.use(credential.destination())
    credential.name = "renamed"
    credential.save()


def test_a_deleted_row_is_not_written_again():
    credential = make_credential()
    Credential.objects.filter(pk=credential.pk).purge()
    credential.secret = "sk_test_two"
    with pytest.raises(Conflict):
        credential.save()
    assert not Credential.objects.exists() and not Fingerprint.objects.exists()


def test_after_a_conflict_the_secret_waits_to_be_saved():
    credential = make_credential()
    Credential.objects.update(expires_at=timezone.now())
    credential.secret = "sk_test_two"
    with pytest.raises(Conflict):
        credential.save()
    assert isinstance(vars(credential)["secret"], Fresh)


# --- apps


def test_an_app_keeps_its_other_secret_when_one_is_cleared():
    app = make_oauth_app("github", client_secret="fake-client-secret")
    app.client_secret = None
    app.save()
    loaded = OAuthApp.objects.get()
    assert loaded.client_secret is None and loaded.private_key.use(loaded.destination()).startswith(
        "-----BEGIN"
    )


def test_an_app_that_lost_the_race_for_the_default_is_stored_without_it():
    make_oauth_app("shopify", is_default=True)
    app = new_oauth_app("shopify", is_default=True, client_secret="fake-second")
    with pytest.raises(ValidationError, match="has a default app already"), transaction.atomic():
        app.save()
    app.is_default = False
    app.save()
    assert opened(app, "client_secret") == "fake-second"


def test_an_unreadable_neighbour_stays_marked_when_one_secret_is_replaced():
    credential = make_credential("linear_oauth2")
    store(credential, refresh_token_seal_key="00000000")
    loaded = Credential.objects.get(pk=credential.pk)
    loaded.access_token = "fake-two"
    loaded.save()
    assert Credential.objects.filter(unreadable=True).get() == loaded
    loaded.refresh_token = "fake-three"
    loaded.save()
    assert not Credential.objects.filter(unreadable=True).exists()


def test_an_unused_digest_is_empty_on_loaded_tokens():
    credential = make_credential(secret="sk_test_one")
    assert vars(credential)["secret"].digest == fingerprint("sk_test_one")
    assert isinstance(vars(Credential.objects.get())["secret"], Sealed)
    assert vars(Credential.objects.get())["secret"].digest == ""


@pytest.mark.parametrize(
    ("kind", "change"),
    [("stripe_key", {"test": False, "secret": "sk_live_fake"}), ("sendgrid_key", {"subuser": "another"})],
)
def test_an_edit_that_makes_it_another_account_forgets_the_one_that_a_probe_told(kind, change):
    credential = make_credential(kind)
    store(credential, account="told by a probe")
    credential = Credential.objects.get(pk=credential.pk)
    for name, value in change.items():
        setattr(credential, name, value)
    credential.save()
    assert credential.account is None and Credential.objects.get().account is None
