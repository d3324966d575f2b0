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


POSTGRESQL = f"""
CREATE OR REPLACE FUNCTION lanyard_audit_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE'
       AND {_row("OLD", KEPT)} IS NOT DISTINCT FROM {_row("NEW", KEPT)}
       AND (OLD.number IS NULL OR {_row("OLD", CHAIN)} IS NOT DISTINCT FROM {_row("NEW", CHAIN)}) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION '{MESSAGE}' USING ERRCODE = 'insufficient_privilege';
END $$;
DROP TRIGGER IF EXISTS lanyard_audit_append_only ON {TABLE};
CREATE TRIGGER lanyard_audit_append_only BEFORE UPDATE OR DELETE ON {TABLE}
    FOR EACH ROW EXECUTE FUNCTION lanyard_audit_append_only();
"""

SQLITE_CHANGED = " OR ".join(f'OLD."{column}" IS NOT NEW."{column}"' for column in KEPT)
SQLITE_CHAIN_CHANGED = " OR ".join(f'OLD."{column}" IS NOT NEW."{column}"' for column in CHAIN)
SQLITE = (
    "DROP TRIGGER IF EXISTS lanyard_audit_no_update",
    "DROP TRIGGER IF EXISTS lanyard_audit_no_delete",
    f"""CREATE TRIGGER lanyard_audit_no_update BEFORE UPDATE ON {TABLE}
        WHEN {SQLITE_CHANGED} OR (OLD.number IS NOT NULL AND ({SQLITE_CHAIN_CHANGED}))
        BEGIN SELECT RAISE(ABORT, '{MESSAGE}'); END""",
    f"""CREATE TRIGGER lanyard_audit_no_delete BEFORE DELETE ON {TABLE}
        BEGIN SELECT RAISE(ABORT, '{MESSAGE}'); END""",
)


def install(apps: Any, schema_editor: Any) -> None:
    """Install the triggers; for migrations.RunPython."""
    execute(schema_editor.connection, [POSTGRESQL], SQLITE)


def remove(apps: Any, schema_editor: Any) -> None:
    """Remove the triggers; the way back for migrations.RunPython."""
    postgresql = [
        f"DROP TRIGGER IF EXISTS lanyard_audit_append_only ON {TABLE}",
        "DROP FUNCTION IF EXISTS lanyard_audit_append_only()",
    ]
    execute(schema_editor.connection, postgresql, SQLITE[:2])


def execute(connection: Any, postgresql: Sequence[str], sqlite: Sequence[str]) -> None:
    """Execute the statements for the database at hand."""
    with connection.cursor() as cursor:
        for statement in postgresql if connection.vendor == "postgresql" else sqlite:
            cursor.execute(statement)


def installed(connection: Any) -> bool:
    """Whether the triggers are there."""
    if connection.vendor == "postgresql":
        query = (
            "SELECT count(*) = 1 FROM pg_trigger"
            " WHERE tgname = 'lanyard_audit_append_only' AND tgenabled = 'O'"
        )
    else:
        query = (
            "SELECT count(*) = 2 FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'lanyard_audit_no_%'"
        )
    with connection.cursor() as cursor:
        cursor.execute(query)
        return bool(cursor.fetchone()[0])
