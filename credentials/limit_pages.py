"""What the pages of rate limits show. Where the limiter's store does not answer, that is the limits alone."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connections
from django.db.models import Q
from django.utils import formats, timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from credentials import finding, kinds, limit_chart, limiter
from credentials.console.gathering import BY_WORDS, Place, Sort, gather
from credentials.limit_forms import LOWER, OVER, LimitForm, LimitsForm
from credentials.limiter import Holder, LimiterUnavailable, Live, watching
from credentials.models import Credential, Limit, RateLimit
from health.observations import CODES

SIZE = 50
SHARE = 0.8
HOLDERS_IN_LIST = 2
BY_NAME = Sort("name", "pk", is_time=False)
HOLDERS_ON_PAGE = 100
MINUTES_OF_HOUR = 60


@dataclass
class Row:
    """One limit of the list. Without `live` the store did not tell."""

    credential: Credential
    live: Live | None = None
    hour: watching.Total = field(default_factory=watching.Total)
    holders: list[Holder] = field(default_factory=list)
    # What its provider says, where it is less.
    lower: RateLimit | None = None
    # Where it is being changed.
    form: LimitForm | None = None

    @property
    def limit(self) -> RateLimit:
        return limit_of(self.credential)

    @property
    def provider_name(self) -> str:
        return kinds.PROVIDERS[self.credential.provider].name

    @property
    def percent(self) -> int | None:
        return percent(self.live)

    @property
    def busiest(self) -> int | None:
        """What the busiest minute of the last hour had of what the limit allows in a minute, in per cent;
        None where the interval is longer."""
        if self.limit.interval > 60_000:
            return None
        per_minute = self.limit.allowed_requests * 60_000 / self.limit.interval
        return min(100, round(100 * self.hour.busiest / per_minute))

    @property
    def crowded(self) -> bool:
        """Whether nearly as many requests are under way as may be."""
        live = self.live
        return bool(live and live.bound and live.under_way and live.under_way > SHARE * live.bound)

    @property
    def others(self) -> int:
        """How many hold a lease besides those that are named."""
        return max(0, ((self.live and self.live.under_way) or 0) - len(self.holders))

    @property
    def held(self) -> "Held | None":
        """Its own or its provider's, whatever lasts longer."""
        return held(self.live.held_off, self.live.held_reason) if self.live else None


@dataclass(frozen=True)
class Held:
    """A hold-off in words."""

    until: datetime
    time: str
    why: str


def limit_of(credential: Credential) -> RateLimit:
    """The limit of a loaded credential, which knows its provider from it."""
    limit = credential.rate_limit
    limit.provider = credential.provider
    return limit


def percent(live: Live | None) -> int | None:
    """How much of the current interval is used; less than half a per cent is not nothing."""
    if live is None:
        return None
    return max(1, round(100 * live.used / live.allowed)) if live.used else 0


def held(seconds: float, reason: str) -> Held | None:
    """Until when something is held off, and why; None where it is not."""
    if not seconds:
        return None
    until = timezone.localtime(timezone.now() + timedelta(seconds=seconds))
    near = until.date() == timezone.localdate()
    known = CODES.get(reason)
    why = str(known.happened) if known else reason
    return Held(until, formats.date_format(until, "H:i:s" if near else "j F Y, H:i"), why)


# --- the list -----------------------------------------------------------------------------------------------


@dataclass
class Listed:
    """A page of the list. `older` and `newer` are the credentials after and before which it goes on."""

    rows: list[Row]
    trouble: str = ""
    after: UUID | None = None
    before: UUID | None = None
    # There are more limits of which much is used than were looked through.
    more: bool = False


def credentials_with_limits() -> Any:
    """All credentials as lists show them: without their kinds, with their limits."""
    return Credential.objects.non_polymorphic().select_related("rate_limit").defer("metadata", "search")


def listed(form: LimitsForm, *, after: UUID | None = None, before: UUID | None = None) -> Listed:
    """The limits that a person asked for, by name, with their use. The same number of queries for any number
    of limits; of the limiter's state only the rows of the page are read, unless it is narrowed by use."""
    found = Listed([])
    wanted = Q()
    if provider := form.said("provider"):
        wanted &= Q(provider=provider)
    if form.said("use") == OVER:
        try:
            over, providers = watching.over(SHARE), list(watching.provider_holds())
            wanted &= Q(pk__in=over.keys) | Q(provider__in=providers)
            found.more = over.more
        except LimiterUnavailable as error:
            found.trouble = _("%s Which are over 80 %% cannot be told: all are shown.") % error
    elif form.said("use") == LOWER:
        try:
            lower = watching.lower()
            wanted &= Q(pk__in=lower.keys)
            found.more = lower.more
        except LimiterUnavailable as error:
            found.trouble = _("%s Where a provider allows less cannot be told: all are shown.") % error
    rows = finding.find(credentials_with_limits().filter(wanted), form.said("q"))
    _turn_to(found, rows, after, before, searched=bool(form.said("q")))
    if not found.trouble:
        _add_use(found)
    return found


