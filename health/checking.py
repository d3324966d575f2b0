"""The worker: it claims what is due, looks at many at once, and writes what was seen in batches.

Each provider has its own share of the slots and its own circuit breaker, so that one that hangs holds up
nobody else. One thread claims and writes; the others only look.
"""

import logging
import queue
import random
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from django.db import connections
from django.utils import timezone

from health import breakers, schedule, silence
from health.breakers import Breaker
from health.graph import Id
from health.models import Component
from health.observations import Observation
from health.outcomes import TROUBLE, Seen, hand_in, settled
from health.schedule import Look, Settled
from health.ticking import Ticking

logger = logging.getLogger(__name__)

CONCURRENCY = 32
# A provider's part of the slots.
SHARE = 4
# Seconds: between two looks for what is due; until what was seen is written; between two renewals of claims;
# between two looks for new providers; how long the end waits for looks that are under way.
IDLE, GATHERED, RENEWED, FOUND, PATIENCE = 1.0, 0.5, 10.0, 10.0, 8.0
# So many looks are written together.
BATCH = 100
# The longest wait for a database that does not answer.
LONGEST_WAIT = 4.0
NEVER = float("-inf")


@dataclass
class Queue:
    """What is held of one provider."""

    waiting: deque[tuple[Component, Look]] = field(default_factory=deque)
    running: int = 0
    breaker: Breaker = field(default_factory=Breaker)


