"""A credential's rate limit: its words, its bounds, its stored form."""

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from hypothesis import given, settings
from hypothesis import strategies as st

from credentials.kinds.stripe import StripeKey
from credentials.models import RateLimit
from credentials.models.rate_limit import DAY, HOUR, LONGEST_INTERVAL, MINUTE, SECOND, UNITS, Limit, in_units
from tests.credentials.kind_facts import FACTS


@pytest.fixture
def limit(db):
    credential = StripeKey.from_properties(FACTS["stripe_key"].properties)
    credential.save()
    return credential.rate_limit


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ((25, SECOND, None), "25 per second"),
        ((25, SECOND, 4), "25 per second, 4 at a time"),
        ((100, 10 * SECOND, 0), "100 per 10 seconds"),
        ((5_000, HOUR, 100), "5,000 per hour, 100 at a time"),
        ((100_000, DAY, 25), "100,000 per day, 25 at a time"),
        ((1, 90 * SECOND, 1_000), "1 per 90 seconds, 1,000 at a time"),
        ((1, 2 * MINUTE, None), "1 per 2 minutes"),
        ((1, 1_500, None), "1 per 1500 milliseconds"),
        ((1, 7 * DAY, None), "1 per 7 days"),
    ],
)
def test_a_limit_is_said_in_peoples_units(numbers, words):
    assert str(RateLimit(None, *numbers)) == words


@settings(deadline=None)
@given(st.integers(1, LONGEST_INTERVAL))
def test_units_lose_nothing(interval):
    number, unit = in_units(interval)
    assert number * UNITS[unit] == interval


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"allowed_requests": 0}, "At least 1: pause the credential to send nothing."),
        ({"allowed_requests": -1}, "At least 1: pause the credential to send nothing."),
        ({"allowed_requests": 1_000_001}, "At most 1,000,000: no provider allows more in one interval."),
        ({"interval": 99}, "At least 100 milliseconds. Intervals are milliseconds: one minute is 60000."),
        ({"interval": LONGEST_INTERVAL + 1}, "At most 31 days: no provider counts over a longer time."),
        ({"max_concurrent_requests": 10_001}, "At most 10,000. Leave it empty for no bound."),
        ({"allowed_requests": None}, "This field cannot be null."),
    ],
)
def test_a_limit_out_of_bounds_is_refused_with_the_reason(limit, change, says):
    [(name, value)] = change.items()
    setattr(limit, name, value)
    with pytest.raises(ValidationError) as caught:
        limit.save()
    assert caught.value.message_dict == {name: [says]}


@pytest.mark.parametrize("numbers", [(1, 100, None), (1_000_000, LONGEST_INTERVAL, 10_000), (1, SECOND, 1)])
def test_the_bounds_themselves_are_taken(limit, numbers):
    limit.allowed_requests, limit.interval, limit.max_concurrent_requests = numbers
    limit.save()
    limit.refresh_from_db()
    assert (limit.allowed_requests, limit.interval, limit.max_concurrent_requests) == numbers


def test_0_at_the_same_time_is_stored_as_no_bound(limit):
    limit.max_concurrent_requests = 0
    limit.save()
    limit.refresh_from_db()
    assert limit.max_concurrent_requests is None
    assert limit.document()["max_concurrent_requests"] == 0


def test_the_database_itself_refuses_a_limit_of_nothing(limit):
    for values in ({"allowed_requests": 0}, {"interval": 0}):
        with pytest.raises(IntegrityError), transaction.atomic():
            RateLimit.objects.filter(pk=limit.pk).update(**values)


def test_a_limit_is_set_through_its_credential(limit):
    credential = limit.credential
    assert credential.set_limit(Limit(7, MINUTE, 2)) is True
    assert credential.set_limit(Limit(7, MINUTE, 2)) is False
    assert RateLimit.objects.get().limit == Limit(7, MINUTE, 2)


def test_the_limit_goes_with_its_credential(limit):
    limit.credential.delete()
    type(limit.credential).everything.all().purge()
    assert not RateLimit.objects.exists()
