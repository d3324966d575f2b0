"""What the overview shows: what needs whom right now. A fixed number of queries, whatever there is.

What fails is few and counted exactly; what works is only counted, in an index.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Count, F, Q, QuerySet, Value
from django.utils import timezone

from credentials import kinds, limit_pages, limiter
from credentials.limiter import LimiterUnavailable, watching
from credentials.models import Credential
from health import schedule
from health.history import Flip, Note
from health.models import FAILING, Component
from health.observations import CODES
from health.status import Status

# So many causes of each owner, flips and limits are shown; so many flips and limits are looked through.
CAUSES, FLIPS, LIMITS = 5, 7, 5
FLIPS_READ, LIMITS_READ = 80, 200
# What waits for a check for so long waits for a worker.
LATE = timedelta(minutes=5)
# In seconds; a process spends at most a fortieth of its time on looking through all limits.
AGAIN, LONGEST = 40, 60.0
INTERNAL = (Component.Kind.PLATFORM, Component.Kind.PROVIDER)
COUNTED = [kind for kind in Component.Kind if kind not in INTERNAL]
UNREADABLE = "unreadable"


@dataclass
class Cause:
    """A component that fails by itself, what happened to it, and how many syncs fail because of it."""

    component: Component
    happened: str
    syncs: int = 0
    # The credential whose health this is.
    credential: UUID | None = None


@dataclass
class Turn:
    """What waits for one owner: so many causes, with the newest of them, and so many syncs."""

    status: Status
    causes: int = 0
    syncs: int = 0
    newest: list[Cause] = field(default_factory=list)

    @property
    def owner(self) -> str:
        return self.status.owner

    @property
    def more(self) -> int:
        return max(0, self.causes - len(self.newest))


@dataclass
class ProviderRow:
    """A provider with its credentials, and how many of them wait for whom."""

    key: str
    name: str
    credentials: int = 0
    us: int = 0
    customer: int = 0
    held: limit_pages.Held | None = None

    @property
    def working(self) -> int:
        return max(0, self.credentials - self.us - self.customer)


@dataclass
class Busy(limit_pages.Row):
    """A limit of which much is used."""

    @property
    def full(self) -> int:
        """The share of what is nearest to its limit, in per cent."""
        return min(100, round(100 * self.live.saturation)) if self.live else 0

    @property
    def urgency(self) -> tuple[bool, float]:
        """The most urgent has the highest."""
        return (self.held is not None, self.live.saturation if self.live else 0.0)


@dataclass
class Overview:
    turns: list[Turn]
    providers: list[ProviderRow]
    incidents: list[Component]
    flips: list[Flip]
    credentials: int = 0
    syncs: int = 0
    unreadable: int = 0
    # Since when what waits for a check longest does so, where that is too long.
    late_since: datetime | None = None
    limits: list[Busy] = field(default_factory=list)
    limits_count: int = 0
    limits_more: bool = False
    trouble: str = ""

    @property
    def empty(self) -> bool:
        """Whether nobody has put anything in yet."""
        return not self.credentials and not self.syncs and not any(turn.causes for turn in self.turns)

    @property
    def well(self) -> bool:
        return not self.incidents and not any(turn.causes or turn.syncs for turn in self.turns)

    @property
    def failing_syncs(self) -> int:
        return sum(turn.syncs for turn in self.turns)


def overview() -> Overview:
    """All of it. Eight queries, and those to the limiter's store."""
    now = timezone.now()
    turns = {status: Turn(status) for status in sorted(Status, key=lambda one: -one.severity)}
    del turns[Status.HEALTHY]
    rows = {key: ProviderRow(key, provider.name) for key, provider in kinds.PROVIDERS.items()}
    found = Overview(list(turns.values()), [], [], flips())
    for key, count in totals():
        if key == UNREADABLE:
            found.unreadable = count
        elif key == Component.Kind.SYNC:
            found.syncs = count
        elif key in rows:
            rows[key].credentials = count
            found.credentials += count
    for kind, provider, status, count, causes in failing():
        turns[Status(status)].causes += causes
        if kind == Component.Kind.SYNC:
            turns[Status(status)].syncs += count
        elif kind == Component.Kind.CREDENTIAL and provider in rows:
            name = Status(status).owner
            setattr(rows[provider], name, getattr(rows[provider], name) + count)
    newest = newest_failing()
    found.incidents = [one for one in newest if one.kind in INTERNAL]
    for cause in explained(one for one in newest if one.kind not in INTERNAL):
        turn = turns[Status(cause.component.status)]
        if len(turn.newest) < CAUSES:
            turn.newest.append(cause)
    found.late_since = late_since(now)
    _add_limits(found, rows)
    shown = [row for row in rows.values() if row.credentials or row.held]
    found.providers = sorted(shown, key=lambda row: (-row.us, -row.customer, row.name.casefold()))
    return found


