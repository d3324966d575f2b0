"""The triggers that make the audit trail append-only, on both databases.

A migration that alters the table must install them again at its end: SQLite makes the table anew for that,
and loses its triggers with the old one.
"""

from collections.abc import Sequence
from typing import Any

TABLE = "credentials_auditevent"
CHAIN = ("number", "previous_hash", "hash")
KEPT = (
    "id", "time", "actor", "action", "object_type", "object_id", "object_label", "fields", "reason",
    "request_id", "address",
)  # fmt: skip
MESSAGE = "The audit trail is append-only."


def _row(prefix: str, columns: tuple[str, ...]) -> str:
    return "(" + ", ".join(f"{prefix}.{column}" for column in columns) + ")"


BODY = f"""
BEGIN
    IF TG_OP = 'UPDATE'
       AND {_row("OLD", KEPT)} IS NOT DISTINCT FROM {_row("NEW", KEPT)}
       AND (OLD.number IS NULL OR {_row("OLD", CHAIN)} IS NOT DISTINCT FROM {_row("NEW", CHAIN)}) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION '{MESSAGE}' USING ERRCODE = 'insufficient_privilege';
END """
# Each with when it fires.
POSTGRESQL_TRIGGERS = {
    "lanyard_audit_append_only": "BEFORE UPDATE OR DELETE {on} FOR EACH ROW",
    "lanyard_audit_no_truncate": "BEFORE TRUNCATE {on} FOR EACH STATEMENT",
}
POSTGRESQL = (
    f"CREATE OR REPLACE FUNCTION lanyard_audit_append_only() RETURNS trigger LANGUAGE plpgsql AS $${BODY}$$",
    *(
        f"DROP TRIGGER IF EXISTS {name} ON {TABLE};"
        f" CREATE TRIGGER {name} {when.format(on=f'ON {TABLE}')}"
        " EXECUTE FUNCTION lanyard_audit_append_only()"
        for name, when in POSTGRESQL_TRIGGERS.items()
    ),
)

_CHANGED = " OR ".join(f'OLD."{column}" IS NOT NEW."{column}"' for column in KEPT)
_CHAIN_CHANGED = " OR ".join(f'OLD."{column}" IS NOT NEW."{column}"' for column in CHAIN)
_REFUSE = f"BEGIN SELECT RAISE(ABORT, '{MESSAGE}'); END"
# INSERT OR REPLACE and UPDATE OR REPLACE remove the rows whose id, number or rowid they take, and ask no
# trigger for DELETE: so nothing may take one that is there.
SQLITE_TRIGGERS = {
    "lanyard_audit_no_update": f"""BEFORE UPDATE ON {TABLE}
        WHEN {_CHANGED} OR OLD.rowid <> NEW.rowid
            OR (OLD.number IS NOT NULL AND ({_CHAIN_CHANGED}))
            OR EXISTS (SELECT 1 FROM {TABLE} WHERE number = NEW.number AND id <> OLD.id)
        {_REFUSE}""",  # noqa: S608 - names of our own
    "lanyard_audit_no_delete": f"BEFORE DELETE ON {TABLE} {_REFUSE}",
    "lanyard_audit_no_replace": f"""BEFORE INSERT ON {TABLE}
        WHEN EXISTS (SELECT 1 FROM {TABLE} WHERE id = NEW.id)
            OR EXISTS (SELECT 1 FROM {TABLE} WHERE number = NEW.number)
            OR EXISTS (SELECT 1 FROM {TABLE} WHERE rowid = NEW.rowid)
        {_REFUSE}""",  # noqa: S608 - names of our own
}
_SQLITE_CREATED = {name: f"CREATE TRIGGER {name} {body}" for name, body in SQLITE_TRIGGERS.items()}
SQLITE_REMOVAL = tuple(f"DROP TRIGGER IF EXISTS {name}" for name in SQLITE_TRIGGERS)
SQLITE = (*SQLITE_REMOVAL, *_SQLITE_CREATED.values())


def install(apps: Any, schema_editor: Any) -> None:
    """Install the triggers; for migrations.RunPython."""
    execute(schema_editor.connection, POSTGRESQL, SQLITE)


def remove(apps: Any, schema_editor: Any) -> None:
    """Remove the triggers; the way back for migrations.RunPython."""
    postgresql = [
        *(f"DROP TRIGGER IF EXISTS {name} ON {TABLE}" for name in POSTGRESQL_TRIGGERS),
        "DROP FUNCTION IF EXISTS lanyard_audit_append_only()",
    ]
    execute(schema_editor.connection, postgresql, SQLITE_REMOVAL)


def execute(connection: Any, postgresql: Sequence[str], sqlite: Sequence[str]) -> None:
    """Execute the statements for the database at hand."""
    with connection.cursor() as cursor:
        for statement in postgresql if connection.vendor == "postgresql" else sqlite:
            cursor.execute(statement)


def installed(connection: Any) -> bool:
    """Whether the triggers are there, switched on, and do what stands here."""
    if connection.vendor == "postgresql":
        query = (
            "SELECT tgname, prosrc FROM pg_trigger JOIN pg_proc ON pg_proc.oid = tgfoid"
            " WHERE tgrelid = %s::regclass AND tgenabled = 'O'"
        )
        wanted = dict.fromkeys(POSTGRESQL_TRIGGERS, BODY)
    else:
        query = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = %s"
        wanted = _SQLITE_CREATED
    with connection.cursor() as cursor:
        cursor.execute(query, [TABLE])
        found = dict(cursor.fetchall())
    return all(found.get(name) == text for name, text in wanted.items())
