"""Who works, and what is done once a day: rows that all workers share."""

from datetime import datetime, timedelta

from django.db import models
from django.utils import timezone

# A worker that has not been seen for this long is gone; after this its row goes.
ALIVE, FORGOTTEN = timedelta(seconds=30), timedelta(days=1)
# A chore that was begun and not ended, because its worker was killed, is begun anew after this.
GIVEN_UP = timedelta(hours=2)
# At night: the hour of the day in the installation's time zone.
HOUR = 3


class Beat(models.Model):
    """When a worker was last seen. `name` is that under which it claims."""

    name = models.CharField(max_length=64, primary_key=True)
    began_at = models.DateTimeField(default=timezone.now)
    seen_at = models.DateTimeField(default=timezone.now)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.name


class Chore(models.Model):
    """Something that is done once a day, by whichever worker is first. `found` is how much was wrong."""

    name = models.CharField(max_length=32, primary_key=True)
    next_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    seconds = models.FloatField(default=0)
    looked_at = models.PositiveBigIntegerField(default=0)
    found = models.PositiveIntegerField(default=0)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.name


def beat(name: str, now: datetime) -> None:
    """Say that this worker is there; the rows of those that went long ago go."""
    if not Beat.objects.filter(pk=name).update(seen_at=now):
        Beat.objects.get_or_create(pk=name, defaults={"began_at": now, "seen_at": now})
        Beat.objects.filter(seen_at__lt=now - FORGOTTEN).delete()


def leave(name: str) -> None:
    """Say that this worker has ended as it should."""
    Beat.objects.filter(pk=name).delete()


def take(name: str, now: datetime) -> bool:
    """Claim a chore where it is due: one of those who ask gets it. A new one is due the next night."""
    if Chore.objects.filter(pk=name, next_at__lte=now).update(next_at=now + GIVEN_UP):
        return True
    if not Chore.objects.filter(pk=name).exists():
        Chore.objects.get_or_create(pk=name, defaults={"next_at": next_night(now)})
    return False


def done(name: str, *, began_at: datetime, looked_at: int, found: int) -> None:
    """Keep what came of a chore, which is due again the next night."""
    now = timezone.now()
    Chore.objects.filter(pk=name).update(
        next_at=next_night(now),
        ended_at=now,
        seconds=(now - began_at).total_seconds(),
        looked_at=looked_at,
        found=found,
    )


def next_night(now: datetime) -> datetime:
    """The next time that it is HOUR o'clock."""
    local = timezone.localtime(now)
    tonight = local.replace(hour=HOUR, minute=0, second=0, microsecond=0)
    return tonight if tonight > local else tonight + timedelta(days=1)
