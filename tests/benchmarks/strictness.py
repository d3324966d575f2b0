"""How strict rate limits are and how much of them is used, with several processes on each.

    python -m tests.benchmarks.strictness [sqlite|postgresql|both] [--processes 4] [--seconds 6]

"session" counts at the provider: by the log of the simulator, which runs in a process of its own. "acquire"
counts by the clock of the limiter's store. "strict" is the largest number of requests in any window of the
interval, divided by the limit: 1.00 or less. "used" is what was sent of N per (interval + guard), in whole
windows from the first request on: less where this machine, or the bound of requests at once, allows no more.
"at once" is the most requests under way, of the bound.

The last rows are bugs put in place, a token bucket and requests without a lease: they must be found. The exit
status is 1 where a limit was not held, or a bug not found.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from json import loads
from threading import Event
from types import SimpleNamespace
from typing import Any

from tests.benchmarks.simulated import control, lift, simulator
from tests.credentials.limiter.strictness import most_at_once, most_in_a_window, share_used
from tests.fresh_databases import ROOT, Databases, chosen, environment, load

DAY, MINUTE, SECOND = 86_400_000, 60_000, 1_000


@dataclass(frozen=True)
class Scene:
    """What is asked for, and how: `latency` is how many seconds the provider takes; `bug` is put in place."""

    name: str
    allowed: int
    interval: int
    at_once: int = 0
    latency: float = 0.0
    way: str = "session"
    bug: str = ""

    @property
    def words(self) -> str:
        bound = f", {self.at_once} at once" if self.at_once else ""
        return f"{self.name}{bound}" + (f" ({self.bug})" if self.bug else "")


# Of these little happens, so they run beside the others.
SLOW = [
    Scene("1 a day", 1, DAY),
    Scene("10 a minute", 10, MINUTE),
    Scene("1 a day", 1, DAY, way="acquire"),
    Scene("10 a minute", 10, MINUTE, way="acquire"),
]
FAST = [
    Scene("5 a second", 5, SECOND),
    Scene("100 a second", 100, SECOND),
    Scene("1,000 a second", 1_000, SECOND),
    Scene("50 a second", 50, SECOND, at_once=2, latency=0.02),
    Scene("1,000 a second", 1_000, SECOND, at_once=2, latency=0.02),
    Scene("5 a second", 5, SECOND, way="acquire"),
    Scene("100 a second", 100, SECOND, way="acquire"),
    Scene("1,000 a second", 1_000, SECOND, way="acquire"),
    Scene("100 a second", 100, SECOND, at_once=2, way="acquire"),
    Scene("100 a second", 100, SECOND, bug="token bucket"),
    Scene("100 a second", 100, SECOND, way="acquire", bug="token bucket"),
    Scene("1,000 a second", 1_000, SECOND, at_once=2, latency=0.02, bug="no lease"),
]
# One credential for each scene, in the order of SLOW and FAST, none of a restricted key, which may ask for
# less; prints what each is called here and in the provider's log.
MAKE = """
import django; django.setup()
import sys, json
from credentials import audit, transfer
from credentials.models import Credential, Limit
from credentials.simulator import cast, state
documents = (cast.credential("stripe_key", number) for number in range(1000))
free = (one for one in documents if one["properties"]["secret"].startswith("sk_"))
with audit.acting("cli:benchmark@localhost"):
    for limit, document in zip(json.loads(sys.argv[1]), free):
        transfer.import_document(document)
        Credential.objects.get(pk=document["id"]).set_limit(Limit(*limit))
        print(document["id"], state.token_hash(document["properties"]["secret"]))
"""
# How many requests it sends is counted by the provider.
SEND = """
import sys, time
import django; django.setup()
from contextlib import nullcontext
from credentials import audit
from credentials.limiter import RateLimited
from credentials.models import Credential
from credentials.sessions import Session
from tests.credentials.limiter.hammer import plant_token_bucket
key, seconds, bug = sys.argv[1], float(sys.argv[2]), sys.argv[3]
if bug == "token bucket":
    plant_token_bucket()
if bug == "no lease":
    Session._turn = lambda self, unused: nullcontext()
with audit.acting("cli:benchmark@localhost"), Credential.objects.get(pk=key).session() as session:
    print("ready", flush=True)
    sys.stdin.readline()
    until, refused = time.monotonic() + seconds, 0
    while (left := until - time.monotonic()) > 0 and refused < 2:
        session.wait = left
        try:
            session.get("/v1/account").raise_for_status()
        except RateLimited:
            refused += 1
print("done")
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("databases", nargs="?", default="both")
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=6.0)
    options = parser.parse_args()
    return 0 if both(**vars(options)) else 1


