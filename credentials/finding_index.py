"""The indexes of the text for finding, which Django does not know: a GIN index on PostgreSQL, on SQLite a
table of FTS5 that triggers keep in step with the credentials.

A migration that alters the table of credentials must install them again at its end: SQLite makes the table
anew for that, loses its triggers with the old one, and counts its rows anew.
"""

from typing import Any

from credentials.audit_triggers import execute
from credentials.finding import AS_WORDS, SQLITE_TABLE

TABLE = "credentials_credential"
POSTGRESQL_INDEX = "credential_words"

POSTGRESQL = (
    f"DROP INDEX IF EXISTS {POSTGRESQL_INDEX}",
    f"CREATE INDEX {POSTGRESQL_INDEX} ON {TABLE} USING gin (({AS_WORDS.format('search')}))",
)
POSTGRESQL_REMOVAL = (f"DROP INDEX IF EXISTS {POSTGRESQL_INDEX}",)

# A row whose column of the table's own name is a word tells FTS5 what to do.
_INTO = f"INSERT INTO {SQLITE_TABLE}"
_FORGET = f"{_INTO}({SQLITE_TABLE}, rowid, search) VALUES ('delete', OLD.rowid, OLD.search);"
_TAKE = f"{_INTO}(rowid, search) VALUES (NEW.rowid, NEW.search);"
SQLITE_TRIGGERS = {
    "lanyard_search_insert": f"AFTER INSERT ON {TABLE} BEGIN {_TAKE} END",
    "lanyard_search_delete": f"AFTER DELETE ON {TABLE} BEGIN {_FORGET} END",
    "lanyard_search_update": f"AFTER UPDATE OF search ON {TABLE} WHEN OLD.search IS NOT NEW.search"
    f" BEGIN {_FORGET} {_TAKE} END",
}
_SQLITE_CREATED = {name: f"CREATE TRIGGER {name} {body}" for name, body in SQLITE_TRIGGERS.items()}
SQLITE_REMOVAL = (
    *(f"DROP TRIGGER IF EXISTS {name}" for name in SQLITE_TRIGGERS),
    f"DROP TABLE IF EXISTS {SQLITE_TABLE}",
)
SQLITE = (
    *SQLITE_REMOVAL,
    # Without a copy of the text, and without places of words: nobody asks for phrases.
    f"CREATE VIRTUAL TABLE {SQLITE_TABLE} USING fts5"
    f"(search, content='{TABLE}', content_rowid='rowid', tokenize='ascii', detail=none)",
    f"{_INTO}({SQLITE_TABLE}) VALUES ('rebuild')",
    *_SQLITE_CREATED.values(),
)


def install(apps: Any, schema_editor: Any) -> None:
    """Make the indexes anew, of all rows; for migrations.RunPython."""
    execute(schema_editor.connection, POSTGRESQL, SQLITE)


def remove(apps: Any, schema_editor: Any) -> None:
    """Remove the indexes; the way back for migrations.RunPython."""
    execute(schema_editor.connection, POSTGRESQL_REMOVAL, SQLITE_REMOVAL)


def installed(connection: Any) -> bool:
    """Whether the indexes are there, and what keeps them in step."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT indexname FROM pg_indexes WHERE tablename = %s", [TABLE])
            return POSTGRESQL_INDEX in {name for (name,) in cursor.fetchall()}
        cursor.execute(
            "SELECT name, sql FROM sqlite_master WHERE tbl_name IN (%s, %s)", [TABLE, SQLITE_TABLE]
        )
        found = dict(cursor.fetchall())
    return SQLITE_TABLE in found and all(found.get(name) == text for name, text in _SQLITE_CREATED.items())
