"""Keys, the seal itself, and what a text must be to be a secret. No database."""

import json
from types import SimpleNamespace

import pytest
from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured
from django.db import models
from django.test import override_settings
from fernet_fields.hkdf import derive_fernet_key

from credentials import sealing
from credentials.models import OAuthApp
from credentials.sealing import (
    DestinationChanged,
    SealedElsewhere,
    SecretField,
    UnreadableSecret,
    key_id,
    keyring,
    problem,
    seal,
    secret_fields,
    unseal,
)
from tests import canary

PLACE = ["credentials.stripekey", "secret", "row", 1]
DESTINATION = ("stripe_key", "oauth_app=")
NEW, OLD = "n" * 48, "o" * 48


def problem_of(text, **options):
    message = problem(text, **{"max_length": 100} | options)
    return None if message is None else str(message)


# --- keys


def test_a_key_id_is_eight_hexadecimal_digits_and_depends_on_the_key():
    assert len(key_id(NEW)) == 8 and int(key_id(NEW), 16) >= 0
    assert key_id(NEW) != key_id(OLD)


@override_settings(FERNET_KEYS=[NEW, OLD])
def test_the_keyring_lists_the_newest_first():
    assert list(keyring()) == [key_id(NEW), key_id(OLD)]


@pytest.mark.parametrize("keys", [[], [""], [NEW, ""]])
def test_no_key_or_an_empty_one_is_refused(keys):
    with override_settings(FERNET_KEYS=keys), pytest.raises(ImproperlyConfigured):
        keyring()


def test_one_text_instead_of_a_list_of_keys_is_refused():
    with override_settings(FERNET_KEYS=NEW), pytest.raises(ImproperlyConfigured):
        keyring()


@override_settings(FERNET_KEYS=[NEW, OLD])
def test_new_seals_use_the_newest_key():
    assert seal("text", PLACE, DESTINATION)[0] == key_id(NEW)


def test_the_older_key_still_opens():
    with override_settings(FERNET_KEYS=[OLD]):
        key, token = seal("text", PLACE, DESTINATION)
    with override_settings(FERNET_KEYS=[NEW, OLD]):
        assert unseal(token, key, PLACE, DESTINATION) == "text"


def test_fingerprints_depend_on_the_text_and_on_the_key_only():
    first = sealing.fingerprint("text")
    assert first == sealing.fingerprint("text") != sealing.fingerprint("texT")
    assert len(first) == 64
    with override_settings(FERNET_KEYS=[NEW]):
        assert sealing.fingerprint("text") == first
    with override_settings(FINGERPRINT_KEY=NEW):
        assert sealing.fingerprint("text") != first


# --- the seal


def test_a_seal_opens_where_it_was_made():
    key, token = seal("text", PLACE, DESTINATION)
    assert unseal(token, key, PLACE, DESTINATION) == "text"


def test_two_seals_of_one_text_differ():
    assert seal("text", PLACE, DESTINATION)[1] != seal("text", PLACE, DESTINATION)[1]


@pytest.mark.parametrize("position", range(4))
def test_another_place_is_refused(position):
    key, token = seal("text", PLACE, DESTINATION)
    other = [value if index != position else "other" for index, value in enumerate(PLACE)]
    with pytest.raises(SealedElsewhere):
        unseal(token, key, other, DESTINATION)


@pytest.mark.parametrize("other", [(), ("stripe_key",), ("stripe_key", "oauth_app=x"), DESTINATION[::-1]])
def test_another_destination_is_refused(other):
    key, token = seal("text", PLACE, DESTINATION)
    with pytest.raises(DestinationChanged):
        unseal(token, key, PLACE, other)


@pytest.mark.parametrize("position", [0, 1, 8, 9, 20, 60, -1, -2, -30])
def test_a_changed_byte_is_refused(position):
    key, token = seal("text", PLACE, DESTINATION)
    broken = bytearray(token)
    broken[position] ^= 0x04
    with pytest.raises(UnreadableSecret):
        unseal(bytes(broken), key, PLACE, DESTINATION)


@pytest.mark.parametrize("length", [0, 1, 40, 100, -1])
def test_a_truncated_token_is_refused(length):
    key, token = seal("text", PLACE, DESTINATION)
    with pytest.raises(UnreadableSecret):
        unseal(token[:length], key, PLACE, DESTINATION)


@pytest.mark.parametrize("key", ["", "00000000", "FFFFFFFF", key_id(OLD)])
def test_an_unknown_key_id_is_refused(key):
    _key, token = seal("text", PLACE, DESTINATION)
    with pytest.raises(UnreadableSecret):
        unseal(token, key, PLACE, DESTINATION)


def test_the_id_of_another_key_in_force_is_refused():
    with override_settings(FERNET_KEYS=[NEW, OLD]):
        _key, token = seal("text", PLACE, DESTINATION)
        with pytest.raises(UnreadableSecret):
            unseal(token, key_id(OLD), PLACE, DESTINATION)


