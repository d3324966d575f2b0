"""Pages of the list of credentials: which rows stand on one, what they show, and about how many there are.

A page is found from the row before or after it, in an index, and not by counting through what is skipped: the
last one of a million rows is as quick as the first. First the keys, which are read with nothing joined that
is not asked for, then the fifty rows with all that they show.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import connections
from django.db.models import Q, QuerySet
from django.http import QueryDict
from django.utils.translation import gettext as _

from credentials import kinds, limit_pages, limiter
from credentials.console import gathering
from credentials.console.gathering import Place, Sort
from credentials.console.list_forms import ListForm, of_keys
from credentials.limiter import LimiterUnavailable
from credentials.models import Credential
from health.models import Component

SIZE = 50
# Up to so many are counted one by one.
COUNTED = 10_000
# Of what PostgreSQL estimates at more than this, its estimate is said.
ESTIMATED = 20_000


SORTS = {
    "name": Sort("name", "pk", is_time=False),
    "since": Sort("component__since", "component_id"),
    "used": Sort("last_used_at", "pk", empty=True),
    "created": Sort("created_at", "pk"),
}


def place(text: str | None, sort: str) -> Place | None:
    """A place in an address; None where it is none of this order."""
    key, tilde, value = (text or "").partition("~")
    order = SORTS[sort.removeprefix("-")]
    try:
        then = UUID(key)
        if not tilde:
            return Place(None, then) if order.empty else None
        if not order.is_time:
            return Place(value, then)
        moment = datetime.fromisoformat(value)
        return Place(moment.astimezone(UTC), then) if moment.tzinfo else None
    except (ValueError, OverflowError):
        return None


@dataclass
class Row:
    """One credential of the list."""

    credential: Credential
    # How much of its limit's current interval is used, in per cent; None where that cannot be told.
    percent: int | None = None

    @property
    def kind(self) -> type[Credential]:
        return kinds.KINDS[self.credential.kind]

    @property
    def account(self) -> str:
        """The account as a list has room for it: the middle of a long one is left out."""
        account = self.credential.account or ""
        return account if len(account) <= 40 else f"{account[:24]}…{account[-12:]}"


@dataclass
class Page:
    """A page of the list. `after` and `before` are the places after and before which it goes on."""

    rows: list[Row] = field(default_factory=list)
    after: Place | None = None
    before: Place | None = None
    count: "Count | None" = None


@dataclass(frozen=True)
class Count:
    """How many rows match: exactly, at least, or about."""

    number: int
    how: str = "exactly"

    def __str__(self) -> str:
        words = {"exactly": "%s", "more": _("more than %s"), "about": _("about %s")}[self.how]
        return words % f"{self.number:,}"


# --- a page -------------------------------------------------------------------------------------------------


def page(
    form: ListForm, *, after: Place | None = None, before: Place | None = None, last: bool = False
) -> Page:
    """The page of what a person asked for that begins after a place, ends before one, or is the first or the
    last. The same number of queries for any number of rows; opens no secret."""
    matching = form.rows()
    backwards = last or (before is not None and after is None)
    from_place = None if last else after or before
    found, count = _keys(matching, form, place=from_place, backwards=backwards)
    more, found = len(found) > SIZE, found[:SIZE]
    if backwards:
        found.reverse()
    shown = Page(_rows([pk for pk, _place in found]))
    if found:
        first, end = found[0][1], found[-1][1]
        shown.after = end if (more if not backwards else not last) else None
        shown.before = first if (more if backwards else after is not None) else None
    if not more and from_place is None:
        count = Count(len(found))
    shown.count = count or counted(matching, narrowed=form.narrows)
    return shown


def first(form: ListForm) -> list[UUID]:
    """The keys of the first page of what a person asked for, and nothing else of it."""
    return [pk for pk, _place in _keys(form.rows(), form, place=None, backwards=False)[0][:SIZE]]


Key = tuple[UUID, Place]


def _keys(
    rows: QuerySet[Credential], form: ListForm, *, place: Place | None, backwards: bool
) -> tuple[list[Key], "Count | None"]:
    """The keys of one page and one more, each with its place, in the order in which they are walked; and how
    many rows match, where that came along."""
    sort = SORTS[form.order.removeprefix("-")]
    downwards = form.order.startswith("-") is not backwards
    count = None
    if rows.query.is_empty():
        return [], Count(0)
    if connections[rows.db].vendor == "postgresql" and form.narrows:
        # Of words PostgreSQL knows how frequent they are, of beginnings it does not. It is as many at least.
        estimate = estimated(form.rows(whole_words=True))
        most = gathering.BY_WORDS if form.said("q") or form.pairs else gathering.BY_OTHERS
        if estimate <= most:
            gathered = gathering.gather(
                rows, sort, place=place, downwards=downwards, size=SIZE + 1, most=most
            )
            if gathered is not None:
                keys = [(pk, Place(value, then)) for pk, value, then in gathered.keys]
                return keys, Count(gathered.number)
            count = Count(most, "more")
        else:
            count = _about(estimate)
    return _walked(rows, form, sort, place, downwards), count


def _walked(
    rows: QuerySet[Credential], form: ListForm, sort: Sort, place: Place | None, downwards: bool
) -> list[Key]:
    """The keys of one page and one more, found by walking through the rows in their order."""
    if sort.by == "component__since":
        # What its index is of. The component of a deleted credential is retired, and of no other one.
        rows = rows.filter(
            component__kind=Component.Kind.CREDENTIAL, component__retired_at__isnull=not form.deleted
        )
    mark = "-" if downwards else ""
    found: list[Key] = []
    for part in _parts(rows, sort, place, downwards):
        ordered = part.order_by(f"{mark}{sort.by}", f"{mark}{sort.then}")
        some = ordered.values_list("pk", sort.by, sort.then)[: SIZE + 1 - len(found)]
        found += [(pk, Place(value, then)) for pk, value, then in some]
        if len(found) > SIZE:
            break
    return found


def _parts(
    rows: QuerySet[Credential], sort: Sort, place: Place | None, downwards: bool
) -> Iterator[QuerySet[Credential]]:
    """The rows beyond a place, those without a value apart from the others: an index is entered at one place
    only."""
    if not sort.empty:
        yield rows.filter(_beyond(sort, place, downwards)) if place else rows
        return
    for empty in (False, True) if downwards else (True, False):
        part = rows.filter(**{f"{sort.by}__isnull": empty})
        if place is None or (place.value is None) == empty:
            yield part.filter(_beyond(sort, place, downwards)) if place else part
            place = None
        # Else it lies before the place.


def _beyond(sort: Sort, place: Place, downwards: bool) -> Q:
    """The condition for what comes after a place. Its first half alone bounds what an index is asked for."""
    than = "lt" if downwards else "gt"
    if place.value is None:
        return Q(**{f"{sort.then}__{than}": place.then})
    return Q(**{f"{sort.by}__{than}e": place.value}) & (
        Q(**{f"{sort.by}__{than}": place.value}) | Q(**{f"{sort.then}__{than}": place.then})
    )


def _rows(keys: list[UUID]) -> list[Row]:
    """The rows with these keys and all that a list shows of them, in the same order."""
    if not keys:
        return []
    loaded = Credential.everything.non_polymorphic().filter(pk__in=keys)
    loaded = loaded.select_related("component", "rate_limit", "oauth_app").defer("metadata", "search")
    by_key = {credential.pk: Row(credential) for credential in loaded}
    rows = [by_key[key] for key in keys if key in by_key]
    try:
        live = limiter.live([limit_pages.limit_of(row.credential) for row in rows], busiest=False)
    except LimiterUnavailable:
        return rows
    for row in rows:
        row.percent = limit_pages.percent(live[row.credential.pk])
    return rows


# --- how many -----------------------------------------------------------------------------------------------


def counted(rows: QuerySet[Credential], *, narrowed: bool) -> Count:
    """How many rows there are. Exactly, where that is quick; else PostgreSQL's estimate in two digits, or how
    many there are at least."""
    if connections[rows.db].vendor == "postgresql":
        estimate = estimated(rows)
        if estimate > ESTIMATED:
            return _about(estimate)
    elif not narrowed:
        # An index holds just these.
        return Count(rows.count())
    number = rows.order_by()[: COUNTED + 1].count()
    return Count(number) if number <= COUNTED else Count(COUNTED, "more")


def estimated(rows: QuerySet[Credential]) -> int:
    """How many rows PostgreSQL thinks there are."""
    plan = json.loads(rows.order_by().values("pk").explain(format="json"))
    return int(plan[0]["Plan"]["Plan Rows"])


def _about(estimate: int) -> Count:
    return Count(round(estimate, 2 - len(str(estimate))), "about")


# --- choosing many ------------------------------------------------------------------------------------------


def chosen(sent: QueryDict) -> QuerySet[Credential]:
    """The credentials that the list's form was sent for: those that are ticked (`pk`), or with `everything`
    all that match the query in `match`. Raises ValidationError with what cannot be read.

    What people do to many at once starts from here.
    """
    if sent.get("everything"):
        form = ListForm(QueryDict(sent.get("match", "")))
        if form.problems:
            raise ValidationError(form.problems)
        return form.rows()
    return Credential.everything.non_polymorphic().filter(pk__in=of_keys(sent.getlist("pk")))
