"""What the board shows: who must act, for which cause, since when, and how far it reaches.

Each function is a fixed number of queries, whatever it finds. What fails is few; what works is counted only.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db.models import Case, Count, F, Q, QuerySet, Value, When, Window
from django.db.models.functions import RowNumber

from health import graph, providers
from health.console import paging
from health.console.board_forms import (
    ALSO,
    BY_OWNER,
    BY_STATE,
    CAUSES,
    KINDS,
    NOBODY,
    OURS,
    SYNC,
    THEIRS,
    UNCHECKED,
    UNPAUSED,
    BoardForm,
)
from health.console.paging import Turned
from health.models import FAILING, Component, Note, Override
from health.observations import CODES
from health.status import Status

SIZE = 50
# Of a section on the first page, and of what a cause affects.
SECTION, NAMED = 20, 6
# How far up a sync's parts are shown: its credential, consumer and targets, and their OAuth app.
STEPS, PARTS = 2, 8


@dataclass
class Affected:
    """The syncs that fail because of a component: how many, and the first of them by name."""

    count: int = 0
    syncs: list[tuple[UUID, str]] = field(default_factory=list)

    @property
    def more(self) -> int:
        return self.count - len(self.syncs)


@dataclass
class Row:
    """A component on the board. `happened` is of its cause."""

    component: Component
    happened: str = ""
    affected: Affected = field(default_factory=Affected)
    parts: list[Component] = field(default_factory=list)
    more_parts: int = 0

    @property
    def provider_name(self) -> str:
        return providers.name(self.component.provider)

    @property
    def because(self) -> Component | None:
        """The other component that is why it fails."""
        cause = self.component.cause
        return cause if cause and cause.pk != self.component.pk else None


@dataclass
class Section:
    """The causes that wait for the same owner."""

    status: Status
    count: int
    rows: list[Row]

    @property
    def owner(self) -> str:
        return self.status.owner

    @property
    def more(self) -> int:
        return self.count - len(self.rows)


@dataclass(frozen=True)
class Counts:
    """Who must act: how many causes, and how many syncs wait for it. `customer_also`: of our syncs those for
    which the customer must act as well."""

    us: int = 0
    us_syncs: int = 0
    customer: int = 0
    customer_syncs: int = 0
    customer_also: int = 0
    syncs: int = 0
    paused: int = 0
    unchecked: int = 0

    @property
    def working(self) -> int:
        return max(0, self.syncs - self.paused - self.unchecked - self.us_syncs - self.customer_syncs)


def counts() -> Counts:
    """Who must act. Two queries: of what fails, and of all syncs."""
    failing = Component.objects.filter(UNPAUSED, kind__in=KINDS, status__in=FAILING).aggregate(
        us=Count("pk", filter=OURS & Q(cause=F("pk"))),
        us_syncs=Count("pk", filter=OURS & Q(kind=SYNC)),
        customer=Count("pk", filter=THEIRS & Q(cause=F("pk"))),
        customer_syncs=Count("pk", filter=THEIRS & Q(kind=SYNC)),
        customer_also=Count("pk", filter=Q(kind=SYNC, also__isnull=False)),
    )
    # Syncs are never retired; without asking for that, an index counts them.
    syncs = _counted("syncs", Component.everything.filter(kind=SYNC))
    paused = _counted("paused", Component.objects.filter(paused_until__isnull=False, kind=SYNC))
    unchecked = _counted("unchecked", Component.objects.filter(BY_STATE[UNCHECKED], kind=SYNC))
    return Counts(**failing, **dict(syncs.union(paused, unchecked, all=True)))


def _counted(what: str, rows: QuerySet[Component]) -> Any:
    """How many rows of one kind there are, under a name."""
    counted = rows.order_by().values("kind").annotate(what=Value(what), count=Count("*"))
    return counted.values_list("what", "count")


def incidents() -> list[Component]:
    """The platform and the providers that fail as a whole: they explain, and are in no count. One query."""
    internal = (Component.Kind.PLATFORM, Component.Kind.PROVIDER)
    return list(Component.objects.filter(kind__in=internal, status__in=FAILING).order_by("kind", "-since"))


# --- by owner -----------------------------------------------------------------------------------------------


def sections(form: BoardForm) -> list[Section]:
    """The newest causes for each owner, ours first. One query, and four for what is said of them."""
    rows = _causes(form).annotate(
        place=Window(RowNumber(), partition_by=F("status"), order_by=[F("since").desc(), F("id").desc()]),
        in_all=Window(Count("*"), partition_by=F("status")),
    )
    by_status: dict[str, list[Any]] = defaultdict(list)
    for component in rows.filter(place__lte=SECTION).order_by("place"):
        by_status[component.status].append(component)
    explained = explain(component for some in by_status.values() for component in some)
    found = []
    for status in (Status.SEQUIN_INTERVENTION, Status.CUSTOMER_INTERVENTION):
        newest = by_status[status.value]
        count = newest[0].in_all if newest else 0
        found.append(Section(status, count, [explained[one.pk] for one in newest]))
    return found


def causes(form: BoardForm, after: str | None, before: str | None) -> tuple[list[Row], Turned]:
    """All causes for one owner, newest first, a page at a time."""
    turned = paging.turn(
        _causes(form).filter(BY_OWNER[form.said("owner")]), paging.NEWEST, SIZE, after=after, before=before
    )
    explained = explain(turned.rows)
    return [explained[one.pk] for one in turned.rows], turned


def _causes(form: BoardForm) -> QuerySet[Component]:
    found = Component.objects.filter(CAUSES, form.named(with_affected=True))
    if form.said("state") != ALSO:
        return found.filter(form.wanted())
    # The other causes are what the customer must do about it.
    both = Component.objects.filter(UNPAUSED, also__isnull=False)
    return found.filter(Q(pk__in=both.values("cause")) | Q(pk__in=both.values("also")))


def explain(causes: Iterable[Component]) -> dict[UUID, Row]:
    """What happened to each, and which syncs fail because of it. Four queries."""
    rows = {cause.pk: Row(cause) for cause in causes}
    for column in ("cause", "also"):
        _add_affected(rows, column)
    said = Note.objects.filter(component__in=rows, code=F("component__own_code"))
    texts = dict(said.values_list("component", "text"))
    overrides = Override.objects.filter(component__in=rows, ended_at=None)
    texts |= dict(overrides.values_list("component", "reason"))
    for pk, row in rows.items():
        known = CODES.get(row.component.own_code)
        row.happened = texts.get(pk) or (str(known.happened) if known else "")
    return rows


def _add_affected(rows: dict[UUID, Row], column: str) -> None:
    """The syncs whose `cause` or `also` is one of these. One that fails by itself affects no other."""
    found = Component.objects.filter(UNPAUSED, kind=SYNC, **{f"{column}__in": list(rows)})
    found = found.exclude(pk=F(column)).annotate(
        in_all=Window(Count("*"), partition_by=F(column)),
        place=Window(RowNumber(), partition_by=F(column), order_by=[F("name").asc(), F("id").asc()]),
    )
    named = found.filter(place__lte=NAMED).order_by("place")
    for pk, name, cause, in_all, place in named.values_list("pk", "name", column, "in_all", "place"):
        affected = rows[cause].affected
        if place == 1:
            affected.count += in_all
        if len(affected.syncs) < NAMED:
            affected.syncs.append((pk, name))


# --- lists of components ------------------------------------------------------------------------------------


def listed(form: BoardForm, after: str | None, before: str | None) -> tuple[list[Row], Turned]:
    """Components or syncs, a page at a time: those of one owner newest first, others by name."""
    rows = Component.objects.filter(form.wanted(), form.named()).select_related("cause", "also")
    syncs = form.view == SYNC
    if syncs:
        rows = rows.filter(kind=SYNC)
    owner = form.said("owner")
    if owner:
        rows = rows.filter(BY_OWNER[owner])
    newest = bool(owner and owner != NOBODY) or form.said("state") == ALSO
    order = paging.NEWEST if newest else paging.BY_NAME if syncs else paging.BY_KIND
    turned = paging.turn(rows, order, SIZE, after=after, before=before)
    found = [Row(component) for component in turned.rows]
    if syncs:
        _add_parts(found)
    return found, turned


def _add_parts(rows: list[Row]) -> None:
    """What each sync depends on, nearest first. Two queries."""
    needs: dict[UUID, dict[UUID, Component]] = {row.component.pk: {} for row in rows}
    above: dict[UUID, set[UUID]] = {pk: {pk} for pk in needs}
    for _step in range(STEPS):
        edges = graph.edges().filter(component__in=list(above), depends_on__retired_at=None)
        reached: dict[UUID, set[UUID]] = defaultdict(set)
        for edge in edges.select_related("depends_on").order_by("depends_on__kind", "depends_on__name"):
            for pk in above[edge.component_id]:
                needs[pk].setdefault(edge.depends_on_id, edge.depends_on)
                reached[edge.depends_on_id].add(pk)
        above = reached
    order = {kind.value: place for place, kind in enumerate(KINDS)}
    for row in rows:
        # What fails is not what is left out.
        found = sorted(needs[row.component.pk].values(), key=lambda one: one.status == Status.HEALTHY)
        row.parts = sorted(found[:PARTS], key=lambda one: order.get(one.kind, len(order)))
        row.more_parts = len(found) - len(row.parts)


# --- by provider --------------------------------------------------------------------------------------------


@dataclass
class ProviderRow:
    """A provider with what there is of it. `incident` is its component, where it fails as a whole."""

    key: str
    credentials: int = 0
    us: int = 0
    customer: int = 0
    unchecked: int = 0
    paused: int = 0
    syncs: int = 0
    incident: Component | None = None

    @property
    def name(self) -> str:
        return providers.name(self.key)

    @property
    def quiet(self) -> bool:
        return not (self.us or self.customer or self.incident)


def by_provider(now_failing: Iterable[Component]) -> list[ProviderRow]:
    """Each provider with its credentials and OAuth apps, and the syncs that fail because of them. Five
    queries, each of which an index answers; `now_failing` are the incidents."""
    rows = {key: ProviderRow(key) for key in providers.NAMES}

    def add(column: Any, found: QuerySet[Any], provider: str = "provider") -> None:
        for key, what, count in (
            found.order_by().annotate(what=column).values_list(provider, "what").annotate(count=Count("*"))
        ):
            if key:
                setattr(rows.setdefault(key, ProviderRow(key)), what, count)

    here = Component.objects.filter(kind__in=(Component.Kind.CREDENTIAL, Component.Kind.OAUTH_APP))
    add(Value("credentials"), Component.objects.filter(kind=Component.Kind.CREDENTIAL))
    add(Value("paused"), here.filter(paused_until__isnull=False))
    add(Value("unchecked"), here.filter(BY_STATE[UNCHECKED]))
    add(
        Case(When(status=Status.SEQUIN_INTERVENTION, then=Value("us")), default=Value("customer")),
        here.filter(CAUSES),
    )
    failing = Component.objects.filter(UNPAUSED, kind=SYNC, status__in=FAILING)
    add(Value("syncs"), failing, "cause__provider")
    for incident in now_failing:
        if incident.kind == Component.Kind.PROVIDER:
            rows.setdefault(incident.name, ProviderRow(incident.name)).incident = incident
    return sorted(rows.values(), key=lambda row: row.name.casefold())
