"""The numbers of this installation as Prometheus reads them.

No label holds a name: kinds, providers, statuses and the like only, so that a million components make no more
lines than ten. The queries are a constant few, and what they found is kept for some seconds.
"""

import threading
import time
from collections import defaultdict
from datetime import datetime, timedelta

from django.db import DatabaseError, connection, connections
from django.db.models import Count, Min, Q
from django.utils import timezone

from credentials import kinds
from credentials.limiter import LimiterUnavailable, watching
from credentials.models import AuditEvent, Channel, Credential, Delivery, OAuthApp
from health import nightly, schedule, upkeep
from health.models import FAILING, Beat, Chore, Component, Flip
from health.status import Status
from project.prometheus import Lines

# Seconds for which the numbers are kept; over so many minutes the use of limits is added up; what comes more
# than so much later than it was due is overdue.
KEPT, MINUTES, OVERDUE = 5.0, 5, timedelta(minutes=1)
INTERNAL = Component.INTERNAL
# Each in an index of its own.
APART = (
    ("components_paused", "Components that are paused.", Q(paused_until__isnull=False)),
    (
        "components_unchecked",
        "Components that nobody has looked at.",
        Q(known_since=None, last_reported_at=None),
    ),
    (
        "components_in_doubt",
        "Components that wait for a check, because their secret was replaced or their pause ended.",
        Q(unknown_since__isnull=False),
    ),
    (
        "components_also_customer",
        "Components that wait for us, and for the customer as well.",
        Q(also__isnull=False, status=Status.SEQUIN_INTERVENTION, kind__in=Component.Kind.values),
    ),
)
OTHER = "other"
# Seconds, in which Prometheus has not given up yet.
PATIENCE = 8.0

_kept: tuple[float, str] = (float("-inf"), "")
_lock = threading.Lock()
_gathering: "_Gathering | None" = None


class Silent(DatabaseError):
    """What the numbers are gathered from did not answer in time."""


class _Gathering(threading.Thread):
    """The numbers, as one thread gathers them for all who ask meanwhile."""

    def __init__(self) -> None:
        super().__init__(name="metrics", daemon=True)
        self.found = ""
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            self.found = gathered(timezone.now())
        except Exception as error:  # noqa: BLE001 - it is raised where somebody waits for it
            self.error = error
        finally:
            connections.close_all()


def text() -> str:
    """All metrics, a few seconds old at most. Raises DatabaseError, and Silent where something hangs: one
    thread waits for it then, and no more."""
    global _kept, _gathering
    with _lock:
        at, found = _kept
        if time.monotonic() - at <= KEPT:
            return found
        if _gathering is None or not _gathering.is_alive():
            _gathering = _Gathering()
            _gathering.start()
        mine = _gathering
    mine.join(PATIENCE)
    if mine.is_alive():
        raise Silent
    if mine.error:
        raise mine.error
    with _lock:
        _kept = time.monotonic(), mine.found
    return mine.found


def gathered(now: datetime) -> str:
    """All metrics as they are now."""
    out, began = Lines(), time.perf_counter()
    _components(out)
    _incidents(out)
    _flips(out, now)
    _checks(out, now)
    _workers(out, now)
    _notifications(out, now)
    _limits(out)
    _secrets(out)
    _audit(out, now)
    out.one("metrics_seconds", "How long it took to gather these.", time.perf_counter() - began)
    return out.text()


# --- health -------------------------------------------------------------------------------------------------


def _components(out: Lines) -> None:
    """Components, and credentials among them, by what they are and how."""
    rows = Component.objects.exclude(kind__in=INTERNAL).order_by().values_list("kind", "provider", "status")
    counts: dict[tuple[str, str, str], int] = defaultdict(int)
    credentials = dict.fromkeys(kinds.PROVIDERS, 0)
    for kind, provider, status, number in rows.annotate(number=Count("*")):
        known = provider if provider in kinds.PROVIDERS or not provider else OTHER
        counts[kind, known, status] += number
        if kind == Component.Kind.CREDENTIAL and known in credentials:
            credentials[known] += number
    out.add(
        "components",
        "Components by kind, provider and status; owner is who must act.",
        (
            ({"kind": kind, "provider": provider, "status": status, "owner": Status(status).owner}, number)
            for (kind, provider, status), number in sorted(counts.items())
        ),
    )
    for name, words, condition in APART:
        out.one(name, words, Component.objects.filter(condition).count())
    out.add(
        "credentials",
        "Credentials by provider.",
        (({"provider": provider}, number) for provider, number in credentials.items()),
    )


def _incidents(out: Lines) -> None:
    """The providers and parts of the platform that have an incident."""
    rows = Component.objects.filter(kind__in=INTERNAL, own_status__in=FAILING)
    open_now = set(rows.values_list("kind", "name"))
    out.add(
        "provider_incident",
        "Whether a provider has an incident.",
        (({"provider": key}, (Component.Kind.PROVIDER, key) in open_now) for key in kinds.PROVIDERS),
    )
    out.add(
        "platform_incident",
        "Whether the platform itself has an incident.",
        (({"part": part}, (Component.Kind.PLATFORM, part) in open_now) for part in ("platform", "roll-up")),
    )


