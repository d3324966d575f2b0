"""Every change leaves one event in the name of who made it, or it does not happen."""

from types import SimpleNamespace

import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from credentials import audit, audit_triggers
from credentials.kinds import KINDS
from credentials.models import AuditEvent, Credential, Limit, OAuthApp
from tests import canary
from tests.credentials.test_secret_canary import canaries_of
from tests.factories import make_credential, make_oauth_app
from tests.rawsql import failing

pytestmark = pytest.mark.django_db


def last():
    event = AuditEvent.objects.exclude(action="create").order_by("-time", "-id").first()
    return event.action, event.fields


def rename(credential):
    credential.name = "renamed"
    credential.save()


CHANGES = {
    "edit": rename,
    "delete": Credential.delete,
    "limit": lambda credential: credential.set_limit(Limit(7, 1000)),
    "update": lambda credential: Credential.objects.update(expires_at=timezone.now()),
}


def events():
    return AuditEvent.objects.count()


# --- what is recorded


@pytest.mark.parametrize("kind", KINDS)
def test_a_created_credential_of_each_kind_leaves_one_event(kind):
    credential = make_credential(kind)
    event = AuditEvent.objects.get(object_id=credential.pk)
    assert (event.actor, event.action, event.object_type) == ("cli:tests@localhost", "create", "credential")
    assert event.object_label == str(credential) and event.request_id


def test_an_edit_names_the_fields_that_changed_and_no_others():
    credential = make_credential("salesforce_oauth2")
    credential.name, credential.metadata = "renamed", {"plan": "small"}
    credential.save()
    assert last() == ("change", ["metadata", "name"])


def test_a_replaced_secret_is_named_and_not_shown():
    credential = make_credential()
    credential.secret = "sk_test_another"
    credential.save()
    assert last() == ("replace_secret", ["secret"])


def test_a_save_that_changes_nothing_leaves_no_event():
    credential = make_credential()
    before = events()
    credential.save()
    assert events() == before


def test_a_changed_limit_is_recorded():
    make_credential().set_limit(Limit(7, 1000))
    assert last() == ("change", ["rate_limit"])


def test_an_update_of_many_rows_leaves_an_event_for_each():
    credentials = [make_credential("stripe_key"), make_credential("shopify_oauth2")]
    Credential.objects.update(expires_at=timezone.now())
    changed = AuditEvent.objects.filter(action="change", fields=["expires_at"])
    assert {event.object_id for event in changed} == {str(row.pk) for row in credentials}


def test_apps_inserted_in_bulk_leave_an_event_each():
    apps = [
        OAuthApp(provider="hubspot", name=f"App {n}", client_id=f"c{n}", client_secret=f"secret-{n}")
        for n in range(3)
    ]
    OAuthApp.objects.bulk_create(apps)
    assert AuditEvent.objects.filter(action="create", object_type="oauth_app").count() == 3


def test_the_use_of_a_secret_by_the_code_is_no_event():
    credential = make_credential()
    before = events()
    credential.secret.use(credential.destination())
    assert events() == before


def test_what_a_person_does_in_the_browser_is_recorded_in_their_name(admin_client):
    form = {"name": "Arrakis", "secret": "sk_test_x1", "test": "on", "interval_1": "second", "metadata": ""}
    assert admin_client.post("/admin/credentials/stripekey/add/", form).status_code == 302
    event = AuditEvent.objects.get(action="create")
    assert (event.actor, event.address, event.object_label) == ("user:admin", "127.0.0.1", "Arrakis")


def test_what_a_command_does_is_recorded_in_the_name_of_who_ran_it():
    call_command("import_credentials", "tests/data/credentials.json")
    actors = set(AuditEvent.objects.values_list("actor", flat=True))
    requests = set(AuditEvent.objects.values_list("request_id", flat=True))
    assert len(actors) == 1 and actors.pop().startswith("cli:") and len(requests) == 1


