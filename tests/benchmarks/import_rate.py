"""How many documents an import takes in a second, beside the most that the same tables take.

    python -m tests.benchmarks.import_rate [documents] [sqlite|postgresql|both]

The ceiling inserts the same rows into the same tables with the same encryption, in batches of the same size,
from objects that are made without any check, and reads no file. Each runs in a process and a database of its
own.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any

from tests.fresh_databases import ROOT, Databases, chosen, environment, load

WARM_UP = 100


def documents(number: int) -> Iterator[dict[str, Any]]:
    """Documents of all kinds in turn, each another account."""
    from credentials.kinds import KINDS
    from tests import factories

    kinds = list(KINDS)
    for index in range(number):
        kind = kinds[index % len(kinds)]
        properties = {"kind": kind, **factories.properties_of(kind)}
        name = f"Customer {index}"
        if "name" in KINDS[kind].PROPERTIES:
            properties["name"] = name
        limit = {"rate_limit": {"allowed_requests": 7, "interval": 1000}} if index % 10 == 0 else {}
        yield {"name": name, "properties": properties, "metadata": {"customer": f"c{index}"}, **limit}


def ceiling(number: int) -> float:
    """Seconds that the bare insertion takes."""
    from django.db import transaction

    from credentials import audit, insertion
    from credentials.kinds import KINDS

    def bare(document: dict[str, Any]) -> Any:
        properties = dict(document["properties"])
        kind = KINDS[properties.pop("kind")]
        made = kind(**{"name": document["name"], **properties}, metadata=document["metadata"])
        made.kind, made.provider = kind.KIND, kind.PROVIDER.key
        made.account = kind.account_of(properties, None)
        return made, None

    source = documents(number)
    batch = list(_some(source))
    spent = 0.0
    with audit.acting("cli:bench@localhost"):
        while batch:
            started = time.perf_counter()
            with transaction.atomic():
                insertion.insert([bare(document) for document in batch])
            spent += time.perf_counter() - started
            batch = list(_some(source))
    return spent


def _some(source: Iterator[Any]) -> Iterator[Any]:
    from itertools import islice

    from credentials.batches import BATCH

    return islice(source, BATCH)


def imported(number: int, *, one_by_one: bool = False) -> float:
    """Seconds that the command takes; `one_by_one` is each document in a transaction of its own."""
    from django.core.management import call_command

    from credentials import audit, transfer

    if one_by_one:
        source = list(documents(number))
        started = time.perf_counter()
        with audit.acting("cli:bench@localhost"):
            for document in source:
                transfer.import_document(document)
        return time.perf_counter() - started
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as file:
        for document in documents(number):
            file.write(json.dumps(document) + "\n")
        file.flush()
        started = time.perf_counter()
        call_command("import_credentials", file.name, stdout=open(os.devnull, "w"))
        return time.perf_counter() - started


RUNS = {
    "ceiling: bulk insertion without checks": ceiling,
    "import_credentials": imported,
    "one document a transaction": lambda number: imported(number, one_by_one=True),
}


def child(title: str, number: int) -> None:
    import django

    django.setup()
    from credentials.models import Credential

    imported(WARM_UP)
    before = _memory()
    seconds = RUNS[title](number)
    stored = Credential.objects.count() - WARM_UP
    print(json.dumps([seconds, stored, before, _memory()]), flush=True)


def _memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def main() -> None:
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    vendors = chosen(sys.argv[2] if len(sys.argv) > 2 else "both")
    heads = ("database", "what", "documents", "seconds", "per second", "of the ceiling", "MB before, at most")
    print("| " + " | ".join([*heads, "load"]) + " |")
    print("|---" * (len(heads) + 1) + "|")
    for vendor in vendors:
        with Databases(vendor) as databases:
            best = 0.0
            for title in RUNS:
                count = number if "one document" not in title else min(number, 2_000)
                seconds, stored, before, most = run(databases.new(), title, count)
                assert stored == count, (title, stored, count)
                rate = count / seconds
                best = best or rate
                print(
                    f"| {vendor} | {title} | {count:,} | {seconds:.1f} | {rate:,.0f} | {rate / best:.0%}"
                    f" | {before}, {most} | {load()} |",
                    flush=True,
                )


def run(url: str, title: str, number: int) -> list[Any]:
    """What a process of its own measures on a database."""
    script = f"from tests.benchmarks.import_rate import child; child({title!r}, {number})"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=environment(url), stdout=subprocess.PIPE, text=True
    )
    if done.returncode:
        sys.exit(done.returncode)
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    main()
