"""What health cannot know of a component's past: changes of its credential or OAuth app, and hold-offs."""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from django.utils import timezone
from django.utils.translation import gettext as _

from credentials import audit, audit_words, kinds
from credentials.limit_pages import held
from credentials.limiter import LimiterUnavailable, watching
from credentials.models import AuditEvent, Credential, OAuthApp
from health import providers, timeline
from health.timeline import Entry

# What can be why something broke. That a secret was shown, or a token refreshed as always, is not.
ICONS = {
    "create": "add_circle",
    "change": "edit",
    "replace_secret": "key",
    "delete": "delete",
    "restore": "restore_from_trash",
    "lift": "play_circle",
}
# Of so many credentials at most the hold-off is asked for, and only where now is looked at.
HOLDS, NOW = 5, timedelta(minutes=1)


class Holder(NamedTuple):
    """A credential or an OAuth app by its component."""

    pk: UUID
    component: UUID
    name: str
    provider: str
    type: str


def register() -> None:
    """Tell health's timeline what is known here, and what providers are called."""
    timeline.register(past)
    providers.register({provider.key: provider.name for provider in kinds.PROVIDERS.values()})


def holders(components: Collection[UUID]) -> list[Holder]:
    """The credentials and OAuth apps of these components. Two queries."""
    found: list[Holder] = []
    for rows in (Credential.everything.non_polymorphic(), OAuthApp.objects.all()):
        named = rows.filter(component__in=components).values_list("pk", "component_id", "name", "provider")
        found += [Holder(*row, audit.type_of(rows.model)) for row in named]
    return found


def past(components: Collection[UUID], until: datetime, most: int) -> Iterable[Entry]:
    """What is known here of the past of these components, newest first. Three queries, and where now is
    looked at, one more and what the limiter asks."""
    found = holders(components)
    yield from holds(found, until)
    yield from changes(found, until, most)


def changes(found: list[Holder], until: datetime, most: int) -> Iterable[Entry]:
    """What people and the code changed at these credentials and OAuth apps, and at the limits of their
    providers: as far as it can be why something broke. One query."""
    mine = {str(holder.pk): holder for holder in found}
    by_provider = {holder.provider: holder for holder in mine.values()}
    rows = AuditEvent.objects.filter(
        object_id__in=[*mine, *by_provider],
        object_type__in=["credential", "oauth_app", "provider"],
        action__in=list(ICONS),
        time__lte=until,
    )
    for event in rows.order_by("-time", "-id")[:most]:
        holder = mine.get(event.object_id) or by_provider[event.object_id]
        fields = audit_words.field_words(event.action, event.fields)
        yield Entry(
            event.time,
            audit_words.act_words(event.action),
            ICONS[event.action],
            said=", ".join(fields),
            actor=event.actor,
            component=holder.component,
            about=audit_words.thing_words(event.object_type, "x", event.object_label),
            # Before it was created it did not work either.
            change=event.action != "create",
        )


def holds(found: list[Holder], until: datetime) -> Iterable[Entry]:
    """The hold-offs that are on now. When one began is not kept, so it stands at the time of looking."""
    mine = [holder for holder in found if holder.type == "credential"][:HOLDS]
    if not mine or timezone.now() - until > NOW:
        return
    limits = Credential.objects.non_polymorphic().select_related("rate_limit")
    try:
        whole = watching.provider_holds()
        for credential in limits.filter(pk__in=[holder.pk for holder in mine]):
            own = watching.own_hold(credential.rate_limit) or whole.get(credential.provider)
            on = own and held(own.left, own.reason)
            if on:
                yield Entry(
                    until,
                    _("Held off until %s") % on.time,
                    "hourglass_top",
                    said=on.why,
                    component=credential.component_id,
                    about=audit_words.thing_words("credential", "x", credential.name),
                )
    except LimiterUnavailable:
        # The pages of limits say so; what happened is shown all the same.
        return
