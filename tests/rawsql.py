"""What somebody with access to the database can do: read and write columns past the ORM, make writes fail."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from django.db import connection, models


def _place(instance: models.Model, name: str) -> tuple[Any, Any, Any, Any]:
    field: Any = instance._meta.get_field(name)
    table = field.model._meta
    key = table.pk.get_db_prep_value(instance.pk, connection)
    return table.db_table, field.column, table.pk.column, key


def stored(instance: models.Model, name: str) -> Any:
    """What a column holds, as it is; bytes for a secret."""
    table, column, key_column, key = _place(instance, name)
    with connection.cursor() as cursor:
        cursor.execute(f'SELECT "{column}" FROM "{table}" WHERE "{key_column}" = %s', [key])
        (value,) = cursor.fetchone()
    return bytes(value) if isinstance(value, memoryview) else value


def store(instance: models.Model, **values: Any) -> None:
    """Write columns past the ORM: past save() and its rules, and past what update() refuses."""
    for name, value in values.items():
        table, column, key_column, key = _place(instance, name)
        if isinstance(value, datetime):
            value = connection.ops.adapt_datetimefield_value(value)
        with connection.cursor() as cursor:
            cursor.execute(f'UPDATE "{table}" SET "{column}" = %s WHERE "{key_column}" = %s', [value, key])
            assert cursor.rowcount == 1


@contextmanager
def failing(model: type[models.Model], event: str) -> Iterator[None]:
    """Let the database refuse every INSERT, UPDATE or DELETE (the event) on the table of a model."""
    table = model._meta.db_table
    on_postgresql = connection.vendor == "postgresql"
    with connection.cursor() as cursor:
        if on_postgresql:
            cursor.execute(
                "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
                "$$ BEGIN RAISE EXCEPTION 'refused by the test'; END $$"
            )
            cursor.execute(
                f'CREATE TRIGGER refuse BEFORE {event} ON "{table}" FOR EACH ROW EXECUTE FUNCTION refuse()'
            )
        else:
            cursor.execute(
                f'CREATE TRIGGER refuse BEFORE {event} ON "{table}" '
                "BEGIN SELECT RAISE(ABORT, 'refused by the test'); END"
            )
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f'DROP TRIGGER refuse ON "{table}"' if on_postgresql else "DROP TRIGGER refuse")
            if on_postgresql:
                cursor.execute("DROP FUNCTION refuse()")
