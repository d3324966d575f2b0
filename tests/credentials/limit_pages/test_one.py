"""The page of one rate limit, and both pages while the limiter's store does not answer."""

import pytest

from credentials import limiter
from credentials.models import AuditEvent, Limit
from tests.credentials.limit_pages.showing import LIST, entered, named, page, stored, text_of
from tests.credentials.limiter.making import taken

pytestmark = pytest.mark.django_db


def test_the_page_of_a_limit_shows_use_holders_and_chart(viewer):
    limit = named("Atreides", 10, 60_000, 3)
    lease = limit.try_acquire(purpose="orders of May")
    taken(limit, 3)
    text = text_of(viewer.get(page(limit)))
    for words in (
        "Rate limit of “Atreides”",
        "30 %",
        "3 of 10",
        "3 of 3",
        "orders of May",
        f"<code>{lease.fence}</code>",
        "3 granted, 1 denied",
        '<svg class="rl-chart"',
        'class="rl-granted"',
        'class="rl-denied"',
        "The limit allows 10 per minute",
        "Nothing",
    ):
        assert (words in text) is (words != "Nothing"), words
    assert f'href="/credentials/{limit.pk}/"' in text


@pytest.mark.parametrize(
    ("last", "words"), [("day", "per 15 minutes"), ("month", "per 6 hours"), ("x", "per minute")]
)
def test_the_chart_shows_longer_times(viewer, last, words):
    limit = named("Atreides", 10, 60_000)
    taken(limit, 3)
    response = viewer.get(page(limit), {"last": last})
    assert words in text_of(response) and "3 granted, 0 denied" in text_of(response)
    assert sum(bar.grants for bar in response.context["use"]["used"]) == 3


def test_a_limit_that_was_never_used_says_so(viewer):
    text = text_of(viewer.get(page(named("Atreides"))))
    assert "Nothing was asked for in this time." in text
    assert "nobody keeps who makes them" in text and "nothing yet" in text
    assert "Nobody holds a lease now." in text_of(viewer.get(page(named("Corrino", 5, 1_000, 2))))


def test_the_credentials_page_leads_to_its_limit(admin_client):
    limit = named("Atreides", 4, 1_000)
    text = text_of(admin_client.get(limit.credential.get_absolute_url(), follow=True))
    assert f'href="{page(limit)}"' in text and "4 per second" in text


def test_what_the_provider_says_can_be_adopted(operator, viewer):
    limit = named("Atreides", 100, 1_000, 4)
    limit.note_quota(25, interval=1_000, remaining=7)
    text = text_of(operator.get(page(limit)))
    assert "Configured is 100 per second, 4 at a time; the provider says 25 per second." in text
    assert "7 left" in text and 'value="25/1000"' in text
    assert "adopt/" not in text_of(viewer.get(page(limit)))
    assert viewer.post(page(limit, "adopt_limit"), {"seen": "25/1000"}).status_code == 403
    assert stored(limit) == Limit(100, 1_000, 4)
    response = operator.post(page(limit, "adopt_limit"), {"seen": "25/1000"})
    assert (response.status_code, response.url) == (302, page(limit))
    assert stored(limit) == Limit(25, 1_000, 4)
    event = AuditEvent.objects.filter(object_id=limit.pk).order_by("time").last()
    assert event.actor.startswith("user:") and event.fields == ["rate_limit"]
    text = text_of(operator.get(page(limit)))
    assert "“Atreides” may now make 25 per second, 4 at a time." in text and "adopt/" not in text
    text = text_of(operator.post(page(limit, "adopt_limit"), {"seen": "25/1000"}, follow=True))
    assert "does not say less than what is set any more" in text


def test_what_nobody_saw_is_not_adopted(operator):
    limit = named("Atreides", 100, 1_000)
    limit.note_quota(25, interval=1_000)
    limit.note_quota(1, interval=86_400_000)
    text = text_of(operator.post(page(limit, "adopt_limit"), {"seen": "25/1000"}, follow=True))
    assert "says something else by now" in text and stored(limit) == Limit(100, 1_000)


def test_what_is_no_limit_is_not_adopted(operator):
    limit = named("Atreides", 100, 1_000)
    limit.note_quota(0, interval=1_000)
    text = text_of(operator.post(page(limit, "adopt_limit"), {"seen": "0/1000"}, follow=True))
    assert "This cannot be adopted: At least 1" in text and stored(limit) == Limit(100, 1_000)


def test_a_hold_off_can_be_lifted(operator, viewer):
    limit = named("Atreides", 4, 1_000)
    limit.hold_off(seconds=600, reason="quota_exhausted")
    text = text_of(operator.get(page(limit)))
    assert "Held off until" in text and "used up its allowance" in text and "lift/" in text
    assert "lift/" not in text_of(viewer.get(page(limit)))
    assert viewer.post(page(limit, "lift_hold_off")).status_code == 403
    assert not limit.try_acquire()
    text = text_of(operator.post(page(limit, "lift_hold_off"), follow=True))
    assert "“Atreides” is not held off any more." in text and "Held off until" not in text
    assert limit.try_acquire()
    event = AuditEvent.objects.get(action="lift")
    assert event.object_id == str(limit.pk) and event.actor.startswith("user:")
    text = text_of(operator.post(page(limit, "lift_hold_off"), follow=True))
    assert "was not held off any more" in text and AuditEvent.objects.filter(action="lift").count() == 1


def test_that_of_a_provider_is_lifted_for_all_its_credentials(operator):
    limit, other = named("Atreides"), named("Corrino")
    limiter.hold_off_provider("stripe", seconds=600, reason="outage")
    assert "All of Stripe is held off until" in text_of(operator.get(page(limit)))
    operator.post(page(limit, "lift_hold_off"))
    assert not other.try_acquire()
    text = text_of(operator.post(page(limit, "lift_hold_off"), {"whole": "1"}, follow=True))
    assert "“Stripe” is not held off any more." in text and other.try_acquire()


@pytest.mark.parametrize("query", ["", "?use=over", "?part=rows"])
def test_a_store_that_does_not_answer_is_said_in_one_line(operator, broken, query):
    limit = named("Atreides", 4, 1_000, 2)
    broken()
    text = text_of(operator.get(LIST + query))
    assert text.count("store failed, so no request may be made: down.") == 1
    assert "Atreides" in text and "4 per second, 2 at a time" in text
    assert ("cannot be told" in text) is ("over" in query)
    for part in ("", "?part=now", "?part=use"):
        assert "store failed, so no request may be made: down." in text_of(operator.get(page(limit) + part))


def test_a_limit_can_be_changed_while_the_store_does_not_answer(operator, broken):
    limit = named("Atreides", 4, 1_000)
    broken()
    assert operator.post(page(limit), entered(limit)).status_code == 302
    assert stored(limit) == Limit(7, 120_000)


@pytest.mark.parametrize(
    ("act", "words"), [("lift_hold_off", "Nothing was lifted"), ("adopt_limit", "Nothing was changed")]
)
def test_what_needs_the_store_says_that_it_was_not_done(operator, broken, act, words):
    limit = named("Atreides", 4, 1_000)
    limit.hold_off(seconds=60)
    broken()
    assert words in text_of(operator.post(page(limit, act), {"seen": "1/1"}, follow=True))
    assert not AuditEvent.objects.filter(action="lift").exists()
