"""The trail as people read it: audit events, and of health's own record what somebody did, in one order.

Health writes who acted into its own rows, and knows no audit event; here both become entries. Each source is
read by its own index, so that a page costs the same in a trail of any length.
"""

import heapq
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import Exists, F, Model, OuterRef, Q, QuerySet, TextField, Value
from django.utils import timezone
from django.utils.translation import gettext as _

from credentials import audit
from credentials.models import AuditEvent
from health.models import Component, Flip, Note
from health.status import Status

SIZE = 50
# A report that tells of something older than this says since when it was so.
LATE = timedelta(minutes=1)
# Days that the databases can compute with.
YEARS = range(1970, 9000)
# Ways in which things are done, and how their actors begin.
WAYS = {"browser": "user:", "command": "cli:", "worker": "worker:", "door": "anonymous"}


class Place(NamedTuple):
    """A place in the order of entries. The rank keeps entries of one moment apart by where they come from."""

    time: datetime
    rank: int
    id: Any

    def __str__(self) -> str:
        return f"{self.time.isoformat()}~{self.rank}~{self.id}"

    @classmethod
    def read(cls, text: str) -> "Place | None":
        """The place that an address names; None where it names none."""
        parts = text.split("~")
        try:
            when, rank = datetime.fromisoformat(parts[0]), int(parts[1])
            known: Any = uuid.UUID(parts[2]) if rank == EVENTS.rank else int(parts[2])
        except (ValueError, IndexError):
            return None
        usable = (
            timezone.is_aware(when)
            and 0 <= rank < len(SOURCES)
            and not (isinstance(known, int) and known >> 63)
        )
        return cls(when, rank, known) if usable and when.year in YEARS else None


@dataclass
class Entry:
    """One act: who did what to which object, and when. `said` is a reason, or what a report says."""

    place: Place
    actor: str
    act: str
    type: str
    id: str
    label: str
    fields: list[str] = field(default_factory=list)
    said: str = ""
    request: uuid.UUID | None = None
    address: str | None = None
    number: int | None = None
    component: Component | None = None
    # The address of the object's page, where it is still there and may be seen.
    page: str = ""

    @property
    def time(self) -> datetime:
        return self.place.time

    @property
    def event(self) -> Any:
        """The id of the audit event; None for health's own record."""
        return self.place.id if self.place.rank == EVENTS.rank else None


@dataclass(frozen=True)
class Wanted:
    """What is looked for. Empty means all."""

    who: str = ""
    what: str = ""
    object: str = ""
    type: str = ""
    way: str = ""
    day: date | None = None
    request: uuid.UUID | None = None
    # Of one object: its type and id in events, and the component whose reports are its own.
    subject: tuple[str, str] | None = None
    component: uuid.UUID | None = None
    # Whether health's own record is looked at as well.
    health: bool = True

    def actor(self) -> Q:
        """Each is one value, so that an index finds its rows in order."""
        found = Q()
        if self.who:
            found &= Q(actor=self.who if ":" in self.who or self.who == "anonymous" else f"user:{self.who}")
        if self.way:
            found &= Q(actor__startswith=WAYS[self.way])
        return found

    def within(self, name: str) -> Q:
        """The day, in the time zone of the installation."""
        if self.day is None:
            return Q()
        start = timezone.make_aware(datetime.combine(self.day, time.min))
        end = timezone.make_aware(datetime.combine(self.day + timedelta(days=1), time.min))
        return Q((f"{name}__gte", start), (f"{name}__lt", end))


class Source(NamedTuple):
    """Where entries come from, and the column of when they happened."""

    rank: int
    time: str
    rows: Callable[[Wanted], "QuerySet[Any] | None"]
    entry: Callable[[Any], Entry]
    # A time as this column holds it, to be compared with it.
    stored: Callable[[datetime], Any] = lambda when: when


@dataclass(frozen=True)
class Page:
    """Entries, newest first, and the places from which it goes on; None where there is nothing more."""

    entries: list[Entry]
    older: Place | None
    newer: Place | None


def of(subject: Model, **narrowed: Any) -> Wanted:
    """All that happened to one row, by whatever path."""
    component = subject.pk if isinstance(subject, Component) else getattr(subject, "component_id", None)
    named = (audit.type_of(subject), str(subject.pk))
    return Wanted(subject=named, component=component, **narrowed)


def page(
    wanted: Wanted, *, before: Place | None = None, after: Place | None = None, size: int = SIZE
) -> Page:
    """One page of the trail: the newest, or those next to a place. One query for each source."""
    backwards = after is not None and before is None
    start = after if backwards else before
    found = [
        entry for source in SOURCES for entry in _read(source, wanted, start, size + 1, backwards=backwards)
    ]
    found.sort(key=lambda entry: entry.place, reverse=not backwards)
    more, found = len(found) > size, found[:size]
    if backwards:
        found.reverse()
    if not found:
        return Page([], None, None)
    return Page(
        found,
        older=found[-1].place if more or backwards else None,
        newer=found[0].place if (more if backwards else start) else None,
    )


