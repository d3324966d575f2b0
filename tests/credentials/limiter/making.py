"""Limits for tests, and what the tests of the limiter share."""

import threading

from django.db import connection

from credentials.models import Limit, RateLimit
from tests.factories import make_credential


def make_limit(allowed=3, interval=500, at_once=None, kind="stripe_key") -> RateLimit:
    credential = make_credential(kind)
    credential.set_limit(Limit(allowed, interval, at_once))
    return credential.rate_limit


def again(limit: RateLimit) -> RateLimit:
    """The same limit as another process has loaded it."""
    return RateLimit.objects.get(pk=limit.pk)


def change(limit: RateLimit, *numbers) -> None:
    limit.credential.set_limit(Limit(*numbers))


def taken(limit: RateLimit, asked: int) -> list:
    """The leases that were had at once when so many were asked for."""
    return [lease for _ in range(asked) if (lease := limit.try_acquire())]


def in_threads(number, do):
    """Do something in so many threads at once; returns what each returned, raises what one raised."""
    results, errors = [], []

    def run():
        try:
            results.append(do())
        except BaseException as error:  # noqa: BLE001 - raised again below
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return results
