"""What a worker does once a night: it compares each stored status with what the roll-up says (13.4), and
whatever else is registered here.

There is no drift unless somebody wrote past health, or health has a fault. So what is found is an incident of
ours, which stands until a night finds nothing; the statuses themselves are put right at once.
"""

import logging
import threading
import time
from collections.abc import Callable
from functools import partial

from django.utils import timezone
from django.utils.translation import gettext as _

from health import incidents, reports, upkeep
from health.management.base import worker
from health.models import Component
from health.status import Status

logger = logging.getLogger(__name__)

VERIFY = "verify_rollup"
CODE = "rollup_drift"
NAMED = 5
# It ends early when the event is set, and returns how many rows it was about.
Chore = Callable[[threading.Event], int]

_registered: dict[str, Chore] = {}


def register(name: str, chore: Chore) -> None:
    """Let one of all workers do this once a night, after what this module does itself."""
    _registered[name] = chore


def chores() -> dict[str, Callable[[threading.Event], object]]:
    """All that is done once a night, by the name under which a worker claims it."""
    return {VERIFY: verify_rollup} | {name: partial(_do, name, chore) for name, chore in _registered.items()}


def _do(name: str, chore: Chore, stopping: threading.Event) -> None:
    began_at = timezone.now()
    looked_at = chore(stopping)
    # Where it was stopped on the way, another worker begins anew.
    if not stopping.is_set():
        upkeep.done(name, began_at=began_at, looked_at=looked_at, found=0)


def lasting_drift(stopping: threading.Event | None = None, pause: float = 1.0) -> list[Component]:
    """The components whose stored status is not what the roll-up says, and still is not a moment later:
    others write meanwhile."""
    found = reports.drift(stopping=stopping)
    if found:
        time.sleep(pause)
        found = reports.drift({row.pk for row in found})
    return found


def verify_rollup(stopping: threading.Event | None = None, pause: float = 1.0) -> int:
    """Compare all, say what is found, and put it right; returns how many had drifted.

    Where it is stopped on the way, another worker begins anew.
    """
    began_at, stopping = timezone.now(), stopping or threading.Event()
    found = lasting_drift(stopping, pause)
    if stopping.is_set():
        return len(found)
    looked_at = Component.objects.count()
    named = ", ".join(row.reference for row in found[:NAMED])
    if found:
        logger.error("%d of %d components had another status than their parts say", len(found), looked_at)
        note = _("%(count)d components had another status than their parts say; it was put right: %(names)s.")
        reports.report(
            incidents.rollup_check(),
            Status.SEQUIN_INTERVENTION,
            actor=worker("check"),
            code=CODE,
            note=note % {"count": len(found), "names": named + (", …" if len(found) > NAMED else "")},
        )
        reports.recompute({row.pk for row in found}, actor=worker("check"))
    else:
        logger.info("The roll-up was verified: %d components, no drift", looked_at)
        clear()
    upkeep.done(VERIFY, began_at=began_at, looked_at=looked_at, found=len(found))
    return len(found)


def clear() -> None:
    """End the incident, where there is one."""
    last = Component.objects.filter(pk=incidents.ROLLUP_CHECK_ID).exclude(own_status=Status.HEALTHY).first()
    if last:
        reports.report(last, Status.HEALTHY, actor=worker("check"), code="no_drift")
