"""One rotating token that many workers want at once, and refreshes that are killed.

    python -m tests.faults.refresh [rounds] [kills] [sqlite|postgresql|both]

Each scenario prints one JSON line with its verdict. The exit status is 1 where one of them failed. Airtable
is the provider, simulated: each refresh token is good once, and a second use ends the whole grant.
"""

import json
import multiprocessing
import os
import random
import subprocess
import sys
import time
from typing import Any

from tests.fresh_databases import ROOT, Databases, chosen, environment

WORKERS = 16
# A call to the token endpoint takes so long, and a kill falls somewhere into it.
LATENCY = 0.04


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000
    kills = int(sys.argv[2]) if len(sys.argv) > 2 else 20
    well = True
    for vendor in chosen(sys.argv[3] if len(sys.argv) > 3 else "both"):
        with Databases(vendor) as databases:
            for scenario, number in ((many_workers, rounds), (killed_refreshes, kills)):
                found = _in_a_process(scenario, databases.new(), number)
                well &= found["verdict"] == "pass"
                print(json.dumps({"scenario": scenario.__name__, "database": vendor, **found}), flush=True)
    sys.exit(not well)


def _in_a_process(scenario: Any, url: str, number: int) -> dict[str, Any]:
    """A scenario runs where nothing of Django is set up yet."""
    code = f"from tests.faults import refresh; refresh.run({scenario.__name__!r}, {number}, {url!r})"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def run(scenario: str, number: int, url: str) -> None:
    import django

    # The helpers of the tests set up their own database where they are imported.
    os.environ |= environment(url)
    django.setup()
    from django.conf import settings

    from credentials import audit
    from credentials.simulator.server import running

    with running(count=1) as simulator, audit.acting("cli:faults@localhost"):
        os.environ["PROVIDER_SIMULATOR_URL"] = settings.PROVIDER_SIMULATOR_URL = simulator.url
        print(json.dumps(globals()[scenario](simulator, _stored(), number)))


def _stored() -> Any:
    """The simulator's Airtable credential, as it is imported."""
    from credentials import transfer
    from credentials.app_documents import import_app
    from credentials.models import Credential
    from credentials.simulator import cast

    import_app(cast.app("airtable"))
    transfer.import_document(cast.credential("airtable_oauth2", 0))
    return Credential.objects.get()


def many_workers(simulator: Any, credential: Any, rounds: int) -> dict[str, Any]:
    """16 processes want the token in the same moment, again and again: one call each time, nothing lost."""
    from django.db import connection

    from credentials.models import AccessToken

    _let_go()
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(WORKERS + 1)
    got = context.Array("i", WORKERS)
    workers = [
        context.Process(target=_worker, args=(credential.pk, rounds, barrier, got, number))
        for number in range(WORKERS)
    ]
    for one in workers:
        one.start()
    started, calls = time.monotonic(), []
    for _number in range(rounds):
        AccessToken.objects.update(obtained_at=None)
        before = simulator.world.numbers
        barrier.wait()
        barrier.wait()
        calls.append(simulator.world.numbers - before)
    for one in workers:
        one.join()
    connection.close()
    lost = rounds * WORKERS - sum(got[:])
    return {
        "rounds": rounds,
        "workers": WORKERS,
        "calls": sum(calls),
        "most_calls_in_a_round": max(calls),
        "refused_by_provider": sum(one["status"] != 200 for one in simulator.world.log),
        "workers_without_token": lost,
        "seconds": round(time.monotonic() - started, 1),
        "verdict": "pass" if set(calls) == {1} and not lost else "fail",
    }


def _let_go() -> None:
    """Close what a child process must not share with this one."""
    from django.db import connection, connections

    connections.close_all()
    if connection.vendor == "postgresql":
        connection.close_pool()  # type: ignore[attr-defined]  # PostgreSQL's


def _worker(pk: Any, rounds: int, barrier: Any, got: Any, number: int) -> None:
    from credentials import tokens
    from credentials.models import Credential

    credential = Credential.objects.get(pk=pk)
    for _number in range(rounds):
        barrier.wait()
        try:
            got[number] += bool(tokens.access_token(credential))
        finally:
            barrier.wait()


def killed_refreshes(simulator: Any, credential: Any, kills: int) -> dict[str, Any]:
    """A refresh is killed at a random point. Lost is only what the provider had taken, and it is said."""
    from datetime import timedelta

    from django.utils import timezone

    from credentials import tokens
    from credentials.models import AccessToken, Credential
    from credentials.simulator import cast

    simulator.world.latency["airtable"] = LATENCY
    context = multiprocessing.get_context("fork")
    counts = {"survived": 0, "burnt_by_provider": 0, "lost_without_reason": 0, "said_wrongly": 0}
    for _number in range(kills):
        AccessToken.objects.update(obtained_at=None)
        before = simulator.world.numbers
        _let_go()
        worker = context.Process(target=_once, args=(credential.pk,))
        worker.start()
        time.sleep(random.uniform(0, 4 * LATENCY))
        worker.kill()
        worker.join()
        # Requests that were under way are answered all the same.
        time.sleep(2 * LATENCY)
        burnt = any(one["status"] == 200 for one in list(simulator.world.log) if one["n"] > before)
        AccessToken.objects.update(leased_until=timezone.now() - timedelta(seconds=1))
        try:
            tokens.access_token(Credential.objects.get(pk=credential.pk))
            counts["survived"] += 1
            continue
        except tokens.NoToken as error:
            code = error.reading.code
        if not burnt:
            counts["lost_without_reason"] += 1
        elif code == "token_lost":
            counts["burnt_by_provider"] += 1
        else:
            counts["said_wrongly"] += 1
        # The customer connects again.
        simulator.reset()
        simulator.world.latency["airtable"] = LATENCY
        stored: Any = Credential.objects.get(pk=credential.pk)
        stored.refresh_token = cast.credential("airtable_oauth2", 0)["properties"]["refresh_token"]
        stored.save()
    good = not counts["lost_without_reason"] and not counts["said_wrongly"]
    return {"kills": kills, **counts, "verdict": "pass" if good else "fail"}


def _once(pk: Any) -> None:
    from credentials import tokens
    from credentials.models import Credential

    tokens.access_token(Credential.objects.get(pk=pk))


if __name__ == "__main__":
    main()
