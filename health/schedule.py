"""What is due, who has claimed it, and the probes that look at it.

The components are the queue. A claim moves `next_check_at` to its own end, so what a killed worker held is
due again by itself; and whoever writes back says whose claim it was, so what a stale worker has to say of the
next check changes nothing. Times are those of the database, which all workers share.
"""

import uuid
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, cast

from django.db import connection, models, transaction
from django.utils import timezone

from health import doubts, graph, heartbeats, intervals, silence
from health.graph import Id
from health.models import Component
from health.observations import Observation
from health.status import Status

# For so long a claim holds; the worker renews it in time.
CLAIM = timedelta(seconds=30)
# What cannot be looked at is asked about again after this.
SKIPPED = timedelta(hours=6)
# Nothing is looked at more often, nor told to be looked at more seldom, in seconds.
LEAST, MOST = 60, 24 * 3600
# How many rows one statement writes.
TOGETHER = 100
FIELDS = ("kind", "name", "provider", "revision", "check_every", "refusals", "own_status")

# Looks at one component. The first observation is the one that the next check depends on.
Look = Callable[[], list[tuple[Id, Observation]]]
# What to look at, for the components that it is given; one that is missing is not looked at for a while.
Probe = Callable[[list[Id]], Mapping[Id, Look]]


@dataclass(frozen=True)
class Registered:
    probe: Probe
    every: int


@dataclass(frozen=True)
class Settled:
    """What follows from a look: when to look again, in seconds; None where there was nothing to look at."""

    wait: float | None
    refusals: int = 0
    every: int = intervals.EVERY


_registered: dict[str, Registered] = {}


def register(kind: str, probe: Probe, *, every: int = intervals.EVERY) -> None:
    """Let the components of a kind be looked at by this probe, every so many seconds unless they say else."""
    _registered[kind] = Registered(probe, every)


def registered() -> Mapping[str, Registered]:
    return _registered


def own_interval(row: Component) -> int:
    """Seconds between two looks at a component that is well."""
    return max(LEAST, row.check_every or _registered[row.kind].every)


def clock() -> datetime:
    """The time by the clock that all workers share."""
    if connection.vendor != "postgresql":
        return timezone.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        now: datetime = cursor.fetchone()[0]
        return now


def reach() -> None:
    """Raise what the database raises that does not answer."""
    Component.objects.order_by("pk").values_list("pk").first()


def providers(kind: str) -> list[str]:
    """The providers of the components of a kind, each found by one step into the index."""
    found: list[str] = []
    rows = _checked().filter(kind=kind).order_by("provider").values_list("provider", flat=True)
    while (later := rows.filter(provider__gt=found[-1]) if found else rows).exists():
        found.append(later[:1].get())
    return found


def due(kind: str, provider: str, now: datetime) -> models.QuerySet[Component]:
    """What is due of a kind and a provider, longest first."""
    rows = _checked().filter(kind=kind, provider=provider, next_check_at__lte=now)
    return rows.order_by("next_check_at")


def claim(kind: str, provider: str, most: int, *, by: str, now: datetime) -> list[Component]:
    """Claim at most so many that are due, for CLAIM; nobody else gets them meanwhile."""
    until = clock() + CLAIM
    rows = due(kind, provider, now)
    if connection.features.has_select_for_update_skip_locked:
        with transaction.atomic():
            locked = rows.select_for_update(skip_locked=True, no_key=True)
            got = set(locked.values_list("pk", flat=True)[:most])
            Component.objects.filter(pk__in=got).update(next_check_at=until, claimed_by=by)
    else:
        wanted = list(rows.values_list("pk", flat=True)[:most])
        if not wanted:
            return []
        # Whoever was faster has moved the time: theirs are left alone.
        Component.objects.filter(pk__in=wanted, next_check_at__lte=now).update(
            next_check_at=until, claimed_by=by
        )
        held = Component.objects.filter(pk__in=wanted, claimed_by=by)
        got = set(held.filter(next_check_at=until).values_list("pk", flat=True))
    return list(Component.objects.filter(pk__in=got).only(*FIELDS)) if got else []


def renew(ids: Collection[Id], *, by: str) -> set[Id]:
    """Hold claims for CLAIM from now on; returns those that are still held."""
    kept: set[Id] = set()
    for some in graph.chunks(ids):
        with transaction.atomic():
            mine = _locked(some, by)
            Component.objects.filter(pk__in=mine).update(next_check_at=clock() + CLAIM)
        kept |= mine
    return kept


def give_back(ids: Collection[Id], *, by: str, at: datetime | None = None) -> None:
    """Let claims go: what they held is due since `at`, or now."""
    for some in graph.chunks(ids):
        with transaction.atomic():
            mine = Component.objects.filter(pk__in=_locked(some, by))
            mine.update(next_check_at=at or clock(), claimed_by="")


def settle(results: Mapping[Id, Settled], *, by: str) -> int:
    """Say when to look again, and let the claims go; returns how many were still held.

    From then on silence is an observation, as after heartbeats.expect.
    """
    done, ids = 0, sorted(results)
    for start in range(0, len(ids), TOGETHER):
        with transaction.atomic():
            now = clock()
            some = sorted(_locked(ids[start : start + TOGETHER], by))
            skipped = [pk for pk in some if results[pk].wait is None]
            done += Component.objects.filter(pk__in=skipped).update(
                next_check_at=now + SKIPPED, claimed_by="", refusals=0, expected_every=None, timer_at=None
            )
            values = {pk: _values(one.wait, one, now) for pk in some if (one := results[pk]).wait is not None}
            if values:
                done += Component.objects.filter(pk__in=values).update(claimed_by="", **_by_case(values))
    return done


