"""Many components over many days in virtual time, by the pure rules of health: no database, no clock.

Each component is looked at as the worker would look (health.intervals), what it sees follows from what goes
wrong at the time, and verdicts.take decides, beneath the platform and the provider that mask it. Runs of oks
are taken in one step (tests.health.skipping). There are no breakers here: while a provider is down everything
is looked at, which decides sooner and so more often wrongly.
"""

import heapq
import random
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from math import log, sqrt

from health import incidents, intervals, timers, verdicts
from health.evidence import NONE
from health.meaning import About
from health.observations import Observation
from health.status import Status
from health.verdicts import Around, State
from tests.health.skipping import can_skip, skip

START = datetime(2026, 1, 1, tzinfo=UTC)
BLIPS = "timeout connection_failed provider_outage garbled blocked internal_error unclassified".split()
PROVIDERS = 15
HOUR, DAY = 3600.0, 86_400.0
# Seconds between two ticks of a worker, and how soon a new secret is tried.
TICK, AT_ONCE = 5.0, 1.0
FOREVER = float("inf")
# The longest wait of what is well.
LATEST = intervals.EVERY * (1 + intervals.SPREAD)


@dataclass(frozen=True)
class Trouble:
    """From when to when a look finds a code, and in what share of looks."""

    start: float
    end: float
    code: str
    share: float = 1.0


@dataclass
class One:
    """A component, and what goes wrong with it: all of it in order of its start."""

    state: State
    provider: int = -1
    troubles: list[Trouble] = field(default_factory=list)
    revoked_at: float = FOREVER
    fixed_at: float = FOREVER
    refusals: int = 0
    # When it is looked at next.
    due: float = 0.0
    # Oks that are still to come before the next blip.
    good: int = 0


@dataclass
class Found:
    """What came of it."""

    looks: int = 0
    stepped: int = 0
    # Seconds from each revocation to its flip, less the time in which a fault of others masked it.
    found_after: list[float] = field(default_factory=list)
    healed: int = 0
    # Customers asked though nothing was theirs to do; and us, though nothing was ours.
    blamed: int = 0
    false: int = 0
    # Flips away from healthy by their cause: each is a message.
    messages: Counter[str] = field(default_factory=Counter)


