"""What was sent long ago goes, at night; what is still of use stays."""

import threading
from datetime import timedelta

import pytest
from django.utils import timezone

from credentials.models import Attempt, Delivery
from credentials.notifications import keeping
from health import nightly, upkeep
from health.models import Chore, Component
from tests.credentials.notifications.cast import make_channel
from tests.health.cast import CUSTOMER, HEALTHY, make, say

pytestmark = pytest.mark.django_db
OLD = timedelta(days=91)


def told(channel, flip=None, *, age=OLD, state="sent", **fields):
    """A delivery of so long ago, with an attempt."""
    at = timezone.now() - age
    made = Delivery.objects.create(
        channel=channel, flip=flip, stage="began" if flip else "test", state=state, created_at=at, **fields
    )
    Attempt.objects.create(delivery=made, number=1)
    return made


def flips_of(name, ends):
    """The flip of a failure of long ago, of a component that works again or does not."""
    row = make("target", name)
    flip = say(row, CUSTOMER, at=timezone.now() - timedelta(days=100))
    if ends:
        say(row, HEALTHY, at=timezone.now() - timedelta(days=95))
    return flip


def test_after_ninety_days_deliveries_go_with_their_attempts(monkeypatch):
    monkeypatch.setattr(keeping, "PIECE", 2)
    channel, other = make_channel("webhook"), make_channel("email")
    over, lasts = flips_of("over", True), flips_of("lasts", False)
    leader = told(channel, over)
    gone = [told(channel), told(other, over, state="given_up"), leader]
    gone.append(told(channel, flips_of("with it", True), state="folded", spoken_by=leader))
    speaks = told(other, flips_of("speaks", True))
    kept = [
        told(channel, age=timedelta(days=89)),
        told(other, flips_of("waits", True), state="pending"),
        # Whoever was told of what still fails is to hear that it works again.
        told(channel, lasts),
        # Another one that stays was told by it.
        speaks,
        told(other, lasts, state="folded", spoken_by=speaks),
    ]
    assert keeping.prune() == len(gone)
    assert set(Delivery.objects.all()) == set(kept) and Attempt.objects.count() == len(kept)
    # What works again since a moment ago is not told yet.
    say(Component.objects.get(name="lasts"), HEALTHY)
    assert keeping.prune() == 0


@pytest.mark.django_db(transaction=True)
def test_a_worker_does_it_at_night_and_again_where_it_was_ended():

    told(make_channel("email"))
    chore, stopped = nightly.chores()["deliveries"], threading.Event()
    assert not upkeep.take("deliveries", timezone.now())
    stopped.set()
    chore(stopped)
    assert Delivery.objects.count() == 1 and Chore.objects.get(pk="deliveries").ended_at is None
    chore(threading.Event())
    done = Chore.objects.get(pk="deliveries")
    assert not Delivery.objects.exists() and done.looked_at == 1 and done.ended_at
