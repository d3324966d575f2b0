"""What a job can do with one credential, by the same functions as the page of that credential; and what not.

Each act says which credentials it refuses. The page that asks before counts them by that, and the job asks
again when it comes to each.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db.models import BooleanField, Exists, ExpressionWrapper, OuterRef, Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from credentials import probes
from credentials.models import Conflict, Credential, InUse, Job, Limit
from health import graph, pausing, reports
from health.models import Component

CHANGE, DELETE, REPORT = (
    "credentials.change_credential",
    "credentials.delete_credential",
    "health.report_component",
)
# What becomes of a key of the metadata.
SET, ADD, REMOVE = "set", "add", "remove"


class Refused(Exception):
    """A credential that is left as it is. The message says why, in a few words."""


class Failed(Exception):
    """It was tried, and did not work. The message says why, in a few words."""


@dataclass(frozen=True)
class Refusal:
    """Credentials that an act leaves alone, and why."""

    name: str
    words: Any
    those: Q


IS_DELETED = Refusal("is_deleted", gettext_lazy("It is deleted already."), Q(deleted_at__isnull=False))
IS_PAUSED = Refusal(
    "is_paused", gettext_lazy("It is paused already."), Q(component__paused_until__isnull=False)
)
IS_NOT_PAUSED = Refusal(
    "is_not_paused", gettext_lazy("It is not paused."), Q(component__paused_until__isnull=True)
)
IS_USED = Refusal(
    "is_used",
    gettext_lazy("Something depends on it: it cannot be deleted."),
    Q(Exists(graph.edges().filter(depends_on=OuterRef("component_id")))),
)


@dataclass(frozen=True)
class Act:
    """Something that is done to many credentials. `does` does it to one, in a transaction, and says what came
    of it; `looks` instead asks a provider, outside of any."""

    name: str
    rights: tuple[str, ...]
    does: Callable[[Credential, dict[str, Any], str], Any] | None = None
    looks: Callable[[Credential], str] | None = None
    refuses: tuple[Refusal, ...] = field(default=(IS_DELETED,))
    # Whether people type how many they mean.
    dangerous: bool = False

    @property
    def title(self) -> str:
        return str(Job.Act(self.name).label)


def carry_out(act: Act, pk: UUID, parameters: dict[str, Any], actor: str) -> str:
    """Do an act to one credential; returns what came of it, in words. Raises Refused or Failed."""
    credential = _loaded(act, pk)
    try:
        if act.looks:
            return act.looks(credential)
        return str(act.does(credential, parameters, actor)) if act.does else ""
    except InUse as error:
        raise Refused(str(error.args[0])) from None
    except ValidationError as error:
        raise Failed(" ".join(error.messages)) from None
    except (Conflict, reports.Busy):
        raise Failed(_("Others keep changing it: nothing was stored.")) from None
    except (Credential.DoesNotExist, Component.DoesNotExist):
        raise Refused(str(IS_DELETED.words)) from None


def _loaded(act: Act, pk: UUID) -> Credential:
    """The credential, as one of its kind. Raises Refused."""
    rows = Credential.everything.non_polymorphic().filter(pk=pk)
    names = {one.name: ExpressionWrapper(one.those, output_field=BooleanField()) for one in act.refuses}
    found = rows.annotate(**names).values(*names).first()
    if found is None:
        raise Refused(str(IS_DELETED.words))
    for one in act.refuses:
        if found[one.name]:
            raise Refused(str(one.words))
    return Credential.objects.select_related("component", "rate_limit").get(pk=pk)


# --- the acts -----------------------------------------------------------------------------------------------


def test(credential: Credential) -> str:
    found = probes.test(credential)
    words = str(found.observation.meaning.happened)
    if not found.works:
        raise Failed(words)
    return words


def pause(credential: Credential, parameters: dict[str, Any], actor: str) -> Any:
    ends_at = datetime.fromisoformat(parameters["ends_at"])
    pausing.pause(credential.component, reason=parameters["reason"], ends_at=ends_at, actor=actor)
    return _("Paused.")


def resume(credential: Credential, parameters: dict[str, Any], actor: str) -> Any:
    if not pausing.resume(credential.component, actor=actor):
        raise Refused(str(IS_NOT_PAUSED.words))
    return _("Not paused any more.")


def set_limit(credential: Credential, parameters: dict[str, Any], actor: str) -> Any:
    before = credential.rate_limit.words
    if credential.set_limit(Limit(**parameters)):
        return _("Before: %s.") % before
    return _("It had this limit already.")


def set_metadata(credential: Credential, parameters: dict[str, Any], actor: str) -> Any:
    how, key = parameters["how"], parameters["key"]
    before = credential.metadata
    if how == REMOVE:
        if key not in before:
            return _("It had no such key.")
        credential.metadata = {name: value for name, value in before.items() if name != key}
    elif key in before and _same(before[key], parameters["value"]):
        return _("It had this value already.")
    elif key in before and how == ADD:
        raise Refused(_("It has another value there, which was kept."))
    else:
        credential.metadata = {**before, key: parameters["value"]}
    credential.save(update_fields=["metadata"])
    if how == REMOVE:
        return _("Removed.")
    return _("Replaced.") if key in before else _("Added.")


def _same(one: Any, other: Any) -> bool:
    """Python calls 1 and true equal."""
    return type(one) is type(other) and bool(one == other)


def delete(credential: Credential, parameters: dict[str, Any], actor: str) -> Any:
    credential.delete()
    return _("Deleted.")


ACTS = {
    act.name: act
    for act in (
        Act(Job.Act.TEST.value, (CHANGE,), looks=test),
        Act(Job.Act.PAUSE.value, (CHANGE, REPORT), pause, refuses=(IS_DELETED, IS_PAUSED), dangerous=True),
        Act(Job.Act.RESUME.value, (CHANGE, REPORT), resume, refuses=(IS_DELETED, IS_NOT_PAUSED)),
        Act(Job.Act.LIMIT.value, (CHANGE,), set_limit),
        Act(Job.Act.METADATA.value, (CHANGE,), set_metadata),
        Act(Job.Act.DELETE.value, (DELETE,), delete, refuses=(IS_DELETED, IS_USED), dangerous=True),
    )
}