@pytest.mark.parametrize(
    "payload",
    [
        b"just a text, as the library alone would encrypt it",
        b"\xff\xfe",
        b"{}",
        b"[]",
        b"[1, 2, 3]",
        json.dumps([2, PLACE, list(DESTINATION), "text"]).encode(),
        json.dumps([1, PLACE, list(DESTINATION), "text", "more"]).encode(),
    ],
)
def test_what_is_no_seal_of_ours_is_damaged(payload):
    with override_settings(FERNET_KEYS=[NEW]):
        token = Fernet(derive_fernet_key(NEW)).encrypt(payload)
        with pytest.raises(UnreadableSecret):
            unseal(token, key_id(NEW), PLACE, DESTINATION)


def test_the_length_of_a_token_does_not_tell_the_length_of_a_short_secret():
    assert len({len(seal("x" * n, PLACE, DESTINATION)[1]) for n in (1, 10, 50, 120)}) == 1


def test_a_long_secret_and_one_beyond_ascii_open_again():
    for text in ("ü€😀" * 500, "\u2028\u00a0", "x" * 8192, "\\\"'\n"):
        key, token = seal(text, PLACE, DESTINATION)
        assert unseal(token, key, PLACE, DESTINATION) == text


def test_the_token_shows_nothing_of_the_secret():
    secret = canary.make_plain()
    assert canary.find(secret, seal(secret, PLACE, DESTINATION)[1]) == []


# --- what a secret can be


def test_an_empty_text_is_no_secret():
    assert problem_of("")


@pytest.mark.parametrize("character", ["\0", "\n", "\r", "\t", "\x1b", "\x7f", "\x85", "\x9f", "\ud800"])
def test_control_characters_and_half_surrogates_are_refused(character):
    assert "Character 3" in problem_of(f"ab{character}cd")


def test_lines_and_tabs_are_allowed_in_keys_of_several_lines():
    assert problem_of("-----BEGIN KEY-----\r\n\tab\n", multiline=True) is None
    assert problem_of("-----BEGIN\0KEY-----", multiline=True)


def test_spaces_at_the_ends_are_allowed_in_passwords_only():
    assert problem_of(" secret ")
    assert problem_of(" secret ", spaces=True) is None


def test_a_text_of_exactly_the_greatest_length_is_allowed():
    assert problem_of("x" * 100) is None
    assert "101 characters" in problem_of("x" * 101)


@pytest.mark.parametrize("hidden", ["\ufeff", "\u200b", "\u200e", "\u2060"])
def test_an_invisible_character_at_an_end_is_refused(hidden):
    assert problem_of(hidden + "sk_live_fake") and problem_of("sk_live_fake" + hidden)


def test_the_message_never_repeats_the_text():
    secret = canary.make_plain()
    for text in (secret * 10, f" {secret}", f"{secret}\0", f"{secret[:4]}...{secret[-4:]}"):
        assert canary.find(secret, problem_of(text)) == []


def test_a_text_of_megabytes_is_judged_in_no_time():
    import time

    started = time.perf_counter()
    assert problem_of("*" * 1_000_000 + "x" * 17)
    assert time.perf_counter() - started < 0.25


# --- the field


def test_a_default_is_refused_since_it_would_stand_in_the_schema():
    for options in ({"default": "x"}, {"db_default": "x"}):
        with pytest.raises(ImproperlyConfigured):
            SecretField(**options)


def test_migrations_write_down_what_differs_from_the_default():
    assert SecretField().deconstruct()[3] == {}
    kwargs = SecretField(max_length=10, multiline=True, spaces=True).deconstruct()[3]
    assert kwargs == {"max_length": 10, "multiline": True, "spaces": True}


def test_a_clone_is_the_same_field():
    clone = SecretField(multiline=True).clone()
    assert isinstance(clone, SecretField) and clone.multiline and not clone.spaces


def test_each_field_brings_its_two_columns():
    names = {field.name for field in OAuthApp._meta.concrete_fields}
    assert {"client_secret_seal_version", "client_secret_seal_key", "private_key_seal_key"} <= names
    assert [field.name for field in secret_fields(OAuthApp)] == ["client_secret", "private_key"]


def test_the_class_gives_the_descriptor():
    assert isinstance(OAuthApp.client_secret, sealing.SecretAttribute)


def test_a_model_without_destination_cannot_seal():
    field = OAuthApp._meta.get_field("client_secret")
    instance = SimpleNamespace(client_secret=sealing.Fresh("text"))
    with pytest.raises(TypeError, match="migration"):
        field.pre_save(instance, add=True)


def test_an_abstract_model_hands_the_columns_on(request):
    from django.test.utils import isolate_apps

    with isolate_apps("credentials"):

        class Base(models.Model):
            token = SecretField()

            class Meta:
                abstract = True
                app_label = "credentials"

        class Child(Base):  # noqa: DJ008
            class Meta:
                app_label = "credentials"

        assert {"token_seal_version", "token_seal_key"} <= {f.name for f in Child._meta.fields}
