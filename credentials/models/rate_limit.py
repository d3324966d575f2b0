"""How often a credential may be used: so many requests in any interval, so many at the same time."""

from typing import Any, NamedTuple

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

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


class RateLimit(models.Model):
    """The limit of one credential."""

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
        """Store the limit; 0 at the same time is stored as no bound. Raises ValidationError."""
        self.max_concurrent_requests = self.max_concurrent_requests or None
        self.full_clean(exclude={"credential"}, validate_unique=False, validate_constraints=False)
        super().save(*args, **kwargs)

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
