"""What the tests of the pages of rate limits share."""

from django.urls import reverse

from credentials.models import Limit, RateLimit
from tests.factories import make_credential

LIST = "/rate-limits/"


def named(name, *numbers, kind="stripe_key"):
    credential = make_credential(kind, name=name)
    if numbers:
        credential.set_limit(Limit(*numbers))
    return credential.rate_limit


def page(limit, act="rate_limit"):
    return reverse(act, args=[limit.pk])


def names(response):
    return [row.credential.name for row in response.context["found"].rows]


def text_of(response):
    assert response.status_code == 200
    return " ".join(response.content.decode().replace("&nbsp;", " ").split())


def entered(limit, **changed):
    return {
        "allowed_requests": "7",
        "interval_0": "2",
        "interval_1": "minute",
        "max_concurrent_requests": "",
        "seen": RateLimit.objects.get(pk=limit.pk).revision,
    } | changed


def stored(limit):
    return RateLimit.objects.get(pk=limit.pk).limit
