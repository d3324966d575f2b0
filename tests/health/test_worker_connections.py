"""A worker's threads each get a connection, however many of them wait for a provider."""

import threading

import pytest
from django.db import connection, connections

from health.management.commands.check_health import bounded_connections
from health.models import Component

THREADS = 24


@pytest.mark.django_db(transaction=True)
def test_each_thread_has_a_connection_while_all_others_hold_theirs():
    """The pool of the settings is for a web process, and smaller than a worker."""
    before, errors = dict(connection.settings_dict["OPTIONS"]), []
    together = threading.Barrier(THREADS, timeout=20)

    def hold():
        try:
            assert not Component.objects.exists()
            # As a look that waits for its provider.
            together.wait()
        except Exception as error:  # noqa: BLE001 - shown below
            errors.append(error)
            together.abort()
        finally:
            connections.close_all()

    with bounded_connections(THREADS):
        threads = [threading.Thread(target=hold) for _ in range(THREADS)]
        for one in threads:
            one.start()
        for one in threads:
            one.join(30)
    assert not errors
    assert connection.settings_dict["OPTIONS"] == before and not Component.objects.exists()
