"""Changing rate limits in the list and on their pages, and who may."""

import pytest

from credentials.models import AuditEvent, Limit, RateLimit
from tests.credentials.admin_pages import client_of, staff
from tests.credentials.limit_pages.showing import LIST, entered, named, page, stored, text_of
from tests.credentials.limiter.making import taken

pytestmark = pytest.mark.django_db


def test_a_limit_is_changed_where_it_stands(operator):
    limit = named("Atreides", 4, 1_000)
    named("Corrino")
    text = text_of(operator.get(LIST, {"edit": limit.pk}))
    assert text.count('name="allowed_requests"') == 1 and 'data-live="5"' not in text
    response = operator.post(f"{LIST}?q=a&edit={limit.pk}", entered(limit))
    assert (response.status_code, response.url) == (302, f"{LIST}?q=a#limit-{limit.pk}")
    assert stored(limit) == Limit(7, 120_000, None)
    assert (
        AuditEvent.objects.filter(
            object_id=limit.pk, actor__startswith="user:", fields=["rate_limit"]
        ).count()
        == 1
    )
    assert "“Atreides” may now make 7 per 2 minutes." in text_of(operator.get(LIST))


@pytest.mark.parametrize("unit", ["second", "minute", "hour", "day"])
def test_intervals_are_in_peoples_units(operator, unit):
    limit = named("Atreides", 4, 1_000)
    operator.post(page(limit), entered(limit, interval_1=unit, max_concurrent_requests="3"))
    length = {"second": 1_000, "minute": 60_000, "hour": 3_600_000, "day": 86_400_000}[unit]
    assert stored(limit) == Limit(7, 2 * length, 3)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"allowed_requests": "0"}, "At least 1"),
        ({"allowed_requests": ""}, "This field is required"),
        ({"allowed_requests": "many"}, "Enter a whole number"),
        ({"allowed_requests": "9" * 5_000}, "Enter a whole number"),
        ({"allowed_requests": "1000001"}, "At most 1,000,000"),
        ({"interval_0": ""}, "This field is required"),
        ({"interval_0": "40", "interval_1": "day"}, "At most 31 days"),
        ({"interval_0": "1", "interval_1": "fortnight"}, "Select a valid choice"),
        ({"max_concurrent_requests": "-1"}, "greater than or equal to 0"),
        ({"max_concurrent_requests": "10001"}, "At most 10,000"),
    ],
)
@pytest.mark.parametrize("place", ["list", "page"])
def test_bad_input_is_said_at_its_field_and_loses_nothing(operator, changed, words, place):
    limit = named("Atreides", 4, 1_000)
    data = {"allowed_requests": "123", "interval_0": "17", "max_concurrent_requests": "45"} | changed
    address = f"{LIST}?edit={limit.pk}" if place == "list" else page(limit)
    text = text_of(operator.post(address, entered(limit, **data)))
    assert words in text
    for name, value in data.items():
        if name != "interval_1" and value:
            assert f'value="{value}"' in text, name
    assert stored(limit) == Limit(4, 1_000, None)


def test_a_limit_that_is_not_on_the_page_any_more_keeps_its_form(operator):
    limit, _other = named("Atreides", 4, 1_000), named("Corrino")
    address = f"{LIST}?q=corrino&edit={limit.pk}"
    text = text_of(operator.post(address, entered(limit, allowed_requests="0", interval_0="17")))
    assert "At least 1" in text and 'value="17"' in text and "Corrino" in text


@pytest.mark.parametrize("place", ["list", "page"])
def test_what_somebody_else_saved_is_not_overwritten_unseen(operator, place):
    limit = named("Atreides", 4, 1_000)
    address = f"{LIST}?edit={limit.pk}" if place == "list" else page(limit)
    data = entered(limit)
    limit.credential.set_limit(Limit(9, 1_000))
    response = operator.post(address, data)
    assert "Somebody changed this to 9 per second while you were editing." in text_of(response)
    assert stored(limit) == Limit(9, 1_000)
    again = entered(limit)
    assert f'name="seen" value="{again["seen"]}"' in text_of(response)
    assert operator.post(address, again).status_code == 302
    assert stored(limit) == Limit(7, 120_000)


def test_a_change_counts_at_once(operator):
    limit = named("Atreides", 4, 3_600_000)
    taken(limit, 2)
    operator.post(page(limit), entered(limit, allowed_requests="2", interval_0="1", interval_1="hour"))
    assert not RateLimit.objects.get(pk=limit.pk).try_acquire()


def test_who_may_only_see_changes_nothing(viewer):
    limit = named("Atreides", 4, 1_000)
    assert 'name="allowed_requests"' not in text_of(viewer.get(page(limit)))
    assert 'name="allowed_requests"' not in text_of(viewer.get(LIST, {"edit": limit.pk}))
    assert viewer.post(page(limit), entered(limit)).status_code == 403
    assert viewer.post(f"{LIST}?edit={limit.pk}", entered(limit)).status_code == 403
    assert stored(limit) == Limit(4, 1_000)


def test_nobody_else_gets_in(client):
    limit = named("Atreides", 4, 1_000)
    stranger = client_of(staff())
    for address in (LIST, page(limit)):
        assert client.get(address).status_code == 302
        assert client.get(address).url.startswith("/admin/login/")
        assert stranger.get(address).status_code == 403
    for act in ("lift_hold_off", "adopt_limit"):
        assert client.post(page(limit, act)).status_code == 302
        assert stranger.post(page(limit, act)).status_code == 403


def test_what_changes_something_is_sent_not_visited(operator):
    limit = named("Atreides")
    for act in ("lift_hold_off", "adopt_limit"):
        assert operator.get(page(limit, act)).status_code == 405


def test_names_are_text(operator):
    limit = named("<script>alert(1)</script>", 4, 60_000, 2)
    limit.hold_off(seconds=60, reason="<script>alert(2)</script>")
    for address in (LIST, page(limit), f"{LIST}?edit={limit.pk}"):
        assert "<script>alert" not in operator.get(address).content.decode()
