"""What a message says: what happened, who must act, what to do, since when, what else is affected."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Case, Q, QuerySet, When
from django.utils import formats, timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from credentials.models.delivery import Delivery
from credentials.notifications import facts
from health.models import Component, Flip
from health.observations import CODES
from health.status import Status
from health.templatetags.lanyard import span
from health.views import page_url

# So many are named, of those affected and of those with the same trouble.
NAMED = 5
# What recovered together was written within this time.
TOGETHER = timedelta(minutes=1)


@dataclass(frozen=True)
class Message:
    """A message, in words and in parts. `alike` are others with the same trouble, told together with it."""

    id: str
    stage: str
    title: str
    happened: str
    owner: str = ""
    what_to_do: str = ""
    since: datetime | None = None
    until: datetime | None = None
    component: Component | None = None
    before: str = ""
    after: str = ""
    code: str = ""
    number: int = 0
    affected: list[Component] = field(default_factory=list)
    affected_count: int = 0
    alike: list[Component] = field(default_factory=list)
    alike_count: int = 0
    link: str = ""

    def facts(self) -> list[tuple[str, str]]:
        """The parts of it with their names, in the order in which people read them."""
        found = [(_("What happened"), self.happened)]
        if self.component:
            found.append((_("Who must act"), _owner_words(self.owner)))
        if self.what_to_do and not self.until:
            found.append((_("What to do"), self.what_to_do))
        if self.since:
            found.append((_("Failed since") if self.until else _("Since"), moment(self.since)))
        if self.until:
            found.append((_("Works since"), moment(self.until)))
        if self.alike_count:
            found.append((_("The same trouble"), _named(self.alike, self.alike_count)))
        if self.affected_count:
            label = _("Work again") if self.stage == Delivery.Stage.RECOVERED else _("Affected")
            found.append((label, _named(self.affected, self.affected_count)))
        return found


def compose(delivery: Delivery) -> Message:
    """What a delivery says, as things are now."""
    flip = delivery.flip
    if flip is None:
        return Message(
            delivery.message_id,
            delivery.stage,
            _("A test of “%s”") % delivery.channel,
            _("Somebody tried whether messages arrive here. They do."),
        )
    component, status = flip.component, Status(flip.new)
    recovered = delivery.stage == Delivery.Stage.RECOVERED
    known = CODES.get(flip.code) if not recovered else None
    alike, alike_count = _alike(delivery)
    affected, affected_count = _affected(delivery, flip)
    since, happened = flip.happened_at, str(known.happened) if known else flip.note
    if recovered:
        since = _began_at(flip) or flip.happened_at
        lasted = flip.happened_at - since
        happened = _("It works again.")
        if lasted >= timedelta(minutes=1):
            happened = _("It works again, after %s.") % span(lasted)
    return Message(
        id=delivery.message_id,
        stage=delivery.stage,
        title=_title(delivery, component, status, alike_count),
        happened=happened or _("It was reported, without further words."),
        owner=status.owner,
        what_to_do=str(known.what_to_do if known else status.next_step),
        since=since,
        until=flip.happened_at if recovered else None,
        component=component,
        before=flip.old,
        after=flip.new,
        code=flip.code,
        number=delivery.number,
        affected=affected,
        affected_count=affected_count,
        alike=alike,
        alike_count=alike_count,
        link=link_to(component),
    )


def link_to(component: Component) -> str:
    """The address of a component's page; empty where nobody said where Lanyard is reached."""
    return settings.LANYARD_URL + page_url(component) if settings.LANYARD_URL else ""


def moment(when: datetime) -> str:
    return formats.date_format(timezone.localtime(when), "j F Y, H:i T")


def subject(message: Message) -> str:
    """One line, as the subject of a mail."""
    words = f"[Lanyard] {message.title}"
    if message.affected_count and message.stage != Delivery.Stage.RECOVERED:
        words += ngettext(" (%d affected)", " (%d affected)", message.affected_count) % message.affected_count
    return " ".join(words.split())[:200]


def text(message: Message) -> str:
    """The whole message as plain text."""
    lines = [message.title, ""]
    lines += [f"{name}: {value}" for name, value in message.facts()]
    if message.link:
        lines += ["", message.link]
    return "\n".join(lines) + "\n"


