"""SQLite's file, for its owner alone."""

import os
import sqlite3
from contextlib import suppress
from typing import Any


class PrivateConnection(sqlite3.Connection):
    """A connection that makes a missing file with mode 0600, whatever umask its process has. SQLite gives the
    two files beside it (-wal, -shm) the mode of the first."""

    def __init__(self, database: Any, *args: Any, **named: Any):
        if not str(database).startswith(("file:", ":memory:")):
            # A folder that is missing or closed is SQLite's to complain of.
            with suppress(OSError):
                os.close(os.open(database, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        super().__init__(database, *args, **named)
