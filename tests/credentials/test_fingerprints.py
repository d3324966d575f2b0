"""Which row holds, or once held, a secret: answered without opening any."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from credentials.held_secrets import fingerprints, superseded
from credentials.kinds import KINDS
from credentials.models import Credential, Fingerprint, OAuthApp
from credentials.sealing import fingerprint
from tests.factories import PROPERTIES, make_credential, make_oauth_app

pytestmark = pytest.mark.django_db


def states(instance, name):
    """{digest: current} of one field."""
    return dict(Fingerprint.objects.of(instance.pk, name).values_list("digest", "current"))


def replace(credential, text, name="secret"):
    setattr(credential, name, text)
    credential.save()


@pytest.mark.parametrize("kind", sorted(set(PROPERTIES) - {"github_app"}))
def test_each_secret_of_a_new_credential_has_one(kind):
    credential = make_credential(kind)
    names = set(Fingerprint.objects.of(credential.pk).values_list("field", flat=True))
    assert names == {name for name in PROPERTIES[kind] if getattr(credential, f"{name}_seal_key", "")}


def test_an_installation_without_secrets_has_none():
    make_credential("github_app")
    assert not Fingerprint.objects.exists()


def test_a_replaced_secret_is_superseded():
    credential = make_credential(secret="sk_test_one")
    replace(credential, "sk_test_two")
    assert states(credential, "secret") == {
        fingerprint("sk_test_one"): False,
        fingerprint("sk_test_two"): True,
    }
    known = fingerprints([credential.pk])[credential.pk]
    assert superseded(known, {"secret": fingerprint("sk_test_one")})
    assert not superseded(known, {"secret": fingerprint("sk_test_two")})
    assert not superseded(known, {"secret": fingerprint("sk_test_three")})


def test_a_secret_replaced_back_is_current_again():
    credential = make_credential(secret="sk_test_one")
    replace(credential, "sk_test_two")
    replace(credential, "sk_test_one")
    assert states(credential, "secret") == {
        fingerprint("sk_test_one"): True,
        fingerprint("sk_test_two"): False,
    }


def test_the_same_secret_entered_again_stays_one():
    credential = make_credential(secret="sk_test_one")
    replace(credential, "sk_test_one")
    assert states(credential, "secret") == {fingerprint("sk_test_one"): True}


def test_a_cleared_secret_has_no_current_one():
    credential = make_credential("linear_oauth2", refresh_token="fake-one")
    replace(credential, None, "refresh_token")
    assert states(credential, "refresh_token") == {fingerprint("fake-one"): False}
    assert "refresh_token" not in credential.secret_set_at()


def test_a_rename_changes_none():
    credential = make_credential()
    before = list(Fingerprint.objects.values())
    credential.name = "renamed"
    credential.save()
    assert list(Fingerprint.objects.values()) == before


@pytest.mark.parametrize("held", ["sk_test_one", "sk_test_two"])
def test_holding_finds_who_holds_or_held_a_secret(held):
    credential = make_credential(secret="sk_test_one")
    make_credential()
    replace(credential, "sk_test_two")
    assert Credential.holding(held).get() == credential
    assert KINDS["stripe_key"].holding(held).get() == credential
    assert not OAuthApp.holding(held).exists()


def test_holding_finds_apps():
    app = make_oauth_app("shopify", client_secret="fake-app-secret")
    assert OAuthApp.holding("fake-app-secret").get() == app
    assert not Credential.holding("fake-app-secret").exists()


def test_holding_finds_nothing_for_a_part_or_a_mask():
    make_credential(secret="sk_test_one")
    for text in ("", "sk_test_on", "SK_TEST_ONE", "***********", "sk_test_one "):
        assert not Credential.holding(text).exists()


def test_a_secret_that_was_not_stored_is_not_remembered():
    credential = make_credential()
    credential.secret = "***********"
    with pytest.raises(Exception, match="masked"):
        credential.save()
    credential.secret, credential.name = "sk_test_two", "x"
    credential.save(update_fields=["name"])
    assert Fingerprint.objects.count() == 1


def test_the_time_of_entry_is_the_time_of_the_last_entry():
    start = datetime(2026, 1, 1, tzinfo=UTC)
    with time_machine.travel(start, tick=False):
        credential = make_credential(secret="sk_test_one")
    for days, text in ((1, "sk_test_two"), (2, "sk_test_one")):
        with time_machine.travel(start + timedelta(days=days), tick=False):
            replace(credential, text)
    assert credential.secret_set_at() == {"secret": start + timedelta(days=2)}


def test_the_times_of_all_secrets_are_one_query(django_assert_num_queries):
    credential = make_credential("linear_oauth2")
    with django_assert_num_queries(1):
        assert set(credential.secret_set_at()) == {"access_token", "refresh_token"}


def test_the_database_alone_does_not_confirm_a_guess(settings):
    make_credential(secret="sk_test_one")
    settings.FINGERPRINT_KEY = "another key of the fingerprints, for tests only!"
    assert not Credential.holding("sk_test_one").exists()


def test_two_credentials_without_account_cannot_hold_the_same_secret():
    make_credential(secret="sk_test_one")
    with pytest.raises(Exception, match="same account"):
        make_credential(secret="sk_test_one")


def test_a_superseded_secret_of_another_row_may_be_entered():
    credential = make_credential(secret="sk_test_one")
    replace(credential, "sk_test_two")
    other = make_credential(secret="sk_test_one")
    assert set(Credential.holding("sk_test_one")) == {credential, other}
