"""Leases are taken outside of every transaction of the caller."""

import os
import stat
import threading

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import TestCase

from credentials.limiter import sqlite_file
from credentials.models import RateLimit
from tests.credentials.limiter.making import again, make_limit, taken


@pytest.mark.django_db(transaction=True)
def test_a_lease_inside_of_a_transaction_counts_for_all_and_stays_when_it_is_rolled_back():
    limit = make_limit(3, 60_000)
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        RateLimit.objects.select_for_update().get(pk=limit.pk)
        limit.save()
        assert len(taken(limit, 1)) == 1
        # Somebody else is not held up by the transaction, and sees what it took.
        others = []
        thread = threading.Thread(target=lambda: others.extend(taken_elsewhere(limit)))
        thread.start()
        thread.join(timeout=5)
        assert len(others) == 2
        raise ZeroDivisionError
    assert taken(again(limit), 3) == []


def taken_elsewhere(limit):
    try:
        # As it was before the transaction, which nobody sees.
        return [lease for _ in range(3) if (lease := again_outside(limit).try_acquire())]
    finally:
        connection.close()


def again_outside(limit):
    return RateLimit.objects.get(pk=limit.pk)


@pytest.mark.django_db(transaction=True)
def test_a_first_lease_inside_of_a_transaction_that_is_rolled_back():
    limit = make_limit(3, 60_000)
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        assert len(taken(limit, 2)) == 2
        raise ZeroDivisionError
    assert len(taken(again(limit), 3)) == 1


@pytest.mark.django_db(transaction=True)
def test_a_lease_in_a_transaction_that_is_broken():
    limit = make_limit(3, 60_000)
    assert len(taken(limit, 1)) == 1
    with transaction.atomic():
        try:
            with transaction.atomic(savepoint=False):
                RateLimit.objects.filter(pk=limit.pk).update(allowed_requests=0)
        except IntegrityError:
            assert len(taken(limit, 1)) == 1
            transaction.set_rollback(True)


class InsideTestCase(TestCase):
    """Its limits are never committed, so no other connection sees them."""

    def test_leases_are_taken(self):
        limit = make_limit(2, 60_000)
        with limit.acquire() as lease:
            assert lease.granted
        assert len(taken(limit, 3)) == 1

    def test_a_change_counts(self):
        limit = make_limit(1, 60_000)
        assert len(taken(limit, 3)) == 1
        limit.allowed_requests = 3
        limit.save()
        assert len(taken(limit, 3)) == 2


@pytest.mark.django_db(transaction=True)
def test_a_lease_while_another_transaction_writes():
    """On SQLite a second connection to the same file would end in "database is locked"."""
    limit = make_limit(3, 60_000)
    begun, done = threading.Event(), threading.Event()

    def writing():
        try:
            with transaction.atomic():
                RateLimit.objects.filter(pk=limit.pk).update(interval=60_000)
                begun.set()
                done.wait(10)
        finally:
            connection.close()

    thread = threading.Thread(target=writing)
    thread.start()
    begun.wait()
    try:
        assert len(taken(limit, 3)) == 3
    finally:
        done.set()
        thread.join()


@pytest.mark.django_db
def test_the_file_of_an_sqlite_database_is_beside_it_and_its_owners_alone():
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL keeps leases in the database itself")
    path = sqlite_file.path()
    taken(make_limit(), 1)
    main = connection.settings_dict["NAME"]
    assert path.parent == type(path)(main).parent and path.name.endswith(".limiter.sqlite3")
    for name in (path, f"{path}-wal", f"{path}-shm"):
        assert stat.S_IMODE(os.stat(name).st_mode) == 0o600


def test_a_database_in_memory_has_a_file_of_this_process(settings, monkeypatch):
    monkeypatch.setitem(connection.settings_dict, "NAME", "file:memorydb_default?mode=memory&cache=shared")
    assert sqlite_file.path() == sqlite_file.path()
    assert sqlite_file.path().parent.stat().st_mode & 0o077 == 0
