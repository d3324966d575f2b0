"""Error reporters print the local variables of every frame: no error on our way may hold a secret in one."""

import logging
import traceback

import pytest
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.db import DatabaseError, connection, models, transaction
from django.db.backends.utils import CursorWrapper

from credentials import audit
from credentials.kinds import KINDS
from credentials.models import Conflict, Credential, Fingerprint
from credentials.sealing import DestinationChanged, SealedElsewhere, SecretField, UnreadableSecret
from health.models import Component
from tests import canary
from tests.factories import make_credential, new_credential, new_oauth_app
from tests.rawsql import failing, store

pytestmark = pytest.mark.django_db
HERE = __file__


def chain(error):
    """An error with all that it was raised from or during."""
    seen = []
    while error is not None and error not in seen:
        seen.append(error)
        error = error.__cause__ or error.__context__
    return seen


def frames(error):
    """All frames of an error and its chain, but those of this file, which hold the secret to test with."""
    for link in chain(error):
        for frame, _line in traceback.walk_tb(link.__traceback__):
            if frame.f_code.co_filename != HERE:
                yield frame


def looked_at(value):
    """What a reporter prints of a local variable and of its attributes; a query prints no rows here."""
    if isinstance(value, models.QuerySet):
        value = value.query
    try:
        return repr((value, getattr(value, "__dict__", "")))
    except Exception as error:  # noqa: BLE001  a reporter goes on as well
        return repr(type(error))


def leaky_frames(error, secret):
    return [
        f"{frame.f_code.co_filename.rsplit('/', 1)[-1]}:{frame.f_lineno} {frame.f_code.co_qualname}: {name}"
        for frame in frames(error)
        for name, value in frame.f_locals.items()
        if canary.find(secret, looked_at(value))
    ]


def assert_nothing_shows(error, secret):
    """Neither the messages and arguments of the chain nor a local variable of any frame holds the secret."""
    assert leaky_frames(error, secret) == []
    messages = "".join(traceback.TracebackException.from_exception(error).format(chain=True))
    parts = [messages, *(f"{link} {link.args!r} {vars(link)!r}" for link in chain(error))]
    assert canary.find(secret, "\n".join(parts)) == []


@pytest.fixture
def secret():
    return canary.make_plain("sk_test_")


@pytest.fixture
def credential(secret):
    return Credential.objects.get(pk=make_credential(secret=secret).pk)


def caught(errors, do, *args, **kwargs):
    with pytest.raises(errors) as info:
        with transaction.atomic():
            do(*args, **kwargs)
    return info.value


def use(credential):
    return credential.secret.use(credential.destination())


def test_this_test_sees_a_secret_in_a_frame(secret):
    def leak(text):
        raise ValueError

    with pytest.raises(ValueError) as info:
        leak(secret)
    locals_ = [frame.f_locals for frame, _line in traceback.walk_tb(info.value.__traceback__)]
    assert canary.find(secret, repr(locals_))
    report = traceback.TracebackException.from_exception(info.value, capture_locals=True)
    assert canary.find(secret, "".join(report.format()))


# --- opening


def test_sealed_elsewhere(credential, secret):
    credential.secret_seal_version = 7
    assert_nothing_shows(caught(SealedElsewhere, use, credential), secret)


def test_destination_changed(secret):
    credential = make_credential("shopify_oauth2", access_token=secret)
    credential = Credential.objects.get(pk=credential.pk)
    credential.shop_url = "evil.myshopify.com"
    error = caught(DestinationChanged, lambda: credential.access_token.use(credential.destination()))
    assert_nothing_shows(error, secret)


def test_unreadable_by_damage_and_by_key(credential, secret, settings):
    store(credential, secret=b"broken")
    assert_nothing_shows(caught(UnreadableSecret, use, Credential.objects.get()), secret)
    settings.FERNET_KEYS = ["another key, known to everybody, for tests only!"]
    assert_nothing_shows(caught(UnreadableSecret, use, credential), secret)


@pytest.mark.parametrize("fresh", [True, False])
def test_a_use_that_cannot_be_noted(fresh, credential, secret):
    if fresh:
        credential.secret = secret
    with failing(Credential, "UPDATE"):
        assert_nothing_shows(caught(DatabaseError, use, credential), secret)


def test_a_failed_opening_that_cannot_be_noted(credential, secret):
    credential.secret_seal_version = 7
    with failing(Credential, "UPDATE"):
        assert_nothing_shows(caught(DatabaseError, use, credential), secret)


def test_a_reveal_that_cannot_be_recorded(credential, secret):
    with failing(audit.AuditEvent, "INSERT"), pytest.raises(DatabaseError) as info:
        credential.secret.reveal(actor="cli:me@host", reason="to test the traceback")
    assert_nothing_shows(info.value, secret)


# --- assigning and checking


