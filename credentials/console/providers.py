"""What the pages of providers show: what each needs, how its credentials are, its incidents."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from credentials import kinds, limit_pages
from credentials.kinds.provider import Provider
from credentials.limiter import LimiterUnavailable, watching
from credentials.models import Credential, OAuthApp, RateLimit
from credentials.models.properties import secret_names
from health import incidents, selection
from health.meaning import CUSTOMER, US
from health.models import Component, Flip, Pause
from health.observations import CODES
from health.status import Status

# How far back incidents are shown, how many of one provider, and how many flips of all are read for that.
SINCE, SHOWN, MOST = timedelta(days=90), 20, 1_000
UNCHECKED = selection.UNCHECKED
# In the order in which a card names them.
ORDER = (US.value, CUSTOMER.value, UNCHECKED, Status.HEALTHY.value)


@dataclass(frozen=True)
class Incident:
    """A time in which many credentials of a provider failed together. `ended_at` is None while it lasts."""

    began_at: datetime
    ended_at: datetime | None
    now: datetime

    @property
    def lasted(self) -> timedelta:
        return (self.ended_at or self.now) - self.began_at


@dataclass(frozen=True)
class Tally:
    """How many credentials have a status, and the list of them."""

    status: str
    label: str
    colour: str
    icon: str
    number: int
    address: str


@dataclass
class Card:
    """One provider. Without `holds` the store of rate limits did not answer."""

    provider: Provider
    ways: list["Way"]
    counts: list[Tally] = field(default_factory=list)
    total: int = 0
    incident: Incident | None = None
    past: list[Incident] = field(default_factory=list)
    apps: int = 0
    default_app: bool = False
    held: Any = None

    @property
    def uses_app(self) -> bool:
        return any(way.uses_app for way in self.ways)

    @property
    def lacks_app(self) -> bool:
        """Whether nothing can be connected before somebody adds an OAuth app, or makes one the default."""
        return self.uses_app and not self.default_app

    @property
    def address(self) -> str:
        return listed(self.provider)


@dataclass(frozen=True)
class Way:
    """One kind: how it authenticates, in words, and what must be known for it."""

    kind: type[Credential]
    how: str
    needs: list[str]
    limit: str
    uses_app: bool

    @property
    def add_address(self) -> str:
        return reverse(f"admin:{self.kind._meta.app_label}_{self.kind._meta.model_name}_add")


def listed(provider: Provider, status: str = "") -> str:
    """The address of the list of a provider's credentials."""
    return f"{reverse('credentials')}?provider={provider.key}" + (f"&status={status}" if status else "")


def cards(providers: list[Provider], now: datetime | None = None) -> list[Card]:
    """The card of each. Six queries, however many there are."""
    now = now or timezone.now()
    keys = [provider.key for provider in providers]
    counts, spells, apps, holds = _counts(keys), _spells(keys, now), _apps(keys), _holds()
    found = []
    for provider in providers:
        card = Card(provider, [way(kind) for kind in kinds.of_provider(provider.key)])
        by_status = counts[provider.key]
        card.total = sum(by_status.values())
        card.counts = [_count(provider, status, by_status[status]) for status in ORDER if by_status[status]]
        mine = spells[provider.key]
        card.incident = next((one for one in mine if one.ended_at is None), None)
        card.past = [one for one in mine if one.ended_at][:SHOWN]
        card.apps, card.default_app = apps.get(provider.key, (0, False))
        hold = holds.get(provider.key)
        card.held = limit_pages.held(hold.left, hold.reason) if hold else None
        found.append(card)
    return found


def way(kind: type[Credential]) -> Way:
    """What a kind says of itself, in words."""
    if kind.CONSENT and kind.USES_OAUTH_APP:
        how = _("The customer agrees on the provider's own page, to our OAuth app.")
    elif kind.USES_OAUTH_APP:
        how = _("Our OAuth app signs in, for the customer's installation of it.")
    elif kind().exchanges():
        how = _("What is entered is exchanged for an access token that lives shortly.")
    else:
        how = _("What is entered goes with each request.")
    secrets = set(secret_names(kind))
    named = sorted((name for name in kind.PROPERTIES if name != "name"), key=lambda name: name not in secrets)
    needs = [str(kind._meta.get_field(name).verbose_name) for name in named]  # type: ignore[union-attr]
    limit = RateLimit(**kind.default_limit({})._asdict()).words
    return Way(kind, how, needs, limit, kind.USES_OAUTH_APP)