def totals() -> Iterable[tuple[str, int]]:
    """How many credentials each provider has, how many syncs there are, and how many credentials cannot be
    read. One query, each part of it in an index."""
    credentials = Credential.objects.non_polymorphic().order_by()
    by_provider = credentials.values(key=F("provider")).annotate(count=Count("*"))
    unreadable = credentials.filter(unreadable=True).annotate(key=Value(UNREADABLE))
    # Syncs are never put away.
    syncs = Component.everything.filter(kind=Component.Kind.SYNC).annotate(key=Value(Component.Kind.SYNC))
    parts = [rows.values("key").annotate(count=Count("*")) for rows in (unreadable, syncs)]
    return [(row["key"], row["count"]) for row in by_provider.union(*parts, all=True)]


def failing() -> Iterable[tuple[str, str, str, int, int]]:
    """Of what does not work: kind, provider, status, how many, and how many of these fail by themselves."""
    rows = Component.objects.filter(
        kind__in=COUNTED, status__in=FAILING, paused_until=None, unknown_since=None
    )
    counted = rows.values("kind", "provider", "status").order_by()
    counted = counted.annotate(count=Count("pk"), causes=Count("pk", filter=Q(cause=F("pk"))))
    return counted.values_list("kind", "provider", "status", "count", "causes")


def newest_failing() -> list[Component]:
    """The newest causes for each owner, and all incidents. One query, with a step into the index for each
    kind and owner."""
    wanted = Q(kind__in=INTERNAL, status__in=FAILING)
    for kind in COUNTED:
        for status in FAILING:
            rows = Component.objects.filter(
                kind=kind, status=status, cause=F("pk"), paused_until=None, unknown_since=None
            )
            wanted |= Q(pk__in=rows.order_by("-since").values("pk")[:CAUSES])
    named = Component.objects.filter(wanted).annotate(credential_pk=F("credential__id"))
    return list(named.order_by("-since", "pk"))


def explained(components: Iterable[Component]) -> list[Cause]:
    """What happened to each, and how many syncs fail because of it. Two queries."""
    chosen = list(components)
    keys = [one.pk for one in chosen]
    syncs = Component.objects.filter(kind=Component.Kind.SYNC, cause__in=keys, paused_until=None)
    affected = dict(syncs.exclude(pk=F("cause")).values_list("cause").annotate(Count("pk")).order_by())
    notes = Note.objects.filter(component__in=keys, code=F("component__own_code"))
    texts = dict(notes.values_list("component", "text"))
    return [
        Cause(one, texts.get(one.pk) or _words(one), affected.get(one.pk, 0), one.credential_pk)  # type: ignore[attr-defined]
        for one in chosen
    ]


def _words(component: Component) -> str:
    known = CODES.get(component.own_code)
    return str(known.happened) if known else component.own_code


def flips() -> list[Flip]:
    """The newest, without those that only followed from another one. One query."""
    rows: QuerySet[Any] = Flip.objects.select_related("component")
    rows = rows.annotate(credential_pk=F("component__credential__id"))
    newest = rows.order_by("-recorded_at", "-id")[:FLIPS_READ]
    return [flip for flip in newest if not flip.derived][:FLIPS]


def late_since(now: datetime) -> datetime | None:
    """Since when that which waits for a check longest does so; None where nothing waits for too long. One
    query, with a step into the index for each kind and provider."""
    wanted = Q(pk__in=[])
    for kind in schedule.registered():
        for provider in kinds.PROVIDERS:
            wanted |= Q(pk__in=schedule.due(kind, provider, now - LATE).values("pk")[:1])
    oldest = Component.objects.filter(wanted).order_by("next_check_at")
    return oldest.values_list("next_check_at", flat=True).first()


@dataclass
class Seen:
    """Which limits are busy, as this process last saw it. All limits are looked through for that, so it is
    done anew only after AGAIN times the time that it took."""

    over: watching.Over | None = None
    until: float = 0.0

    def now(self) -> watching.Over:
        """Raises LimiterUnavailable."""
        began = time.monotonic()
        if self.over is None or began >= self.until:
            self.over = watching.over(limit_pages.SHARE)
            ended = time.monotonic()
            self.until = ended + min(LONGEST, AGAIN * (ended - began))
        return self.over


seen = Seen()


def _add_limits(found: Overview, rows: dict[str, ProviderRow]) -> None:
    """The limits of which most is used, and what is held off. One query, and the limiter's own."""
    try:
        over, holds = seen.now(), watching.provider_holds()
    except LimiterUnavailable as error:
        over, holds, found.trouble = watching.Over([], False), {}, str(error)
    chosen = limit_pages.credentials_with_limits().filter(pk__in=over.keys[:LIMITS_READ])
    busy = [Busy(credential) for credential in chosen]
    try:
        live = limiter.live([row.limit for row in busy]) if busy else {}
    except LimiterUnavailable as error:
        found.trouble = str(error)
        return
    for row in busy:
        row.live = live[row.credential.pk]
    busy.sort(key=lambda row: row.urgency, reverse=True)
    found.limits, found.limits_more = busy[:LIMITS], over.more
    found.limits_count = len(busy) if len(over.keys) <= LIMITS_READ else len(over.keys)
    for provider, hold in holds.items():
        if provider in rows:
            rows[provider].held = limit_pages.held(hold.left, hold.reason)
