"""Three workers check what is due while one of them is killed every five seconds: every component is checked
within two intervals, and each transition brings one flip, of the component and of the sync above it.

    python -m tests.faults.workers [sqlite|postgresql|both] [--seconds 110] [--interval 20]

Prints one JSON line for each database with its verdict; the exit status is 1 where one failed. With an
interval of less than 300 s, confirmations and dwell are shorter by as much, and claims too, down to five
seconds. Workers are forks, so that a new one is there at once. A look counts once it is written: what a
killed worker had seen is seen again.
"""

import argparse
import json
import multiprocessing
import os
import random
import subprocess
import sys
import time
from collections import defaultdict
from datetime import timedelta
from typing import Any

from tests.fresh_databases import ROOT, Databases, chosen, environment, load

WORKERS, KILLED_EVERY = 3, 5.0
# Of each group; a sync hangs on every fifth.
EACH = 40
# From when to when a look finds what, in intervals from the start; the last group is refused for good.
GROUPS = {"well": None, "ours": ("our_fault", 1.0, 3.0), "customer": ("revoked", 1.0, float("inf"))}
FLIPS = {
    "well": [],
    "ours": ["sequin_intervention", "healthy"],
    "customer": ["customer_intervention"],
}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("databases", nargs="?", default="both")
    parser.add_argument("--seconds", type=float, default=110.0)
    parser.add_argument("--interval", type=float, default=20.0)
    given = parser.parse_args()
    good = True
    for vendor in chosen(given.databases):
        with Databases(vendor) as databases:
            told = (databases.new(), given.seconds, given.interval)
            code = f"from tests.faults import workers; workers.run{told!r}"
            done = subprocess.run(
                [sys.executable, "-c", code], cwd=ROOT, text=True, stdout=subprocess.PIPE, check=True
            )
        verdict = json.loads(done.stdout.splitlines()[-1])
        good = good and verdict["good"]
        line = {"scenario": "workers", "database": vendor, **verdict, "load": load()}
        print(json.dumps(line), flush=True)
    return 0 if good else 1


def run(url: str, seconds: float, interval: float) -> None:
    """Let workers be killed over a fresh database, and print what was seen."""
    import django

    # The helpers of the tests set up their own database where they are imported.
    os.environ |= environment(url)
    django.setup()
    from health import reports

    groups, syncs = _made(interval)
    begun, clock = time.time(), time.monotonic()
    context = multiprocessing.get_context("fork")

    def start() -> Any:
        # What a child must not share with this one.
        let_go()
        one = context.Process(target=work, args=(interval, begun))
        one.start()
        return one

    running, killed, watch = [start() for _ in range(WORKERS)], 0, Watch(groups)
    kill_at = clock + KILLED_EVERY
    try:
        while time.monotonic() - clock < seconds:
            time.sleep(0.2)
            watch.look()
            if time.monotonic() >= kill_at:
                kill_at += KILLED_EVERY
                dead = running.pop(random.randrange(WORKERS))
                dead.kill()
                dead.join()
                killed += 1
                running.append(start())
    finally:
        for one in running:
            one.kill()
            one.join()
    flips, wrong = _flips(groups, syncs)
    longest, never = watch.longest / interval, watch.never()
    drifted = len(reports.drift())
    good = not wrong and not never and longest <= 2 and not drifted and killed >= seconds / KILLED_EVERY / 2
    print(
        json.dumps(
            {
                "good": good,
                "components": sum(map(len, groups.values())),
                "killed": killed,
                "checks": watch.checks,
                "longest_between_checks_in_intervals": round(longest, 2),
                "never_checked": never,
                "flips": flips,
                "flips_wrong": wrong,
                "drifted": drifted,
                "seconds": round(time.monotonic() - clock),
            }
        )
    )
    let_go()


def let_go() -> None:
    """Close all connections to the database."""
    from django.db import connection, connections

    connections.close_all()
    if connection.vendor == "postgresql":
        connection.close_pool()  # type: ignore[attr-defined]  # PostgreSQL's