def moment(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def fresh(number: str) -> State:
    return State(Status.HEALTHY, since=moment(-DAY), revision="1", last_ok_at=moment(0), expected_every=300)


class World:
    """All of it. `blips` is the share of looks that fail for no reason."""

    def __init__(
        self,
        components: int,
        days: float,
        *,
        revocations: int,
        outages: tuple[tuple[float, float, float], ...],
        dns: tuple[float, float] | None,
        blips: float = 0.01,
        seed: int = 1,
    ):
        self.random = random.Random(seed)  # noqa: S311 - no secret
        random.seed(seed)  # what spreads the looks
        self.end, self.blips, self.found = days * DAY, blips, Found()
        self.platform = One(replace(fresh("platform"), revision="", expected_every=0))
        self.providers = [
            One(replace(fresh("provider"), revision="", expected_every=0)) for _ in range(PROVIDERS)
        ]
        self.failing: list[dict[int, float]] = [{} for _ in range(PROVIDERS)]
        self.sizes = Counter(number % PROVIDERS for number in range(components))
        self.assessed = [-FOREVER] * PROVIDERS
        # When anything last worked.
        self.worked_at = 0.0
        self.all = [One(fresh(str(n)), n % PROVIDERS) for n in range(components)]
        # Looks by the number of the component; ticks for a provider or the platform by a negative one.
        self.events: list[tuple[float, int]] = []
        self.awaited: set[int] = set()
        self._plan(revocations, outages, dns)

    def _plan(
        self,
        revocations: int,
        outages: tuple[tuple[float, float, float], ...],
        dns: tuple[float, float] | None,
    ) -> None:
        shared: dict[int, list[Trouble]] = {n: [] for n in range(PROVIDERS)}
        self.masked: dict[int, list[tuple[float, float]]] = {n: [] for n in range(PROVIDERS)}
        for number, (at, lasts, share) in enumerate(outages):
            start = at * self.end
            shared[3 * number].append(Trouble(start, start + lasts, "provider_outage", share))
            self.masked[3 * number].append((start, start + lasts))
        if dns:
            start = dns[0] * self.end
            for n in range(PROVIDERS):
                # Nobody gets further than our own resolver.
                shared[n].insert(0, Trouble(start, start + dns[1], "name_not_found"))
                self.masked[n].append((start, start + dns[1]))
        for one in self.all:
            one.troubles = list(shared[one.provider])
            one.good = self._until_blip()
        for one in self.random.sample(self.all, revocations):
            one.revoked_at = self.random.uniform(0, self.end - 2 * HOUR)
            one.fixed_at = one.revoked_at + self.random.uniform(2 * HOUR, 48 * HOUR)
            one.troubles.append(Trouble(one.revoked_at, one.fixed_at, "revoked"))
        for number in range(len(self.all)):
            self._push(self.random.uniform(0, intervals.EVERY), number)

    def _until_blip(self) -> int:
        """How many looks go well before one that does not."""
        if not self.blips:
            return 10**9
        return int(log(1 - self.random.random()) / log(1 - self.blips))

    def _push(self, at: float, number: int) -> None:
        if number >= 0:
            self.all[number].due = at
        if at < self.end:
            heapq.heappush(self.events, (at, number))

    def _tick_at(self, at: float, which: int) -> None:
        """Let there be a tick for a provider, or for the platform as the last of them."""
        if which not in self.awaited:
            self.awaited.add(which)
            self._push(at, -1 - which)

    # --- time passes ----------------------------------------------------------------------------------------

    def run(self) -> Found:
        while self.events:
            at, number = heapq.heappop(self.events)
            if number < 0:
                self._tick(at, -number - 1)
            else:
                self._look(at, number)
        return self.found

    def _look(self, at: float, number: int) -> None:
        one = self.all[number]
        if at != one.due:
            return
        if one.fixed_at <= at and one.state.revision == "1":
            one.state, one.refusals = replace(one.state, revision="2"), 0
        code = self._seen(one, at)
        self.found.looks += 1
        if code == "ok" and can_skip(one.state):
            self._skip(one, at, number)
            return
        self._take(one, at, number, code)

    def _seen(self, one: One, at: float) -> str:
        for trouble in one.troubles:
            if trouble.start <= at < trouble.end:
                if trouble.share == 1 or self.random.random() < trouble.share:
                    return trouble.code
        if one.good:
            one.good -= 1
            return "ok"
        one.good = self._until_blip()
        return self.random.choice(BLIPS)

    def _skip(self, one: One, at: float, number: int) -> None:
        """This ok, and those after it until something may go wrong."""
        bound = min([self.end, *(max(at, t.start) for t in one.troubles if t.end > at)])
        # Each wait is spread evenly; of many the sum is what counts.
        most = max(0, int((bound - at) / LATEST) - 1)
        more = min(one.good, most)
        spread = intervals.EVERY * intervals.SPREAD / sqrt(3) * sqrt(more)
        last = at + max(0.0, more * intervals.EVERY + self.random.gauss(0, spread)) if more else at
        last = min(last, bound - 1) if more else at
        one.good -= more
        one.state = skip(one.state, 1 + more, moment(last))
        self.found.looks += more
        self.worked_at = max(self.worked_at, at)
        self._push(last + intervals.EVERY * self.random.uniform(0.8, 1.2), number)

    def _take(self, one: One, at: float, number: int, code: str) -> None:
        self.found.stepped += 1
        seen = Observation(code, moment(at), moment(at), revision=one.state.revision)
        meaning = seen.meaning
        if meaning.about is About.PLATFORM:
            self._told(self.platform, "our DNS", replace(seen, revision=""), Around(platform=True))
            self._tick_at(at + TICK, PROVIDERS)
        provider = self.providers[one.provider]
        around = self._around(provider) if meaning.weight.failing else Around()
        found = verdicts.take(one.state, seen, around)
        if (
            found.flipped
            and meaning.about is About.PROVIDER
            and not around.incident
            and self._assess(one.provider, at)
        ):
            around = self._around(provider)
            found = verdicts.take(one.state, seen, around)
        one.state = found.state
        if meaning.about is About.PROVIDER and found.state.failed_at:
            self.failing[one.provider][number] = at
            if len(self.failing[one.provider]) >= incidents.LEAST:
                self._tick_at(at + TICK, one.provider)
        else:
            self.failing[one.provider].pop(number, None)
        if meaning.works:
            self.worked_at = max(self.worked_at, at)
        if found.flipped:
            self._count(one, at)
        one.refusals = (
            one.refusals + 1 if intervals.is_refusal(seen) else 0 if meaning.works else one.refusals
        )
        wait = intervals.wait(seen, every=intervals.EVERY, refusals=one.refusals, status=one.state.status)
        # A new secret is tried at once.
        again = at + wait
        self._push(one.fixed_at + AT_ONCE if at < one.fixed_at < again else again, number)

    def _around(self, provider: One) -> Around:
        return Around(
            masked=self.platform.state.status is not Status.HEALTHY,
            incident=provider.state.status is not Status.HEALTHY,
        )

    def _count(self, one: One, at: float) -> None:
        status, revoked = one.state.status, one.revoked_at <= at < one.fixed_at
        if status is Status.HEALTHY:
            self.found.healed += 1
        elif status is Status.CUSTOMER_INTERVENTION and revoked:
            self.found.messages["revocation"] += 1
            others = sum(
                min(at, end + LATEST) - one.revoked_at
                for start, end in self.masked[one.provider]
                if start <= one.revoked_at < end
            )
            self.found.found_after.append(at - one.revoked_at - others)
        else:
            self.found.messages["nothing"] += 1
            self.found.false += 1
            self.found.blamed += status is Status.CUSTOMER_INTERVENTION

    # --- the platform and the providers ---------------------------------------------------------------------

    def _tick(self, at: float, which: int) -> None:
        """What a worker's ticks do, while there is anything to do."""
        self.awaited.discard(which)
        if which < PROVIDERS:
            self._assess(which, at)
            if self.providers[which].state.status is not Status.HEALTHY:
                self._tick_at(at + timers.ASSESSED.total_seconds(), which)
            return
        own = self.platform
        if moment(self.worked_at) > (own.state.last_observed_at or own.state.since):
            seen = Observation("ok", moment(at), moment(at), source="derived")
            self._told(own, "our DNS", seen, Around(platform=True))
        if own.state.evidence != NONE or own.state.status is not Status.HEALTHY:
            self._tick_at(at + TICK, which)

    def _assess(self, which: int, at: float) -> bool:
        """As incidents.assess: at most every so often, whether a provider has an incident."""
        provider = self.providers[which]
        already = provider.state.status is not Status.HEALTHY
        since = at - incidents.WINDOW.total_seconds()
        failing = sum(failed >= since for failed in self.failing[which].values())
        # Everything was looked at of late: that is what intervals see to.
        part = incidents.LASTS if already else incidents.PERCENT
        enough = failing * 100 >= part * self.sizes[which]
        found = enough and failing >= (1 if already else incidents.LEAST)
        if found or already:
            code = "provider_incident" if found else "ok"
            seen = Observation(code, moment(at), moment(at), source="derived")
            self._told(provider, "outage", seen, Around())
            if already and provider.state.status is Status.HEALTHY:
                self._look_again(which, at)
        return found

    def _look_again(self, which: int, at: float) -> None:
        """As schedule.look_again."""
        for number in range(which, len(self.all), PROVIDERS):
            one = self.all[number]
            if one.refusals > 1 and one.state.status is Status.HEALTHY:
                one.refusals = 0
                self._push(at + AT_ONCE, number)

    def _told(self, one: One, what: str, seen: Observation, around: Around) -> None:
        found = verdicts.take(one.state, seen, around)
        one.state = found.state
        if found.flipped and one.state.status is not Status.HEALTHY:
            self.found.messages[what] += 1