def entries(wanted: Wanted) -> Iterator[Entry]:
    """All of them, oldest first, in bounded memory."""
    streams = []
    for source in SOURCES:
        rows = source.rows(wanted)
        if rows is not None:
            streams.append(map(source.entry, rows.order_by(source.time, "pk").iterator(chunk_size=2_000)))
    yield from heapq.merge(*streams, key=lambda entry: entry.place)


def _read(
    source: Source, wanted: Wanted, start: Place | None, most: int, *, backwards: bool
) -> Iterator[Entry]:
    rows = source.rows(wanted)
    if rows is None:
        return iter(())
    if start is not None:
        beyond = "gt" if backwards else "lt"
        when = source.stored(start.time)
        condition = Q((f"{source.time}__{beyond}", when))
        if source.rank == start.rank:
            condition |= Q((source.time, when), (f"pk__{beyond}", start.id))
        elif (source.rank > start.rank) == backwards:
            condition |= Q((source.time, when))
        # The first is what the index takes; the second what belongs to the page.
        rows = rows.filter(Q((f"{source.time}__{beyond}e", when)), condition)
    sign = "" if backwards else "-"
    return map(source.entry, rows.order_by(f"{sign}{source.time}", f"{sign}pk")[:most])


# --- where entries come from --------------------------------------------------------------------------------


def _events(wanted: Wanted) -> QuerySet[AuditEvent]:
    found = AuditEvent.objects.filter(wanted.actor() & wanted.within("time"))
    if wanted.what:
        found = found.filter(action=wanted.what)
    if wanted.type:
        found = found.filter(object_type=wanted.type)
    if wanted.request:
        found = found.filter(request_id=wanted.request)
    if wanted.subject:
        found = found.filter(object_type=wanted.subject[0], object_id=wanted.subject[1])
    if wanted.object:
        found = found.filter(_named(wanted.object))
    return found


def _named(text: str) -> Q:
    """By id, or by a part of the name at that time."""
    try:
        return Q(object_id=str(uuid.UUID(text)))
    except ValueError:
        return Q(object_id=text) if text.isdecimal() else Q(object_label__icontains=text)


def _event_entry(event: AuditEvent) -> Entry:
    return Entry(
        place=Place(event.time, EVENTS.rank, event.pk),
        actor=event.actor,
        act=event.action,
        type=event.object_type,
        id=event.object_id,
        label=event.object_label,
        fields=event.fields,
        said=event.reason,
        request=event.request_id,
        address=event.address,
        number=event.number,
    )


def _of_health(rows: Any, act: str, column: str, wanted: Wanted) -> QuerySet[Any] | None:
    """The rows that somebody stands behind."""
    other = (wanted.what or act) != act or (wanted.type or "component") != "component"
    if not wanted.health or other or wanted.request or (wanted.subject and not wanted.component):
        return None
    found = rows.filter(wanted.actor() & wanted.within(column)).exclude(actor="")
    if wanted.component:
        found = found.filter(component=wanted.component)
    if wanted.object:
        try:
            holder = uuid.UUID(wanted.object)
            found = found.filter(component=holder)
        except ValueError:
            found = found.filter(component__name__icontains=wanted.object)
    return found.select_related("component")


def _flips(wanted: Wanted) -> QuerySet[Flip] | None:
    """Those that somebody reported. What followed from them elsewhere is in the list of flips."""
    found = _of_health(Flip.objects, "report", "recorded_at", wanted)
    return None if found is None else found.filter(cause=F("component"))


def _notes(wanted: Wanted) -> QuerySet[Note] | None:
    """But for those that came with a flip, which says the same."""
    found = _of_health(Note.everything, "note", "last_seen", wanted)
    same = Flip.objects.filter(
        component=OuterRef("component"), happened_at=OuterRef("since"), code=OuterRef("code")
    )
    return None if found is None else found.exclude(Q(count=1) & Exists(same))


def _component_entry(rank: int, act: str, row: Flip | Note, when: datetime, **more: Any) -> Entry:
    return Entry(
        place=Place(when, rank, row.pk),
        actor=row.actor,
        act=act,
        type="component",
        id=str(row.component_id),
        label=str(row.component),
        component=row.component,
        **more,
    )


def _flip_entry(flip: Flip) -> Entry:
    change = f"{Status(flip.old).label} → {Status(flip.new).label}"
    if flip.recorded_at - flip.happened_at > LATE:
        change += f" ({_('since')} {timezone.localtime(flip.happened_at):%Y-%m-%d %H:%M})"
    said = ": ".join(filter(None, [change, flip.note or flip.code]))
    return _component_entry(FLIPS.rank, "report", flip, flip.recorded_at, said=said)


def _note_entry(note: Note) -> Entry:
    return _component_entry(NOTES.rank, "note", note, note.last_seen, said=note.text)


def _as_stored(when: datetime) -> Any:
    """SQLite compares times as texts, and writes those of its own clock with three digits after the point,
    where Django gives six."""
    if connection.vendor != "sqlite" or when.microsecond % 1000:
        return when
    text = when.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "milliseconds")
    return Value(text, output_field=TextField())


EVENTS = Source(0, "time", _events, _event_entry, _as_stored)
FLIPS = Source(1, "recorded_at", _flips, _flip_entry)
NOTES = Source(2, "last_seen", _notes, _note_entry)
SOURCES = (EVENTS, FLIPS, NOTES)
