"""Choosing components by status, as people see it: "healthy" are those that somebody found so."""

from typing import Any

from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from health.models import FAILING, Component
from health.status import Status

UNCHECKED = "unchecked"
# With their labels, and alone.
CHOICES: list[tuple[str, Any]] = [*Status.choices, (UNCHECKED, _("Not checked yet"))]
VALUES = [value for value, _label in CHOICES]
# What nobody knows any more shows where nothing that the component depends on decides.
OF_ITSELF = Q(cause=None) | Q(cause=F("id"))


def with_status(value: str, to_component: str = "") -> Q:
    """The condition for one of VALUES. `to_component` leads to the component: "component__".

    "unchecked" are those where nobody ever looked, for then a status of healthy is a mere default, and those
    of which nobody knows any more (`Component.in_doubt`).
    """
    never = Q(**{f"{to_component}{name}": None for name in Component.LOOKS})
    of_itself = Q(**{f"{to_component}cause": None}) | Q(**{f"{to_component}cause": F(f"{to_component}id")})
    doubt = Q(**{f"{to_component}unknown_since__isnull": False}) & of_itself
    if value == UNCHECKED:
        # In words that leave the choice to the index of those that nobody ever looked at.
        return ~Q(**{f"{to_component}status__in": FAILING}) & never | doubt
    found = Q(**{f"{to_component}status": value})
    # In words that hold where the cause is empty, too.
    known = Q(**{f"{to_component}unknown_since": None}) | (
        Q(**{f"{to_component}cause__isnull": False}) & ~Q(**{f"{to_component}cause": F(f"{to_component}id")})
    )
    return found & known & ~never if value == Status.HEALTHY else found & known
