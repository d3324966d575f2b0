"""dumpdata and loaddata: sealed texts that only their keys open, and nothing in clear on either way."""

import base64
import io
import json

import pytest
from django.core import serializers
from django.core.management import call_command
from django.core.serializers.base import DeserializationError
from django.db import connection, transaction

from credentials.models import Credential, Fingerprint, OAuthApp, RateLimit
from credentials.sealing import MASK, SealedElsewhere, UnreadableSecret
from health.models import Component
from tests import canary
from tests.factories import PROPERTIES, make_credential, make_oauth_app

pytestmark = pytest.mark.django_db
APPS = ("contenttypes", "health", "credentials")


def dump(*options, format="json"):
    out = io.StringIO()
    # The audit trail cannot be loaded over itself: it is append-only.
    call_command("dumpdata", *APPS, "--exclude=credentials.auditevent", *options, format=format, stdout=out)
    return out.getvalue()


def load(path, text):
    path.write_text(text)
    call_command("loaddata", str(path), verbosity=0)
    connection.check_constraints()


def empty():
    Credential.everything.all().purge()
    OAuthApp.objects.all().delete()
    for model in (RateLimit, Component, Fingerprint):
        assert not model.objects.exists()


def opened(instance, name):
    loaded = type(instance)._base_manager.get(pk=instance.pk)
    return getattr(loaded, name).use(loaded.destination())


@pytest.mark.parametrize("format", ["json", "jsonl", "xml"])
def test_a_dump_holds_no_secret(format):
    secrets = [canary.make_plain() for _ in range(3)]
    make_credential("linear_oauth2", access_token=secrets[0], refresh_token=secrets[1])
    make_oauth_app("hubspot", client_secret=secrets[2])
    text = dump(format=format)
    assert "sealed:" in text
    assert [canary.find(secret, text) for secret in secrets] == [[], [], []]


@pytest.mark.parametrize("format", ["json", "xml"])
def test_what_was_dumped_is_loaded_and_opens_with_its_keys(format, tmp_path):
    credential = make_credential("linear_oauth2", access_token="fake-a", refresh_token="fake-r")
    app = make_oauth_app("hubspot", client_secret="fake-client-secret")
    text = dump(format=format)
    empty()
    load(tmp_path / f"dump.{format}", text)
    assert opened(credential, "access_token") == "fake-a"
    assert opened(credential, "refresh_token") == "fake-r"
    assert opened(app, "client_secret") == "fake-client-secret"
    assert Credential.holding("fake-a").get() == credential


def test_every_kind_survives_the_round_trip(tmp_path):
    made = [make_credential(kind) for kind in PROPERTIES]

    def documents():
        found = [Credential.objects.get(pk=row.pk).document() for row in made]
        # JSON keeps milliseconds of times.
        return [document | {"created_at": None, "updated_at": None} for document in found]

    before, text = documents(), dump()
    empty()
    load(tmp_path / "dump.json", text)
    assert documents() == before


@pytest.mark.parametrize("options", [(), ("--all",)])
def test_a_dump_with_a_deleted_credential_can_be_loaded(options, tmp_path):
    deleted, kept = make_credential(), make_credential(secret="sk_test_kept")
    deleted.delete()
    text = dump(*options)
    empty()
    load(tmp_path / "dump.json", text)
    assert opened(kept, "secret") == "sk_test_kept"


def test_a_dump_is_useless_without_the_keys(tmp_path, settings):
    credential = make_credential(secret="sk_test_one")
    text = dump()
    empty()
    settings.FERNET_KEYS = ["the keys of another installation, for tests only!"]
    load(tmp_path / "dump.json", text)
    with pytest.raises(UnreadableSecret):
        opened(credential, "secret")


def test_a_row_of_a_dump_under_another_id_does_not_open(tmp_path):
    credential = make_credential(secret="sk_test_one")
    text = dump()
    empty()
    other = str(credential.pk).replace(str(credential.pk)[:8], "00000000")
    load(tmp_path / "dump.json", text.replace(str(credential.pk), other))
    loaded = Credential.objects.get(pk=other)
    with pytest.raises(SealedElsewhere):
        loaded.secret.use(loaded.destination())


def test_a_row_that_exists_is_overwritten_by_its_dump(tmp_path):
    credential = make_credential(secret="sk_test_one")
    text = dump()
    credential.name = "renamed later"
    credential.save()
    load(tmp_path / "dump.json", text)
    assert opened(credential, "secret") == "sk_test_one"


# --- what is no sealed text


def fixture_with(value, credential):
    rows = json.loads(serializers.serialize("json", [credential]))
    rows[0]["fields"]["secret"] = value
    return json.dumps(rows)


REFUSED = {
    "plaintext": "sk_test_{canary}",
    "a mask": MASK,
    "an empty text": "",
    "only the mark": "sealed:",
    "the mark and plaintext": "sealed:sk_test_{canary}",
    "a number": 12345678,
    "a list": ["sk_test_{canary}"],
    "an object": {"text": "sk_test_{canary}"},
    "true": True,
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_fixture_that_holds_anything_else_is_refused(what, tmp_path):
    credential = make_credential(secret="sk_test_kept")
    with pytest.raises(Exception), transaction.atomic():  # noqa: B017
        load(tmp_path / "clear.json", fixture_with(REFUSED[what], credential))
    assert opened(credential, "secret") == "sk_test_kept"


def test_plaintext_in_base64_behind_the_mark_is_refused(tmp_path):
    credential = make_credential(secret="sk_test_kept")
    value = "sealed:" + base64.b64encode(b"sk_test_plaintext").decode()
    with pytest.raises(Exception), transaction.atomic():  # noqa: B017
        load(tmp_path / "clear.json", fixture_with(value, credential))
    assert opened(credential, "secret") == "sk_test_kept"


@pytest.mark.parametrize("what", ["plaintext", "a list", "an object", "the mark and plaintext"])
def test_the_error_of_a_fixture_does_not_repeat_the_plaintext(what, tmp_path):
    secret = canary.make_plain()
    value = json.loads(json.dumps(REFUSED[what]).replace("{canary}", secret))
    text = fixture_with(value, make_credential())
    with pytest.raises((DeserializationError, Exception)) as caught, transaction.atomic():
        load(tmp_path / "clear.json", text)
    assert canary.find(secret, str(caught.value)) == []


def test_a_fixture_without_the_secret_of_a_new_row_is_refused(tmp_path):
    credential = make_credential()
    rows = json.loads(serializers.serialize("json", [credential]))
    del rows[0]["fields"]["secret"]
    with pytest.raises(Exception), transaction.atomic():  # noqa: B017
        load(tmp_path / "without.json", json.dumps(rows))
    assert opened(credential, "secret")
