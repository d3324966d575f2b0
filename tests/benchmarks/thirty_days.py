"""10,000 components over 30 days of virtual time: who is asked to act, how soon, and how often for nothing.

    python -m tests.benchmarks.thirty_days [--components 10000] [--days 30] [--seed 1]

A look every five minutes, of which one in a hundred fails for no reason; 200 revocations; three outages of
providers, one of which lets a third of the requests through; half an hour without our own DNS. The verdicts
are health's own (tests.health.virtual_days). The exit status is 1 where an aim is missed.
"""

import argparse
import statistics
import sys
import time
from typing import Any

from tests.fresh_databases import load

# When they begin, as a share of all the time; how many seconds they last; what share of looks fails.
OUTAGES = ((0.15, 2 * 3600.0, 1.0), (0.45, 5 * 3600.0, 0.66), (0.8, 2700.0, 1.0))
DNS = (0.6, 1800.0)
# Found within two intervals and a minute; so many interventions a day for nothing.
SOON, FALSE = 660, 5


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--components", type=int, default=10_000)
    parser.add_argument("--days", type=float, default=30.0)
    parser.add_argument("--revocations", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    _set_up()
    from tests.health.virtual_days import World

    began, computed = time.monotonic(), time.process_time()
    world = World(
        given.components, given.days, revocations=given.revocations, outages=OUTAGES, dns=DNS, seed=given.seed
    )
    found = world.run()
    took, cpu = time.monotonic() - began, time.process_time() - computed
    after = sorted(found.found_after)
    causes = {"revocation": given.revocations, "outage": len(OUTAGES), "our DNS": 1}
    a_cause = ", ".join(f"{what} {found.messages[what] / number:.2f}" for what, number in causes.items())
    aims = {
        "customers blamed wrongly": (found.blamed, "0", found.blamed == 0),
        "revocations found": (f"{len(after)} of {given.revocations}", "all", len(after) == given.revocations),
        "found after, seconds: median": (round(statistics.median(after or [0])), "", True),
        "found after, seconds: latest": (round(max(after or [0])), f"{SOON}", max(after or [0]) <= SOON),
        "interventions for nothing, a day": (
            f"{found.false / given.days:.2f}",
            f"{FALSE} or fewer",
            found.false / given.days <= FALSE,
        ),
        "messages for each cause": (a_cause, "1", all(found.messages[one] == n for one, n in causes.items())),
    }
    print(f"{given.components:,} components, {given.days:g} days, seed {given.seed}")
    print(f"{found.looks:,} looks, of which {found.stepped:,} one by one")
    print(f"{took:.0f} s, of which {cpu:.0f} s of computing, load {load()}")
    for what, (value, aim, reached) in aims.items():
        print(f"  {what:34} {value!s:44} {aim:12} {'' if reached else 'MISSED'}".rstrip())
    return 0 if all(reached for _value, _aim, reached in aims.values()) else 1


def _set_up() -> None:
    """Let the words of the codes be there; and dataclasses be replaced without a check of every name."""
    import os

    import django

    from tests.fresh_databases import environment

    os.environ |= environment("sqlite:///none.sqlite3")
    django.setup()
    from health import evidence, verdicts
    from tests.health import skipping, virtual_days

    evidence.replace = verdicts.replace = quickly  # type: ignore[attr-defined]
    virtual_days.replace = quickly  # type: ignore[attr-defined]
    skipping.replace = quickly  # type: ignore[attr-defined]


def quickly(one: Any, /, **values: Any) -> Any:
    """As dataclasses.replace for those of health, which are frozen and check nothing: that takes most of the
    time here."""
    made = object.__new__(type(one))
    made.__dict__.update(one.__dict__)
    made.__dict__.update(values)
    return made


if __name__ == "__main__":
    sys.exit(main())
