"""The chain of the audit trail: each event holds a keyed hash of itself and of the one before.

So `verify()` finds what was changed or removed by somebody who got past the triggers. Events are chained in
batches after they were stored, in the order of happening. What could not be chained then waits for the next
who records something, or for `manage.py verify_audit`.
"""

import hmac
import json
import logging
import time
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from credentials import audit_triggers
from credentials.models.audit_event import AuditEvent

BATCH = 1_000
# What a page may spend on the chain, in seconds and in events at a time.
PATIENCE = 0.1
FEW = 100
# A number of our own among PostgreSQL's advisory locks.
CHAIN_LOCK = 0x6C616E79

logger = logging.getLogger(__name__)


def chain(*, seconds: float | None = None, batch: int = BATCH) -> int:
    """Take new events into the chain, in the order of happening; returns how many. One process at a time:
    others find 0.

    After `seconds` it begins no other batch, and leaves the rest to the next call.
    """
    taken, began = 0, time.monotonic()
    while True:
        count = _chain_some(batch)
        taken += count
        if count < batch or (seconds is not None and time.monotonic() - began >= seconds):
            return taken
        if connection.vendor == "sqlite":
            # Its writers keep no queue but look again and again: longer than the longest look, so that
            # those who wait get in.
            time.sleep(0.15)


def catch_up(*, whole: bool = False) -> None:
    """Take new events into the chain after they were stored: all, or as many as a page has time for. What
    fails here must not turn what was done into an error: it is logged, and the events wait."""
    try:
        chain() if whole else chain(seconds=PATIENCE, batch=FEW)
    except Exception as error:  # noqa: BLE001 - whatever it is, the answer is right
        logger.error(
            "The chain of the audit trail was not extended (%s). The events are stored and wait:"
            " manage.py verify_audit takes them in.",
            type(error).__name__,
        )


def _chain_some(most: int) -> int:
    with transaction.atomic():
        if not _lock_chain():
            return 0
        batch = list(AuditEvent.objects.filter(number=None).order_by("time", "id")[:most])
        last = AuditEvent.objects.exclude(number=None).order_by("-number").first()
        number, previous = (last.number or 0, last.hash) if last else (0, "")
        for one in batch:
            number += 1
            one.number, one.previous_hash = number, previous
            one.hash = previous = _hash(one)
        _store_chained(batch)
    return len(batch)


def _store_chained(batch: list[AuditEvent]) -> None:
    """Many statements sent together: bulk_update() makes one of all, which takes ten times as long."""
    key = AuditEvent._meta.pk
    rows = [
        (one.number, one.previous_hash, one.hash, key.get_db_prep_value(one.pk, connection)) for one in batch
    ]
    with connection.cursor() as cursor:
        cursor.executemany(
            f"UPDATE {audit_triggers.TABLE} SET number = %s, previous_hash = %s, hash = %s WHERE id = %s",  # noqa: S608
            rows,
        )


def _lock_chain() -> bool:
    """Whether this transaction alone extends the chain. SQLite has one writer anyway."""
    if connection.vendor != "postgresql":
        return True
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [CHAIN_LOCK])
        return cursor.fetchone()[0]


def _hash(one: AuditEvent) -> str:
    content = [
        one.number,
        one.previous_hash,
        str(one.id),
        # Milliseconds: what both databases keep.
        int(one.time.timestamp() * 1000),
        one.actor,
        one.action,
        one.object_type,
        one.object_id,
        one.object_label,
        one.fields,
        one.reason,
        str(one.request_id or ""),
        one.address or "",
    ]
    return hmac.digest(_key(settings.FINGERPRINT_KEY), json.dumps(content).encode(), "sha256").hex()


@lru_cache(maxsize=1)
def _key(fingerprint_key: str) -> bytes:
    return hmac.digest(fingerprint_key.encode(), b"lanyard audit 1", "sha256")


@dataclass(frozen=True)
class Verdict:
    """What `verify` found: how many events are chained, the last hash, and each problem in words."""

    chained: int
    waiting: int
    head: str
    problems: list[str]


def verify(progress: Any = None) -> Verdict:
    """Compute the whole chain again, in bounded memory, and say where it does not hold."""
    problems = (
        []
        if audit_triggers.installed(connection)
        else ["the triggers that keep the trail append-only are gone"]
    )
    expected, previous, number = 1, "", 0
    for one in AuditEvent.objects.exclude(number=None).order_by("number").iterator(chunk_size=2_000):
        place = one.number or 0
        if place != expected:
            missing = f"{expected}" if place == expected + 1 else f"{expected} to {place - 1}"
            problems.append(f"event {missing} is missing")
        elif one.previous_hash != previous:
            problems.append(f"event {one.number} does not follow the one before it")
        if one.hash != _hash(one):
            problems.append(f"event {one.number} was changed")
        expected, previous, number = place + 1, one.hash, number + 1
        if progress is not None:
            progress.update()
        if len(problems) >= 20:
            problems.append("… and possibly more")
            break
    waiting = AuditEvent.objects.filter(number=None).count()
    return Verdict(number, waiting, previous, problems)
