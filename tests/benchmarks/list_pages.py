"""Milliseconds, queries and opened secrets of the list of credentials, beside Django's own admin.

    python -m tests.benchmarks.list_pages --rows 10 1000 100000 --database both

Both answer whole pages over the same rows: the peer (stock_site.py) is `django.contrib.admin` with its own
templates and `startproject`'s middleware, with the same columns, filters and search. Each runs in a process
of its own, and they take turns, page by page. The databases are fresh ones. Times are medians: by the clock,
and of the processor in the answering process, which other work on the machine does not disturb. SQLite works
in that process, PostgreSQL does not.
"""

import argparse
import json
import statistics
import subprocess
import sys
from typing import Any

from tests.fresh_databases import ROOT, VENDORS, Databases, chosen, environment, load

ROUNDS = 11
PER_PAGE = 50
LIST = "/admin/credentials/credential/"
PAGES = {
    "first page": "",
    "page in the middle": "?p={middle}",
    "last page": "?p={last}",
    "by name": "?o=1",
    "provider": "?provider=stripe",
    "status: most rows": "?status=healthy",
    "status: few rows": "?status=customer_intervention",
    "search: many rows": "?q=harkonnen",
    "search: two words": "?q=choam+starter",
    "search: nothing": "?q=zzzzzz",
}
SETTINGS = {"Lanyard": "project.settings", "stock": "tests.benchmarks.stock_settings"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000])
    parser.add_argument("--database", choices=[*VENDORS, "both"], default="both")
    options = parser.parse_args()
    heads = (
        "database, rows, page, Lanyard ms (CPU), queries, opened, KB, stock ms (CPU), queries, ratio, of CPU"
    )
    heads += ", load"
    print("| " + heads.replace(", ", " | ") + " |")
    print("|---" * (heads.count(",") + 1) + "|")
    for vendor in chosen(options.database):
        with Databases(vendor) as databases:
            url = databases.new()
            for rows in sorted(options.rows):
                run(url, "fill", rows)
                compare(url, vendor, rows)


def run(url: str, *arguments: Any) -> None:
    command = [sys.executable, "-W", "ignore", "-m", "tests.benchmarks.list_child", *map(str, arguments)]
    subprocess.run(command, cwd=ROOT, env=environment(url), check=True)


def compare(url: str, vendor: str, rows: int) -> None:
    """Print one line for each page."""
    last = max(1, -(-rows // PER_PAGE))
    children = {name: Child(url, settings) for name, settings in SETTINGS.items()}
    for title, template in PAGES.items():
        query = template.format(last=last, middle=max(1, last // 2))
        rounds: list[dict[str, Any]] = []
        for _ in range(ROUNDS + 1):
            rounds.append({name: child.get(LIST + query) for name, child in children.items()})
        ours, stock = rounds[0]["Lanyard"], rounds[0]["stock"]
        mine, theirs = (_median(rounds[1:], name) for name in children)
        cells = [vendor, f"{rows:,}", title, _words(mine), ours["queries"], ours["opened"], ours["KB"]]
        cells += [
            _words(theirs),
            stock["queries"],
            *(f"{a / b:.2f}" for a, b in zip(mine, theirs, strict=True)),
        ]
        print("| " + " | ".join(map(str, [*cells, load()])) + " |", flush=True)
        assert ours["rows"] == stock["rows"], (title, ours, stock)
    for child in children.values():
        child.end()


def _median(rounds: list[dict[str, Any]], name: str) -> tuple[float, float]:
    """Milliseconds of an answer, and of the processor for it in the process that answered."""
    ms, cpu = (statistics.median(one[name][what] for one in rounds) for what in ("ms", "cpu"))
    return ms, cpu


def _words(times: tuple[float, float]) -> str:
    return f"{times[0]:.0f} ({times[1]:.0f})"


class Child:
    """A process that answers pages of one of the two admins."""

    MODULE = "tests.benchmarks.list_child"

    def __init__(self, url: str, settings: str):
        self.process: Any = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", self.MODULE, "answer"],
            cwd=ROOT,
            env={**environment(url), "DJANGO_SETTINGS_MODULE": settings},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def get(self, address: str) -> dict[str, Any]:
        self.process.stdin.write(address + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def end(self) -> None:
        self.process.communicate()


if __name__ == "__main__":
    main()