def both(databases: str = "both", processes: int = 4, seconds: float = 6.0) -> bool:
    """Show all scenes on each of the databases; returns whether all is as it should be."""
    good = True
    for vendor in chosen(databases):
        with Databases(vendor) as fresh, simulator(3 * len(SLOW + FAST)) as provider:
            lift(provider, "stripe")
            options = SimpleNamespace(processes=processes, seconds=seconds)
            good = run(vendor, fresh.new(), provider, options) and good
    return good


def run(vendor: str, url: str, provider: str, options: Any) -> bool:
    """Show all scenes on one database; returns whether all is as it should be."""
    env = environment(url) | {"PROVIDER_SIMULATOR_URL": provider}
    limits = [[one.allowed, one.interval, one.at_once] for one in SLOW + FAST]
    made = [line.split() for line in asked(env, MAKE, limits).splitlines()]
    keys = dict(zip(SLOW + FAST, made, strict=True))

    def measured(scene: Scene, begun: Event) -> tuple[list[float], int]:
        key, token = keys[scene]
        seconds = max(options.seconds, scene.interval / 1000 * 1.1 if scene.interval <= MINUTE else 0)
        with slowed(provider, scene.latency):
            return taken(scene, key, token, provider, env, options.processes, seconds, begun)

    say(f"\n{vendor}, {options.processes} processes, load {load()}")
    numbers = f"{'sent':>7} {'most':>6} {'strict':>7} {'used':>6}  at once"
    say(f"{'limit':42} {'counted':8} {numbers}")
    with ThreadPoolExecutor(len(SLOW)) as pool:
        started = [Event() for _ in SLOW]
        slow = [pool.submit(measured, *each) for each in zip(SLOW, started, strict=True)]
        # What the start of so many processes costs is not to be measured.
        for event in started:
            event.wait()
        good = [shown(scene, *measured(scene, Event())) for scene in FAST]
        good += [shown(scene, *one.result()) for scene, one in zip(SLOW, slow, strict=True)]
    return all(good)


def shown(scene: Scene, times: list[float], at_once: int) -> bool:
    """Print one line; returns whether the limit was held, or the bug found."""
    interval = scene.interval / 1000
    most = most_in_a_window(times, interval)
    used = share_used(times, scene.allowed, interval + min(0.02, interval / 10))
    bound = scene.at_once or None
    held = most <= scene.allowed and (bound is None or at_once <= bound)
    line = f"{scene.words:42} {scene.way:8} {len(times):7,} {most:6,} {most / scene.allowed:7.2f}"
    line += f" {'' if used is None else f'{used:.3f}':>6}"
    say(line + (f"  {at_once} of {bound}" if bound and at_once else ""))
    return held != bool(scene.bug) and bool(times)


def taken(
    scene: Scene,
    key: str,
    token: str,
    provider: str,
    env: dict[str, str],
    number: int,
    seconds: float,
    begun: Event,
) -> tuple[list[float], int]:
    """When requests were sent, in order, and the most at once (0 where nobody can tell)."""
    if scene.way == "acquire":
        command = ["-m", "tests.credentials.limiter.hammer", key, str(seconds), "--wait"]
        said = together([*command, *(["--bucket"] if scene.bug else [])], env, number, begun)
        return sorted(sum((loads(text)["times"] for text in said), [])), 0
    since = control(provider, "GET", "log?since=999999999")["last"]
    together(["-c", SEND, key, str(seconds), scene.bug], env, number, begun)
    rows = control(provider, "GET", f"log?since={since}&provider=stripe")["requests"]
    rows = [row for row in rows if row["token"] == token and row["path"] == "/v1/account"]
    times = sorted(row["at_ns"] / 1e9 for row in rows)
    return times, most_at_once([(row["at_ns"], row["done_ns"]) for row in rows])


def together(command: list[str], env: dict[str, str], number: int, begun: Event) -> list[str]:
    """What so many processes say that begin at the same moment, which is told."""
    running: list[Any] = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", *command],
            cwd=ROOT,
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(number)
    ]
    try:
        for process in running:
            if process.stdout.readline() != "ready\n":
                sys.exit("A process could not start: the reason is above.")
        time.sleep(0.2)
        for process in running:
            process.stdin.write("go\n")
            process.stdin.flush()
        begun.set()
        return [process.communicate(timeout=300)[0] for process in running]
    finally:
        begun.set()
        for process in running:
            process.kill()
            process.wait()


def asked(env: dict[str, str], code: str, given: Any) -> str:
    """What a script prints."""
    command = [sys.executable, "-W", "ignore", "-c", code, str(given)]
    return subprocess.run(command, cwd=ROOT, env=env, check=True, stdout=subprocess.PIPE, text=True).stdout


@contextmanager
def slowed(provider: str, seconds: float) -> Iterator[None]:
    """The provider takes so long for each answer."""
    if not seconds:
        yield
        return
    control(provider, "POST", "latency", {"provider": "stripe", "seconds": seconds})
    try:
        yield
    finally:
        control(provider, "POST", "latency", {"provider": "stripe", "seconds": 0})


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