@pytest.mark.parametrize("value", [bytes, list, lambda text: {"text": text}])
def test_a_value_of_the_wrong_type(value, credential, secret):
    error = caught(
        TypeError, setattr, credential, "secret", value(secret.encode() if value is bytes else secret)
    )
    assert_nothing_shows(error, secret)


def test_a_comparison(credential, secret):
    assert_nothing_shows(caught(TypeError, lambda: credential.secret == secret), secret)


@pytest.mark.parametrize("change", ["{}\0", " {}", "pk_{}", "whsec_{}", "{}" * 200])
def test_a_secret_that_is_refused(change, credential, secret):
    credential.secret = change.replace("{}", secret)
    assert_nothing_shows(caught(ValidationError, credential.save), secret)


def test_a_new_credential_that_is_refused(secret):
    assert_nothing_shows(caught(ValidationError, new_credential(secret=f"pk_{secret}").save), secret)


def test_a_secret_that_another_row_holds_already(credential, secret):
    assert_nothing_shows(caught(ValidationError, new_credential(secret=secret).save), secret)


def test_a_private_key_that_is_none(secret):
    assert_nothing_shows(caught(ValidationError, new_oauth_app("github", private_key=secret).save), secret)


def test_a_private_key_that_is_none_by_clean_alone(secret):
    assert_nothing_shows(caught(ValidationError, new_oauth_app("github", private_key=secret).clean), secret)


def test_an_app_with_another_mistake(secret):
    app = new_oauth_app("github", private_key=f"-----BEGIN {secret}", app_id=None)
    assert_nothing_shows(caught(ValidationError, app.save), secret)


@pytest.mark.parametrize(
    "more",
    [{"bogus": 1}, {"scope": 1}, {"refresh_token": "***"}, {}],
    ids=["unknown", "type", "mask", "number"],
)
def test_properties_that_are_refused(more, secret):
    kind, given = KINDS["linear_oauth2"], {"access_token": secret, "refresh_token": 1, "scope": "read"} | more
    assert_nothing_shows(caught(ValidationError, kind.from_properties, given), secret)


def test_a_fixture_in_clear(secret):
    credential = new_credential(secret=SecretField(name="secret").to_python(secret))
    assert_nothing_shows(caught(ValueError, credential.save_base, raw=True), secret)


# --- saving


@pytest.mark.parametrize("table", [Fingerprint, Component, Credential, KINDS["stripe_key"]])
def test_a_failing_insert(table, secret):
    credential = new_credential(secret=secret)
    with failing(table, "INSERT"):
        assert_nothing_shows(caught(DatabaseError, credential.save), secret)


@pytest.mark.parametrize("table", [Fingerprint, Component, Credential, KINDS["stripe_key"]])
def test_a_failing_update(table, secret):
    credential = make_credential()
    credential.secret = secret
    with failing(table, "UPDATE"):
        assert_nothing_shows(caught(DatabaseError, credential.save), secret)


def test_a_conflict(credential, secret):
    Credential.objects.update(expires_at=None)
    credential.secret = secret
    assert_nothing_shows(caught(Conflict, credential.save), secret)


def test_the_search_for_a_twin_that_fails(secret):
    credential = new_credential(secret=secret)
    with connection.cursor() as cursor:
        cursor.execute('ALTER TABLE "credentials_fingerprint" RENAME TO "gone"')
    error = caught(DatabaseError, credential.save)
    with connection.cursor() as cursor:
        cursor.execute('ALTER TABLE "gone" RENAME TO "credentials_fingerprint"')
    assert_nothing_shows(error, secret)


@pytest.mark.parametrize(
    ("name", "value"), [("FERNET_KEYS", []), ("FERNET_KEYS", [""]), ("FINGERPRINT_KEY", None)]
)
def test_keys_that_are_missing(name, value, secret, settings):
    credential = new_credential("shopify_oauth2", access_token=secret)
    setattr(settings, name, value)
    assert_nothing_shows(caught((ImproperlyConfigured, AttributeError), credential.save), secret)


def test_a_broken_list_of_keys_does_not_show_the_good_ones(settings):
    key = canary.make_plain()
    settings.FERNET_KEYS = [key, ""]
    assert_nothing_shows(caught(ImproperlyConfigured, make_credential), key)


def test_the_log_of_an_exception_with_its_chain(credential, secret, caplog):
    credential.secret = f"pk_{secret}"
    try:
        credential.save()
    except ValidationError:
        logging.getLogger("test").exception("could not save %r", vars(credential))
    assert canary.find(secret, caplog.text) == []


def test_the_database_is_never_sent_a_secret(secret, monkeypatch):
    sent = []
    execute = CursorWrapper.execute
    monkeypatch.setattr(
        CursorWrapper,
        "execute",
        lambda self, sql, params=None: sent.append((sql, params)) or execute(self, sql, params),
    )
    credential = make_credential(secret=secret)
    use(Credential.objects.get(pk=credential.pk))
    Credential.holding(secret).exists()
    assert len(sent) > 5 and canary.find(secret, repr(sent)) == []
