"""Eight processes hammer one limit while one is killed every second and one stands still: never over the
limit by the database's own clock, the leases of the dead back in time, and the stale holder refused.

    python -m tests.faults.limiter [sqlite|postgresql|both] [--seconds 20]

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

from tests.credentials.limiter.strictness import most_in_a_window
from tests.fresh_databases import ROOT, Databases, chosen, environment, load

ALLOWED, INTERVAL, AT_ONCE, LASTING = 50, 1_000, 5, 2.0
MAKE = f"""
import django; django.setup()
from credentials import audit
from credentials.models import Limit
from tests.factories import make_credential
with audit.acting("cli:faults@localhost"):
    make_credential().set_limit(Limit({ALLOWED}, {INTERVAL}, {AT_ONCE}))
"""
# Writes each lease's time by the store's clock before anything else is done with it; holds it for a while.
HOLD = f"""
import sys, time, random
import django; django.setup()
from credentials.limiter import LeaseLost, LimiterError
from credentials.models import RateLimit
limit = RateLimit.objects.get()
out = open(sys.argv[1], "a", buffering=1)
while True:
    try:
        lease = limit.acquire(timeout=5, lasting={LASTING})
    except LimiterError as error:
        out.write(f"error {{type(error).__name__}}\\n")
        continue
    out.write(f"lease {{lease.granted_at:.6f}} {{lease.slot}}\\n")
    time.sleep(float(sys.argv[2]) if len(sys.argv) > 2 else random.uniform(0, 0.05))
    if not lease.released and time.monotonic() > lease.expires:
        # It stood still: its request must not be sent any more.
        refused = lease.late
        try:
            lease.renew()
            refused = False
        except LeaseLost:
            pass
        out.write(f"stale {{int(refused)}} {{int(lease.release())}}\\n")
    else:
        lease.release()
"""
# How long it takes until all leases can be had once nobody uses them.
BACK = f"""
import time
import django; django.setup()
from credentials.models import RateLimit
limit, begun, leases = RateLimit.objects.get(), time.monotonic(), []
while len(leases) < {AT_ONCE} and time.monotonic() - begun < 30:
    lease = limit.try_acquire(lasting=60)
    if lease.granted:
        leases.append(lease)
    else:
        time.sleep(0.01)
print(len(leases), time.monotonic() - begun)
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
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
    return 0 if good else 1


def run(url: str, seconds: float, directory: Path) -> dict[str, Any]:
    """Hammer a fresh database; returns what was seen."""
    env = environment(url)
    subprocess.run([sys.executable, "-W", "ignore", "-c", MAKE], cwd=ROOT, env=env, check=True)
    number, killed = 0, 0

    def start(*hold: str) -> subprocess.Popen[bytes]:
        nonlocal number
        number += 1
        command = [sys.executable, "-W", "ignore", "-c", HOLD, str(directory / f"{number}.log"), *hold]
        return subprocess.Popen(command, cwd=ROOT, env=env)

    running = [start() for _ in range(7)]
    # It holds a lease nearly all of the time, and so at the moment when it is stopped.
    frozen = start("1.5")
    log = directory / f"{number}.log"
    while not (log.exists() and "lease" in log.read_text()):
        time.sleep(0.05)
    os.kill(frozen.pid, signal.SIGSTOP)
    try:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            time.sleep(1)
            dead = running.pop(random.randrange(len(running)))
            dead.kill()
            dead.wait()
            killed += 1
            running.append(start())
        os.kill(frozen.pid, signal.SIGCONT)
        time.sleep(2)
    finally:
        for process in [*running, frozen]:
            process.kill()
            process.wait()
    told = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", BACK],
        cwd=ROOT,
        env=env,
        check=True,
        capture_output=True,
        text=True,
    )
    leases_back, after = told.stdout.split()
    lines = [line.split() for log in directory.iterdir() for line in log.read_text().splitlines()]
    times = sorted(float(line[1]) for line in lines if line[0] == "lease" and len(line) == 3)
    most = most_in_a_window(times, INTERVAL / 1000)
    stale = [line for line in lines if line[0] == "stale"]
    refused = all(line[1:] == ["1", "0"] for line in stale)
    back = int(leases_back) == AT_ONCE and float(after) <= LASTING + 1.5
    return {
        "good": most <= ALLOWED and back and bool(stale) and refused and len(times) > ALLOWED,
        "leases": len(times),
        "most_in_a_window": most,
        "allowed": ALLOWED,
        "killed": killed,
        "all_leases_back_after": round(float(after), 2),
        "stale_holders": len(stale),
        "stale_refused": refused,
        "errors": sum(line[0] == "error" for line in lines),
    }


if __name__ == "__main__":
    raise SystemExit(main())