def failing_now(provider: Provider, now: datetime) -> int:
    """How many of its credentials failed for the provider's sake within the last ten minutes."""
    rows = Component.objects.filter(provider=provider.key, failed_at__gte=now - incidents.WINDOW)
    return rows.filter(kind=Component.Kind.CREDENTIAL).count()


def turned(provider: Provider, now: datetime) -> list[Tally]:
    """How often its credentials turned to each status in the last 24 hours."""
    flips = Flip.objects.filter(
        recorded_at__gt=now - timedelta(days=1),
        component__provider=provider.key,
        component__kind=Component.Kind.CREDENTIAL,
    )
    found = dict(flips.order_by().values_list("new").annotate(number=Count("*")))
    return [_count(provider, status, found[status]) for status in ORDER if status in found]


def maintenance(provider: Provider, now: datetime) -> list[Pause]:
    """When all that is at a provider is paused with it: what is in force, and what is planned."""
    rows = Pause.objects.filter(component=incidents.provider_id(provider.key), ended_at=None, ends_at__gt=now)
    return list(rows.order_by("starts_at", "pk")[:SHOWN])


def words() -> Any:
    """What an incident of a provider means."""
    return CODES["provider_incident"]


# --- what they are made of ----------------------------------------------------------------------------------


def _count(provider: Provider, status: str, number: int) -> Tally:
    address = listed(provider, status)
    if status == UNCHECKED:
        return Tally(status, _("Not checked yet"), "grey", "pending", number, address)
    known = Status(status)
    return Tally(status, str(known.label), known.colour, known.icon, number, address)


def _counts(keys: list[str]) -> dict[str, dict[str, int]]:
    """By provider, how many credentials have each status as people see it. Three queries, each of which
    counts in an index."""
    rows = Component.objects.filter(kind=Component.Kind.CREDENTIAL, provider__in=keys).order_by()
    found: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for provider, status, number in rows.values_list("provider", "status").annotate(number=Count("*")):
        found[provider][status] += number
    apart = (
        Q(known_since=None, last_reported_at=None, status=Status.HEALTHY),
        Q(unknown_since__isnull=False) & selection.OF_ITSELF,
    )
    for condition in apart:
        some = rows.filter(condition).values_list("provider", "status").annotate(number=Count("*"))
        for provider, status, number in some:
            found[provider][status] -= number
            found[provider][UNCHECKED] += number
    return found


def _spells(keys: list[str], now: datetime) -> dict[str, list[Incident]]:
    """By provider, its incidents, newest first. Two queries."""
    ids = {incidents.provider_id(key): key for key in keys}
    flips = Flip.objects.filter(component__in=ids, happened_at__gt=now - SINCE).order_by("-happened_at")
    found: dict[str, list[Incident]] = defaultdict(list)
    begun: dict[Any, datetime] = {}
    for flip in reversed(flips[:MOST]):
        if flip.new != Status.HEALTHY:
            begun.setdefault(flip.component_id, flip.happened_at)
        elif flip.component_id in begun:
            began_at = begun.pop(flip.component_id)
            found[ids[flip.component_id]].insert(0, Incident(began_at, flip.happened_at, now))
    for row in Component.objects.filter(pk__in=ids).exclude(status=Status.HEALTHY):
        # One that lasts for longer than is looked back began when the component says.
        found[row.name].insert(0, Incident(begun.get(row.pk, row.since), None, now))
    return found


def _apps(keys: list[str]) -> dict[str, tuple[int, bool]]:
    """By provider, how many OAuth apps there are, and whether one is the default."""
    rows = OAuthApp.objects.filter(provider__in=keys).order_by().values_list("provider")
    found = rows.annotate(number=Count("*"), default=Count("pk", filter=Q(is_default=True)))
    return {provider: (number, bool(default)) for provider, number, default in found}


def _holds() -> dict[str, watching.Hold]:
    try:
        return watching.provider_holds()
    except LimiterUnavailable:
        return {}
