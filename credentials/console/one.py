"""What the page of one credential shows. Nothing of it opens a secret; the number of queries is the same for
any number of notes, events and dependants."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Case, Count, Q, Value, When
from django.http import Http404
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from credentials import json_values, kinds
from credentials.audit_words import who_words
from credentials.models import AuditEvent, Credential, OAuthApp
from credentials.models import properties as declared
from credentials.sealing import SecretField
from health import timeline
from health.history import Note
from health.meaning import Code
from health.models import Component
from health.observations import CODES
from health.status import Status
from health.suspension import Spell

# So many of those that depend on it are named; so many events are looked through for who set a secret; so
# many lines tell what happened.
USERS, EVENTS, LINES = 6, 30, 9
# What an event about a secret did with it.
SET_BY = {
    "create": gettext_lazy("Entered"),
    "replace_secret": gettext_lazy("Replaced"),
    "refresh": gettext_lazy("Renewed"),
}


def loaded(pk: UUID) -> Credential:
    """A credential, a deleted one too, with what its page needs of it. Two queries. Raises Http404."""
    rows = Credential.everything.non_polymorphic()
    kind = kinds.KINDS.get(rows.filter(pk=pk).values_list("kind", flat=True).first() or "")
    if kind is None:
        raise Http404
    joined = ("component__cause", "component__also", "rate_limit", "oauth_app__component")
    found = kind.everything.non_polymorphic().select_related(*joined).filter(pk=pk).first()
    if found is None:
        raise Http404
    return found


# --- does it work, and who must act -------------------------------------------------------------------------


@dataclass(frozen=True)
class State:
    """The answer in words: what is the matter since when, what to do now, and what a customer can be told.

    `cause` is what fails where that is not the credential itself.
    """

    happened: Any
    what_to_do: Any
    since: datetime | None = None
    code: str = ""
    cause: Component | None = None
    customer_words: Any = ""
    # A pause or an override in force.
    spell: Spell | None = None
    # The notes that say more than this.
    notes: tuple[Note, ...] = ()

    @property
    def pressing(self) -> bool:
        """Whether a note says what must not be overlooked."""
        return any(note.severity != Note.Severity.INFO for note in self.notes)


def state(credential: Credential) -> State:
    """How a credential is. One query for notes, one more where it is paused or overridden."""
    component = credential.component
    notes = component.shown_notes()
    spell = _spell(component)
    if credential.deleted_at:
        words = _("It was deleted: its secrets are neither used nor shown.")
        return State(words, _("Restore it, if it is still needed."), credential.deleted_at)
    if component.paused:
        words = _("It is not checked, no result counts, and its status stays as it was.")
        since = spell.starts_at if spell else None
        return State(words, _("Resume it when its time has come."), since, spell=spell)
    if credential.unreadable:
        return State(
            _("A secret of it cannot be opened with the keys at hand."),
            _("Replace the secret, or bring the key back into FERNET_KEYS."),
            notes=tuple(notes),
        )
    if component.status == Status.HEALTHY or component.in_doubt:
        return State("", "", _healthy_since(component), spell=spell, notes=tuple(notes))
    main = next((one for one in notes if _decides(one, component)), None)
    known = CODES.get(component.code) or _unknown(component, main)
    return State(
        happened=(main.text if main else "") or known.happened,
        what_to_do=known.what_to_do,
        since=component.since,
        code=component.code,
        cause=component.cause if component.cause_id != component.pk else None,
        customer_words=known.customer_words if component.status == Status.CUSTOMER_INTERVENTION else "",
        spell=spell,
        notes=tuple(one for one in notes if one is not main),
    )


def _decides(note: Note, component: Component) -> bool:
    return note.component_id == component.cause_id and note.code == component.code


def _unknown(component: Component, note: Note | None) -> Code:
    """What a person or the platform reported under a code of their own."""
    step = (note.what_to_do if note else "") or Status(component.status).next_step
    return Code(CODES["unclassified"].weight, _("Somebody reported that it does not work."), step)


def _healthy_since(component: Component) -> datetime | None:
    """Where it always worked, since somebody knows."""
    return (component.since if component.sequence else component.known_since) if component.checked else None


def _spell(component: Component) -> Spell | None:
    now = timezone.now()
    if component.paused:
        return component.pauses.in_force(now).order_by("-ends_at").first()
    if component.overridden:
        return component.overrides.filter(ended_at=None).order_by("-starts_at").first()
    return None


# --- what it holds ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Property:
    """One property as the page shows it. Of a secret: whether it is set, and by whom it was when."""

    name: str
    label: str
    value: Any = ""
    secret: bool = False
    is_set: bool = True
    readable: bool = True
    at: datetime | None = None
    did: Any = ""
    who: str = ""

    @property
    def copied(self) -> bool:
        """Whether people take it somewhere else: an id, a host, an account."""
        return not self.secret and isinstance(self.value, (str, int)) and not isinstance(self.value, bool)


def properties(credential: Credential, events: list[AuditEvent]) -> list[Property]:
    """The properties in documented order, without the name. One query."""
    set_at = credential.secret_set_at()
    found = []
    for name in credential.PROPERTIES:
        field = declared.field_of(type(credential), name)
        label = str(field.verbose_name)
        label = label[:1].upper() + label[1:]
        value = getattr(credential, name)
        if name == "name" or (not isinstance(field, SecretField) and value in (None, "", [])):
            continue
        if not isinstance(field, SecretField):
            shown = dict(field.flatchoices).get(value, value) if field.flatchoices else value
            found.append(Property(name, label, shown))
        elif not value:
            found.append(Property(name, label, secret=True, is_set=False))
        else:
            event = _set_by(name, events)
            found.append(
                Property(
                    name,
                    label,
                    secret=True,
                    readable=value.readable,
                    at=event.time if event else set_at.get(name),
                    did=SET_BY[event.action] if event else _("Set"),
                    who=who_words(event.actor) if event else "",
                )
            )
    return found


def _set_by(name: str, events: list[AuditEvent]) -> AuditEvent | None:
    """The newest event that put a secret there; None where that is further back than what was read."""
    for event in events:
        if event.action == "create" or (event.action in SET_BY and name in event.fields):
            return event
    return None


# --- what happened ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Line:
    """Something that happened. `suspect`: it was changed shortly before the newest failure."""

    entry: timeline.Entry
    suspect: bool = False


def happened(credential: Credential, app: OAuthApp | None) -> list[Line]:
    """The newest entries of its timeline, with the changes of its OAuth app."""
    parts = [app.component_id] if app else []
    entries = timeline.page(credential.component, parts, size=LINES).entries
    broke = next((entry.at for entry in entries if entry.broke), None)
    found, suspects = [], 0
    for entry in entries:
        before = bool(broke and entry.change and timedelta(0) <= broke - entry.at <= timeline.BEFORE)
        suspect = before and suspects < timeline.NAMED_BEFORE
        suspects += suspect
        found.append(Line(entry, suspect))
    return found


# --- who uses it --------------------------------------------------------------------------------------------


def users(component: Component) -> dict[str, Any]:
    """What depends on it: the first by severity, and how many there are. Two queries."""
    first = Case(When(status=Status.HEALTHY, then=Value(1)), default=Value(0))
    shown = component.dependants.order_by(first, "kind", "name")[: USERS + 1]
    counts = component.dependants.aggregate(
        all=Count("pk"), failing=Count("pk", filter=~Q(status=Status.HEALTHY))
    )
    return {"shown": list(shown[:USERS]), "all": counts["all"] or 0, "failing": counts["failing"] or 0}


def app_of(credential: Credential) -> OAuthApp | None:
    """The OAuth app that it is authorised through, with its component. A query where it names none."""
    if not credential.USES_OAUTH_APP:
        return None
    if credential.oauth_app:
        return credential.oauth_app
    default = OAuthApp.objects.filter(provider=credential.PROVIDER.key, is_default=True)
    return default.select_related("component").first()


def about(credential: Credential) -> dict[str, Any]:
    """All that the page shows beside the limit and the state."""
    app = app_of(credential)
    events = list(AuditEvent.objects.filter(object_id=str(credential.pk)).order_by("-time", "-id")[:EVENTS])
    return {
        "app": app,
        "properties": properties(credential, events),
        "users": users(credential.component),
        "changes": happened(credential, app),
        "metadata": _lines(credential.metadata),
        "replaceable": bool(declared.secret_names(type(credential))),
    }


def _lines(metadata: dict[str, Any]) -> list[tuple[str, str]]:
    """Metadata by name; what is no text stands as JSON."""
    return [
        (name, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
        for name, value in json_values.ordered(metadata).items()
    ]
