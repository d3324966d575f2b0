"""Choosing components by status, as people see it: "healthy" are those that somebody found so."""

from typing import Any

from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from health.models import Component
from health.status import Status

UNCHECKED = "unchecked"
# With their labels, and alone.
CHOICES: list[tuple[str, Any]] = [*Status.choices, (UNCHECKED, _("Not checked yet"))]
VALUES = [value for value, _label in CHOICES]


def with_status(value: str, to_component: str = "") -> Q:
    """The condition for one of VALUES. `to_component` leads to the component: "component__".

    A status of healthy is a mere default where nobody ever looked: these are "unchecked", and no others are.
    """
    never = Q(**{f"{to_component}{name}": None for name in Component.LOOKS})
    if value == UNCHECKED:
        return Q(**{f"{to_component}status": Status.HEALTHY}) & never
    found = Q(**{f"{to_component}status": value})
    return found & ~never if value == Status.HEALTHY else found