def document(message: Message) -> dict[str, Any]:
    """The message as programs read it; the README lists its entries."""
    names = {
        Delivery.Stage.BEGAN: "health.failed",
        Delivery.Stage.REMINDER: "health.reminder",
        Delivery.Stage.RECOVERED: "health.recovered",
        Delivery.Stage.TEST: "test",
    }
    found: dict[str, Any] = {"type": names[Delivery.Stage(message.stage)], "id": message.id}
    if message.component is None:
        return found | {"title": message.title, "happened": message.happened}
    return found | {
        "title": message.title,
        "component": _brief(message.component),
        "status": {"before": message.before, "after": message.after},
        "code": message.code,
        "owner": message.owner or "nobody",
        "since": _iso(message.since),
        "until": _iso(message.until),
        "happened": message.happened,
        "what_to_do": message.what_to_do,
        "reminder": message.number,
        "affected": {"count": message.affected_count, "first": list(map(_brief, message.affected))},
        "alike": {"count": message.alike_count, "first": list(map(_brief, message.alike))},
        "link": message.link or None,
    }


# --- what they are made of ----------------------------------------------------------------------------------


def _title(delivery: Delivery, component: Component, status: Status, alike: int) -> str:
    who = str(component)
    if alike:
        words = ngettext("%(who)s and %(n)d more", "%(who)s and %(n)d more", alike)
        who = words % {"who": who, "n": alike}
    if delivery.stage == Delivery.Stage.RECOVERED:
        return _("Works again: %s") % who
    said = f"{status.label}: {who}"
    return _("Reminder %(n)d: %(said)s") % {"n": delivery.number, "said": said} if delivery.number else said


def _owner_words(owner: str) -> str:
    return {"customer": _("The customer"), "us": _("We")}.get(owner, _("Nobody"))


def _named(components: list[Component], count: int) -> str:
    """How many, and who the first of them are."""
    names = ", ".join(map(str, components[:NAMED]))
    more = count - len(components[:NAMED])
    return f"{count:,}: {names}" + (_(" and %s more") % f"{more:,}" if more else "")


def _brief(component: Component) -> dict[str, str]:
    return {
        "kind": component.kind,
        "name": component.name,
        "id": str(component.pk),
        "provider": component.provider,
    }


def _iso(when: datetime | None) -> str | None:
    return when.isoformat() if when else None


def _began_at(flip: Flip) -> datetime | None:
    """When the trouble began of which a flip is the end."""
    its = Flip.objects.filter(component=flip.component_id, sequence__lt=flip.sequence)
    well = its.filter(new=Status.HEALTHY).order_by("-sequence").values_list("sequence", flat=True).first()
    after = its.filter(sequence__gt=well or 0).order_by("sequence")
    return after.values_list("happened_at", flat=True).first()


def _alike(delivery: Delivery) -> tuple[list[Component], int]:
    """The others for which a gathering delivery speaks: the first of them, and how many."""
    if not delivery.gathers:
        return [], 0
    folded = Delivery.objects.filter(spoken_by=delivery).values("flip__component")
    others = Component.everything.filter(pk__in=folded)
    if delivery.flip:
        others = others.exclude(pk=delivery.flip.component_id)
    return list(others.order_by("kind", "name")[:NAMED]), others.count()


def _affected(delivery: Delivery, flip: Flip) -> tuple[list[Component], int]:
    """What else has its status from the cause, as far as the channel's rules let it hear of that."""
    if delivery.stage == Delivery.Stage.RECOVERED:
        healed = Flip.objects.filter(
            cause=flip.component_id,
            new=Status.HEALTHY,
            recorded_at__range=(flip.recorded_at - TOGETHER, flip.recorded_at + TOGETHER),
        )
        found = Component.objects.filter(pk__in=healed.values("component"))
    else:
        found = _suffering(flip.component)
    # Syncs first: they are what people wait for.
    found = found.exclude(pk=flip.component_id).order_by(
        Case(When(kind=Component.Kind.SYNC, then=0), default=1), "kind", "name", "pk"
    )
    channel = delivery.channel
    if not (channel.kinds or facts.asks_deeply(channel)):
        return list(found[:NAMED]), found.count()
    heard = list(_fitting(delivery, list(found), flip.component))
    return heard[:NAMED], len(heard)


def _suffering(cause: Component) -> QuerySet[Component]:
    """What has its status from this component. While a provider has an incident, also what fails for it."""
    mine = Q(cause=cause.pk) & ~Q(status=Status.HEALTHY)
    if cause.kind == Component.Kind.PROVIDER:
        mine |= Q(provider=cause.name, kind=Component.Kind.CREDENTIAL, failed_at__isnull=False)
    return Component.objects.filter(mine)


def _fitting(delivery: Delivery, components: list[Component], cause: Component) -> Iterable[Component]:
    known = facts.of(components, [cause], deeply=facts.asks_deeply(delivery.channel))
    return (one for one in components if facts.fits(delivery.channel, known[one.pk]))
