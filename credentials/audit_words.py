"""How the audit trail reads: each act as a title and as a sentence, each type of object by its name."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy


class Act(NamedTuple):
    """An act in a list of acts, and as what somebody did; `%(object)s` is what they did it to."""

    title: Any
    sentence: Any


# One that is not here yet reads as its own name.
ACTS = {
    "create": Act(gettext_lazy("Created"), gettext_lazy("created %(object)s")),
    "change": Act(gettext_lazy("Changed"), gettext_lazy("changed %(object)s")),
    "replace_secret": Act(gettext_lazy("Secret replaced"), gettext_lazy("replaced a secret of %(object)s")),
    "reveal": Act(gettext_lazy("Secret revealed"), gettext_lazy("revealed a secret of %(object)s")),
    "refresh": Act(gettext_lazy("Token refreshed"), gettext_lazy("got a new token for %(object)s")),
    "lift": Act(gettext_lazy("Hold-off lifted"), gettext_lazy("lifted the hold-off of %(object)s")),
    "delete": Act(gettext_lazy("Deleted"), gettext_lazy("deleted %(object)s")),
    "restore": Act(gettext_lazy("Restored"), gettext_lazy("restored %(object)s")),
    "notify": Act(gettext_lazy("Message sent"), gettext_lazy("sent a message to %(object)s")),
    "purge": Act(gettext_lazy("Removed for good"), gettext_lazy("removed %(object)s for good")),
    "set_password": Act(gettext_lazy("Password set"), gettext_lazy("set the password of %(object)s")),
    "sign_in": Act(gettext_lazy("Signed in"), gettext_lazy("signed in")),
    "sign_in_failed": Act(
        gettext_lazy("Sign-in failed"), gettext_lazy("tried to sign in as %(object)s, and failed")
    ),
    "sign_out": Act(gettext_lazy("Signed out"), gettext_lazy("signed out")),
    "leak_found": Act(
        gettext_lazy("Leaked key found"), gettext_lazy("looked for a leaked key: it is of %(object)s")
    ),
    "leak_not_found": Act(
        gettext_lazy("Leaked key looked for"), gettext_lazy("looked for a leaked key: nothing here held it")
    ),
    "export": Act(gettext_lazy("Exported"), gettext_lazy("exported %(object)s")),
    "start_job": Act(gettext_lazy("Job started"), gettext_lazy("started %(object)s")),
    "cancel_job": Act(gettext_lazy("Job cancelled"), gettext_lazy("cancelled %(object)s")),
    "import": Act(gettext_lazy("File imported"), gettext_lazy("imported %(object)s")),
    "run": Act(gettext_lazy("Command run"), gettext_lazy("ran %(object)s")),
    "accept_keys": Act(gettext_lazy("Keys accepted"), gettext_lazy("accepted other keys")),
    # Health's own record.
    "report": Act(gettext_lazy("Status reported"), gettext_lazy("reported %(object)s")),
    "note": Act(gettext_lazy("Note written"), gettext_lazy("noted about %(object)s")),
}
TYPES = {
    "credential": gettext_lazy("Credential"),
    "oauth_app": gettext_lazy("OAuth app"),
    "channel": gettext_lazy("Notification channel"),
    "component": gettext_lazy("Component"),
    "provider": gettext_lazy("Provider"),
    "user": gettext_lazy("User"),
    "group": gettext_lazy("Group"),
    "job": gettext_lazy("Job"),
    "upload": gettext_lazy("File"),
    "command": gettext_lazy("Command"),
}
# The field that an act names by itself.
SAID_BY = {"delete": "deleted_at", "restore": "deleted_at", "set_password": "password"}
# Those whose label says already what they are.
SPEAK_FOR_THEMSELVES = ("component", "command")


def act_words(act: str) -> str:
    """An act as a title."""
    return str(ACTS[act].title if act in ACTS else act.replace("_", " ").capitalize())


def type_words(object_type: str) -> str:
    """A type of objects by its name."""
    return str(TYPES.get(object_type, object_type.replace("_", " ").capitalize()))


def sentence(act: str, thing: Any) -> str:
    """An act as what somebody did to a thing: "replaced a secret of credential “Acme”"."""
    known = ACTS.get(act)
    words = known.sentence if known else f"{act_words(act).lower()}: %(object)s"
    return str(words) % {"object": thing}


def thing_words(object_type: str, object_id: str, label: str) -> str:
    """An object as it stands in a sentence, with the beginning of its id: names change, and are not alone."""
    if not object_id or object_type in SPEAK_FOR_THEMSELVES:
        return label
    words = type_words(object_type)
    words = words if words.startswith("OAuth") else words.lower()
    return f"{words} “{label}”" + (f" ({object_id[:8]})" if len(object_id) > 8 else "")


def who_words(actor: str) -> str:
    """An actor as a person reads it; the code keeps `user:ada`, `cli:ops@host`, `anonymous`."""
    if actor == "anonymous":
        return _("Somebody not signed in")
    return actor.removeprefix("user:")


def field_words(act: str, fields: Sequence[str]) -> list[str]:
    """Names of fields in words, without what the act says already."""
    return [field.replace("_", " ") for field in fields if field != SAID_BY.get(act)]