def at_once(now: datetime) -> dict[str, Any]:
    """The values with which a component is due now, whatever was found before, and by whom it is claimed."""
    return {"next_check_at": now, "claimed_by": "", "refusals": 0}


def hurry(component: Id) -> None:
    """Let a component be looked at at once, and what depends on it after the transaction: its secret is new.

    A look that is under way tried the old one, so its claim is void. Until one has shown how the new one is,
    nobody knows.
    """
    now = clock()
    Component.objects.filter(pk=component).update(**at_once(now))
    doubts.begin(component, now)
    transaction.on_commit(partial(_hurry_dependants, component), robust=True)


def set_interval(component: Id, seconds: int | None) -> bool:
    """Let a component be looked at every so many seconds, None: as usual; returns whether that is new.

    The next look is not later than that from now. Raises ValueError out of bounds.
    """
    if seconds is not None and not LEAST <= seconds <= MOST:
        raise ValueError(f"An interval lies between {LEAST} and {MOST} seconds.")
    rows = Component.objects.filter(pk=component)
    if not rows.exclude(check_every=seconds).update(check_every=seconds):
        return False
    if seconds is not None:
        by = clock() + timedelta(seconds=seconds)
        rows.filter(claimed_by="", next_check_at__gt=by, refusals=0).update(next_check_at=by)
    return True


def sooner(component: Id, *, shown_at: datetime) -> None:
    """Let what fails be looked at at once where it showed at a time that it may work: no look began since.

    At most as often as what is well; a look that is under way is left alone, and so is how often it was
    refused.
    """
    now = clock()
    before = min(shown_at, now - timedelta(seconds=intervals.EVERY))
    rows = Component.objects.filter(pk=component, claimed_by="", next_check_at__gt=now)
    failing = rows.filter(last_observed_at__lt=before).exclude(own_status=Status.HEALTHY)
    failing.update(next_check_at=now)


def look_again(provider: str) -> int:
    """Let what was refused while its provider had an incident be looked at at once; returns how many.

    The incident left it undecided, and each refusal made the next look later.
    """
    now = clock()
    rows = _checked().filter(provider=provider, claimed_by="", refusals__gt=1, own_status=Status.HEALTHY)
    with transaction.atomic():
        ids = list(rows.order_by("pk").select_for_update(no_key=True).values_list("pk", flat=True))
        return Component.objects.filter(pk__in=ids).update(**at_once(now))


def expect_looks(kind: str, provider: str, now: datetime) -> int:
    """Let silence count for what has waited for its first look for too long; returns for how many.

    To be called by a worker that has been there for as long: before, nobody could have looked.
    """
    late = due(kind, provider, now - silence.GRACE).filter(expected_every=None)
    ids = list(late.values_list("pk", flat=True)[: 2 * TOGETHER])
    return heartbeats.expect(ids, _registered[kind].every) if ids else 0


def everything_is_due(kinds: Iterable[str], provider: str = "") -> int:
    """Let all components of these kinds be due now, but those that are claimed; returns how many."""
    rows = _checked().filter(kind__in=kinds, claimed_by="")
    if provider:
        rows = rows.filter(provider=provider)
    now = clock()
    return rows.filter(next_check_at__gt=now).update(next_check_at=now)


# --- what they are made of ----------------------------------------------------------------------------------


def _checked() -> models.QuerySet[Component]:
    return Component.objects.filter(paused_until=None)


def _locked(ids: Iterable[Id], by: str) -> set[Id]:
    """Lock those that are still claimed, in the order in which reports locks them."""
    rows = Component.everything.filter(pk__in=list(ids), claimed_by=by).order_by("pk")
    return set(rows.select_for_update(no_key=True).values_list("pk", flat=True))


def _values(wait: float, result: Settled, now: datetime) -> dict[str, Any]:
    # What is tried more seldom is expected more seldom.
    expected = int(max(result.every, wait)) + 1
    return {
        "next_check_at": now + timedelta(seconds=wait),
        "refusals": min(result.refusals, 1000),
        "expected_every": expected,
        "timer_at": now + silence.patience(expected, reported=False, heard=True),
    }


def _by_case(values: Mapping[uuid.UUID, Mapping[str, Any]]) -> dict[str, models.Case]:
    """The values of each row as one statement writes them."""
    names = next(iter(values.values()))
    return {
        name: models.Case(
            *(models.When(pk=pk, then=models.Value(one[name])) for pk, one in values.items()),
            output_field=cast(models.Field, Component._meta.get_field(name)),
        )
        for name in names
    }


def _hurry_dependants(component: Id) -> None:
    ids = graph.edges().filter(depends_on=component, component__kind__in=_registered)
    for some in graph.chunks(ids.values_list("component_id", flat=True)):
        with transaction.atomic():
            rows = Component.objects.filter(pk__in=some).order_by("pk").select_for_update(no_key=True)
            Component.objects.filter(pk__in=list(rows.values_list("pk", flat=True))).update(
                **at_once(clock())
            )
