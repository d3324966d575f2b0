"""Milliseconds, queries, opened secrets and size of the console's lists, beside Django's own admin and ours.

    python -m tests.benchmarks.console_pages --rows 100000 --database sqlite
    python -m tests.benchmarks.console_pages --rows 1000000 --database postgresql [--url URL] [--only word]

All answer whole pages over the same rows: the console in its frame, the back office (Unfold's admin), and the
peer, `django.contrib.admin` with its own templates and `startproject`'s middleware (stock_site.py). Each runs
in a process of its own, and they take turns, page by page, each time at another place or with another word.
The peer looks for parts of words, so the rows it finds can differ. Times are of the clock, and of the
processor: in the process that answers and in PostgreSQL's beside it, which other work on the machine does not
disturb. `--url` keeps the rows of a database that was filled before.
"""

import argparse
import random
import statistics
import subprocess
import sys
import uuid
from typing import Any

from tests.benchmarks.list_pages import Child as ListChild
from tests.fresh_databases import ROOT, VENDORS, Databases, ask, environment, load

ROUNDS, PEER_ROUNDS = 20, 3
LIST, ADMIN, LIMITS = "/credentials/", "/admin/credentials/credential/", "/rate-limits/"
CUSTOMERS = ("Atreides", "Harkonnen", "Corrino", "Fenring", "Ordos", "Vernius", "Ginaz", "Richese")
# Title: (console, both admins). What stands in braces is another one each time.
PAGES: dict[str, tuple[str, str | None]] = {
    "first page": (LIST, ADMIN),
    "page in the middle": (LIST + "?after={key}~{Customer}+{n}", ADMIN + "?p={middle}"),
    "last page": (LIST + "?last=1", ADMIN + "?p={last}"),
    "by name, falling": (LIST + "?sort=-name", ADMIN + "?o=-1"),
    "by status since": (LIST + "?sort=-since", None),
    "by status since, in the middle": (LIST + "?sort=-since&after={key}~{time}", None),
    "by last use": (LIST + "?sort=-used", None),
    "by last use, last page": (LIST + "?sort=-used&last=1", None),
    "by creation, in the middle": (LIST + "?sort=-created&after={key}~{time}", None),
    "provider": (LIST + "?provider={provider}", ADMIN + "?provider={provider}"),
    "kind": (LIST + "?kind=stripe_key", ADMIN + "?kind=stripe_key"),
    "status: healthy": (LIST + "?status=healthy", ADMIN + "?status=healthy"),
    "status: customer": (LIST + "?status=customer_intervention", ADMIN + "?status=customer_intervention"),
    "status: customer, by since": (LIST + "?status=customer_intervention&sort=-since", None),
    "status: unchecked": (LIST + "?status=unchecked", ADMIN + "?status=unchecked"),
    "status: unchecked, last page": (LIST + "?status=unchecked&last=1", None),
    "status: paused": (LIST + "?status=paused", None),
    "owner: customer": (LIST + "?owner=customer", None),
    "owner: both": (LIST + "?owner=both", None),
    "provider and status": (
        LIST + "?provider={provider}&status=sequin_intervention",
        ADMIN + "?provider={provider}&status=sequin_intervention",
    ),
    "OAuth app": (LIST + "?app={app}", None),
    "unreadable": (LIST + "?only=unreadable", ADMIN + "?unreadable=1"),
    "deleted": (LIST + "?only=deleted", ADMIN + "?deleted=1"),
    "metadata: a third": (LIST + "?meta=plan%3Dgrowth", None),
    "metadata: one row": (LIST + "?meta=demo%3D{n}", None),
    "metadata: nothing": (LIST + "?meta=plan%3Datreides", None),
    "search: many rows": (LIST + "?q={customer}", ADMIN + "?q={customer}"),
    "search: many, by since": (LIST + "?q={customer}&sort=-since", None),
    "search: many, last page": (LIST + "?q={customer}&last=1", None),
    "search: one row": (LIST + "?q={account}", ADMIN + "?q={account}"),
    "search: two words": (LIST + "?q={customer}+starter", ADMIN + "?q={customer}+starter"),
    "search: two that never meet": (LIST + "?q=starter+growth", ADMIN + "?q=starter+growth"),
    "search: a common word": (LIST + "?q=example", ADMIN + "?q=example"),
    "search: a letter": (LIST + "?q={letter}", ADMIN + "?q={letter}"),
    "search: a digit": (LIST + "?q={digit}", ADMIN + "?q={digit}"),
    "search: two digits": (LIST + "?q={digit}{digit}", None),
    "search: nothing": (LIST + "?q=zzzzzz", ADMIN + "?q=zzzzzz"),
    "search in a provider": (
        LIST + "?q={customer}&provider={provider}",
        ADMIN + "?q={customer}&provider={provider}",
    ),
    "search and status": (LIST + "?q={customer}&status=customer_intervention", None),
    "all at once": (LIST + "?q={customer}&provider={provider}&status=healthy&meta=plan%3Dgrowth", None),
    "rate limits": (LIMITS, None),
    "rate limits: search": (LIMITS + "?q={customer}", None),
}
SETTINGS = {
    "console": "project.settings",
    "Unfold": "project.settings",
    "stock": "tests.benchmarks.stock_settings",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--database", choices=VENDORS, default="sqlite")
    parser.add_argument("--url", help="a database that this has filled before")
    parser.add_argument("--only", default="", help="only pages with this in their title")
    parser.add_argument("--alone", action="store_true", help="the console without its peers")
    options = parser.parse_args()
    heads = "database, rows, page, shown, p50 ms, p95 ms, CPU p50, CPU p95, queries, opened, KB"
    heads += ", Unfold p50 (CPU), KB, stock p50 (CPU), load"
    print("| " + heads.replace(", ", " | ") + " |")
    print("|---" * (heads.count(",") + 1) + "|", flush=True)
    if options.url:
        measure(options.url, options)
        return
    with Databases(options.database) as databases:
        url = databases.new()
        command = [sys.executable, "-W", "ignore", "-m", "tests.benchmarks.console_child", "fill"]
        subprocess.run([*command, str(options.rows)], cwd=ROOT, env=environment(url), check=True)
        measure(url, options)


def measure(url: str, options: argparse.Namespace) -> None:
    """Print one line for each page, and the slowest p95 of the console at the end."""
    peers = [] if options.alone else ["Unfold", "stock"]
    children = {name: Child(url, SETTINGS[name]) for name in ["console", *peers]}
    app = str(uuid.UUID(str(ask(url, "SELECT id FROM credentials_oauthapp ORDER BY name LIMIT 1")[0])))
    slowest = 0.0
    for title, (ours, theirs) in PAGES.items():
        if options.only not in title:
            continue
        random.seed(title)
        times: dict[str, list[dict[str, Any]]] = {name: [] for name in children}
        for number in range(ROUNDS + 2):
            chosen = _choice(url, options.rows, app)
            times["console"].append(children["console"].get(ours.format(**chosen)))
            if theirs and number < PEER_ROUNDS + 1:
                for name in peers:
                    times[name].append(children[name].get(theirs.format(**chosen)))
        mine = times["console"][2:]
        slowest = max(slowest, _p95(mine, "cpu"))
        cells = [
            options.database,
            f"{options.rows:,}",
            title,
            round(statistics.mean(one["rows"] for one in mine)),
        ]
        for what in ("ms", "cpu"):
            cells += [f"{statistics.median(one[what] for one in mine):.0f}", f"{_p95(mine, what):.0f}"]
        cells += [max(one[what] for one in mine) for what in ("queries", "opened")]
        cells += [f"{max(one['KB'] for one in mine):.0f}"]
        cells += [*_peer(times.get("Unfold"), True), *_peer(times.get("stock"), False), load()]
        print("| " + " | ".join(map(str, cells)) + " |", flush=True)
    for child in children.values():
        child.end()
    print(f"\nThe slowest p95 of the console, of the processor: {slowest:.0f} ms")


def _p95(times: list[dict[str, Any]], what: str) -> float:
    found = sorted(one[what] for one in times)
    return float(found[max(0, -(-95 * len(found) // 100) - 1)])


def _choice(url: str, rows: int, app: str) -> dict[str, Any]:
    """Where to look this time."""
    from datetime import UTC, datetime, timedelta

    n = random.randrange(rows)
    moment = datetime.now(UTC) - timedelta(days=random.randrange(2, 80))
    return {
        "n": n,
        "customer": random.choice(CUSTOMERS).lower() if n % 2 else random.choice(CUSTOMERS),
        "Customer": random.choice(CUSTOMERS),
        "account": _account(url),
        "provider": random.choice(("stripe", "hubspot", "workday", "github")),
        "key": uuid.UUID(int=random.getrandbits(128)),
        "time": moment.isoformat().replace("+", "%2B"),
        "letter": random.choice("asehx"),
        "digit": random.randrange(1, 10),
        "middle": rows // 100,
        "last": rows // 50 - rows // 20_000,
        "app": app,
    }


def _account(url: str) -> str:
    """An account that there is, but for its end."""
    key = uuid.UUID(int=random.getrandbits(127))
    found = ask(url, f"SELECT account FROM credentials_credential WHERE id > '{key.hex}' ORDER BY id LIMIT 1")
    return str(found[0])[:-7]


def _peer(times: list[dict[str, Any]] | None, with_size: bool) -> list[str]:
    if not times:
        return ["–", "–"] if with_size else ["–"]
    ms, cpu = (statistics.median(one[what] for one in times[1:]) for what in ("ms", "cpu"))
    ms = f"{ms:.0f} ({cpu:.0f})"
    return [ms, f"{times[-1]['KB']:.0f}"] if with_size else [ms]


class Child(ListChild):
    """A process that answers pages of one of the three."""

    MODULE = "tests.benchmarks.console_child"


if __name__ == "__main__":
    main()