def test_no_event_holds_a_value():
    planted = []
    for kind in KINDS:
        secrets = canaries_of(kind)
        planted += secrets.values()
        credential = make_credential(kind, **secrets)
        rename(credential)
        credential.delete()
    rows = repr(list(AuditEvent.objects.values()))
    assert planted and not any(canary.find(text, rows) for text in planted)


# --- or it does not happen


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_that_cannot_be_recorded_does_not_happen(change):
    credential = make_credential(name="as it was")
    with failing(AuditEvent, "INSERT"), pytest.raises(DatabaseError), transaction.atomic():
        change(credential)
    stored = Credential.objects.get()
    assert (stored.name, stored.rate_limit.words) == ("as it was", "25 per second")


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_where_nobody_acts_nothing_changes(change, nobody_acts):
    credential = Credential.objects.get()
    with pytest.raises(audit.NobodyActs), transaction.atomic():
        change(credential)
    assert Credential.objects.get().name == "as it was"


@pytest.fixture
def nobody_acts(monkeypatch):
    from contextvars import ContextVar

    make_credential(name="as it was")
    monkeypatch.setattr(audit, "_acting", ContextVar("acting", default=None))


def test_the_innermost_actor_counts_and_the_outer_one_comes_back():
    with audit.acting("cli:outer@host"), audit.acting("cli:inner@host"):
        make_oauth_app()
    assert AuditEvent.objects.get().actor == "cli:inner@host"


# --- append-only, and what is missing shows


@pytest.fixture
def chained():
    for _ in range(5):
        make_credential()
    assert audit.chain() == 5
    return list(AuditEvent.objects.order_by("number"))


def refused(change):
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        change()


def test_events_cannot_be_changed_or_removed(chained):
    rows = AuditEvent.objects.filter(pk=chained[2].pk)
    refused(lambda: rows.update(actor="user:somebody-else"))
    refused(lambda: rows.update(number=99))
    refused(lambda: rows.update(hash="0" * 64))
    refused(rows.delete)
    refused(AuditEvent.objects.all().delete)
    assert audit.verify().problems == []


def test_an_event_that_waits_for_the_chain_cannot_be_changed_either():
    make_credential()
    refused(lambda: AuditEvent.objects.update(reason="invented"))
    refused(AuditEvent.objects.all().delete)


@pytest.fixture
def without_triggers(chained):
    editor = SimpleNamespace(connection=connection)
    audit_triggers.remove(None, editor)
    yield chained
    audit_triggers.install(None, editor)


def test_a_changed_event_is_found(without_triggers):
    AuditEvent.objects.filter(pk=without_triggers[2].pk).update(actor="user:somebody-else")
    assert "event 3 was changed" in audit.verify().problems


def test_a_removed_event_is_found(without_triggers):
    AuditEvent.objects.filter(pk=without_triggers[2].pk).delete()
    assert "event 3 is missing" in audit.verify().problems


def test_an_event_put_in_by_hand_is_found(without_triggers):
    AuditEvent.objects.create(
        actor="user:a", action="create", object_type="credential", object_id="x", object_label="x", number=6,
        previous_hash=without_triggers[-1].hash, hash="0" * 64,
    )  # fmt: skip
    assert "event 6 was changed" in audit.verify().problems


def test_missing_triggers_are_found(without_triggers):
    assert "triggers" in audit.verify().problems[0]


def test_a_chain_of_another_key_does_not_hold(chained, settings):
    settings.FINGERPRINT_KEY = "another-fingerprint-key-" + "x" * 40
    assert len(audit.verify().problems) >= 5


def test_new_events_follow_the_last_one(chained):
    make_credential()
    assert (audit.verify().chained, audit.verify().waiting) == (5, 1)
    assert audit.chain() == 1
    found = audit.verify()
    assert (found.chained, found.waiting, found.problems) == (6, 0, [])
    assert found.head == AuditEvent.objects.get(number=6).hash != chained[-1].hash
