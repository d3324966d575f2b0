"""Rotation of keys: every secret ends under the newest key, whatever happens meanwhile."""

import io

import pytest
from django.core.management import call_command

from credentials import rotation
from credentials.models import AccessToken, Credential
from credentials.sealing import key_id
from tests import factories, rawsql
from tests.postgres_plugin import fake_key

pytestmark = pytest.mark.django_db

NEW = fake_key("FERNET_KEYS, a new one")


def opened(credential, name):
    stored = Credential.objects.get(pk=credential.pk)
    return getattr(stored, name).use(stored.destination())


@pytest.fixture
def rotated_in(settings):
    """Puts a new key before those that are there."""

    def put():
        settings.FERNET_KEYS = [NEW, *settings.FERNET_KEYS]

    return put


def run(*arguments):
    out = io.StringIO()
    try:
        call_command("rotate_keys", *arguments, stdout=out, stderr=io.StringIO())
    except SystemExit as end:
        return end.code, out.getvalue()
    return 0, out.getvalue()


def test_every_column_of_secrets_is_found():
    found = {str(column) for column in rotation.columns()}
    assert {"credentials_stripekey.secret", "credentials_oauthapp.private_key"} <= found
    assert "credentials_accesstoken.token" in found


def test_all_secrets_open_with_the_new_key_alone(settings, rotated_in):
    rows = [factories.make_credential(kind) for kind in ("stripe_key", "netsuite_tba", "workday_oauth2")]
    before = {
        (row.pk, name): opened(row, name) for row in rows for name in row.PROPERTIES if _secret(row, name)
    }
    rotated_in()
    status, out = run()
    assert status == 0
    assert f"rotated {len(before)}, unreadable 0, changed 0" in out
    settings.FERNET_KEYS = [NEW]
    assert {
        (row.pk, name): opened(row, name) for row in rows for name in row.PROPERTIES if _secret(row, name)
    } == before


def _secret(row, name):
    from credentials.models.properties import secret_names

    return name in secret_names(type(row)) and getattr(row, name)


def test_a_deleted_credential_is_rotated_too(settings, rotated_in):
    row = factories.make_credential("stripe_key")
    row.delete()
    rotated_in()
    assert run()[0] == 0
    settings.FERNET_KEYS = [NEW]
    row.restore()
    assert opened(row, "secret")


def test_it_changes_nothing_that_people_see(rotated_in):
    row = factories.make_credential("stripe_key")
    before = Credential.objects.values("version", "updated_at", "secret_version").get(pk=row.pk)
    rotated_in()
    run()
    assert Credential.objects.values("version", "updated_at", "secret_version").get(pk=row.pk) == before


def test_verify_fails_until_nothing_needs_an_older_key(rotated_in):
    factories.make_credential("stripe_key")
    rotated_in()
    status, out = run("--verify")
    assert status == 1
    assert "1 secrets need an older key" in out
    run()
    assert run("--verify")[0] == 0


def test_a_secret_that_no_key_opens_stays_as_it_is(rotated_in):
    row, other = factories.make_credential("stripe_key"), factories.make_credential("stripe_key")
    rawsql.store(row, secret_seal_key="deadbeef")
    before = rawsql.stored(row, "secret")
    rotated_in()
    status, out = run()
    assert status == 1
    assert "rotated 1, unreadable 1" in out
    assert rawsql.stored(row, "secret") == before
    assert opened(other, "secret")


def test_a_secret_replaced_during_the_run_stays(monkeypatch, rotated_in):
    row = factories.make_credential("stripe_key")
    rotated_in()
    reseal = rotation.reseal

    def replaced_meanwhile(token, key):
        found = reseal(token, key)
        stored = Credential.objects.get(pk=row.pk)
        stored.secret = "sk_test_fakeEnteredMeanwhile0001"
        stored.save()
        return found

    monkeypatch.setattr(rotation, "reseal", replaced_meanwhile)
    assert "changed 1" in run()[1]
    assert opened(row, "secret") == "sk_test_fakeEnteredMeanwhile0001"


def test_it_goes_on_after_a_kill(monkeypatch, rotated_in):
    for _number in range(5):
        factories.make_credential("stripe_key")
    rotated_in()
    monkeypatch.setattr(rotation, "BATCH", 2)

    class Killed(BaseException):
        pass

    def after_one_batch(count):
        raise Killed

    with pytest.raises(Killed):
        rotation.rotate(after_one_batch)
    assert rotation.remaining() == 3
    assert rotation.rotate() == {"rotated": 3, "unreadable": 0, "changed": 0}


def test_cached_access_tokens_are_rotated_too(rotated_in):
    row = factories.make_credential("hubspot_oauth2")
    AccessToken(credential=row, token="fake-access-token").save()
    rotated_in()
    run()
    assert AccessToken.objects.get().token_seal_key == key_id(NEW)


def test_the_report_counts_by_key_and_shows_none(settings, rotated_in):
    factories.make_credential("stripe_key")
    old = key_id(settings.FERNET_KEYS[0])
    rotated_in()
    _status, out = run("--report")
    assert f"{key_id(NEW)}          0 secrets, the newest key" in out
    assert f"{old}          1 secrets" in out
    assert NEW not in out
