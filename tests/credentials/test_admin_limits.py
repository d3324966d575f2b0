"""The rate limit in the forms: entered in people's units, stored in milliseconds."""

import pytest

from credentials.models import Credential, Limit
from credentials.models.rate_limit import DAY, HOUR, MINUTE, SECOND
from tests.credentials.admin_pages import add_page, added, client_of, entries, page, problems, shown, staff
from tests.factories import make_credential

pytestmark = pytest.mark.django_db


def limit(requests="", number="", unit="second", at_once=""):
    return {
        "allowed_requests": str(requests),
        "interval_0": str(number),
        "interval_1": unit,
        "max_concurrent_requests": str(at_once),
    }


def refused(client, **entered):
    response = client.post(add_page("github_app"), entries("github_app") | limit(**entered))
    assert not Credential.objects.exists()
    return problems(response)


@pytest.mark.parametrize(
    ("unit", "milliseconds"),
    [("second", SECOND), ("minute", MINUTE), ("hour", HOUR), ("day", DAY), ("millisecond", 1)],
)
def test_an_interval_is_entered_in_a_unit(admin_client, unit, milliseconds):
    number = 250 if unit == "millisecond" else 3
    data = entries("github_app") | limit(40, number, unit, 2)
    response = admin_client.post(add_page("github_app"), data)
    assert response.status_code == 302, problems(response)
    assert Credential.objects.get().rate_limit.limit == Limit(40, number * milliseconds, 2)


@pytest.mark.parametrize(
    ("interval", "expected"),
    [
        (SECOND, (1, "second")),
        (90 * SECOND, (90, "second")),
        (DAY, (1, "day")),
        (1500, (1500, "millisecond")),
    ],
)
def test_an_interval_is_shown_in_its_largest_whole_unit(admin_client, interval, expected):
    credential = make_credential()
    credential.set_limit(Limit(5, interval))
    data = shown(admin_client, credential)
    assert (data["interval_0"], data["interval_1"]) == expected


def test_an_empty_limit_is_the_default_of_the_kind(admin_client):
    assert added(admin_client, "github_app").rate_limit.limit == Limit(5000, HOUR, 100)


@pytest.mark.parametrize(("test", "requests"), [(True, 25), (False, 100)])
def test_the_default_follows_from_what_was_entered(admin_client, test, requests):
    secret = "sk_test_fake" if test else "sk_live_fake"
    credential = added(admin_client, "stripe_key", test=test, secret=secret)
    assert credential.rate_limit.limit == Limit(requests, SECOND)


def test_the_default_is_named(admin_client):
    html = admin_client.get(add_page("github_app")).content.decode()
    assert "Leave it all empty for the default: 5,000 per hour, 100 at a time." in html


@pytest.mark.parametrize("entered", [{"requests": 5}, {"number": 2}, {"at_once": 3}, {"at_once": 0}])
def test_half_a_limit_is_refused(admin_client, entered):
    assert "leave the whole limit empty" in " ".join(refused(admin_client, **entered).values())


@pytest.mark.parametrize(
    ("entered", "field", "says"),
    [
        ({"requests": 0, "number": 1}, "allowed_requests", "At least 1"),
        ({"requests": 0}, "interval", "Enter this too"),
        ({"requests": -5, "number": 1}, "allowed_requests", "At least 1"),
        ({"requests": 1_000_001, "number": 1}, "allowed_requests", "At most 1,000,000"),
        ({"requests": "9" * 4_000, "number": 1}, "allowed_requests", "At most 1,000,000"),
        ({"requests": "9" * 5_000, "number": 1}, "allowed_requests", "whole number"),
        ({"requests": 1.5, "number": 1}, "allowed_requests", "whole number"),
        ({"requests": "NaN", "number": 1}, "allowed_requests", "whole number"),
        ({"requests": 1, "number": 0}, "interval", "greater than or equal to 1"),
        ({"requests": 1, "number": -1}, "interval", "greater than or equal to 1"),
        ({"requests": 1, "number": 32, "unit": "day"}, "interval", "At most 31 days"),
        ({"requests": 1, "number": 99, "unit": "millisecond"}, "interval", "At least 100 milliseconds"),
        ({"requests": 1, "number": "9" * 5_000}, "interval", "whole number"),
        ({"requests": 1, "number": 1, "unit": "year"}, "interval", "not one of the available choices"),
        (
            {"requests": 1, "number": 1, "at_once": -1},
            "max_concurrent_requests",
            "greater than or equal to 0",
        ),
        ({"requests": 1, "number": 1, "at_once": 10_001}, "max_concurrent_requests", "At most 10,000"),
        ({"requests": 1, "number": 1, "at_once": "9" * 4_000}, "max_concurrent_requests", "At most 10,000"),
    ],
)
def test_an_absurd_limit_is_refused(admin_client, entered, field, says):
    assert says in refused(admin_client, **entered)[field]


def test_a_limit_is_changed(admin_client):
    credential = make_credential()
    data = shown(admin_client, credential) | limit(7, 2, "minute", 1)
    assert admin_client.post(page(credential), data).status_code == 302
    assert Credential.objects.get().rate_limit.limit == Limit(7, 2 * MINUTE, 1)


@pytest.mark.parametrize("at_once", ["", "0"])
def test_the_bound_on_concurrency_is_taken_away(admin_client, at_once):
    credential = make_credential("github_app")
    data = shown(admin_client, credential) | {"max_concurrent_requests": at_once}
    assert admin_client.post(page(credential), data).status_code == 302
    assert Credential.objects.get().rate_limit.max_concurrent_requests is None


@pytest.mark.parametrize(
    ("entered", "field"), [({"requests": ""}, "allowed_requests"), ({"number": ""}, "interval")]
)
def test_a_stored_limit_cannot_be_emptied(admin_client, entered, field):
    credential = make_credential()
    whole = {"requests": 5, "number": 1}
    response = admin_client.post(page(credential), shown(admin_client, credential) | limit(**whole | entered))
    assert problems(response)[field] == "This field is required."


def test_who_may_only_look_reads_the_limit_in_words():
    credential = make_credential("github_app")
    html = client_of(staff("view_credential")).get(page(credential)).content.decode()
    assert "5,000 per hour, 100 at a time" in html
