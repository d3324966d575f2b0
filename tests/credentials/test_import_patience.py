"""An import beside another writer that takes longer than a page would wait."""

import sqlite3
import threading
from contextlib import closing

import pytest
from django.db import OperationalError, connection

from credentials import batches
from credentials.documents import Outcome
from credentials.models import Credential
from credentials.reading import Row
from tests.credentials.kind_facts import FACTS

pytestmark = pytest.mark.django_db(transaction=True)

DOCUMENT = {"name": "Patient", "properties": {"kind": "shopify_oauth2", **FACTS["shopify_oauth2"].properties}}
# Milliseconds.
WAIT_OF_A_PAGE = 50
LONGER = 600


@pytest.fixture
def another_writer():
    """Holds the table of credentials for a while, in a connection of its own."""
    held = threading.Event()
    free = threading.Timer(LONGER / 1000, lambda: done.set())
    done = threading.Event()

    def hold():
        if connection.vendor == "sqlite":
            with closing(sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                held.set()
                done.wait()
                other.execute("ROLLBACK")
            return
        import psycopg

        parameters = connection.get_connection_params()
        wanted = {name: parameters[name] for name in ("dbname", "user", "password", "host", "port")
                  if parameters.get(name)}  # fmt: skip
        with psycopg.connect(**wanted) as other:
            other.execute("LOCK TABLE credentials_credential IN EXCLUSIVE MODE")
            held.set()
            done.wait()

    connection.ensure_connection()
    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    free.start()
    yield
    done.set()
    thread.join()
    free.cancel()


@pytest.fixture
def waits_as_a_page():
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute(f"PRAGMA busy_timeout = {WAIT_OF_A_PAGE}")
    yield
    connection.close()


def test_an_import_waits_for_its_turn(waits_as_a_page, another_writer):
    assert [result for _row, result in batches.import_rows([Row(1, DOCUMENT)])] == [Outcome.CREATED]
    assert Credential.objects.get().name == "Patient"


@pytest.mark.parametrize("ending", ["to its end", "dropped"])
def test_only_the_import_waits_longer(waits_as_a_page, ending):
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL's writers wait in a queue anyway")
    results = batches.import_rows([Row(1, DOCUMENT), Row(2, DOCUMENT)])
    next(results)
    if ending == "dropped":
        results.close()
    else:
        list(results)
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout")
        assert cursor.fetchone() == (WAIT_OF_A_PAGE,)
        with closing(sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(OperationalError):
                cursor.execute("BEGIN IMMEDIATE")
            other.execute("ROLLBACK")