class Watch:
    """Follows from outside when each component was checked last."""

    def __init__(self, groups: dict[str, list[Any]]):
        # Who is refused is checked ever more seldom, on purpose.
        self.seldom = set(groups["customer"])
        self.seen: dict[Any, Any] = {}
        self.longest, self.checks = 0.0, 0
        self.everything = {pk for one in groups.values() for pk in one}
        self.began_at = self._now()

    def _now(self) -> Any:
        from health import schedule

        return schedule.clock()

    def look(self) -> None:
        """Note what was checked since the last look, and how long the others have waited."""
        from health.models import Component

        now = self._now()
        rows = Component.objects.filter(pk__in=self.everything).values_list("pk", "last_observed_at")
        for pk, at in rows.iterator():
            before = self.seen.get(pk)
            if at != before:
                self.checks += 1
                self.seen[pk] = at
            if pk not in self.seldom or before is None:
                reached = at if at != before and at else now
                gap = (reached - (before or self.began_at)).total_seconds()
                self.longest = max(self.longest, gap)

    def never(self) -> int:
        return len(self.everything - self.seen.keys())


def _made(interval: float) -> tuple[dict[str, list[Any]], dict[Any, Any]]:
    """The components by group, and the component of which each sync depends."""
    from health.models import Component

    groups: dict[str, list[Any]] = defaultdict(list)
    syncs = {}
    for name in GROUPS:
        for number in range(EACH):
            row = Component.objects.create(
                kind="credential",
                name=f"{name} {number}",
                provider=f"provider{number % 4}",
                revision="1",
                check_every=int(interval),
            )
            groups[name].append(row.pk)
            if number % 5 == 0:
                sync = Component.objects.create(kind="sync", name=f"sync of {row.name}")
                sync.rewire([row], actor="cli:faults@localhost")
                syncs[sync.pk] = row.pk
    return groups, syncs


def _flips(groups: dict[str, list[Any]], syncs: dict[Any, Any]) -> tuple[int, int]:
    """How many flips there are, and how many components have others than their transitions."""
    from health.models import Component, Flip

    found = defaultdict(list)
    for flip in Flip.objects.order_by("component", "sequence"):
        found[flip.component_id].append(flip)
    wanted = {pk: FLIPS[name] for name, pks in groups.items() for pk in pks}
    wanted |= {sync: wanted[pk] for sync, pk in syncs.items()}
    wrong = 0
    for pk, statuses in wanted.items():
        mine = found[pk]
        row = Component.objects.get(pk=pk)
        chain = ["healthy", *(flip.new for flip in mine)]
        whole = [flip.old for flip in mine] == chain[:-1] and row.status == chain[-1]
        counted = [flip.sequence for flip in mine] == list(range(1, row.sequence + 1))
        wrong += not (whole and counted and chain[1:] == statuses)
    return sum(map(len, found.values())), wrong


# --- a worker -----------------------------------------------------------------------------------------------


def work(interval: float, begun: float) -> None:
    """Check what is due until SIGTERM. What a look finds follows from the component's name and the time."""
    from django.utils import timezone

    from health import checking, intervals, schedule
    from health.management.commands.check_health import bounded_connections, ended_by_signals, new_name
    from health.models import Component
    from health.observations import Observation

    _hasten(min(1.0, interval / intervals.EVERY))

    def look(row: Any) -> list[tuple[Any, Any]]:
        started_at, passed = timezone.now(), (time.time() - begun) / interval
        time.sleep(random.uniform(0.02, 0.3))
        rule = GROUPS[row.name.split()[0]]
        code = rule[0] if rule and rule[1] <= passed < rule[2] else "ok"
        return [(row.pk, Observation(code, started_at, timezone.now(), revision=row.revision))]

    def probe(ids: list[Any]) -> dict[Any, Any]:
        return {row.pk: lambda row=row: look(row) for row in Component.objects.filter(pk__in=ids)}

    schedule._registered.clear()
    schedule.register("credential", probe)
    worker = checking.Worker(new_name(), 16)
    with ended_by_signals(worker.stopping), bounded_connections(worker.concurrency):
        worker.run()


def _hasten(share: float) -> None:
    """Let all times of the rules be that share of what they are."""
    from health import checking, evidence, intervals, schedule, verdicts

    schedule.LEAST = 1
    schedule.CLAIM = max(timedelta(seconds=5), schedule.CLAIM * share)
    checking.RENEWED = schedule.CLAIM.total_seconds() / 3
    verdicts.APART *= share
    evidence.DWELL *= share
    verdicts.DWELL = evidence.DWELL  # type: ignore[attr-defined]
    intervals.SOON *= share
    hastened: Any = tuple(one * share for one in intervals.REFUSED)
    intervals.REFUSED = hastened


if __name__ == "__main__":
    raise SystemExit(main())
