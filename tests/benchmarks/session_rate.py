"""How many requests in a second a session makes, beside bare `requests` with the same keep-alive.

    python -m tests.benchmarks.session_rate [requests] [rounds] [sqlite|postgresql|both]

Both ask the provider simulator, which runs in a process of its own, for the same answer. Each round measures
all ways in turn, in one process, and the median round counts. "no limit" takes no lease; "limit" takes one
for each request, of a limit that is never reached. "share" is how many requests that way makes for each of
bare `requests`; "cpu" is what the client itself computes for one, which other work on the machine disturbs
less.
"""

import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import Any

from tests.benchmarks.simulated import lift, simulator
from tests.fresh_databases import ROOT, Databases, chosen, environment, load

KINDS = {"stripe_key": "/v1/account", "airtable_oauth2": "/v0/meta/whoami", "shopify_oauth2": ""}
THREADS = (1, 4)
WAYS = ("bare requests", "no limit", "limit")
Measured = dict[str, list[tuple[float, ...]]]


def main() -> None:
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    for vendor in chosen(sys.argv[3] if len(sys.argv) > 3 else "both"):
        with Databases(vendor) as databases, simulator() as url:
            for provider in ("stripe", "airtable", "shopify"):
                lift(url, provider)
            given = {"url": databases.new(), "simulator": url, "number": number, "rounds": rounds}
            code = f"from tests.benchmarks import session_rate; session_rate.run(**{given!r})"
            print(f"\n{vendor}, {number} requests, median of {rounds} rounds, load {load()}", flush=True)
            subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def run(url: str, simulator: str, number: int, rounds: int) -> None:
    import django

    # The helpers of the tests set up their own database where they are imported.
    os.environ |= environment(url) | {"PROVIDER_SIMULATOR_URL": simulator}
    django.setup()
    from credentials import audit

    with audit.acting("cli:bench@localhost"):
        numbers = f"{'per second':>10}  {'µs each':>8}  {'share':>6}  {'µs cpu':>7}"
        print(f"{'kind':16} {'threads':>7}  {'way':14} {numbers}")
        for kind, path in KINDS.items():
            credential, path = stored(kind), path or "/admin/oauth/access_scopes.json"
            for threads in THREADS:
                show(kind, threads, measured(credential, path, threads, number, rounds))
    close()


def stored(kind: str) -> Any:
    """The simulator's credential of a kind, with a limit that is never reached."""
    from credentials.models import Limit
    from tests.credentials.access.failure_table import stored as imported

    credential = imported(kind)
    credential.set_limit(Limit(1_000_000, 1000))
    return credential


def measured(credential: Any, path: str, threads: int, number: int, rounds: int) -> Measured:
    """Seconds for one request, and of computing, by way, of every round."""
    from credentials.sessions import Session

    class Unlimited(Session):
        def _turn(self, unused: Any = None) -> Any:
            return nullcontext()

    found: Measured = {way: [] for way in WAYS}
    for turn in range(rounds + 1):
        for way in WAYS:
            if way == "bare requests":
                session, address = bare(credential), bare_address(credential, path)
            else:
                session, address = (Unlimited if way == "no limit" else Session)(credential), path
            with session:
                session.get(address).raise_for_status()
                seconds = timed(partial(session.get, address), threads, number // threads)
            if turn:  # the first warms up
                found[way].append(tuple(one / (number // threads * threads) for one in seconds))
    return found


def bare(credential: Any) -> Any:
    """A session of requests with the headers that a session of the credential sends."""
    import requests

    from credentials import tokens

    prepared = requests.Request("GET", credential.at("/")).prepare()
    token = tokens.access_token(credential) if credential.exchanges() else ""
    credential.authenticate(prepared, token)
    session = requests.Session()
    session.headers.update({**prepared.headers, **credential.HEADERS})
    session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=max(THREADS)))
    return session


def bare_address(credential: Any, path: str) -> str:
    from credentials import egress

    return egress.address(credential.at(path))


def timed(ask: Callable[[], Any], threads: int, number: int) -> tuple[float, float]:
    """Seconds, and seconds of computing, that so many threads need to ask so often each."""

    def worker() -> None:
        from django.db import connection

        try:
            together.wait()
            for _number in range(number):
                ask()
        finally:
            connection.close()

    together = threading.Barrier(threads + 1)
    workers = [threading.Thread(target=worker) for _number in range(threads)]
    for one in workers:
        one.start()
    together.wait()
    begun, computed = time.perf_counter(), time.process_time()
    for one in workers:
        one.join()
    return time.perf_counter() - begun, time.process_time() - computed


def show(kind: str, threads: int, found: Measured) -> None:
    medians = {way: [*map(statistics.median, zip(*each, strict=True))] for way, each in found.items()}
    for way, (seconds, cpu) in medians.items():
        share = medians["bare requests"][0] / seconds
        rate = f"{1 / seconds:10,.0f}  {seconds * 1e6:8,.0f}  {share:6.2f}  {cpu * 1e6:7,.0f}"
        print(f"{kind:16} {threads:7}  {way:14} {rate}", flush=True)


def close() -> None:
    from django.db import connection, connections

    connections.close_all()
    if connection.vendor == "postgresql":
        connection.close_pool()  # type: ignore[attr-defined]  # PostgreSQL's


if __name__ == "__main__":
    main()