@dataclass
class Worker:
    """Checks what is due by `due_by` and then ends, or for ever where that is None.

    `told` hears of each look, `says` gets a line where something is to be said.
    """

    name: str
    concurrency: int = CONCURRENCY
    provider: str = ""
    due_by: datetime | None = None
    told: Callable[[Component, Observation], None] = lambda row, seen: None
    says: Callable[[str], None] = lambda line: None
    stopping: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.queues: dict[str, Queue] = defaultdict(Queue)
        self.jobs: queue.SimpleQueue[tuple[Component, Look] | None] = queue.SimpleQueue()
        self.results: queue.SimpleQueue[Seen] = queue.SimpleQueue()
        # What is claimed, and until when that is certain.
        self.held: dict[Id, float] = {}
        self.gathered: list[Seen] = []
        self.providers: list[tuple[str, str]] = []
        # Until when nobody need ask again whether anything of a kind and a provider is due.
        self.empty: dict[tuple[str, str], float] = {}
        self.found_at = self.renewed_at = self.gathered_at = NEVER
        self.began_at = time.monotonic()
        self.troubles, self.trouble_until = 0, NEVER
        self.found_nothing = False
        self.ticking = Ticking()
        self.threads = [threading.Thread(target=self._serve, daemon=True) for _ in range(self.concurrency)]

    # --- the loop -------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Work until it is done or told to stop; then finish what is under way and give back the rest.

        Where the database does not answer, one that works for ever waits until it does; the other raises.
        """
        for thread in self.threads:
            thread.start()
        try:
            while not (self.stopping.is_set() or self._is_done()):
                try:
                    self._turn()
                    self._recovered()
                except TROUBLE as error:
                    if self.due_by is not None:
                        raise
                    self._wait_for_the_database(error)
        finally:
            self._end()

    def _turn(self) -> None:
        if self.troubles:
            schedule.reach()
        self._collect(0.05 if self.held else 0)
        self._write()
        self._renew()
        self._claim()
        self._start()
        if self.due_by is None:
            self.ticking.run()
        if not self.held and not self._is_done():
            self.stopping.wait(random.uniform(0.5, 1) * IDLE if self.found_nothing else 0)  # noqa: S311

    def _is_done(self) -> bool:
        return self.due_by is not None and self.found_nothing and not self.held and not self.gathered

    def _wait_for_the_database(self, error: Exception) -> None:
        if not self.troubles:
            line = (str(error).strip().splitlines() or [type(error).__name__])[0]
            self.says(f"The database does not answer, so nothing is checked until it does: {line}")
        self.troubles += 1
        connections.close_all()
        wait = min(LONGEST_WAIT, 0.25 * 2 ** min(self.troubles, 8)) * random.uniform(0.5, 1)  # noqa: S311
        self.stopping.wait(wait)

    def _recovered(self) -> None:
        if self.troubles:
            self.says("The database answers again.")
            self.troubles, self.trouble_until = 0, time.monotonic()

    def _end(self) -> None:
        try:
            for one in self.queues.values():
                self._give_back(one)
            ends = time.monotonic() + PATIENCE
            while any(one.running for one in self.queues.values()) and time.monotonic() < ends:
                self._collect(0.1)
                self._renew()
            self._write(whole=True)
            schedule.give_back(set(self.held), by=self.name)
        except TROUBLE:
            pass  # the claims end by themselves
        finally:
            for _thread in self.threads:
                self.jobs.put(None)
            self.ticking.end()

    # --- claiming -------------------------------------------------------------------------------------------

    def _claim(self) -> None:
        """Claim what is due of each provider that has room, up to twice its share."""
        now, share, claimed = time.monotonic(), self._share(), 0
        if now - self.found_at > FOUND:
            self.providers = [
                (kind, provider)
                for kind in schedule.registered()
                for provider in ([self.provider] if self.provider else schedule.providers(kind))
            ]
            self.found_at = now
            if self.due_by is None and now - self.began_at > silence.GRACE.total_seconds():
                for kind, provider in self.providers:
                    schedule.expect_looks(kind, provider, schedule.clock())
        for kind, provider in random.sample(self.providers, len(self.providers)):
            one = self.queues[provider]
            room = one.breaker.room(share, now)
            if room == 0:
                self._give_back(one)
            free = (2 * room if room == share else room) - one.running
            if one.waiting or free <= 0 or now < self.empty.get((kind, provider), NEVER):
                continue
            got = self._claimed(kind, provider, free)
            claimed += got
            if got < free:
                self.empty[kind, provider] = now + random.uniform(0.5, 1) * IDLE  # noqa: S311
        self.found_nothing = not claimed

    def _claimed(self, kind: str, provider: str, most: int) -> int:
        before = time.monotonic()
        got = schedule.claim(kind, provider, most, by=self.name, now=self.due_by or schedule.clock())
        # One whose secret was replaced during a look comes again: when that look is over.
        rows = [row for row in got if row.pk not in self.held]
        if not self.held:
            self.renewed_at = before
        self.held.update((row.pk, before + schedule.CLAIM.total_seconds()) for row in rows)
        looks = schedule.registered()[kind].probe([row.pk for row in rows])
        self.queues[provider].waiting.extend((row, looks[row.pk]) for row in rows if row.pk in looks)
        skipped = {row.pk: Settled(None) for row in rows if row.pk not in looks}
        schedule.settle(skipped, by=self.name)
        for pk in skipped:
            del self.held[pk]
        return len(got)

    def _share(self) -> int:
        return max(1, self.concurrency // SHARE)

    def _renew(self) -> None:
        now = time.monotonic()
        if not self.held or now - self.renewed_at < RENEWED:
            return
        self.renewed_at = now
        kept = schedule.renew(set(self.held), by=self.name)
        self.held = {pk: now + schedule.CLAIM.total_seconds() for pk in self.held if pk in kept}

    def _give_back(self, one: Queue) -> None:
        """Let go what is not under way yet."""
        ids = {row.pk for row, _look in one.waiting}
        if ids:
            schedule.give_back(ids, by=self.name, at=self.due_by)
            one.waiting.clear()
            for pk in ids:
                self.held.pop(pk, None)

    # --- looking --------------------------------------------------------------------------------------------

    def _start(self) -> None:
        """Start looks, those of providers with the fewest under way first."""
        now, share = time.monotonic(), self._share()
        free = self.concurrency - sum(one.running for one in self.queues.values())
        while free > 0:
            ready = [q for q in self.queues.values() if q.waiting and q.running < q.breaker.room(share, now)]
            if not ready:
                return
            one = min(ready, key=lambda each: each.running)
            one.running += 1
            free -= 1
            self.jobs.put(one.waiting.popleft())

    def _serve(self) -> None:
        """What each of the looking threads does."""
        while (job := self.jobs.get()) is not None:
            row, look = job
            began, started_at = time.monotonic(), timezone.now()
            seen: list[tuple[Id, Observation]] | None = None
            try:
                # Whoever stood still for too long has lost its claims, and others look.
                if began < self.held.get(row.pk, NEVER):
                    seen = look()
            except Exception as error:  # noqa: BLE001 - a fault of ours is an observation too
                logger.error("The probe of a %s failed in our own code: %s", row.kind, type(error).__name__)
                ended, said = timezone.now(), type(error).__name__
                fault = Observation("internal_error", started_at, ended, revision=row.revision, detail=said)
                seen = [(row.pk, fault)]
            finally:
                connections.close_all()
            self.results.put(Seen(row, seen, began))

    def _collect(self, patience: float) -> None:
        """Take in the looks that are over."""
        try:
            one = self.results.get(timeout=patience) if patience else self.results.get_nowait()
            while True:
                self._take(one)
                one = self.results.get_nowait()
        except queue.Empty:
            return

    def _take(self, one: Seen) -> None:
        provider = self.queues[one.row.provider]
        provider.running -= 1
        if one.first:
            provider.breaker.hear(breakers.answered(one.first), time.monotonic())
        if not self.gathered:
            self.gathered_at = time.monotonic()
        self.gathered.append(one)

    # --- writing --------------------------------------------------------------------------------------------

    def _write(self, whole: bool = False) -> None:
        """Write what was seen, if there is enough of it, it waited long enough, or no more is to come."""
        if not self.gathered:
            return
        waited = time.monotonic() - self.gathered_at
        more = any(one.running or one.waiting for one in self.queues.values())
        if more and not (whole or len(self.gathered) >= BATCH or waited > GATHERED):
            return
        void = {one.row.pk for one in self.gathered if one.seen is None or self._is_our_own_trouble(one)}
        good = [one for one in self.gathered if one.row.pk not in void]
        hand_in([pair for one in good for pair in one.seen or ()])
        rows = Component.objects.in_bulk([one.row.pk for one in good])
        next_looks = {one.row.pk: settled(one, rows[one.row.pk]) for one in good if one.row.pk in rows}
        schedule.settle(next_looks, by=self.name)
        schedule.give_back(void, by=self.name)
        for one in self.gathered:
            self.held.pop(one.row.pk, None)
        self.gathered = []
        for one in good:
            if one.first:
                self.told(rows.get(one.row.pk, one.row), one.first)

    def _is_our_own_trouble(self, one: Seen) -> bool:
        """Whether a look failed because our database did not answer: that says nothing of the component."""
        if one.first is None or one.began >= self.trouble_until:
            return False
        return one.first.code in ("internal_error", "limiter_unavailable")
