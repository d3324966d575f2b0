"""What happened to a component, from all who know of it: flips, notes, pauses, overrides, and what floors
above register.

Each source gives its newest entries up to a time; a page is what is newest of all of them. A place between
two pages is a time, with how many entries of exactly that time were shown: many things happen at one time.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db.models import Case, Exists, F, OuterRef, When
from django.utils import timezone
from django.utils.translation import gettext as _

from health.fields import YEARS
from health.graph import Id
from health.models import Component, Flip, Note, Override, Pause
from health.status import Status

SIZE = 20
# Further than this nothing is brought into connection with a failure.
BEFORE, NAMED_BEFORE = timedelta(days=2), 3


@dataclass(frozen=True)
class Entry:
    """One thing that happened. `icon` is a name of the icon font.

    `component` is set where it happened to another one than the page is about, and `about` is what that is
    called. `change`: something was done to it, which may be why it broke. `broke`: it failed from here on.
    """

    at: datetime
    title: str
    icon: str
    said: str = ""
    code: str = ""
    actor: str = ""
    old: str = ""
    new: str = ""
    component: Id | None = None
    about: str = ""
    change: bool = False
    broke: bool = False


# Gives what happened to components up to a time, newest first, at most so many.
Source = Callable[[Collection[Id], datetime, int], Iterable[Entry]]
_registered: list[Source] = []


def register(source: Source) -> None:
    """Let a floor above tell what it knows of components: changes, replaced secrets, hold-offs."""
    if source not in _registered:
        _registered.append(source)


class Place(NamedTuple):
    """Where a page ends: a time, and how many entries of that time were shown."""

    at: datetime
    shown: int

    def __str__(self) -> str:
        return f"{self.at.isoformat()}~{self.shown}"

    @classmethod
    def read(cls, text: str) -> "Place | None":
        """The place that an address names; None where it names none."""
        when, _sign, shown = text.partition("~")
        try:
            place = cls(datetime.fromisoformat(when), int(shown))
        except ValueError:
            return None
        usable = timezone.is_aware(place.at) and place.at.year in YEARS and 0 <= place.shown < 10_000
        return place if usable else None


@dataclass(frozen=True)
class Page:
    """Entries, newest first, and the place from which it goes on; None where there is nothing more."""

    entries: list[Entry]
    older: Place | None = None


def page(
    component: Component, parts: Collection[Id] = (), *, before: Place | None = None, size: int = SIZE
) -> Page:
    """What happened to a component, with what was changed at its parts. The same number of queries for any
    number of entries."""
    start = before or Place(timezone.now(), 0)
    most = size + start.shown + 1
    found = [entry for source in OWN for entry in source({component.pk}, start.at, most)]
    found += _from_above(component, parts, start.at, most)
    found.sort(key=lambda entry: entry.at, reverse=True)
    found = found[start.shown :]
    entries, more = found[:size], len(found) > size
    if not more:
        return Page(entries)
    last = entries[-1].at
    shown = sum(entry.at == last for entry in entries) + (start.shown if last == start.at else 0)
    return Page(entries, Place(last, shown))


def just_before(component: Component, parts: Collection[Id], moment: datetime) -> list[Entry]:
    """What people changed shortly before a moment, at it and at its parts, newest first."""
    found = _from_above(component, parts, moment, NAMED_BEFORE)
    found.sort(key=lambda entry: entry.at, reverse=True)
    return [entry for entry in found if entry.change and moment - entry.at <= BEFORE][:NAMED_BEFORE]


def _from_above(component: Component, parts: Collection[Id], until: datetime, most: int) -> list[Entry]:
    ids = {component.pk, *parts}
    found = [entry for source in _registered for entry in source(ids, until, most)]
    return [replace(one, component=None, about="") if one.component == component.pk else one for one in found]


# --- health's own record ------------------------------------------------------------------------------------


def _flips(components: Collection[Id], until: datetime, most: int) -> Iterable[Entry]:
    rows = Flip.objects.filter(component__in=components, happened_at__lte=until)
    for flip in rows.order_by("-happened_at", "-sequence")[:most]:
        new = Status(flip.new)
        yield Entry(
            flip.happened_at,
            str(new.label),
            new.icon,
            said=flip.note,
            code=flip.code,
            actor=flip.actor,
            old=flip.old,
            new=flip.new,
            broke=flip.old == Status.HEALTHY,
        )


def _notes(components: Collection[Id], until: datetime, most: int) -> Iterable[Entry]:
    """But for those that came with a flip, which says the same."""
    same = Flip.objects.filter(
        component=OuterRef("component"), happened_at=OuterRef("since"), code=OuterRef("code")
    )
    last = Case(When(removed_at__lte=until, then=F("removed_at")), default=F("since"))
    rows = Note.everything.filter(component__in=components, since__lte=until).exclude(Exists(same))
    for note in rows.annotate(last=last).order_by("-last", "-pk")[:most]:
        if note.removed_at and note.removed_at <= until:
            yield Entry(note.removed_at, _("Note removed"), "delete", said=note.text, actor=note.removed_by)
        yield Entry(
            note.since,
            _("Note"),
            "sticky_note_2" if note.by_hand else "info",
            said=note.text,
            code="" if note.by_hand else note.code,
            actor=note.actor,
        )


def _pauses(components: Collection[Id], until: datetime, most: int) -> Iterable[Entry]:
    rows = Pause.objects.filter(component__in=components)
    words = (_("Paused"), _("Pause ended"))
    yield from _spells(rows, until, most, lambda pause: words, "pause_circle", "play_circle")


def _overrides(components: Collection[Id], until: datetime, most: int) -> Iterable[Entry]:
    def words(over: Override) -> tuple[str, str]:
        return _("Overridden: %s") % Status(over.status).label, _("Override ended")

    rows = Override.objects.filter(component__in=components)
    yield from _spells(rows, until, most, words, "edit_attributes", "undo")


def _spells(
    rows: Any,
    until: datetime,
    most: int,
    words: Callable[[Any], tuple[str, str]],
    begins: str,
    ends: str,
) -> Iterable[Entry]:
    """The beginnings and ends of what held for a time: of the newest by either."""
    ended = Case(When(ended_at__lte=until, then=F("ended_at")), default=F("starts_at"))
    begun = rows.filter(starts_at__lte=until).exclude(ended_at__lt=F("starts_at"))
    newest = begun.annotate(last=ended).order_by("-last", "-pk")
    for spell in newest[:most]:
        began, over = words(spell)
        if spell.ended_at and spell.ended_at <= until:
            yield Entry(spell.ended_at, over, ends, actor=spell.ended_by)
        yield Entry(spell.starts_at, began, begins, said=spell.reason, actor=spell.actor)


OWN: tuple[Source, ...] = (_flips, _notes, _pauses, _overrides)
