"""How many credentials one worker checks in a second while some hang, beside bare `requests`.

    python -m tests.benchmarks.check_rate [sqlite|postgresql|both] [--rows 10000] [--hanging 5] [--at stripe]

The credentials are the simulator's, of all kinds; it runs in a process of its own. So many percent of them
never answer: spread evenly, or all of them at one provider. "first" is the first look at each, for which most
kinds exchange a token; "again" is the next one. "bare requests" sends only the calls of those looks, hanging
ones included and with the same patience, from as many threads: without database, limits, secrets, checks of
addresses or verdicts. "kept" keeps connections alive, which nothing does that holds many customers' secrets.

The table says after how many seconds everything was looked at, and everything that answers; how many a second
of what answers; what a look costs in computing, the worker and the simulator that answers it; and how many
looks saw what there is to see. With --at, all this of the other providers.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tests.benchmarks.simulated import control, lift, served
from tests.fresh_databases import ROOT, Databases, chosen, environment, load

# Seconds: no run takes longer.
LONGEST = 900.0
# What a secret says that the simulator never answers, and which of a kind's properties say it.
HANGS = "-sim-hang"
MARKED = {
    "netsuite_tba": ("token_id",),
    "linear_oauth2": ("access_token", "refresh_token"),
    "sendgrid_key": ("api_key",),
    "stripe_key": ("secret",),
    "stripe_oauth2": ("secret",),
    "shopify_oauth2": ("access_token",),
    "checkout_champ_password": ("password",),
    "servicenow_password": ("password",),
    "auth0_client_credentials": ("client_secret",),
    "marketo_client_credentials": ("client_secret",),
    "servicenow_client_credentials": ("client_secret",),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("databases", nargs="?", default="both")
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--hanging", type=float, default=5.0, metavar="PERCENT")
    parser.add_argument("--at", default="", metavar="PROVIDER", help="let all that hang be of one provider")
    given = parser.parse_args()
    for vendor in chosen(given.databases):
        with Databases(vendor) as databases, tempfile.TemporaryDirectory() as directory:
            measure(vendor, databases.new(), Path(directory), given)


def measure(vendor: str, url: str, directory: Path, given: argparse.Namespace) -> None:
    documents, hanging = cast_of(given.rows, given.hanging, given.at)
    stored = [marked(one) if one["id"] in hanging else one for one in documents]
    (directory / "cast.jsonl").write_text("".join(json.dumps(one) + "\n" for one in stored))
    (directory / "hanging.json").write_text(json.dumps(sorted(hanging)))
    where = f"at {given.at}" if given.at else "spread evenly"
    print(f"\n{vendor}: {given.rows:,} credentials, {len(hanging)} hang, {where}, load {load()}", flush=True)
    with served() as (address, pid):
        for start in range(0, len(documents), 1000):
            control(address, "POST", "credentials", documents[start : start + 1000])
        for document in documents:
            if document.get("id") in hanging and document["properties"]["kind"] == "github_app":
                path = f"/app/installations/{document['properties']['installation_id']}"
                fault = {"provider": "github", "answer": "hang", "path": path, "times": None}
                control(address, "POST", "fail", fault)
        told = {
            "url": url,
            "simulator": address,
            "served_by": pid,
            "directory": str(directory),
            "at": given.at,
        }
        code = f"from tests.benchmarks import check_rate; check_rate.run(**{told!r})"
        subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def cast_of(rows: int, percent: float, at: str) -> tuple[list[dict[str, Any]], set[str]]:
    """The documents of the apps and of so many credentials, and the ids of those that hang."""
    from credentials.simulator import cast

    found = [
        document for document in cast.documents(rows // len(cast.PROPERTIES) + 1) if "object" not in document
    ]
    found = found[:rows]
    mine = [one for one in found if one["properties"]["kind"].startswith(at)]
    wanted = min(round(rows * percent / 100), len(mine))
    # Every so manieth of each kind, or as many as are wanted of one provider.
    by_kind = sorted(mine, key=lambda one: one["properties"]["kind"])
    hanging = (
        {by_kind[number * len(by_kind) // wanted]["id"] for number in range(wanted)} if wanted else set()
    )
    return [*cast.apps(), *found], hanging


def marked(document: dict[str, Any]) -> dict[str, Any]:
    """A document whose secrets say that the provider never answers: so it is not known there as it stands."""
    properties = dict(document["properties"])
    for name in MARKED.get(properties["kind"], ("refresh_token",)):
        if name in properties:
            properties[name] += HANGS
    return {**document, "properties": properties}


# --- in a process of its own --------------------------------------------------------------------------------


def run(url: str, simulator: str, served_by: int, directory: str, at: str) -> None:
    import django

    os.environ |= environment(url) | {"PROVIDER_SIMULATOR_URL": simulator}
    django.setup()
    from django.core.management import call_command

    from credentials.kinds import PROVIDERS

    for provider in PROVIDERS:
        lift(simulator, provider)
    call_command("import_credentials", f"{directory}/cast.jsonl", stdout=open(os.devnull, "w"))
    hanging = set(json.loads(Path(directory, "hanging.json").read_text()))
    rates = {}
    heads = ("all, s", "answering, s", "a second", "ms cpu each", "simulator's", "as expected")
    print(f"{'':14}" + "".join(f"{head:>14}" for head in heads), flush=True)
    for title in ("first", "again"):
        rates[title] = show(title, served_by, partial(checked, hanging, at))
    for title, kept in (("bare requests", False), ("bare, kept", True)):
        rates[title] = show(title, served_by, partial(bare, hanging, at, kept))
    best = rates["bare requests"]
    print("of bare requests: " + ", ".join(f"{title} {rate / best:.2f}" for title, rate in rates.items()))
    close()


@dataclass
class Found:
    """What a run was: seconds until all were looked at, and all that answer; how many looks, of how many that
    answer, and how many saw what there is to see; seconds of computing; and what is to be said beside."""

    whole: float = 0.0
    answering: float = 0.0
    looks: int = 0
    answered: int = 0
    good: int = 0
    computed: float = 0.0
    beside: str = ""

    def add(self, after: float, *, hangs: bool, good: bool) -> None:
        self.whole, self.looks, self.good = max(self.whole, after), self.looks + 1, self.good + good
        if not hangs:
            self.answered += 1
            self.answering = max(self.answering, after)


def show(title: str, served_by: int, measured: Callable[[], Found]) -> float:
    """Print a line of the table; returns looks in a second."""
    before = cpu_of(served_by)
    found = measured()
    theirs = (cpu_of(served_by) - before) / found.looks * 1000
    ours = found.computed / found.looks * 1000
    # While those that hang are waited for in the end, nobody else is there to be looked at.
    rate = found.answered / found.answering
    times = (found.whole, found.answering, rate, ours, theirs)
    words = [*(f"{one:.1f}" for one in times), f"{found.good}/{found.looks}"]
    print(f"{title:14}" + "".join(f"{one:>14}" for one in words) + found.beside, flush=True)
    return rate


def checked(hanging: set[str], at: str) -> Found:
    """Let a worker, as the installation runs it, look at everything once."""
    from credentials.models import Credential
    from health import checking, schedule
    from health.management.commands.check_health import bounded_connections, new_name
    from health.models import Component

    listed = Credential.objects.non_polymorphic().values_list("component_id", "pk", "provider")
    rows = {component: (str(pk) in hanging, provider) for component, pk, provider in listed}
    # A provider at which so much hangs is left to its breaker.
    wanted = {component for component, (_hangs, provider) in rows.items() if provider != at}
    seen, found = set(), Found()

    def told(row: Any, observation: Any) -> None:
        if row.pk in rows and row.pk not in seen:
            seen.add(row.pk)
            if row.pk in wanted:
                hangs = rows[row.pk][0]
                good = observation.code == ("timeout" if hangs else "ok")
                found.add(time.monotonic() - begun, hangs=hangs, good=good)
            if found.looks == len(wanted):
                worker.stopping.set()

    schedule.everything_is_due([Component.Kind.CREDENTIAL])
    worker = checking.Worker(new_name(), told=told)
    late = threading.Timer(LONGEST, worker.stopping.set)
    begun, computed = time.monotonic(), time.process_time()
    late.start()
    with bounded_connections(worker.concurrency):
        worker.run()
    late.cancel()
    found.computed = time.process_time() - computed
    if at:
        found.beside = f"  beside {len(seen - wanted)} of {len(rows) - len(wanted)} at {at}"
    if missing := len(wanted) - found.looks:
        found.beside += f"  {missing} NOT AT ALL"
    return found


@dataclass(frozen=True)
class Asked:
    """One call of a look, signed in."""

    request: Any
    hangs: bool
    provider: str


def signed(hanging: set[str]) -> list[Asked]:
    """The call of each credential's look, as it is sent to the simulator."""
    from credentials import audit, egress, tokens
    from credentials.egress import requesting
    from credentials.models import Credential

    calls = []
    with audit.acting("cli:bench@localhost"):
        for credential in Credential.objects.order_by("created_at"):
            request = requesting.prepared(next(credential.probe()))
            request.headers.update(credential.HEADERS)
            hangs = str(credential.pk) in hanging
            token = "" if hangs or not credential.exchanges() else tokens.access_token(credential)
            credential.authenticate(request, HANGS if hangs else token)
            request.url = egress.address(str(request.url))
            calls.append(Asked(request, hangs, credential.provider))
    return calls


