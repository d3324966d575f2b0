"""Sending what is due: each try is claimed, has a row of its own, and is made anew where it failed.

A claim moves `due_at` to its own end and counts the try, so whoever was killed while sending loses it by
time, and whoever comes back late changes nothing. A message can come twice where its sender was killed
between sending and writing that down: it carries the same id then.
"""

import logging
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID

from django.db import connections, transaction
from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone
from django.utils.translation import gettext as _

from credentials.models.channel import Channel
from credentials.models.delivery import Attempt, Delivery
from credentials.notifications import mail, messages, posts
from credentials.notifications.outcomes import Outcome

logger = logging.getLogger(__name__)

# Seconds after the first failure, the second, ...: about a day in all. Each is stretched or shortened a bit.
WAITS = (30, 120, 480, 1800, 7200, 21600, 21600, 21600)
JITTER = 0.2
TRIES = len(WAITS) + 1
# Longer than any try takes.
LEASE = timedelta(minutes=3)
# After a failure a channel is left alone for a moment, whatever else waits for it.
HOLD = timedelta(seconds=30)
# So many channels are served at the same time, and each for so many seconds in one turn.
AT_ONCE, SHARE = 4, 10.0
SENDERS = {
    Channel.Way.EMAIL.value: mail.send,
    Channel.Way.WEBHOOK.value: posts.webhook,
    Channel.Way.SLACK.value: posts.slack,
}


def deliver(ending: threading.Event | None = None) -> None:
    """Send what is due, each channel in its own thread, in bounded time."""
    ending = ending or threading.Event()
    now = timezone.now()
    free = Channel.objects.filter(enabled=True).exclude(hold_until__gt=now)
    due = Delivery.objects.filter(channel=OuterRef("pk"), state=Delivery.State.PENDING, due_at__lte=now)
    channels = list(free.filter(Exists(due)).values_list("pk", flat=True))
    if len(channels) < 2 or AT_ONCE < 2:
        for pk in channels:
            _serve(pk, ending)
    else:
        with ThreadPoolExecutor(AT_ONCE, "notify") as pool:
            for done in [pool.submit(_in_thread, pk, ending) for pk in channels]:
                done.result()


def _in_thread(channel: UUID, ending: threading.Event) -> None:
    try:
        _serve(channel, ending)
    finally:
        connections.close_all()


def _serve(channel: UUID, ending: threading.Event) -> None:
    """Send what is due to one channel until something fails."""
    ends = time.monotonic() + SHARE
    while time.monotonic() < ends and not ending.is_set():
        delivery = next_due(channel)
        if delivery is None or (claim(delivery) and not carry_out(delivery).worked):
            return


def next_due(channel: UUID) -> Delivery | None:
    """The delivery to try next: none before what the channel is to hear earlier of the same component."""
    now = timezone.now()
    earlier = Delivery.objects.filter(
        Q(state=Delivery.State.PENDING)
        | Q(state=Delivery.State.FOLDED, spoken_by__state=Delivery.State.PENDING),
        channel=OuterRef("channel"),
        flip__component=OuterRef("flip__component"),
        pk__lt=OuterRef("pk"),
    )
    due = Delivery.objects.filter(
        ~Exists(earlier),
        channel=channel,
        channel__enabled=True,
        state=Delivery.State.PENDING,
        due_at__lte=now,
    )
    return due.select_related("channel", "flip__component").order_by("due_at", "pk").first()


def claim(delivery: Delivery) -> bool:
    """Make the next try this process's own; False where another one was faster."""
    now = timezone.now()
    unchanged = Delivery.objects.filter(
        pk=delivery.pk, state=delivery.state, attempts=delivery.attempts, due_at=delivery.due_at
    )
    with transaction.atomic():
        if not unchanged.update(state=Delivery.State.PENDING, attempts=F("attempts") + 1, due_at=now + LEASE):
            return False
        delivery.attempts, delivery.state = delivery.attempts + 1, Delivery.State.PENDING
        Attempt.objects.create(delivery=delivery, number=delivery.attempts, at=now)
    return True


def carry_out(delivery: Delivery) -> Outcome:
    """Make the try that was claimed, and write what came of it."""
    try:
        outcome = SENDERS[delivery.channel.way](delivery.channel, messages.compose(delivery))
    except Exception as error:  # noqa: BLE001 - whatever it is, the message must be tried again
        # Not its text, which can hold what was to be sent.
        logger.error("A notification could not be sent: %s", type(error).__name__)
        outcome = Outcome(False, _("It could not be sent, by a fault of ours."))
    _write(delivery, outcome)
    return outcome


def send_now(delivery: Delivery) -> Outcome | None:
    """Try at once, whenever it is due and whatever came of it before. None where somebody is sending it."""
    if delivery.state == Delivery.State.PENDING and delivery.attempts:
        last = Attempt.objects.filter(delivery=delivery, number=delivery.attempts, ended_at=None)
        if last.filter(at__gt=timezone.now() - LEASE).exists():
            return None
    return carry_out(delivery) if claim(delivery) else None


def test(channel: Channel) -> tuple[Delivery, Outcome]:
    """Send a test message, once."""
    made = Delivery.objects.create(channel=channel, stage=Delivery.Stage.TEST)
    claim(made)
    return made, carry_out(made)


def _write(delivery: Delivery, outcome: Outcome) -> None:
    """Keep the outcome, unless the claim was over meanwhile and somebody else tries."""
    now = timezone.now()
    mine = Delivery.objects.filter(pk=delivery.pk, attempts=delivery.attempts, state=Delivery.State.PENDING)
    attempt = Attempt.objects.filter(delivery=delivery, number=delivery.attempts)
    with transaction.atomic():
        attempt.update(
            ended_at=now, worked=outcome.worked, status=outcome.status, reason=outcome.reason[:200]
        )
        rows = Channel.objects.filter(pk=delivery.channel_id)
        if outcome.worked:
            mine.update(state=Delivery.State.SENT, settled_at=now)
            rows.update(failures=0, hold_until=None, last_sent_at=now)
            return
        last = delivery.attempts >= TRIES or delivery.stage == Delivery.Stage.TEST
        if last:
            mine.update(state=Delivery.State.GIVEN_UP, settled_at=now)
        else:
            mine.update(due_at=now + _wait(delivery.attempts, outcome.wait))
        rows.update(failures=F("failures") + 1, hold_until=now + HOLD)


def _wait(failures: int, asked: float) -> timedelta:
    """How long to wait after so many failures in a row, and at least as long as the receiver asked."""
    stretched = WAITS[failures - 1] * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - no secret
    return timedelta(seconds=max(stretched, asked))