def _turn_to(found: Listed, rows: Any, after: UUID | None, before: UUID | None, *, searched: bool) -> None:
    """The page after or before a credential. What lies between is found in the index of names; what was
    searched for, in that of words."""
    place = after or before
    name = (
        place
        and Credential.everything.non_polymorphic().filter(pk=place).values_list("name", flat=True).first()
    )
    if name is None:
        after = before = None
    backwards = before is not None and after is None
    gathered = None
    if searched and connections[rows.db].vendor == "postgresql":
        here = Place(name, place) if name is not None and place else None
        gathered = gather(rows, BY_NAME, place=here, downwards=backwards, size=SIZE + 1, most=BY_WORDS)
    if gathered:
        rows = rows.filter(pk__in=[pk for pk, _name, _then in gathered.keys])
    elif after:
        rows = rows.filter(Q(name__gt=name) | Q(pk__gt=place), name__gte=name)
    elif before:
        rows = rows.filter(Q(name__lt=name) | Q(pk__lt=place), name__lte=name)
    read = list(rows.order_by(*(("-name", "-pk") if backwards else ("name", "pk")))[: SIZE + 1])
    more, read = len(read) > SIZE, read[:SIZE]
    if backwards:
        read.reverse()
    found.rows = [Row(credential) for credential in read]
    if read:
        found.after = read[-1].pk if backwards or more else None
        found.before = read[0].pk if after or (backwards and more) else None


def _add_use(found: Listed) -> None:
    limits = [row.limit for row in found.rows]
    try:
        live = limiter.live(limits, busiest=False)
        told = watching.reported(limits)
        totals = watching.totals(limits, MINUTES_OF_HOUR)
        holders = watching.first_holders(
            [limit for limit in limits if limit.max_concurrent_requests], HOLDERS_IN_LIST
        )
    except LimiterUnavailable as error:
        found.trouble = str(error)
        return
    for row in found.rows:
        row.live = live[row.credential.pk]
        said = told.get(row.credential.pk)
        lower = row.limit.disagreement(said) if said else None
        row.lower = lower and RateLimit(**lower._asdict())
        row.hour = totals.get(row.credential.pk, row.hour)
        row.holders = holders.get(row.credential.pk, [])


# --- one limit ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Span:
    """A time that the chart shows: so many minutes, in stretches of `each`."""

    title: Any
    minutes: int
    each: int
    # One stretch, in words that follow "per".
    words: Any
    axis: str


SPANS = {
    "hour": Span(gettext_lazy("Last hour"), 60, 1, gettext_lazy("minute"), "H:i"),
    "day": Span(gettext_lazy("Last day"), 24 * 60, 15, gettext_lazy("15 minutes"), "j M, H:i"),
    "month": Span(gettext_lazy("Last 30 days"), 30 * 24 * 60, 360, gettext_lazy("6 hours"), "j M, H:i"),
}


def now(credential: Credential) -> dict[str, Any]:
    """What is going on at one limit: its use, holders, hold-offs, and what its provider says."""
    limit = limit_of(credential)
    found: dict[str, Any] = {"limit": limit, "read_at": timezone.now()}
    try:
        live = limit.live()
        own, whole = watching.own_hold(limit), watching.provider_holds().get(limit.provider)
        holders = limit.holders()
        told = limiter.reported(limit)
        lower = limit.disagreement(told) if told else None
    except LimiterUnavailable as error:
        return {**found, "trouble": str(error)}
    return {
        **found,
        "live": live,
        "percent": percent(live),
        "busiest": None if live.busiest is None else round(100 * live.busiest),
        "own": own and held(own.left, own.reason),
        "whole": whole and held(whole.left, whole.reason),
        "holders": [(holder, *_ages(holder)) for holder in holders[:HOLDERS_ON_PAGE]],
        "holders_count": len(holders),
        "told": told
        and RateLimit(allowed_requests=told.allowed_requests, interval=told.interval or limit.interval),
        "told_remaining": told and told.remaining,
        "told_age": told and timedelta(microseconds=told.age),
        "lower": lower and seen(lower),
    }


def seen(lower: Limit) -> str:
    """What a person saw of the provider's limit when they chose to adopt it."""
    return f"{lower.allowed_requests}/{lower.interval}"


def _ages(holder: Holder) -> tuple[timedelta, timedelta]:
    return timedelta(microseconds=holder.held), timedelta(microseconds=max(0, holder.left))


def use(credential: Credential, last: str) -> dict[str, Any]:
    """The use of one limit over a time that SPANS names, as chart and table."""
    limit, span = limit_of(credential), SPANS[last]
    found: dict[str, Any] = {"span": span, "last": last, "spans": SPANS, "read_at": timezone.now()}
    try:
        told = {one.start: one for one in watching.stretches(limit, span.minutes, span.each)}
    except LimiterUnavailable as error:
        return {**found, "trouble": str(error)}
    length = timedelta(minutes=span.each)
    newest = datetime.fromtimestamp(
        timezone.now().timestamp() // (60 * span.each) * 60 * span.each, timezone.get_current_timezone()
    )
    starts = [newest - length * back for back in range(span.minutes // span.each)][::-1]
    bars = [told.get(start, limiter.Minute(start, 0, 0, 0, 0.0, 0)) for start in starts]
    allowed = limit.allowed_requests * span.each * 60_000 / limit.interval
    # Of a longer interval more than its share may be used in one stretch.
    shown = allowed if limit.interval <= span.each * 60_000 else None
    used = [bar for bar in bars if bar.grants or bar.denials]
    return {
        **found,
        "chart": limit_chart.draw(bars, shown),
        "top": limit_chart.top_of(bars, shown),
        "line": round(shown) if shown is not None and shown <= limit_chart.top_of(bars, shown) else None,
        "first": starts[0],
        "end": newest + length,
        "used": used[::-1],
        "total": watching.Total(
            grants=sum(bar.grants for bar in used),
            denials=sum(bar.denials for bar in used),
            waits=sum(bar.waits for bar in used),
            waited=sum(bar.waited for bar in used),
            peak=max((bar.peak for bar in used), default=0),
        ),
    }
