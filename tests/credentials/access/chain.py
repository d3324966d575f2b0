"""Each way to fail through the whole chain: answer, code, verdict, status, whose turn it is, and the words.

    python -m tests.credentials.access.chain [provider]

A recorded answer is read by its kind as a look would read it; what connections and gateways do has the code
that test_failures proves over HTTP. Then the worker's own intervals and health's verdicts decide, first for a
component that fails alone, then for one whose provider has an incident. No HTTP, no database.
"""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

# What of the table in tests.health.stories each status follows from.
STATUSES = {"customer": "customer_intervention", "ours": "sequin_intervention"}
# More looks than any confirmation takes.
LOOKS = 15


@dataclass(frozen=True)
class Ends:
    """What follows from a code; `after` is in minutes from the first look to the decision."""

    verdict: str
    status: str
    after: float
    in_incident: str
    owner: str
    to_us: tuple[str, str]
    to_customers: str


@dataclass(frozen=True)
class Link:
    """One row. `wanted` is the code that the source of the answer asks for."""

    provider: str
    kind: str
    name: str
    happened: str
    wanted: str
    code: str
    ends: Ends


def links(provider: str = "") -> Iterator[Link]:
    """All rows, kind by kind; or those of one provider."""
    from credentials.kinds import KINDS
    from credentials.simulator.answers import recorded
    from tests.credentials.access import failures
    from tests.credentials.access.test_answers import reading_of

    ends: dict[str, Ends] = {}
    for failure in failures.failures():
        kind = KINDS[failure.kind]
        if provider not in ("", kind.PROVIDER.key):
            continue
        one = recorded().get((kind.PROVIDER.key, failure.name))
        code, why = (reading_of(kind, one).code, one.why) if one else (failure.code, "")
        if code not in ends:
            ends[code] = ends_of(code)
        name = f"{failure.context}, {failure.name}"
        yield Link(kind.PROVIDER.key, failure.kind, name, why, failure.code, code, ends[code])


def ends_of(code: str) -> Ends:
    """What follows from a code."""
    from health.observations import CODES
    from health.verdicts import Around

    meaning = CODES.get(code, CODES["unclassified"])
    status, after = decided(code, Around())
    return Ends(
        verdict=f"{meaning.weight} {meaning.owner.owner}".strip(),
        status=status,
        after=after,
        in_incident=decided(code, Around(incident=True))[0],
        owner=meaning.owner.owner or "nobody",
        to_us=(str(meaning.happened), str(meaning.what_to_do)),
        to_customers=str(meaning.customer_words),
    )


def decided(code: str, around: Any) -> tuple[str, float]:
    """The status of a component that shows this at every look, and after how many minutes it has it."""
    from health import intervals, verdicts
    from tests.health.stories import fresh_state, seen

    state, minute, refusals = fresh_state(), 0.0, 0
    for _look in range(LOOKS):
        look = seen(minute, code)
        found = verdicts.take(state, look, around)
        if found.flipped:
            return str(found.state.status), minute
        state = found.state
        refusals += intervals.is_refusal(look)
        wait = intervals.wait(look, every=intervals.EVERY, refusals=refusals, status=state.status)
        minute += timedelta(seconds=wait) / timedelta(minutes=1)
    return str(state.status), 0.0


def problems(rows: Iterable[Link]) -> list[str]:
    """What is wrong with them, by the table of tests.health.stories, which is not derived from the code."""
    found = []
    for row in rows:
        wrong = f"read as {row.code}, not as {row.wanted}" if row.code != row.wanted else wrong_end(row)
        if wrong:
            found.append(f"{row.kind}, {row.name}: {wrong}")
    return found


def wrong_end(row: Link) -> str:
    from health.observations import CODES
    from tests.health.stories import TABLE

    said, ends = TABLE.get(row.code, ""), row.ends
    wanted = next(
        (status for word, status in STATUSES.items() if word in said.split(",")[0].split()), "healthy"
    )
    if row.code not in CODES or not said:
        return f"{row.code} is no code that is classified"
    if ends.status != wanted:
        return f"{ends.status} after {row.code}, not {wanted}"
    if ends.in_incident != ("healthy" if "at once" not in said else wanted):
        return f"{ends.in_incident} after {row.code} in an incident"
    if not all(ends.to_us):
        return f"{row.code} has no words for operators"
    if bool(ends.to_customers) != (wanted == STATUSES["customer"]):
        return f"{row.code} has words for customers just where it is not their turn"
    return ""


def main() -> int:
    import os

    import django

    from tests.fresh_databases import environment

    os.environ |= environment("sqlite:///none.sqlite3")
    django.setup()
    rows = list(links(sys.argv[1] if len(sys.argv) > 1 else ""))
    heads = (
        "provider",
        "kind",
        "what is answered",
        "code",
        "verdict",
        "status",
        "in an incident",
        "whose turn",
    )
    print("| " + " | ".join((*heads, "what happened", "what to do", "to the customer")) + " |")
    print("|---" * (len(heads) + 3) + "|")
    for row in rows:
        ends = row.ends
        status = ends.status if ends.status == "healthy" else f"{ends.status} after {ends.after:.0f} min"
        what = f"{row.name}: {row.happened}" if row.happened else row.name
        cells = (row.provider, row.kind, what, row.code, ends.verdict, status, ends.in_incident, ends.owner)
        print("| " + " | ".join((*cells, *ends.to_us, ends.to_customers)).replace("\n", " ") + " |")
    wrong = problems(rows)
    for line in wrong:
        print(line)
    kinds, codes = {row.kind for row in rows}, {row.code for row in rows}
    print(f"ways to fail {len(rows)}, kinds {len(kinds)}, codes {len(codes)}, wrong {len(wrong)}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
