"""Whether the keys are those with which this database was written.

With another FINGERPRINT_KEY nothing that was stored before is recognised: a secret that was entered twice, an
old refresh token, a leaked key, the chain of the audit trail. What is written then cannot be told apart
later, so that Lanyard refuses to start until somebody accepts the new key. With other FERNET_KEYS only the
secrets are out of reach, each row says so, and takes a new one: that is a warning.
"""

import hmac

from django.conf import settings
from django.db import DatabaseError, OperationalError, ProgrammingError, connection, transaction

from credentials import audit
from credentials.models.audit_event import AuditEvent
from credentials.models.fingerprint import Fingerprint
from credentials.models.key_check import KeyCheck
from credentials.sealing import keyring

FINGERPRINT, SEAL = "fingerprint", "seal "


class OtherKeys(Exception):
    """FINGERPRINT_KEY is not the one that this database was written with. Nothing was written."""

    def __init__(self) -> None:
        super().__init__(
            "FINGERPRINT_KEY is not the one that this database was written with: put the old one back, or"
            " correct DATABASE_URL if it names another database than you mean. If the old key is lost for"
            " good, manage.py accept_keys says what that means, and accepts the new one."
        )


def refuse_others() -> str:
    """Compare the keys with those that this database was written with, and remember them the first time.

    Returns a warning, empty where all is well. Raises OtherKeys, or DatabaseError where the database cannot
    be asked. A database without tables is one that nothing was written to yet.
    """
    known = _known()
    if known is None:
        return ""
    warning = problem(known)
    new = [] if FINGERPRINT in known else [KeyCheck(name=FINGERPRINT, value=proof())]
    if not warning:
        # Keys that share nothing with the known ones are not remembered, so that the warning stays.
        new += [KeyCheck(name=name) for name in _seals() - known.keys()]
    if new:
        KeyCheck.objects.bulk_create(new, ignore_conflicts=True)
        problem(_known() or {})  # somebody else may have been first
    return warning


def compare() -> str:
    """Like `refuse_others`, but remembers nothing."""
    return problem(_known() or {})


def problem(known: dict[str, str]) -> str:
    """What is wrong with the keys, as a warning; empty where nothing is. Raises OtherKeys."""
    if _is_other_fingerprint(known):
        raise OtherKeys
    if _are_other_seals(known):
        ids = ", ".join(sorted(name.removeprefix(SEAL) for name in known if name.startswith(SEAL)))
        return (
            f"None of the keys in FERNET_KEYS is one that this database was written with ({ids}), so that no"
            " secret in it can be opened. Put the old keys back, behind the new one and a comma. If they are"
            " lost for good, enter the secrets again; manage.py accept_keys ends this warning."
        )
    return ""


def consequences() -> list[str]:
    """What accepting the keys at hand means, in sentences; empty where they are the known ones."""
    known, found = _known() or {}, []
    if _is_other_fingerprint(known):
        prints, events = Fingerprint.objects.count(), AuditEvent.objects.exclude(number=None).count()
        found.append(
            f"FINGERPRINT_KEY is another one: the {prints} secrets seen so far are not recognised when they"
            f" come again, and verify_audit reports the {events} events so far as changed."
        )
    if _are_other_seals(known):
        found.append(
            "FERNET_KEYS are others: no secret stored so far opens until its key is put back; else each must"
            " be entered again."
        )
    return found


def accept() -> list[str]:
    """Take the keys at hand for those of this database from now on; returns what that means."""
    with transaction.atomic():
        found = consequences()
        if found:
            row, _created = KeyCheck.objects.update_or_create(name=FINGERPRINT, defaults={"value": proof()})
            KeyCheck.objects.bulk_create((KeyCheck(name=name) for name in _seals()), ignore_conflicts=True)
            audit.record("accept_keys", row)
    return found


def proof() -> str:
    """What only the holder of FINGERPRINT_KEY can compute, and from which nobody gets it back."""
    return hmac.digest(settings.FINGERPRINT_KEY.encode(), b"lanyard key check 1", "sha256").hex()


def _seals() -> set[str]:
    return {SEAL + key for key in keyring()}


def _is_other_fingerprint(known: dict[str, str]) -> bool:
    return known.get(FINGERPRINT, proof()) != proof()


def _are_other_seals(known: dict[str, str]) -> bool:
    seals = {name for name in known if name.startswith(SEAL)}
    return bool(seals) and seals.isdisjoint(_seals())


def _known() -> dict[str, str] | None:
    """What this database says of its keys; None where it has no tables yet."""
    try:
        with transaction.atomic():
            return dict(KeyCheck.objects.values_list("name", "value"))
    except DatabaseError as error:
        missing = ProgrammingError if connection.vendor == "postgresql" else OperationalError
        if isinstance(error, missing) and ("no such table" in str(error) or "does not exist" in str(error)):
            return None
        raise