def _flips(out: Lines, now: datetime) -> None:
    out.one("flips_total", "Flips ever recorded.", _given(Flip._meta.db_table), "counter")
    recent = Flip.objects.filter(recorded_at__gt=now - timedelta(hours=1)).order_by()
    counts = dict.fromkeys(Status.values, 0) | dict(recent.values_list("new").annotate(number=Count("*")))
    out.add(
        "flips_last_hour",
        "Flips of the last hour, by the status that they led to.",
        (({"status": status}, number) for status, number in counts.items()),
    )


def _given(table: str) -> int:
    """The last number that was given to a row: unlike a count it needs no look at a million rows, and unlike
    the highest it never falls, which a counter must not. No manager of Django's knows it."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "SELECT pg_sequence_last_value(pg_get_serial_sequence(%s, 'id')::regclass)", [table]
            )
        else:
            cursor.execute("SELECT seq FROM sqlite_sequence WHERE name = %s", [table])
        row = cursor.fetchone()
    return int(row[0] or 0) if row else 0


def _checks(out: Lines, now: datetime) -> None:
    # With the providers named, so that the index of what is due leads to what is due alone.
    due = Component.objects.filter(
        paused_until=None,
        kind__in=list(schedule.registered()),
        provider__in=list(kinds.PROVIDERS),
        next_check_at__lte=now,
    )
    found = due.aggregate(
        due=Count("*"),
        overdue=Count("next_check_at", filter=Q(next_check_at__lte=now - OVERDUE)),
        oldest=Min("next_check_at"),
    )
    out.one("checks_due", "Components that are due for a check.", found["due"])
    out.one("checks_overdue", "Those among them that are due for more than a minute.", found["overdue"])
    out.one("checks_oldest_due_seconds", "How long the oldest is due.", _age(found["oldest"], now))


def _workers(out: Lines, now: datetime) -> None:
    seen = list(Beat.objects.values_list("seen_at", flat=True))
    alive = sum(now - at <= upkeep.ALIVE for at in seen)
    out.one("workers", "Workers that were seen in the last 30 seconds.", alive)
    if seen:
        out.one("worker_seen_seconds", "How long ago any worker was seen.", _age(max(seen), now))
    chore = Chore.objects.filter(pk=nightly.VERIFY).exclude(ended_at=None).first()
    if chore:
        out.one("rollup_drift", "Statuses that the last night found to be wrong.", chore.found)
        out.one("rollup_verified_seconds", "How long ago that was.", _age(chore.ended_at, now))


# --- the other floors ---------------------------------------------------------------------------------------


def _notifications(out: Lines, now: datetime) -> None:
    due = Q(due_at__lte=now)
    rows = Delivery.objects.filter(state=Delivery.State.PENDING).values_list("channel__way").order_by()
    found = dict.fromkeys(Channel.Way.values, (0, 0, None)) | {
        way: more
        for way, *more in rows.annotate(
            waiting=Count("pk"), due=Count("pk", filter=due), oldest=Min("due_at", filter=due)
        )
    }
    out.add(
        "notifications_waiting",
        "Messages to be sent: now, together with others of their like, or once more after a failure.",
        (({"way": way}, waiting) for way, (waiting, _due, _oldest) in found.items()),
    )
    number = sum(due for _waiting, due, _oldest in found.values())
    out.one("notifications_due", "Messages that should be on their way.", number)
    oldest = min((at for _waiting, _due, at in found.values() if at), default=None)
    out.one("notifications_oldest_due_seconds", "How long the oldest of them waits.", _age(oldest, now))


def _limits(out: Lines) -> None:
    """Of a store that does not answer there is only that."""
    try:
        used, held = watching.of_providers(MINUTES), watching.provider_holds()
    except LimiterUnavailable:
        out.one("limiter_up", "Whether the store of rate limits answers.", 0)
        return
    out.one("limiter_up", "Whether the store of rate limits answers.", 1)
    words = {"granted": "Requests that limits granted", "denied": "Requests that limits denied"}
    for place, (name, said) in enumerate(words.items()):
        out.add(
            f"limit_{name}",
            f"{said} in the last {MINUTES} minutes.",
            (({"provider": key}, used.get(key, (0, 0))[place]) for key in kinds.PROVIDERS),
        )
    out.add(
        "provider_held_off",
        "Whether all limits of a provider are held off.",
        (({"provider": key}, key in held) for key in kinds.PROVIDERS),
    )


def _secrets(out: Lines) -> None:
    holders = (("credential", Credential.objects.non_polymorphic()), ("oauth_app", OAuthApp.objects.all()))
    out.add(
        "unreadable",
        "Rows with a secret that no key opens.",
        (({"kind": kind}, rows.filter(unreadable=True).count()) for kind, rows in holders),
    )


def _audit(out: Lines, now: datetime) -> None:
    found = AuditEvent.objects.filter(number=None).aggregate(Count("pk"), Min("time"))
    out.one(
        "audit_unchained", "Events that the chain of the audit trail has yet to take.", found["pk__count"]
    )
    out.one("audit_unchained_seconds", "How long the oldest of them waits.", _age(found["time__min"], now))


# --- what they are made of ----------------------------------------------------------------------------------


def _age(at: datetime | None, now: datetime) -> float:
    return max(0.0, (now - at).total_seconds()) if at else 0.0
