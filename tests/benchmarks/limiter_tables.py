"""The tables of tests/benchmarks/limiter.py."""

from collections.abc import Iterator
from typing import Any

UNCOUNTED = ", not counting"
# By limiter: per second, and two times in microseconds.
Rates = dict[str, list[float]]
# The columns, by the names of limiters; the short names are their heads.
HEADS = {
    "Lanyard, PostgreSQL": "Lanyard PG", "pgbench, same SQL": "pgbench", "empty round trip": "empty",
    "pyrate-limiter, PostgreSQL": "pyrate PG", "Lanyard, SQLite": "Lanyard lite",
    "pyrate-limiter, SQLite": "pyrate lite", "pyrate-limiter, Redis": "pyrate Redis",
    "limits, Redis": "limits Redis", "django-ratelimit, Redis": "dj-ratelimit", "Lua, Redis": "Lua Redis",
}  # fmt: skip
PG, LITE = "Lanyard, PostgreSQL", "Lanyard, SQLite"
WIDTH = 12


def short(rates: Rates) -> str:
    """One line while it is measured."""
    return ", ".join(f"{name} {rate:,.0f}" for name, (rate, *_times) in rates.items())


def rates(found: dict[Any, Rates]) -> Iterator[str]:
    """The rates, the times, and what each limiter is to ours on PostgreSQL."""
    named = [name for name in HEADS if any(name in one for one in found.values())]

    def row(first: str, cells: list[str]) -> str:
        return f"{first:38}" + "".join(f"{cell:>{WIDTH + 1}}" for cell in cells)

    heads = [HEADS[name] for name in named]
    yield row("\nper second", heads)
    for scene, one in found.items():
        yield row(scene.name, [f"{one[name][0]:,.0f}" if name in one else "-" for name in named])
    yield row("\nLanyard on PostgreSQL is x times", heads)
    for scene, one in found.items():
        ratios = [
            f"{one[PG][0] / one[name][0]:.2f}" if name in one and one[name][0] else "-" for name in named
        ]
        yield row(scene.name, ratios)
    yield row("\nmedian / 99th time, microseconds", heads)
    for scene, one in found.items():
        times = [one.get(name, [0, 0, 0])[1:] for name in named]
        yield row(scene.name, [f"{p50:,.0f}/{p99:,.0f}" if p50 else "-" for p50, p99 in times])


def aims(found: dict[Any, Rates], counted: dict[Any, dict[str, float]]) -> Iterator[str]:
    """Each aim, what was measured, and whether it is met."""
    yield f"\n{'aim':98} {'aim':>8} {'found':>8}"
    pyrate, lite = "pyrate-limiter, PostgreSQL", "pyrate-limiter, SQLite"
    wanted = [
        ("1 process", PG, pyrate, 6.0), ("8 processes", PG, pyrate, 8.0),
        ("1 process, and at once", PG, pyrate, 3.0), ("8 processes, and at once", PG, pyrate, 4.0),
        ("1 process", PG, "pgbench, same SQL", 0.4), ("8 processes", PG, "pgbench, same SQL", 0.4),
        ("1 process", LITE, lite, 3.0), ("8 processes", LITE, lite, 3.0),
    ]  # fmt: skip
    by_name = {scene.name: one for scene, one in found.items()}
    for scene, ours, other, aim in wanted:
        one = by_name[scene]
        if other in one:
            ratio = one[ours][0] / one[other][0]
            words = f"{scene}: {ours} beside {other}, times at least"
            yield f"{words:98} {aim:8.1f} {ratio:8.2f}  {'met' if ratio >= aim else 'MISSED'}"
    for scene, shares in counted.items():
        for name, share in shares.items():
            words = f"{scene.name}: share of {name} that counting use costs, below"
            yield f"{words:98} {0.1:8.1f} {share:8.2f}  {'met' if share < 0.1 else 'MISSED'}"
