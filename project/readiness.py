"""Whether requests can be served: each check with a time of its own, so that the answer comes soon whatever
hangs. What it says names no host, no user and no key."""

import logging
import threading
import time
from collections.abc import Callable
from functools import cache

from django.apps import apps
from django.db import DatabaseError, connection, connections
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from credentials import keys
from credentials.limiter import LimiterUnavailable, watching
from credentials.models.key_check import KeyCheck

logger = logging.getLogger(__name__)

# In seconds, for all together.
PATIENCE = 2.5
SILENT = "does not answer"


class _Run(threading.Thread):
    """A check under way, and what it finds, by check; nothing of that before it has ended."""

    def __init__(self, name: str, of: Callable[[], dict[str, str]]):
        super().__init__(name=f"readiness {name}", daemon=True)
        self.about, self.of = name, of
        self.found: dict[str, str] = {}

    def run(self) -> None:
        try:
            self.found = self.of()
        except Exception as error:  # noqa: BLE001 - a check that fails says so, and no more
            logger.warning("The readiness check of the %s failed: %s", self.about, type(error).__name__)
            self.found = {self.about: "the check failed in our own code: see the log"}
        finally:
            connections.close_all()


# What runs. Whoever asks meanwhile waits for the same: where the database hangs there is one thread for each,
# and no more.
_running: dict[str, _Run] = {}
_lock = threading.Lock()


def check() -> dict[str, str]:
    """What is wrong, by check; empty texts where nothing is."""
    ends = time.monotonic() + PATIENCE
    runs = [_run(name, of) for name, of in (("database", _database), ("limiter", _limiter))]
    for one in runs:
        one.join(max(0.0, ends - time.monotonic()))
    # One that ends later changes nothing here.
    database, limiter = (one.found for one in runs)
    result = dict.fromkeys(("database", "migrations", "keys", "limiter"), SILENT)
    if not database:
        result |= {"migrations": "not checked", "keys": "not checked"}
    return result | database | limiter


def _run(name: str, of: Callable[[], dict[str, str]]) -> _Run:
    """The check that is under way, else a new one in a thread."""
    with _lock:
        found = _running.get(name)
        if found is None or not found.is_alive():
            found = _running[name] = _Run(name, of)
            found.start()
        return found


def _limiter() -> dict[str, str]:
    try:
        watching.reach()
    except LimiterUnavailable as error:
        logger.warning("The store of rate limits is not ready: %s", error)
        return {"limiter": SILENT}
    return {"limiter": ""}


def _database() -> dict[str, str]:
    """The database, and where it answers its tables and whether the keys are those that it knows."""
    unasked = {"migrations": "not checked", "keys": "not checked"}
    try:
        connection.ensure_connection()
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        missing = len(_expected() - MigrationRecorder(connection).applied_migrations().keys())
        if missing:
            return {"database": "", **unasked, "migrations": f"{missing} to be applied: manage.py migrate"}
        return {"database": "", "migrations": "", "keys": _keys()}
    except DatabaseError as error:
        logger.warning("The database is not ready: %s", (str(error).splitlines() or [""])[0])
        return {"database": SILENT, **unasked}


def _keys() -> str:
    try:
        # That no key in FERNET_KEYS opens anything is a warning, here as at the start. Not keys.compare():
        # it opens a transaction, which on SQLite waits for whoever writes.
        keys.problem(dict(KeyCheck.objects.values_list("name", "value")))
    except keys.OtherKeys:
        return "FINGERPRINT_KEY is not the one that this database was written with"
    return ""


@cache
def _expected() -> frozenset[tuple[str, str]]:
    """The migrations of this code."""
    loader = MigrationLoader(None)
    labels = {config.label for config in apps.get_app_configs()}
    return frozenset(key for key in loader.disk_migrations if key[0] in labels)
