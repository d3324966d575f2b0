"""What the page of one component shows, and every other page that shows its health."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from health import graph, providers, timeline
from health.console.periods import periods
from health.models import Component, Dependency, Note, Override, Pause
from health.observations import CODES
from health.status import Status
from health.timeline import Entry

SHOWN, PLANNED = 10, 5
# How far up it is looked for what it depends on, and how many of each step.
STEPS, WIDEST = 4, 100


@dataclass(frozen=True)
class Standing:
    """How a component is, in words: who must act, since when, what happened, what to do."""

    component: Component
    turn: str
    since: datetime | None
    happened: str = ""
    code: str = ""
    what_to_do: str = ""
    # What a customer can be sent; empty where it is not theirs to act.
    customer_words: str = ""
    provider: str = ""
    pause: Pause | None = None
    # The pauses to come.
    planned: list[Pause] = field(default_factory=list)
    override: Override | None = None
    # What people changed just before it broke, newest first.
    before: list[Entry] = field(default_factory=list)

    @property
    def tone(self) -> str:
        """The colour of it, as the style sheet knows it."""
        calm = self.component.paused or not self.component.checked
        return "grey" if calm else Status(self.component.status).colour

    @property
    def failing(self) -> bool:
        return self.component.status != Status.HEALTHY


def about(component: Component, *, before: timeline.Place | None = None) -> dict[str, Any]:
    """All that the templates in templates/health/ show of a component, in a number of queries that does not
    grow with it: `standing.html` (how it is), `parts_status.html` (what it depends on, who needs it),
    `notes.html`, `periods.html` (uptime), `timeline.html`.

    `before` is the place from which the timeline goes on. Load the component with
    `select_related("cause", "also")`. Where the context also holds a true `may_act`, they offer what an
    operator can do.
    """
    found = parts(component)
    ids = {part.pk for _steps, part in found}
    return {
        "component": component,
        "read_at": timezone.now(),
        "standing": standing(component, ids),
        "belongs_to": belongs_to(component),
        "notes": [note for note in component.shown_notes() if not _told(note, component)],
        "parts": found,
        "dependants": component.dependants.order_by("kind", "name", "pk")[:SHOWN],
        "dependants_count": Dependency.objects.filter(depends_on=component).count(),
        "affected_count": component.affected.exclude(pk=component.pk).count(),
        "timeline": timeline.page(component, ids, before=before),
        **periods(component),
    }


def standing(component: Component, part_ids: set[graph.Id]) -> Standing:
    """How a component is, in words."""
    failing = component.status != Status.HEALTHY
    since = component.unknown_since if component.in_doubt else component.since
    known = component.in_doubt or component.checked or component.sequence
    happened, code, what_to_do, customer_words = _reason(component) if failing else ("", "", "", "")
    return Standing(
        component,
        turn=_turn(component),
        since=since if known else None,
        happened=happened,
        code=code,
        what_to_do=what_to_do,
        customer_words=customer_words,
        provider=providers.name(component.provider),
        pause=_first(component.paused, component.pauses.in_force(timezone.now()).order_by("-ends_at")),
        planned=list(component.pauses.planned(timezone.now())[:PLANNED]),
        override=_first(component.overridden, component.overrides.filter(ended_at=None)),
        before=timeline.just_before(component, part_ids, component.since) if failing else [],
    )


def _first(there: bool, rows: Any) -> Any:
    return rows.first() if there else None


def _turn(component: Component) -> str:
    if component.paused:
        return _("It is paused: nothing checks it, and it counts nowhere.")
    if not component.checked:
        return ""
    if component.kind == Component.Kind.PROVIDER and component.status != Status.HEALTHY:
        return _("What fails there for its sake is nobody’s turn.")
    if component.status == Status.CUSTOMER_INTERVENTION:
        return _("It is the customer’s turn.")
    if component.status == Status.SEQUIN_INTERVENTION:
        return _("It is our turn.")
    return _("It works. Nobody must act.")


def _reason(component: Component) -> tuple[str, str, str, str]:
    """What happened, its code, what to do, and what the customer can be told: of the cause, which decides."""
    cause = component.cause or component
    code = cause.own_code if component.cause else component.code
    note = Note.objects.filter(component=cause, code=code).first()
    meaning = CODES.get(code)
    happened = note.text if note else str(meaning.happened) if meaning else _last_said(cause)
    what_to_do = str(meaning.what_to_do) if meaning else note.what_to_do if note else ""
    theirs = component.status == Status.CUSTOMER_INTERVENTION and meaning
    return (
        happened,
        code,
        what_to_do or str(Status(component.status).next_step),
        str(meaning.customer_words) if theirs and meaning else "",
    )


def _told(note: Note, component: Component) -> bool:
    """Whether a note says what `standing` says already."""
    cause = component.cause
    return cause is not None and (note.component_id, note.code) == (cause.pk, cause.own_code)


def _last_said(cause: Component) -> str:
    """What was said when it last changed; for an override that is its reason."""
    return cause.flips.order_by("-sequence").values_list("note", flat=True).first() or ""


def belongs_to(component: Component) -> tuple[str, str] | None:
    """The name and address of the row whose health this is; None for a component by itself."""
    for relation in Component._meta.related_objects:
        if not relation.one_to_one or component.by_itself:
            continue
        model = relation.related_model
        key = model._base_manager.filter(**{relation.field.name: component})
        found = key.values_list("pk", flat=True).first()
        if found:
            try:
                return str(model._meta.verbose_name), _address(model, found)
            except NoReverseMatch:
                return None
    return None


def _address(model: Any, pk: Any) -> str:
    """The page of a row: its own, if it says one; else that of the back office."""
    if hasattr(model, "get_absolute_url"):
        return str(model(pk=pk).get_absolute_url())
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_change", args=[pk])


def parts(component: Component) -> list[tuple[int, Component]]:
    """What it depends on, with the number of steps to it, nearest first; one query for each step."""
    found: dict[graph.Id, tuple[int, Component]] = {}
    fresh = {component.pk}
    for steps in range(1, STEPS + 1):
        if not fresh:
            break
        rows = Component.objects.filter(dependents__component__in=fresh).distinct().order_by("kind", "name")
        fresh = set()
        for part in rows[:WIDEST]:
            if part.pk not in found:
                found[part.pk] = (steps, part)
                fresh.add(part.pk)
    return list(found.values())