def bare(hanging: set[str], at: str, kept: bool) -> Found:
    """Send the calls of all looks with requests, from as many threads as a worker has."""
    import requests

    from credentials.egress.bounds import READ
    from health.checking import CONCURRENCY

    mine = threading.local()

    def ask(one: Asked) -> tuple[Asked, bool, float]:
        if not kept or not hasattr(mine, "session"):
            mine.session = requests.Session()
            mine.session.trust_env = False
        try:
            status = mine.session.send(one.request, timeout=READ, allow_redirects=False).status_code
            # A restricted key of Stripe may not ask this, and is asked something else then.
            good = not one.hangs and status in (200, 403)
        except requests.Timeout:
            good = one.hangs
        finally:
            if not kept:
                mine.session.close()
        return one, good, time.monotonic()

    calls, found = signed(hanging), Found()
    begun, computed = time.monotonic(), time.process_time()
    with ThreadPoolExecutor(CONCURRENCY) as pool:
        for one, good, after in pool.map(ask, calls):
            if one.provider != at:
                found.add(after - begun, hangs=one.hangs, good=good)
    found.computed = time.process_time() - computed
    return found


def cpu_of(pid: int) -> float:
    """Seconds that another process has computed."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def close() -> None:
    from django.db import connection, connections

    connections.close_all()
    if connection.vendor == "postgresql":
        connection.close_pool()  # type: ignore[attr-defined]  # PostgreSQL's


if __name__ == "__main__":
    main()
