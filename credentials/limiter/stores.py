"""Which store keeps the leases: the same database on PostgreSQL, a file of its own on SQLite."""

from types import ModuleType

from django.db import connections

from credentials.limiter import postgresql, sqlite
from credentials.limiter.sqlite_file import path


def store() -> ModuleType:
    return postgresql if connections["default"].vendor == "postgresql" else sqlite


def target() -> str:
    """Where the store keeps what it is told. Tests change it on the way."""
    connection = connections["default"]
    if connection.vendor == "postgresql":
        return f"{connection.settings_dict['HOST']}/{connection.settings_dict['NAME']}"
    return str(path())


def begun() -> bool:
    """Whether there is anything in the store, or may be."""
    return connections["default"].vendor == "postgresql" or path().exists()
