"""What follows from a look: what health hears of it, and when to look again."""

import logging
from dataclasses import dataclass

from django.db import InterfaceError, OperationalError

from health import intervals, reports, schedule
from health.graph import Id
from health.models import Component
from health.observations import Observation
from health.schedule import Settled

logger = logging.getLogger(__name__)

# What a database raises that does not answer.
TROUBLE = (OperationalError, InterfaceError)


@dataclass(frozen=True)
class Seen:
    """A look that is over. `seen` is None where the claim had ended before it began."""

    row: Component
    seen: list[tuple[Id, Observation]] | None
    began: float

    @property
    def first(self) -> Observation | None:
        return self.seen[0][1] if self.seen else None


def settled(one: Seen, row: Component) -> Settled:
    """When to look again at a component, which is as in `row` by now."""
    if row.revision != one.row.revision:
        # The secret was replaced during the look.
        return Settled(0)
    if one.first is None:
        return Settled(None)
    every = schedule.own_interval(row)
    refusals = row.refusals + 1 if intervals.is_refusal(one.first) else row.refusals
    if one.first.meaning.works:
        refusals = 0
    wait = intervals.wait(one.first, every=every, refusals=refusals, status=row.own_status)
    return Settled(wait, refusals, every)


def hand_in(pairs: list[tuple[Id, Observation]]) -> None:
    """Hand in what was seen. What cannot be taken in keeps nothing else from it."""
    try:
        reports.observe_all(pairs)
        return
    except TROUBLE:
        raise
    except Exception:  # noqa: BLE001 - each by itself then
        logger.warning("A batch of observations is written one by one")
    for pk, seen in pairs:
        try:
            reports.observe(pk, seen)
        except reports.Busy:
            logger.warning("Component %s was busy: what was seen of it is lost, and seen again", pk)
        except TROUBLE:
            raise
        except Exception as error:  # noqa: BLE001 - said, and the others go on
            logger.error("An observation of component %s cannot be written: %s", pk, type(error).__name__)
