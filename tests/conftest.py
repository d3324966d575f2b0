"""Fixtures of the whole suite."""

import gc
import os

import pytest

# What asks no database: the simulator, egress, the reading of recorded answers, the supervisor of processes;
# and how pages look to axe, whatever database they come from.
ONCE = (
    "tests/browser/test_axe.py",
    "tests/simulator/",
    "tests/project/test_supervisor.py",
    "tests/credentials/test_egress",
    "tests/credentials/access/test_answers.py",
    "tests/credentials/access/test_misleading.py",
)


def pytest_collection_modifyitems(config, items) -> None:
    """Leaves out on PostgreSQL what asks no database: its run on SQLite says the same."""
    if os.environ.get("LANYARD_TEST_DATABASE") != "postgresql":
        return
    once = [item for item in items if item.nodeid.startswith(ONCE)]
    if once:
        config.hook.pytest_deselected(items=once)
        items[:] = [item for item in items if not item.nodeid.startswith(ONCE)]


def pytest_collection_finish() -> None:
    """Takes what was loaded for all tests out of the garbage collector's sight, which else looks through it
    again and again: an eighth of the whole run."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 10)


# --- Set-up of the tests: settings that make them fast and their database a file


def pytest_configure() -> None:
    from django.conf import settings

    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.STORAGES["staticfiles"]["BACKEND"] = "django.contrib.staticfiles.storage.StaticFilesStorage"
    # Static files straight from the packages: nothing is collected for tests.
    settings.WHITENOISE_AUTOREFRESH = settings.WHITENOISE_USE_FINDERS = True


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix, tmp_path_factory):
    """Puts the SQLite test database into a file: in memory, all threads would share one connection, and
    none of the locking of a real installation would be tested."""
    from django.db import connection

    if connection.vendor == "sqlite":
        connection.settings_dict["TEST"]["NAME"] = str(tmp_path_factory.getbasetemp() / "test.sqlite3")


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup, django_db_blocker):
    """pytest-django's, which drops the test database at the end: whatever server or thread of a test still
    holds a connection to it then, which PostgreSQL would refuse to drop it for, is disconnected first."""
    from django.db import connection

    yield
    if connection.vendor == "postgresql":
        with django_db_blocker.unblock(), connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )


# --- End of the set-up of the tests


@pytest.fixture(autouse=True, scope="session")
def flushing_passes_the_audit_triggers():
    """Tests with real transactions empty all tables at their end, which the triggers of the audit trail
    refuse. Switched off for that by who owns the tables, they stand again afterwards."""
    from django.db import connection

    from credentials import audit_triggers

    operations = type(connection.ops)
    flush = operations.sql_flush

    def sql_flush(self, style, tables, **options):
        statements = flush(self, style, [name for name in tables if name not in KEPT], **options)
        if statements and audit_triggers.TABLE in tables:
            if connection.vendor == "sqlite":
                return [*audit_triggers.SQLITE_REMOVAL, *statements, *audit_triggers.SQLITE]
            alter = f"ALTER TABLE {audit_triggers.TABLE} {{}} TRIGGER lanyard_audit_no_truncate;"
            return [alter.format("DISABLE"), *statements, alter.format("ENABLE")]
        return statements

    operations.sql_flush = sql_flush
    yield
    operations.sql_flush = flush


# What migrations filled once, and hardly any test changes: making it anew took a tenth of each flush's test.
KEPT = {"django_content_type", "auth_permission", "auth_group", "auth_group_permissions"}


@pytest.fixture(autouse=True, scope="session")
def roles_survive_flushing():
    """Tests with real transactions empty all tables at their end, but for those of roles and their rights,
    which are made anew where a test changed them."""
    from django.contrib.auth.models import Group, Permission
    from django.core.management.commands import flush

    from project import roles

    emit = flush.emit_post_migrate_signal
    before = None

    def rights():
        return Permission.objects.count(), sorted(Group.objects.values_list("name", "permissions"))

    def as_before(*args, **sent):
        nonlocal before
        if before is None or rights() != before:
            emit(*args, **sent)
            Group.objects.exclude(name__in=roles.ROLES).delete()
            roles.establish()
            before = rights()

    flush.emit_post_migrate_signal = as_before
    yield
    flush.emit_post_migrate_signal = emit


@pytest.fixture(autouse=True)
def somebody_acts(monkeypatch):
    """Tests change credentials in the name of a command; those about who acts open a context of their own."""
    act_as_tests(monkeypatch)


def act_as_tests(monkeypatch) -> None:
    """For fixtures, too, that make rows for more than one test."""
    from contextvars import ContextVar

    from credentials import audit

    # As a default, which threads have too; and without acting(), which would take the events into the chain
    # after the test's database has gone.
    who = audit.Acting("cli:tests@localhost")
    monkeypatch.setattr(audit, "_acting", ContextVar("acting", default=who))
