"""Look at components: what is due, or all, once or for ever."""

import contextlib
import json
import os
import platform
import secrets
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection, connections
from tqdm import tqdm

from health import checking, nightly, schedule, ticking, turns
from health.management.base import FAILED, USAGE, LanyardCommand, worker
from health.models import Component
from health.observations import Observation

MOST = 256
# Connections of what a worker does beside its looks: ticks, chores, and turns with threads of their own.
BESIDE = 14
LISTED = 50


class Command(LanyardCommand):
    help = """Look whether what we check works: what is due, or everything now.

  manage.py check_health                      what is due, once
  manage.py check_health --all --provider stripe
  manage.py check_health --loop               for ever, as the worker of an installation: any number may run
  manage.py check_health --verify-rollup      whether each stored status is what follows from its parts

A worker also does what is due by time: pauses, silence, incidents, and once a night --verify-rollup. On
SIGTERM or Ctrl-C it ends after what is under way. It takes at most as many connections to PostgreSQL as
--concurrency, and 36.

Exit status: 0; 1 where something does not work, was left, or has drifted; 2 for wrong usage."""

    def add_arguments(self, parser: CommandParser) -> None:
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--due", action="store_true", help="what is due (unless said otherwise)")
        which.add_argument("--all", action="store_true", dest="everything", help="everything, due or not")
        which.add_argument("--loop", action="store_true", help="what is due, for ever")
        which.add_argument(
            "--verify-rollup", action="store_true", dest="verify", help="check nothing, but compare"
        )
        parser.add_argument("--provider", default="", metavar="P", help="only what is at this provider")
        parser.add_argument(
            "--concurrency",
            type=int,
            default=checking.CONCURRENCY,
            metavar="N",
            help=f"so many at a time ({checking.CONCURRENCY}); a provider gets a quarter of them",
        )
        parser.add_argument("--json", action="store_true", dest="as_json", help="a JSON array")

    def handle(
        self, *, everything: bool, loop: bool, verify: bool, provider: str, as_json: bool, **options: Any
    ) -> None:
        if not 1 <= options["concurrency"] <= MOST:
            raise CommandError(f"--concurrency takes 1 to {MOST}.", returncode=USAGE)
        if loop and as_json:
            raise CommandError("--json goes with one run, not with --loop.", returncode=USAGE)
        if verify:
            return self.verify(as_json)
        if provider and provider not in (there := known()):
            raise CommandError(
                f"There is nothing to check at {provider!r}, only at: {', '.join(there) or 'nobody'}.",
                returncode=USAGE,
            )
        made = checking.Worker(new_name(), options["concurrency"], provider)
        with ended_by_signals(made.stopping), bounded_connections(options["concurrency"]):
            if loop:
                self.loop(made)
            else:
                self.once(made, everything, as_json)

    def loop(self, made: checking.Worker) -> None:
        checked: Counter[str] = Counter()
        made.says, made.told = self.say, lambda row, seen: checked.update(["checked"])
        self.say(f"{worker('check')} checks what is due, {made.concurrency} at a time. Ctrl-C ends it.")
        made.run()
        self.say(f"Ended after {checked['checked']} checks.")

    def once(self, made: checking.Worker, everything: bool, as_json: bool) -> None:
        if everything:
            schedule.everything_is_due(schedule.registered(), made.provider)
        made.due_by = schedule.clock()
        counts: Counter[str] = Counter()
        bar = tqdm(unit="component", disable=as_json or None, file=self.stderr, leave=False)

        def told(row: Component, seen: Observation) -> None:
            bar.update()
            if as_json:
                text = json.dumps(document(row, seen), cls=DjangoJSONEncoder, ensure_ascii=False)
                self.stdout.write(("," if counts else "[") + text)
            elif not works(seen):
                self.stdout.write(f"{row.reference}: {seen.meaning.happened} [{seen.code}]")
            counts["works" if works(seen) else "fails"] += 1

        made.told = told
        made.run()
        bar.close()
        ticking.whole()
        turns.whole()
        left = due_count(made)
        if as_json:
            self.stdout.write("]" if counts else "[]")
        else:
            said = f", left {left}: the provider does not answer, or others look" if left else ""
            self.stdout.write(
                f"checked {counts.total()}: {counts['works']} work, {counts['fails']} do not{said}"
            )
        if counts["fails"] or left:
            raise SystemExit(FAILED)

    def verify(self, as_json: bool) -> None:
        found = nightly.lasting_drift()
        if as_json:
            shown = [{"component": row.reference, "id": row.pk, "status": row.status} for row in found]
            self.stdout.write(json.dumps(shown, cls=DjangoJSONEncoder, ensure_ascii=False))
        else:
            for row in found[:LISTED]:
                self.stdout.write(f"{row.reference} ({row.pk}): {row.status} is not what its parts say")
            self.stdout.write(f"compared {Component.objects.count()}, drifted {len(found)}")
        if found:
            raise SystemExit(FAILED)

    def say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()


def works(seen: Observation) -> bool:
    return seen.meaning.works


def document(row: Component, seen: Observation) -> dict[str, Any]:
    """What a look found, as --json prints it."""
    return {
        "component": row.reference,
        "id": row.pk,
        "provider": row.provider,
        "works": works(seen),
        "code": seen.code,
        "happened": str(seen.meaning.happened),
        "what_to_do": str(seen.meaning.what_to_do),
        "status": row.status,
        "next_check_at": row.next_check_at,
    }


def new_name() -> str:
    """The name under which a worker claims: no other process ever has it."""
    return f"{platform.node()[:30]}:{os.getpid()}:{secrets.token_hex(8)}"


def known() -> list[str]:
    return sorted({one for kind in schedule.registered() for one in schedule.providers(kind)})


def due_count(made: checking.Worker) -> int:
    """How many are still due of what this run was to check."""
    return sum(
        schedule.due(kind, provider, made.due_by).count()
        for kind in schedule.registered()
        for provider in ([made.provider] if made.provider else schedule.providers(kind))
        if made.due_by
    )


@contextlib.contextmanager
def ended_by_signals(stopping: threading.Event) -> Iterator[None]:
    """Let SIGTERM and Ctrl-C set the event; the second time they end the process as ever."""
    names = (signal.SIGTERM, signal.SIGINT)
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {name: signal.getsignal(name) for name in names}

    def end(number: int, frame: Any) -> None:
        stopping.set()
        for name in names:
            signal.signal(name, before[name])

    for name in names:
        signal.signal(name, end)
    try:
        yield
    finally:
        for name in names:
            signal.signal(name, before[name])


@contextlib.contextmanager
def bounded_connections(threads: int) -> Iterator[None]:
    """Let the threads of this process take their connections to PostgreSQL from a pool of their number.

    That of the settings is for a web process: too small, threads whose providers hang would keep others from
    the database.
    """
    options = connection.settings_dict.get("OPTIONS", {})
    if connection.vendor != "postgresql":
        yield
        return
    before = options.get("pool")
    _use_pool(options, {"min_size": 1, "max_size": threads + BESIDE, "timeout": 5})
    try:
        yield
    finally:
        _use_pool(options, before)


def _use_pool(options: dict[str, Any], pool: Any) -> None:
    connections.close_all()
    connection.close_pool()  # type: ignore[attr-defined]  # PostgreSQL's
    if pool:
        options["pool"] = pool
    else:
        options.pop("pool", None)
