"""The first oks of many components at once, as after an import: one roll-up for all of them.

One by one each locks and rolls up all that hangs on it, which costs more than the looks themselves.
"""

from collections.abc import Mapping
from datetime import datetime

from django.db.models import Case, DateTimeField, Q, Value, When

from health import settling
from health.graph import Id
from health.models import Component
from health.status import Status

# Healthy as it was made: neither observed, nor spoken for, nor anything of what is not decided yet.
UNKNOWN = Q(
    own_status=Status.HEALTHY,
    known_since__isnull=True,
    unknown_since__isnull=True,
    last_observed_at__isnull=True,
    last_reported_at__isnull=True,
    evidence__isnull=True,
    failed_at__isnull=True,
    paused_until__isnull=True,
    overridden_until__isnull=True,
)


def write(looks: Mapping[Id, datetime], *, revision: str) -> set[Id]:
    """Write a plain ok that began at its time for each of whom nothing was known; returns whose it wrote.

    Changes no own status. Raises settling.Busy.
    """
    if not looks:
        return set()
    return settling.retried(lambda: _written(looks, revision))


def _written(looks: Mapping[Id, datetime], revision: str) -> set[Id]:
    unknown = Component.objects.filter(UNKNOWN, revision=revision)
    # Most of the time there is none: nothing is locked for that.
    if not unknown.filter(pk__in=looks).exists():
        return set()
    affected = settling.lock(set(looks))
    found = set(unknown.filter(pk__in=looks).values_list("pk", flat=True))
    times = [When(pk=pk, then=Value(looks[pk])) for pk in found]
    if not times:
        return set()
    at = Case(*times, output_field=DateTimeField())
    unknown.filter(pk__in=found).update(last_observed_at=at, last_ok_at=at, known_since=at)
    settling.settle(affected, settling.Change("", min(looks.values())))
    return found
