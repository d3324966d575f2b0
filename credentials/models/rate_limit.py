"""How often a credential may be used: so many requests in any interval, so many at the same time."""

import time
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, Self
from uuid import UUID

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models, transaction
from django.db.models import F
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from credentials import limiter

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
# The units in which people say an interval, in milliseconds, the largest first.
UNITS = {"day": DAY, "hour": HOUR, "minute": MINUTE, "second": SECOND, "millisecond": 1}

MOST_REQUESTS = 1_000_000
SHORTEST_INTERVAL = 100
LONGEST_INTERVAL = 31 * DAY
MOST_CONCURRENT = 10_000
NUMBERS = ("allowed_requests", "interval", "max_concurrent_requests")


class Limit(NamedTuple):
    """A limit as a kind declares its default. The interval is in milliseconds; None is no bound at once."""

    allowed_requests: int
    interval: int
    max_concurrent_requests: int | None = None


def in_units(interval: int) -> tuple[int, str]:
    """An interval in its largest whole unit: 86400000 gives (1, "day")."""
    unit = next(name for name, length in UNITS.items() if interval % length == 0)
    return interval // UNITS[unit], unit


def interval_words(interval: int) -> str:
    """An interval in words that follow "per": "second", "10 seconds", "day"."""
    number, unit = in_units(interval)
    words = {
        "day": ngettext("day", "%(n)d days", number),
        "hour": ngettext("hour", "%(n)d hours", number),
        "minute": ngettext("minute", "%(n)d minutes", number),
        "second": ngettext("second", "%(n)d seconds", number),
        "millisecond": ngettext("millisecond", "%(n)d milliseconds", number),
    }
    return words[unit] % {"n": number}


def new_revision() -> int:
    """Microseconds since 1970: revisions of one limit only need to differ, and mostly to grow."""
    return time.time_ns() // 1000


class RateLimitQuerySet(models.QuerySet["RateLimit"]):
    def update(self, **values: Any) -> int:
        """Another limit is another revision: those who enforce it notice. Who only has the instance of before
        does so once it is stored with save(), or when somebody else asks with the new one."""
        if values.keys() & set(NUMBERS):
            values.setdefault("revision", new_revision())
        return super().update(**values)

    def annotate_names(self) -> Self:
        """With `credential_name` and `provider`, without loading the credentials."""
        return self.annotate(credential_name=F("credential__name"), provider=F("credential__provider"))


