"""reveal() shows a secret to a person: permitted, limited, with a reason, and recorded first."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.contrib.auth.models import AnonymousUser, Group, Permission
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import DatabaseError, connection, transaction

from credentials import audit, sealing
from credentials.models import AuditEvent, Credential
from credentials.sealing import SealedElsewhere, UnreadableSecret
from tests import canary
from tests.factories import make_credential, make_oauth_app
from tests.rawsql import failing, store

REASON = "the customer asked for it"


def reveals():
    return AuditEvent.objects.filter(action="reveal")


def permission():
    return Permission.objects.get(codename="reveal_credential", content_type__app_label="credentials")


@pytest.fixture
def user(django_user_model):
    """Somebody who may reveal."""
    found = django_user_model.objects.create_user("ann")
    found.user_permissions.add(permission())
    return found


@pytest.fixture
def credential(db):
    return Credential.objects.get(pk=make_credential(secret="sk_test_shown", name="Choam").pk)


def refused(error, credential, actor, reason=REASON):
    """Assert that nothing is revealed and nothing recorded."""
    before = reveals().count()
    with pytest.raises(error) as caught:
        credential.secret.reveal(actor=actor, reason=reason)
    assert reveals().count() == before
    return caught.value


# --- who


def test_a_user_with_the_permission_sees_it_and_is_recorded(credential, user):
    assert credential.secret.reveal(actor=user, reason=f"  {REASON} ") == "sk_test_shown"
    event = reveals().get()
    assert (event.actor, event.action, event.reason) == ("user:ann", "reveal", REASON)
    assert (str(event.object_id), event.object_label) == (str(credential.pk), "Choam")
    assert event.fields == ["secret"]


def test_the_permission_may_come_from_a_group(credential, django_user_model):
    user = django_user_model.objects.create_user("bob")
    group = Group.objects.create(name="security")
    group.permissions.add(permission())
    user.groups.add(group)
    assert credential.secret.reveal(actor=user, reason=REASON) == "sk_test_shown"


def test_the_command_line_is_recorded_as_it_is(credential):
    credential.secret.reveal(actor="cli:me@host", reason=REASON)
    assert reveals().get().actor == "cli:me@host"


@pytest.mark.parametrize("fields", [{}, {"is_staff": True}, {"is_staff": True, "is_superuser": True}])
def test_nobody_sees_it_without_the_permission_not_even_a_superuser(fields, credential, django_user_model):
    refused(PermissionDenied, credential, django_user_model.objects.create_user("eve", **fields))


def test_the_other_permissions_do_not_suffice(credential, django_user_model):
    user = django_user_model.objects.create_user("eve")
    user.user_permissions.set(Permission.objects.exclude(codename="reveal_credential"))
    refused(PermissionDenied, credential, user)


def test_a_permission_of_the_same_name_elsewhere_does_not_suffice(credential, django_user_model):
    user = django_user_model.objects.create_user("eve")
    other = Permission.objects.exclude(content_type__app_label="credentials").first().content_type
    user.user_permissions.add(Permission.objects.create(codename="reveal_credential", content_type=other))
    refused(PermissionDenied, credential, user)


def test_a_permission_that_was_taken_away_counts_at_once(credential, user):
    assert user.has_perm("credentials.reveal_credential")  # now in the cache of the user
    user.user_permissions.clear()
    refused(PermissionDenied, credential, user)


def test_somebody_inactive_sees_nothing(credential, user):
    user.is_active = False
    user.save()
    refused(PermissionDenied, credential, user)


def test_somebody_deactivated_a_moment_ago_sees_nothing(credential, user, django_user_model):
    django_user_model.objects.filter(pk=user.pk).update(is_active=False)
    refused(PermissionDenied, credential, user)


def test_nobody_signed_in_sees_nothing(credential):
    refused(PermissionDenied, credential, AnonymousUser())


@pytest.mark.parametrize("actor", ["", " ", "ann", "user:ann", "cli:", "cli:\n@host"])
def test_a_text_is_an_actor_only_as_command_line(actor, credential):
    refused((PermissionDenied, ValidationError, TypeError, ValueError), credential, actor)


# --- why


@pytest.mark.parametrize("reason", ["", "short", " " * 50, "123456789", "\t123456789\n"])
def test_a_reason_must_say_something(reason, credential, user):
    refused(ValidationError, credential, user, reason)


@pytest.mark.parametrize("reason", ["\u200b" * 20, "a\0" * 10])
def test_a_reason_must_be_visible(reason, credential, user):
    refused(ValidationError, credential, user, reason)


def test_a_long_reason_is_cut(credential, user):
    credential.secret.reveal(actor=user, reason="x" * 10_000)
    assert len(reveals().get().reason) == 500


def test_actor_and_reason_must_be_named(credential, user):
    for call in (lambda: credential.secret.reveal(), lambda: credential.secret.reveal(user, REASON)):
        with pytest.raises(TypeError):
            call()


# --- how often


def revealed_before(credential, *, number, **age):
    """Events of a while ago, inserted as such: the trail is append-only, and may use another clock."""
    then = datetime.now(UTC) - timedelta(**age)
    with time_machine.travel(then):
        for _ in range(number):
            AuditEvent.objects.create(
                time=then,
                actor="user:ann",
                action="reveal",
                object_type="stripekey",
                object_id=credential.pk,
                object_label="Choam",
            )


def test_the_eleventh_within_an_hour_is_refused(credential, user):
    for _ in range(10):
        credential.secret.reveal(actor=user, reason=REASON)
    refused(PermissionDenied, credential, user)


def test_those_of_almost_an_hour_ago_count(credential, user):
    revealed_before(credential, number=10, minutes=59)
    refused(PermissionDenied, credential, user)


def test_those_of_more_than_an_hour_ago_count_no_more(credential, user):
    revealed_before(credential, number=9, minutes=30)
    revealed_before(credential, number=10, minutes=60, seconds=1)
    assert credential.secret.reveal(actor=user, reason=REASON)
    refused(PermissionDenied, credential, user)


def test_a_clock_that_is_ahead_does_not_lift_the_limit(credential, user):
    for _ in range(10):
        credential.secret.reveal(actor=user, reason=REASON)
    if AuditEvent._meta.get_field("time").has_db_default():
        with time_machine.travel(datetime.now(UTC) + timedelta(hours=2)):
            refused(PermissionDenied, credential, user)


def test_the_limit_counts_all_credentials_and_apps_together(credential, user):
    app = make_oauth_app("shopify")
    for _ in range(5):
        credential.secret.reveal(actor=user, reason=REASON)
        app.client_secret.reveal(actor=user, reason=REASON)
    refused(PermissionDenied, make_credential(), user)


def test_each_has_a_limit_of_ones_own(credential, user):
    for _ in range(10):
        credential.secret.reveal(actor=user, reason=REASON)
    assert credential.secret.reveal(actor="cli:me@host", reason=REASON)


def test_events_of_other_kinds_do_not_count(credential, user):
    for _ in range(20):
        audit.record("change", credential, actor=user, fields=["secret"])
    assert credential.secret.reveal(actor=user, reason=REASON)


# --- what cannot be opened or recorded


def test_a_moved_secret_is_recorded_and_not_shown(credential, user):
    store(credential, secret_seal_version=9)
    with pytest.raises(SealedElsewhere):
        Credential.objects.get().secret.reveal(actor=user, reason=REASON)
    assert reveals().count() == 1


def test_an_unreadable_secret_is_recorded_and_not_shown(credential, user, settings):
    settings.FERNET_KEYS = ["another key, known to everybody, for tests only!"]
    with pytest.raises(UnreadableSecret):
        credential.secret.reveal(actor=user, reason=REASON)
    assert reveals().count() == 1


def test_nothing_is_revealed_when_the_record_cannot_be_written(credential, user, monkeypatch):
    opened = []
    monkeypatch.setattr(sealing, "unseal", lambda *args: opened.append(args))
    with failing(AuditEvent, "INSERT"), pytest.raises(DatabaseError):
        credential.secret.reveal(actor=user, reason=REASON)
    assert opened == [] and not reveals().exists()


def test_the_record_holds_nothing_of_the_secret(user):
    secret = canary.make_plain()
    make_credential(secret=secret).secret.reveal(actor=user, reason=REASON)
    assert canary.find(secret, repr(reveals().values().get())) == []


def test_a_reveal_is_no_use(credential, user):
    credential.secret.reveal(actor=user, reason=REASON)
    assert Credential.objects.get().last_used_at is None


# --- transactions


@pytest.mark.django_db(transaction=True)
def test_the_record_is_committed_before_the_secret_is_opened(credential, user, monkeypatch):
    seen = []
    unseal = sealing.unseal

    def look(*args):
        def count():
            seen.append(reveals().count())
            connection.close()

        thread = threading.Thread(target=count)  # with a connection of its own
        thread.start()
        thread.join()
        return unseal(*args)

    monkeypatch.setattr(sealing, "unseal", look)
    assert credential.secret.reveal(actor=user, reason=REASON) == "sk_test_shown"
    assert seen == [1]


@pytest.mark.django_db(transaction=True)
def test_a_reveal_within_a_transaction_is_refused(credential, user):
    with pytest.raises(RuntimeError), transaction.atomic():
        credential.secret.reveal(actor=user, reason=REASON)
    assert not reveals().exists()


@pytest.mark.django_db(transaction=True)
def test_a_reveal_without_autocommit_is_refused(credential, user):
    transaction.set_autocommit(False)
    try:
        shown = credential.secret.reveal(actor=user, reason=REASON)
    except RuntimeError:
        shown = None
    finally:
        transaction.rollback()
        transaction.set_autocommit(True)
    assert shown is None or reveals().exists()


@pytest.mark.django_db(transaction=True)
def test_the_limit_holds_for_many_at_once(credential, user):
    for _ in range(9):
        credential.secret.reveal(actor=user, reason=REASON)
    barrier, shown = threading.Barrier(8), []

    def reveal():
        mine = Credential.objects.get(pk=credential.pk)
        barrier.wait()
        try:
            shown.append(mine.secret.reveal(actor=user, reason=REASON))
        except PermissionDenied:
            pass
        finally:
            connection.close()

    threads = [threading.Thread(target=reveal) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(shown) == 1
