"""The chain is caught up with whatever goes wrong, in the order of happening, and no row is ever replaced."""

import logging
import uuid
from types import SimpleNamespace

import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from credentials import audit, audit_chain, audit_triggers
from credentials.models import AuditEvent
from credentials.models.audit_event import ordered_id
from tests.factories import make_credential
from tests.rawsql import failing

pytestmark = pytest.mark.django_db

TABLE = audit_triggers.TABLE
COLUMNS = ", ".join(audit_triggers.KEPT)


def execute(statement, *values):
    with connection.cursor() as cursor, transaction.atomic():
        cursor.execute(statement, values)


def refused(statement, *values):
    with pytest.raises(DatabaseError, match="append-only"):
        execute(statement, *values)


def contents():
    return list(AuditEvent.objects.order_by("time", "id").values())


@pytest.fixture
def stored():
    make_credential("stripe_key", name="One")
    audit.chain()
    make_credential("shopify_oauth2", name="Two")
    return contents()


# --- nothing is replaced

only_sqlite = pytest.mark.skipif("connection.vendor != 'sqlite'", reason="SQLite's own statements")
only_postgresql = pytest.mark.skipif("connection.vendor == 'sqlite'", reason="PostgreSQL's own statements")
SAME = f"SELECT {COLUMNS.replace('actor', chr(39) + 'user:invented' + chr(39))}"


@only_sqlite
@pytest.mark.parametrize("chained", [True, False])
@pytest.mark.parametrize("way", ["INSERT OR REPLACE", "REPLACE", "INSERT OR IGNORE", "INSERT"])
def test_an_event_is_not_inserted_over(stored, way, chained):
    condition = "IS NOT NULL" if chained else "IS NULL"
    refused(
        f"{way} INTO {TABLE} ({COLUMNS}, previous_hash, hash) {SAME}, '', '' FROM {TABLE}"
        f" WHERE number {condition}"
    )
    assert contents() == stored


@only_sqlite
@pytest.mark.parametrize("taken", ["number", "rowid"])
def test_an_event_does_not_take_the_place_of_another(stored, taken):
    new = COLUMNS.replace("id,", f"'{uuid.uuid4().hex}',", 1)
    refused(
        f"INSERT OR REPLACE INTO {TABLE} ({COLUMNS}, previous_hash, hash, {taken})"
        f" SELECT {new}, '', '', {taken} FROM {TABLE} WHERE number = 1"
    )
    assert contents() == stored


@only_sqlite
@pytest.mark.parametrize(
    "change", ["number = 1", "rowid = (SELECT rowid FROM {} WHERE number = 1)", "id = 'x'"]
)
def test_an_update_does_not_replace_another_event(stored, change):
    refused(f"UPDATE OR REPLACE {TABLE} SET {change.format(TABLE)} WHERE number IS NULL")
    assert contents() == stored


def test_an_upsert_changes_nothing(stored):
    for event in list(AuditEvent.objects.all()):
        event.actor = "user:invented"
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            AuditEvent.objects.bulk_create(
                [event], update_conflicts=True, unique_fields=["id"], update_fields=["actor"]
            )
    assert contents() == stored


@only_postgresql
@pytest.mark.parametrize("statement", ["TRUNCATE {}", "TRUNCATE {} CASCADE"])
def test_the_table_cannot_be_emptied_at_once(stored, statement):
    refused(statement.format(TABLE))
    assert contents() == stored


@only_postgresql
def test_a_trigger_that_is_switched_off_or_does_something_else_is_found():
    for name in audit_triggers.POSTGRESQL_TRIGGERS:
        execute(f"ALTER TABLE {TABLE} DISABLE TRIGGER {name}")
        assert not audit_triggers.installed(connection)
        execute(f"ALTER TABLE {TABLE} ENABLE TRIGGER {name}")
        assert audit_triggers.installed(connection)
    execute(
        "CREATE OR REPLACE FUNCTION lanyard_audit_append_only() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RETURN NEW; END $$"
    )
    assert not audit_triggers.installed(connection)


@only_sqlite
@pytest.mark.parametrize("name", audit_triggers.SQLITE_TRIGGERS)
def test_each_trigger_that_is_gone_or_does_something_else_is_found(name):
    assert audit_triggers.installed(connection)
    execute(f"DROP TRIGGER {name}")
    assert not audit_triggers.installed(connection)
    execute(f"CREATE TRIGGER {name} BEFORE UPDATE ON {TABLE} BEGIN SELECT 1; END")
    assert not audit_triggers.installed(connection)


def test_installing_again_mends_them():
    editor = SimpleNamespace(connection=connection)
    audit_triggers.remove(None, editor)
    assert not audit_triggers.installed(connection)
    for _ in range(2):
        audit_triggers.install(None, editor)
        assert audit_triggers.installed(connection)


# --- in the order of happening