class RateLimit(models.Model):
    """The limit of one credential, and what enforces it: the methods of `limiter`."""

    credential = models.OneToOneField(
        "credentials.Credential", on_delete=models.CASCADE, primary_key=True, related_name="rate_limit"
    )
    allowed_requests = models.PositiveIntegerField(
        gettext_lazy("allowed requests"),
        help_text=gettext_lazy("At most so many requests in any interval of that length."),
        validators=[
            MinValueValidator(1, gettext_lazy("At least 1: pause the credential to send nothing.")),
            MaxValueValidator(
                MOST_REQUESTS, gettext_lazy("At most 1,000,000: no provider allows more in one interval.")
            ),
        ],
    )
    interval = models.PositiveBigIntegerField(
        gettext_lazy("interval"),
        help_text=gettext_lazy("In milliseconds."),
        validators=[
            MinValueValidator(
                SHORTEST_INTERVAL,
                gettext_lazy("At least 100 milliseconds. Intervals are milliseconds: one minute is 60000."),
            ),
            MaxValueValidator(
                LONGEST_INTERVAL, gettext_lazy("At most 31 days: no provider counts over a longer time.")
            ),
        ],
    )
    max_concurrent_requests = models.PositiveIntegerField(
        gettext_lazy("at the same time"),
        null=True,
        blank=True,
        help_text=gettext_lazy("At most so many requests at once. Empty or 0: no bound."),
        validators=[
            MaxValueValidator(MOST_CONCURRENT, gettext_lazy("At most 10,000. Leave it empty for no bound."))
        ],
    )

    # Another number for each change of the three above: so the limiter sees at once who has an old instance.
    revision = models.BigIntegerField(default=new_revision, editable=False)

    objects = RateLimitQuerySet.as_manager()

    if TYPE_CHECKING:
        credential_name: str  # where annotate_names() was asked for

    class Meta:
        verbose_name = gettext_lazy("rate limit")
        verbose_name_plural = gettext_lazy("rate limits")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(allowed_requests__gte=1, interval__gte=1), name="rate_limit_is_positive"
            )
        ]

    def __str__(self) -> str:
        return self.words

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Store the limit; 0 at the same time is stored as no bound. It counts from the next lease on, once
        the transaction is committed. Raises ValidationError."""
        self.max_concurrent_requests = self.max_concurrent_requests or None
        self.full_clean(exclude={"credential"}, validate_unique=False, validate_constraints=False)
        if not self._state.adding:
            self.revision = max(self.revision + 1, new_revision())
            if kwargs.get("update_fields") is not None:
                kwargs["update_fields"] = {*kwargs["update_fields"], "revision"}
            # Who has an old instance is told; that this fails is no harm, for the next new instance tells
            # too.
            transaction.on_commit(lambda: limiter.publish(self), using=kwargs.get("using"), robust=True)
        super().save(*args, **kwargs)

    def become(self, limit: Limit) -> bool:
        """Take these numbers where the stored ones are others; returns whether they were. Call it in a
        transaction: it waits for whoever else changes them. Raises ValidationError, DoesNotExist."""
        wanted = limit._replace(max_concurrent_requests=limit.max_concurrent_requests or None)
        stored = type(self).objects.select_for_update().only(*NUMBERS, "revision").get(pk=self.pk)
        for name in (*NUMBERS, "revision"):
            setattr(self, name, getattr(stored, name))
        if self.limit == wanted:
            return False
        for name, value in wanted._asdict().items():
            setattr(self, name, value)
        self.save()
        return True

    @property
    def words(self) -> str:
        """The limit in people's units: "25 per second, 4 at a time"."""
        rate = _("%(n)s per %(interval)s") % {
            "n": f"{self.allowed_requests:,}",
            "interval": interval_words(self.interval),
        }
        if not self.max_concurrent_requests:
            return rate
        return _("%(rate)s, %(n)s at a time") % {"rate": rate, "n": f"{self.max_concurrent_requests:,}"}

    @property
    def limit(self) -> Limit:
        """The three numbers."""
        return Limit(self.allowed_requests, self.interval, self.max_concurrent_requests)

    def document(self) -> dict[str, int]:
        """The limit as documents show it, where no bound is 0."""
        return {
            "allowed_requests": self.allowed_requests,
            "interval": self.interval,
            "max_concurrent_requests": self.max_concurrent_requests or 0,
        }

    # --- enforcing it ---------------------------------------------------------------------------------------

    @property
    def key(self) -> UUID:
        return self.credential_id

    @cached_property
    def provider(self) -> str:
        rows = type(self).objects.filter(pk=self.pk)
        return rows.values_list("credential__provider", flat=True).get()

    def reload(self) -> None:
        """Read the three numbers anew. Raises DoesNotExist."""
        self.refresh_from_db(fields=[*NUMBERS, "revision"])

    def acquire(
        self,
        *,
        timeout: float = 30.0,
        purpose: str = "",
        lasting: float = limiter.LASTING,
        unused: limiter.Lease | None = None,
    ) -> limiter.Lease:
        """Wait for one's turn, at most `timeout` seconds; a context manager that gives the lease back.

        The lease expires `lasting` seconds after it was granted or renewed. Raises RateLimited as soon as it
        is clear that the turn does not come in time, and LimiterUnavailable. `unused` is a lease of before
        that came too late to send anything, and was released: its place is taken again where it can be.
        """
        return limiter.acquire(self, timeout=timeout, purpose=purpose, lasting=lasting, unused=unused)

    def try_acquire(
        self, *, purpose: str = "", lasting: float = limiter.LASTING
    ) -> limiter.Lease | limiter.Denied:
        """A lease if there is one at once, else what is in the way and for how long. Raises
        LimiterUnavailable."""
        return limiter.try_acquire(self, purpose=purpose, lasting=lasting)

    def aacquire(
        self, *, timeout: float = 30.0, purpose: str = "", lasting: float = limiter.LASTING
    ) -> limiter.Turn:
        """As `acquire`, for `async with` or `await`."""
        return limiter.aacquire(self, timeout=timeout, purpose=purpose, lasting=lasting)

    async def atry_acquire(
        self, *, purpose: str = "", lasting: float = limiter.LASTING
    ) -> limiter.Lease | limiter.Denied:
        """As `try_acquire`."""
        return await limiter.atry_acquire(self, purpose=purpose, lasting=lasting)

    def hold_off(
        self, *, until: datetime | None = None, seconds: float | None = None, reason: str = ""
    ) -> None:
        """Grant nothing until a time, because the provider said so. Raises LimiterUnavailable."""
        limiter.hold_off(self, until=until, seconds=seconds, reason=reason)

    def lift(self) -> None:
        """End a hold-off before its time. Raises LimiterUnavailable."""
        limiter.lift(self)

    def usage(self, minutes: int = 60) -> list[limiter.Minute]:
        """The use of each of the last minutes in which there was any, the oldest first."""
        return limiter.usage(self, minutes)

    def holders(self) -> list[limiter.Holder]:
        """Who holds a lease now."""
        return limiter.holders(self)

    def live(self) -> limiter.Live:
        """How much is used now, and until when it is held off."""
        return limiter.live([self])[self.key]

    def note_quota(
        self, allowed_requests: int, *, interval: int | None = None, remaining: int | None = None
    ) -> None:
        """Note what the provider's headers say; `interval` in milliseconds. Raises LimiterUnavailable."""
        limiter.note_quota(self, allowed_requests, interval=interval, remaining=remaining)

    def disagreement(self, told: limiter.Reported | None = None) -> Limit | None:
        """What the provider says, where it is less than this limit lets through; else None. `told` is what
        was read already of what it says."""
        told = told or limiter.reported(self)
        if told is None or not limiter.is_lower(
            allowed=self.allowed_requests,
            interval=self.interval,
            reported=told.allowed_requests,
            reported_interval=told.interval,
        ):
            return None
        return Limit(told.allowed_requests, told.interval or self.interval, self.max_concurrent_requests)

    def adopt(self) -> bool:
        """Take what the provider says for the limit, where it is less. Returns whether anything changed."""
        told = self.disagreement()
        if told is None:
            return False
        credential = self.credential
        credential.rate_limit = self
        return credential.set_limit(told)
