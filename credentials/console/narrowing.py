"""The conditions that narrow the list of credentials, in words that both databases answer quickly."""

import math
from collections.abc import Callable
from typing import Any

from django.db import connections
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.fields.json import KeyTransform

from credentials import finding
from credentials.models import Credential
from health import selection
from health.models import FAILING, Component
from health.status import Status

PAUSED = "paused"


def with_status(status: str, to_component: str = "") -> Q:
    """The condition for one of STATUSES. `to_component` leads to the component."""
    if status == PAUSED:
        return Q(**{f"{to_component}paused_until__isnull": False})
    return selection.with_status(status, to_component)


def owned_by(owner: str, to_component: str = "") -> Q:
    """The condition for one of OWNERS. `also` is set where it is our turn and the customer's, too."""
    both = Q(**{f"{to_component}also__isnull": False})
    if owner == "both":
        return both
    ours = Q(**{f"{to_component}status": Status.SEQUIN_INTERVENTION})
    if owner == "us":
        return ours
    return Q(**{f"{to_component}status": Status.CUSTOMER_INTERVENTION}) | both


def with_health(
    rows: QuerySet[Credential], condition: Callable[[str, str], Q], value: str
) -> QuerySet[Credential]:
    """Those whose component meets a condition.

    SQLite keeps no statistics and begins at the wrong end of a join: it is told to begin at the
    credentials where most meet the condition, and at the components where few do.
    """
    if connections[rows.db].vendor != "sqlite":
        return rows.filter(condition(value, "component__"))
    components = Component.everything.filter(condition(value, ""), kind=Component.Kind.CREDENTIAL)
    if value == Status.HEALTHY:
        return rows.filter(Exists(components.filter(pk=OuterRef("component_id"))))
    if condition is owned_by:
        # Where somebody must act it fails: an index tells that, and nothing of either this or that.
        components = components.filter(status__in=FAILING)
    return rows.filter(component__in=components.values("pk"))


def with_metadata(
    rows: QuerySet[Credential], key: str, value: str, *, name: str = "pair"
) -> QuerySet[Credential]:
    """Those whose metadata holds a key with exactly this value: as a text, or as the number or the truth that
    it reads as."""
    stored: list[Any] = [value]
    if value in ("true", "false"):
        stored.append(value == "true")
    for read in (int, float):
        try:
            number = read(value)
        except ValueError:
            continue
        if math.isfinite(number) and str(number) == value:
            stored.append(number)
    exact = Q()
    for one in stored:
        exact |= Q(**{name: one})
    found = rows.alias(**{name: KeyTransform(key, "metadata")}).filter(exact)
    # The text for finding holds the words of texts and numbers: it leads to the few rows that can match.
    led = finding.words(value) and value not in ("true", "false")
    return finding.find(found, value, whole=True) if led else found
