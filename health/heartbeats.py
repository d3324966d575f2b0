"""Who is expected to be heard of, and how often."""

import uuid
from collections.abc import Iterable
from datetime import datetime

from django.db.models import Q
from django.utils import timezone

from health import graph, silence
from health.models import Component


def expect(
    components: Iterable[Component | uuid.UUID], every: int | None, now: datetime | None = None
) -> int:
    """Declare that these are looked at, or spoken for, every so many seconds; None: no longer expected.

    From then on silence is an observation. Returns how many there were.
    """
    # The platform speaks for what is a component by itself; at the others we look ourselves.
    spoken_for = Q(kind__in=Component.BY_THEMSELVES)
    now, written = now or timezone.now(), 0
    ids = {one if isinstance(one, uuid.UUID) else one.pk for one in components}
    for some in graph.chunks(ids):
        rows = Component.objects.filter(pk__in=some)
        if every is None:
            written += rows.update(expected_every=None, timer_at=None)
            continue
        for reported in (True, False):
            mine = rows.filter(spoken_for if reported else ~spoken_for)
            # Who is expected from now on has the time of who was never heard of.
            wake = now + silence.patience(every, reported=reported, heard=False)
            written += mine.update(expected_every=every, timer_at=wake)
    return written
