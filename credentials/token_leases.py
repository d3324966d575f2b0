"""Who exchanges the token of a credential: one at a time, over all hosts, by the database's clock."""

import os
import platform
from datetime import timedelta
from typing import NamedTuple

from django.db import models, transaction
from django.db.models.functions import Now

from credentials.models import AccessToken

# Longer than an exchange can take: ten seconds for the call, and forty to store what it gave while the
# database is away.
LEASE = timedelta(seconds=60)


class Held(NamedTuple):
    """A lease that this process holds."""

    row: AccessToken
    fence: int


def take(row: AccessToken) -> Held | None:
    """The lease, or None where somebody else holds it.

    The number must be as it was read: it rises with each lease and each release, so that whoever looked
    before somebody else was done has to look again. Raises RuntimeError inside a transaction.
    """
    free = models.Q(leased_until=None) | models.Q(leased_until__lt=Now())
    with transaction.atomic(durable=True):
        taken = AccessToken.objects.filter(free, pk=row.pk, fence=row.fence).update(
            fence=row.fence + 1,
            leased_by=f"{platform.node()}:{os.getpid()}"[:255],
            leased_until=Now() + LEASE,
        )
    if not taken:
        return None
    # Whoever held it before may have noted what it sent after this process had read the row.
    row.refresh_from_db(fields=["in_flight"])
    return Held(row, row.fence + 1)


def mark(held: Held, **values: object) -> bool:
    """Write to the row of the lease; returns whether it is still held."""
    return bool(AccessToken.objects.filter(pk=held.row.pk, fence=held.fence).update(**values))


def release(held: Held, **values: object) -> bool:
    """Give the lease back, with these values; returns whether it was still held."""
    return mark(held, fence=held.fence + 1, leased_until=None, leased_by="", **values)
