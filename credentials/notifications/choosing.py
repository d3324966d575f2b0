"""From flips that nobody was told of yet to what is to be told: one delivery for each channel and cause.

A flip leaves the outbox in the transaction that writes its deliveries, so a killed worker loses nothing. One
worker chooses at a time.
"""

import threading
from datetime import datetime

from django.db import connection, transaction
from django.utils import timezone

from credentials import demo
from credentials.models.channel import Channel
from credentials.models.delivery import Delivery
from credentials.notifications import facts, gathering
from health import incidents
from health.graph import Id
from health.models import Flip
from health.observations import CODES, About
from health.status import Status

BATCH, PIECES = 500, 20
# A number of our own among PostgreSQL's advisory locks.
LOCK = 0x6C616E6E
# What is said of single components where the provider is the cause.
OF_THE_PROVIDER = {code for code, meaning in CODES.items() if meaning.about is About.PROVIDER} | {
    "outage_lasts"
}
TOLD = (Delivery.State.PENDING, Delivery.State.SENT, Delivery.State.FOLDED)


def everything(ending: threading.Event) -> int:
    """Choose until the outbox is empty, in bounded pieces; returns how many flips left it."""
    done = 0
    for _piece in range(PIECES):
        chosen = choose()
        done += chosen
        if chosen < BATCH or ending.is_set():
            break
    return done


def choose(now: datetime | None = None) -> int:
    """Take the oldest flips out of the outbox, and write whom to tell of them; returns how many."""
    if not Flip.objects.filter(processed_at=None).exists():
        return 0
    now = now or timezone.now()
    with transaction.atomic():
        if not alone():
            return 0
        outbox = Flip.objects.filter(processed_at=None).order_by("pk")
        flips = list(outbox.select_related("component", "cause")[:BATCH])
        channels = list(Channel.objects.filter(enabled=True))
        if channels:
            _Choice(channels, now).take([flip for flip in flips if flip.actor != demo.ACTOR])
        Flip.objects.filter(pk__in=[flip.pk for flip in flips]).update(processed_at=now)
    return len(flips)


def alone() -> bool:
    """Whether nobody else chooses, until the end of the transaction. SQLite has one writer anyway."""
    if connection.vendor != "postgresql":
        return True
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK])
        return bool(cursor.fetchone()[0])


class _Choice:
    """One piece of the outbox, and those who may hear of it."""

    def __init__(self, channels: list[Channel], now: datetime) -> None:
        self.channels, self.now = channels, now
        self.causes: dict[Id, Flip | None] = {}
        self.done: set[tuple[Id, int]] = set()

    def take(self, flips: list[Flip]) -> None:
        components = {flip.component_id: flip.component for flip in flips}
        causes = {flip.cause_id: flip.cause for flip in flips if flip.cause}
        deeply = any(map(facts.asks_deeply, self.channels))
        known = facts.of(list(components.values()), causes.values(), deeply=deeply)
        told = set(
            Delivery.objects.filter(flip__component__in=components, number=0, state__in=TOLD).values_list(
                "flip__component_id", flat=True
            )
        )
        # In their order: what began and ended between two turns is told as it was.
        for flip in flips:
            if flip.new == Status.HEALTHY:
                # What was told in this piece counts too.
                if flip.component_id in told:
                    self._recovered(flip)
            else:
                cause = self.cause_of(flip)
                if self._began(flip, cause, known[flip.component_id]):
                    told.add(cause.component_id)

    def cause_of(self, flip: Flip) -> Flip:
        """The flip that stands for what brought this one about; itself where there is no other."""
        cause = flip.cause_id or flip.component_id
        if flip.code in OF_THE_PROVIDER and flip.component.provider:
            provider = incidents.provider_id(flip.component.provider)
            if (incident := self._failing(provider)) and incident.component.status != Status.HEALTHY:
                return incident
        if cause == flip.component_id:
            return flip
        return self._failing(cause) or flip

    def _failing(self, component: Id) -> Flip | None:
        """The last flip of a component to an intervention."""
        if component not in self.causes:
            its = Flip.objects.filter(component=component).exclude(new=Status.HEALTHY)
            self.causes[component] = its.select_related("component", "cause").order_by("-sequence").first()
        return self.causes[component]

    def _began(self, flip: Flip, cause: Flip, known: facts.Facts) -> bool:
        """Write it for the channels that should hear of it; returns whether there is any."""
        owner, any_told = Status(flip.new).owner, False
        for channel in self.channels:
            if (channel.pk, cause.pk) in self.done or flip.recorded_at < channel.listens_since:
                continue
            if (channel.owner and channel.owner != owner) or not facts.fits(channel, known):
                continue
            self.done.add((channel.pk, cause.pk))
            before = _told_before(channel, cause)
            if before is None:
                gathering.add(channel, cause, Delivery.Stage.BEGAN, self.now)
            elif before.flip_id != cause.pk:
                gathering.fold(channel, cause, before, self.now)
            any_told = True
        return any_told

    def _recovered(self, flip: Flip) -> None:
        """Tell those who were told that it failed."""
        told = Delivery.objects.filter(flip__in=_episode(flip), number=0, state__in=TOLD)
        channels = set(told.values_list("channel_id", flat=True))
        for channel in self.channels:
            if channel.pk in channels and channel.recoveries:
                gathering.add(channel, flip, Delivery.Stage.RECOVERED, self.now)


def _episode(flip: Flip) -> list[int]:
    """The flips of its component before this one, back to when that was last healthy."""
    found = []
    its = Flip.objects.filter(component=flip.component_id, sequence__lt=flip.sequence).order_by("-sequence")
    for pk, new in its.values_list("pk", "new")[:200]:
        if new == Status.HEALTHY:
            break
        found.append(pk)
    return found


def _told_before(channel: Channel, cause: Flip) -> Delivery | None:
    """What the channel was told of this cause already, since it was last healthy and with the same owner."""
    episode = [cause.pk, *(_episode(cause) if cause.old != Status.HEALTHY else ())]
    told = Delivery.objects.filter(channel=channel, number=0, flip__in=episode, flip__new=cause.new)
    return told.order_by("-pk").first()
