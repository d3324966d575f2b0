"""Eight processes hammer limits while one is killed every second and one stands still. Two have their clocks
an hour off, the limit is changed every second, and PostgreSQL crashes under the load and is started again.
Never over the limit by the database's own clock, in any window nor at the same time; the leases of the dead
are back in time; the stale holder is refused; nobody waits longer than the bound.

    python -m tests.faults.limiter [sqlite|postgresql|both] [--seconds 20]

On PostgreSQL it takes half a minute more: so long limits with a bound at the same time wait after a crash.
Prints one JSON line for each database with its verdict; the exit status is 1 where one failed.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from credentials.limiter import postgresql_schema
from tests.credentials.limiter.strictness import most_at_once, most_in_a_window
from tests.faults.limiter_storm import (
    ALLOWED,
    AT_ONCE,
    BACK,
    HOLD,
    INTERVAL,
    LASTING,
    LONG,
    LONG_INTERVAL,
    MAKE,
    RATE,
    RATE_INTERVAL,
    Weather,
)
from tests.fresh_databases import ROOT, Databases, chosen, environment, load, wait_for_the_disk

# Seconds: what acquire(timeout=5) may take at most, the store's own bounds and a busy machine included.
BOUND = 5 + 6


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("databases", nargs="?", default="both")
    parser.add_argument("--seconds", type=float, default=20.0)
    options = parser.parse_args()
    good = True
    for vendor in chosen(options.databases):
        with Databases(vendor) as databases, tempfile.TemporaryDirectory() as directory:
            verdict = run(databases.new(), options.seconds, Path(directory))
        good = good and verdict["good"]
        sys.stdout.write(
            json.dumps({"scenario": "limiter", "database": vendor, **verdict, "load": load()}) + "\n"
        )
        sys.stdout.flush()
    return 0 if good else 1


def run(url: str, seconds: float, directory: Path) -> dict[str, Any]:
    """Hammer a fresh database; returns what was seen."""
    env = environment(url)
    if url.startswith("postgresql"):
        wait_for_the_disk(url)
        seconds += postgresql_schema.LASTING / 1e6 + 2
    script(env, MAKE)
    killed = 0
    logs: list[Path] = []

    def start(longest: float = 0.05, clock: int = 0) -> subprocess.Popen[bytes]:
        logs.append(directory / f"{len(logs)}.log")
        told = [str(logs[-1]), str(longest), str(clock)]
        return subprocess.Popen([sys.executable, "-W", "ignore", "-c", HOLD, *told], cwd=ROOT, env=env)

    # The clocks of the first two are wrong; of those one is killed now and then, and comes again.
    running = [start(clock=clock) for clock in (3600, -3600, 0, 0, 0, 0, 0)]
    # It holds a lease nearly all of the time, and so at the moment when it is stopped.
    frozen = start(longest=1.5)
    while not (logs[-1].exists() and "lease" in logs[-1].read_text()):
        time.sleep(0.05)
    os.kill(frozen.pid, signal.SIGSTOP)
    weather = Weather(url, env, seconds)
    weather.start()
    try:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            time.sleep(1)
            place = random.randrange(len(running))
            running[place].kill()
            running[place].wait()
            killed += 1
            running[place] = start(clock=(3600, -3600, 0, 0, 0, 0, 0)[place])
        weather.join(60)
        os.kill(frozen.pid, signal.SIGCONT)
        time.sleep(2)
    finally:
        for process in [*running, frozen]:
            process.kill()
            process.wait()
    leases_back, after = script(env, BACK).split()
    found = judged([line.split() for log in logs if log.exists() for line in log.read_text().splitlines()])
    back = int(leases_back) == AT_ONCE and float(after) <= LASTING + 1.5
    stormy = not url.startswith("postgresql") or (weather.seen["crashes"] and weather.seen["restarts"])
    calm = not weather.failed and not weather.is_alive()
    return {
        "good": bool(found.pop("good") and back and stormy and calm and weather.seen["changes"] > 1),
        **found,
        **weather.seen,
        "killed": killed,
        "all_leases_back_after": round(float(after), 2),
        "failed": weather.failed,
    }


def judged(lines: list[list[str]]) -> dict[str, Any]:
    """What the processes wrote, against the limits."""
    times = sorted(float(line[1]) for line in lines if line[0] == "lease" and len(line) == 3)
    rate, long = (
        sorted(float(line[1]) for line in lines if line[0] == str(interval) and len(line) == 2)
        for interval in (RATE_INTERVAL, LONG_INTERVAL)
    )
    # Who was killed, or stood still, has its lease until it expires.
    ends = {line[2]: float(line[1]) for line in lines if line[0] == "back" and len(line) == 3}
    spans = [
        (begin, min(ends.get(fence, begin + LASTING), begin + LASTING))
        for begin, fence in (
            (float(line[1]), line[2]) for line in lines if line[0] == "lease" and len(line) == 3
        )
    ]
    stale = [line for line in lines if line[0] == "stale"]
    errors = [line for line in lines if line[0] == "error" and len(line) == 3]
    most, most_rate, most_long, at_once = (
        most_in_a_window(times, INTERVAL / 1000),
        most_in_a_window(rate, RATE_INTERVAL / 1000),
        most_in_a_window(long, LONG_INTERVAL / 1000),
        most_at_once(spans),
    )
    longest = max((float(line[2]) for line in errors), default=0.0)
    refused = all(line[1:] == ["1", "0"] for line in stale)
    held = most <= ALLOWED and most_rate <= RATE and most_long <= LONG and at_once <= AT_ONCE
    # A busy machine has little time for it, but some.
    busy = len(times) > ALLOWED and len(rate) > RATE / 2 and len(long) > LONG / 2
    return {
        "good": held and busy and bool(stale) and refused and longest < BOUND,
        "leases": len(times),
        "most_in_a_window": f"{most} of {ALLOWED}",
        "most_at_once": f"{at_once} of {AT_ONCE}",
        "of_the_rate_alone": f"{most_rate} of {RATE}",
        "of_a_long_window": f"{most_long} of {LONG}",
        "stale_holders": len(stale),
        "stale_refused": refused,
        "errors": len(errors),
        "longest_until_an_error": round(longest, 2),
    }


def script(env: dict[str, str], code: str) -> str:
    """What a script prints."""
    command = [sys.executable, "-W", "ignore", "-c", code]
    return subprocess.run(command, cwd=ROOT, env=env, check=True, stdout=subprocess.PIPE, text=True).stdout


if __name__ == "__main__":
    raise SystemExit(main())
