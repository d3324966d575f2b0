"""Writing what is to be told, so that many of a kind do not become as many messages.

The first few of their like, the same code at the same provider, are told one by one. Further ones within ten
minutes are gathered for five: one message speaks for them all.
"""

from datetime import datetime, timedelta

from credentials.models.channel import Channel
from credentials.models.delivery import Delivery
from health.models import Flip

FEW, WINDOW, GATHERED = 3, timedelta(minutes=10), timedelta(minutes=5)


def add(channel: Channel, flip: Flip, stage: str, now: datetime, *, number: int = 0) -> Delivery:
    """Let a channel be told of a flip, alone or together with its like. In a transaction."""
    # The provider of a cause of another sort is its own; a code at another provider is another matter.
    likeness = f"{stage}:{flip.new}:{flip.code}:{flip.component.provider}"[:200]
    made = Delivery(
        channel=channel, flip=flip, stage=stage, number=number, likeness=likeness, created_at=now, due_at=now
    )
    alike = Delivery.objects.filter(
        channel=channel, likeness=likeness, spoken_by=None, created_at__gt=now - WINDOW
    )
    if alike.count() >= FEW:
        open_now = alike.filter(gathers=True, attempts=0, state=Delivery.State.PENDING)
        leader = open_now.first()
        # Locked by this, so that nobody begins to send it before the transaction ends.
        if leader and open_now.filter(pk=leader.pk).update(gathers=True):
            made.spoken_by, made.state = leader, Delivery.State.FOLDED
        else:
            made.gathers, made.due_at = True, now + GATHERED
    made.save(force_insert=True)
    return made


def fold(channel: Channel, flip: Flip, told: Delivery, now: datetime) -> Delivery:
    """Note that a channel need not be told of a flip: an earlier message said it."""
    return Delivery.objects.create(
        channel=channel,
        flip=flip,
        stage=Delivery.Stage.BEGAN,
        state=Delivery.State.FOLDED,
        spoken_by=told.spoken_by or told,
        created_at=now,
        due_at=now,
    )
