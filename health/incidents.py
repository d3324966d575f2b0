"""The components that explain others: the platform, and each provider while it has an incident.

They are made when they are first needed, under ids that follow from their names, so that two who need one at
the same time make the same. Nothing depends on them in the graph: they mask failures instead of spreading.
"""

import uuid
from dataclasses import replace
from datetime import datetime, timedelta

from django.db.models import Q

from health import observing, schedule
from health.meaning import About
from health.models import Component
from health.observations import Observation
from health.status import Status

NAMESPACE = uuid.UUID("6f3b1c52-5f0e-4c55-9f0a-2a5d3f0c7e11")
# An incident: at least so many of a provider's credentials, and such a part of those looked at, fail in the
# same time (13.2).
WINDOW, LEAST, PERCENT = timedelta(minutes=10), 5, 30
# It goes on while such a part fails: what lets some requests through is still one incident.
LASTS = 15


def internal_id(kind: str, name: str) -> uuid.UUID:
    return uuid.uuid5(NAMESPACE, f"{kind}:{name}")


PLATFORM_ID = internal_id(Component.Kind.PLATFORM, "platform")
# Beside it, because it masks nothing: that a status had drifted is no reason for other failures.
ROLLUP_CHECK_ID = internal_id(Component.Kind.PLATFORM, "roll-up")


def provider_id(provider: str) -> uuid.UUID:
    return internal_id(Component.Kind.PROVIDER, provider)


def platform() -> Component:
    """The component of the platform itself."""
    return _made(PLATFORM_ID, kind=Component.Kind.PLATFORM, name="platform")


def rollup_check() -> Component:
    """The component that fails where the roll-up was found to have drifted (health.nightly)."""
    return _made(ROLLUP_CHECK_ID, kind=Component.Kind.PLATFORM, name="roll-up")


def of_provider(provider: str) -> Component:
    """The component that fails while this provider has an incident."""
    kind = Component.Kind.PROVIDER
    return _made(provider_id(provider), kind=kind, name=provider, provider=provider)


def _made(pk: uuid.UUID, **fields: str) -> Component:
    return Component.objects.get_or_create(pk=pk, defaults=fields)[0]


def assess(provider: str, now: datetime) -> bool:
    """Whether a provider has an incident at `now`; told to its component, which begins and ends with it."""
    its = Component.objects.filter(pk=provider_id(provider)).exclude(own_status=Status.HEALTHY)
    already = its.exists()
    found = bool(provider) and happening(provider, now, already=already)
    if found or already:
        code = "provider_incident" if found else "ok"
        seen = Observation(code, now, now, source="derived")
        flip = observing.weighed(of_provider(provider).pk, seen)
        if flip and flip.new == Status.HEALTHY:
            schedule.look_again(provider)
    return found


def happening(provider: str, now: datetime, *, already: bool = False) -> bool:
    """Whether at least five, and 30 % of those looked at, fail within ten minutes for the provider's sake.

    One that is there `already` goes on while 15 % fail, and does not end because nobody looks.
    """
    since = now - WINDOW
    its = Component.objects.filter(provider=provider, kind=Component.Kind.CREDENTIAL, paused_until=None)
    failing = its.filter(failed_at__gte=since).count()
    if failing < (1 if already else LEAST):
        return already and not its.filter(last_ok_at__gte=since).exists()
    # No more are counted than decide it.
    most = failing * 100 // (LASTS if already else PERCENT)
    return its.filter(last_observed_at__gte=since)[: most + 1].count() <= most


def suspected(now: datetime) -> set[str]:
    """The providers to assess: with failures of late, or with an incident."""
    failing = Component.objects.filter(failed_at__gte=now - WINDOW).exclude(provider="")
    open_now = Component.objects.filter(kind=Component.Kind.PROVIDER).exclude(own_status=Status.HEALTHY)
    return set(failing.values_list("provider", flat=True).distinct()) | set(
        open_now.values_list("provider", flat=True)
    )


def tell_platform(seen: Observation) -> None:
    """Hand an observation that speaks of the platform to its component."""
    if seen.meaning.about is About.PLATFORM:
        observing.weighed(platform().pk, replace(seen, revision=""))


def clear_platform(now: datetime) -> None:
    """Observe that the platform works, where it failed of late and anything has worked since.

    Who reached a provider has found its name and been let through, so that proves it.
    """
    failed = Q(evidence__isnull=False) | ~Q(own_status=Status.HEALTHY)
    own = Component.objects.filter(failed, pk=PLATFORM_ID).first()
    if own is None:
        return
    last = own.last_observed_at or own.own_since
    works = Component.objects.filter(last_ok_at__gt=last).exclude(kind=Component.Kind.PLATFORM)
    if works.exists():
        observing.weighed(own.pk, Observation("ok", now, now, source="derived"))