def of_one_moment(count):
    now = timezone.now()
    return [
        AuditEvent(
            time=now, actor="user:a", action="change", object_type="user", object_id="1", object_label=str(n)
        )
        for n in range(count)
    ]  # fmt: skip


def test_ids_of_a_process_ascend_and_are_of_version_7():
    ids = [ordered_id() for _ in range(5_000)]
    assert ids == sorted(ids) and len(set(ids)) == len(ids)
    assert {(one.version, one.variant) for one in ids} == {(7, uuid.RFC_4122)}
    assert abs((ids[0].int >> 80) / 1000 - timezone.now().timestamp()) < 60


def test_ids_ascend_where_the_clock_stands_still_or_goes_back(monkeypatch):
    now = 1_900_000_000_000_000_000
    times = iter([now, now, now - 10**9, now + 300])
    monkeypatch.setattr("credentials.models.audit_event.time", SimpleNamespace(time_ns=lambda: next(times)))
    monkeypatch.setattr("credentials.models.audit_event._last", 0)
    ids = [ordered_id() for _ in range(4)]
    assert ids == sorted(ids)


def test_events_of_one_moment_are_chained_in_the_order_of_happening():
    audit.record_all(of_one_moment(300))
    audit.chain()
    numbered = AuditEvent.objects.order_by("number").values_list("object_label", flat=True)
    assert list(numbered) == [str(n) for n in range(300)]


def test_events_of_before_with_ids_of_no_order_stay_as_they_were_chained():
    before = of_one_moment(50)
    for event in before:
        event.pk = uuid.uuid4()
    audit.record_all(before)
    assert audit.chain() == 50
    audit.record_all(of_one_moment(1))
    audit.chain()
    numbered = list(AuditEvent.objects.order_by("number").values_list("pk", flat=True))
    assert numbered[:50] == sorted(event.pk for event in before)
    assert list(AuditEvent.objects.order_by("time", "id").values_list("pk", flat=True)) == numbered
    assert audit.verify().problems == []


# --- caught up with


def test_what_cannot_be_chained_is_logged_and_waits(monkeypatch, caplog):
    def broken(*given):
        raise DatabaseError("a value: sk_test_fake")

    make_credential()
    with monkeypatch.context() as patched, caplog.at_level(logging.ERROR):
        patched.setattr(audit_chain, "_store_chained", broken)
        audit_chain.catch_up()
    assert "was not extended (DatabaseError)" in caplog.text and "sk_test_fake" not in caplog.text
    assert AuditEvent.objects.filter(number=None).exists()
    audit_chain.catch_up()
    assert not AuditEvent.objects.filter(number=None).exists()


@pytest.mark.django_db(transaction=True)
def test_a_page_answers_though_the_chain_fails(admin_client, caplog):
    from tests.credentials.admin_pages import add_page, entries

    with failing(AuditEvent, "UPDATE"):
        response = admin_client.post(add_page("stripe_key"), entries("stripe_key"))
    assert response.status_code == 302 and "was not extended" in caplog.text
    assert AuditEvent.objects.filter(number=None).count() == AuditEvent.objects.count() > 0
    admin_client.post(add_page("shopify_oauth2"), entries("shopify_oauth2"))
    assert not AuditEvent.objects.filter(number=None).exists()


@pytest.mark.django_db(transaction=True)
def test_what_was_not_stored_is_nothing_for_the_chain(caplog):
    with failing(AuditEvent, "INSERT"), pytest.raises(DatabaseError), audit.acting("cli:a@host") as who:
        audit.record("run", audit.Named("command", "x", "x"))
    assert who.recorded == 0 and not caplog.records


@pytest.mark.django_db(transaction=True)
def test_the_error_of_who_acts_is_not_covered_by_one_of_the_chain(monkeypatch):
    monkeypatch.setattr(audit_chain, "_chain_some", lambda most: 1 / 0)
    with pytest.raises(KeyError), audit.acting("cli:a@host"):
        make_credential()
        raise KeyError


@pytest.mark.django_db(transaction=True)
def test_a_page_spends_a_bounded_time_on_the_chain_and_the_next_ones_go_on(monkeypatch):
    monkeypatch.setattr(audit_chain, "FEW", 10)
    monkeypatch.setattr(audit_chain, "PATIENCE", 0)
    audit.record_all(of_one_moment(35))
    waiting = []
    for _ in range(2):
        with audit.acting("cli:a@host"):
            audit.record_all([audit.event("change", audit.Named("command", "x", "x"))])
        waiting.append(AuditEvent.objects.filter(number=None).count())
    assert waiting == [26, 17]
    call_command("verify_audit")
    assert not AuditEvent.objects.filter(number=None).exists()


@pytest.mark.django_db(transaction=True)
def test_a_daily_purge_takes_in_what_waits():
    audit.record_all(of_one_moment(1_500))
    call_command("purge_credentials", verbosity=0)
    assert not AuditEvent.objects.filter(number=None).exists()
    assert audit.verify().problems == []
