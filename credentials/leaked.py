"""Which credential holds a secret that turned up where it should not be: found by its fingerprint.

What is looked for is never stored, and never written down; that somebody looked, and what was found, is. It
must not come here through an address, which stands in histories and logs: `looks_secret` tells what would.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from credentials import audit
from credentials.kinds import KINDS
from credentials.models import AuditEvent, Credential, Fingerprint, OAuthApp
from credentials.models import properties as declared
from credentials.sealing import fingerprint

# In characters: a shorter one is guessed rather than found. People also paste a line of a log, or a file.
SHORTEST, LONGEST = 8, 20_000
# So many words of it are tried, and so many times an hour: it must not serve to guess passwords.
MOST_WORDS, LOOKS_PER_HOUR = 12, 30
FOUND, NOTHING = "leak_found", "leak_not_found"

# How secrets begin that no kind stores, and that people paste all the same.
OTHERS = ("xoxb-", "xoxp-", "xoxa-", "xapp-", "AKIA", "ghp_", "whsec_", "pk_live_", "eyJ")
BEGINNINGS = tuple(sorted({*OTHERS, *(one for kind in KINDS.values() for one in kind.SECRETS_BEGIN)}))
# A script of the browser reads this as well, and keeps what it matches out of addresses: no syntax that only
# Python has. The last one is a long run of mixed letters and digits, but no id of 32 hexadecimal digits.
PATTERN = "|".join(
    (
        rf"(?:^|[^A-Za-z0-9])(?:{'|'.join(map(re.escape, BEGINNINGS))})[A-Za-z0-9_.~+/=-]{{8,}}",
        "-----BEGIN [A-Z ]*PRIVATE KEY",
        # HubSpot's refresh tokens begin with the name of a region, as other words may.
        "(?:na|eu|ap)[0-9]-[0-9a-f]{4,8}-[0-9a-f]{4}",
        r"(?:^|[^A-Za-z0-9])(?![0-9a-fA-F]{32}(?:[^A-Za-z0-9]|$))"
        r"(?=[0-9]*(?:[A-Za-z]+[0-9]+){3})[A-Za-z0-9]{24,}",
    )
).replace("\\-", "-")
_SECRET = re.compile(PATTERN)


def looks_secret(text: str) -> bool:
    """Whether a text holds what is probably a secret, and no word that somebody looks for."""
    return bool(_SECRET.search(text[:LONGEST]))


@dataclass(frozen=True)
class Held:
    """Where a secret is held or was: a credential or an OAuth app, which of its secrets, whether that is the
    one in force, and when it was entered."""

    owner: Credential | OAuthApp
    field: str
    current: bool
    since: datetime

    @property
    def is_app(self) -> bool:
        return isinstance(self.owner, OAuthApp)


def look(text: str) -> list[Held]:
    """The credentials and OAuth apps that hold a secret or once held it, those deleted lately with them; the
    ones where it is in force first. It may stand among other words, as in a line of a log.

    Written down in the name of who acts. Raises ValidationError where it is too short, or where they looked
    too often within the hour.
    """
    tried = list(dict.fromkeys(_candidates(text[:LONGEST])))[:MOST_WORDS]
    if not tried:
        raise ValidationError(
            _("Paste the whole secret: what has fewer than %d characters is not looked for.") % SHORTEST
        )
    with transaction.atomic():
        _not_too_often()
        found = _holding([fingerprint(one) for one in tried])
        for held in found:
            audit.record(FOUND, held.owner, fields=[held.field])
        if not found:
            audit.record(NOTHING, audit.Named("secret", "", _("a leaked secret")))
    return found


def _candidates(text: str) -> Iterator[str]:
    """What may be the secret: the whole, as a file of it may be with a line break at its end; else its words,
    and what stands behind an equals sign or a colon."""
    whole = text.strip()
    if len(whole) < SHORTEST:
        return
    yield whole
    yield whole.replace("\r\n", "\n") + "\n"
    words = [word.strip(".") for word in re.split(r"[\s\"'`,;(){}\[\]<>]+", whole)]
    # Long ones first: there is room for some.
    for word in sorted(words, key=lambda word: (not looks_secret(word), -len(word))):
        for part in (word, word.partition("=")[2], word.rpartition(":")[2], word.rpartition("=")[2]):
            if len(part) >= SHORTEST:
                yield part


def _not_too_often() -> None:
    looks = AuditEvent.objects.filter(
        actor=audit.now_acting().actor,
        action__in=(FOUND, NOTHING),
        time__gt=Now() - timedelta(hours=1),
    )
    if looks.values("request_id").distinct().count() >= LOOKS_PER_HOUR:
        raise ValidationError(
            _("You looked for %d secrets within an hour: wait, or ask somebody else.") % LOOKS_PER_HOUR
        )


def _holding(digests: list[str]) -> list[Held]:
    """Three queries; nothing is opened."""
    rows = list(Fingerprint.objects.filter(digest__in=digests).order_by("-current", "-current_since"))
    keys = {row.owner for row in rows}
    credentials: Any = Credential.everything.non_polymorphic().filter(pk__in=keys)
    apps = OAuthApp.objects.filter(pk__in=keys)
    owners: dict[Any, Credential | OAuthApp] = {}
    if keys:
        owners |= {one.pk: one for one in credentials.select_related("component")}
        owners |= {one.pk: one for one in apps.select_related("component")}
    return [
        Held(owners[row.owner], row.field, row.current, row.current_since)
        for row in rows
        if row.owner in owners
    ]


def field_label(held: Held) -> str:
    """What the field of the secret is called on pages."""
    model = OAuthApp if isinstance(held.owner, OAuthApp) else KINDS[held.owner.kind]
    return str(declared.field_of(model, held.field).verbose_name)
