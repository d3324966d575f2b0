"""How status and time are shown."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from health.models import Component
from health.status import Status
from health.templatetags.lanyard import badge, badge_of, moment, next_step


def component(status=Status.HEALTHY, *, checked=True):
    now = timezone.now() if checked else None
    return Component(status=status, last_observed_at=now, known_since=now)


@pytest.mark.parametrize("status", Status)
def test_a_badge_is_colour_icon_and_words(status):
    html = badge(component(status))
    assert f'class="badge badge-{status.colour}"' in html
    assert f'aria-hidden="true">{status.icon}</span>' in html
    assert html.endswith(f"{status.label}</span>")


def test_no_two_statuses_look_alike():
    unchecked = component(checked=False)
    shown = [badge(component(status)) for status in Status] + [badge(unchecked)]
    for part in ("badge badge-", 'aria-hidden="true">', "</span>"):
        assert len({html.split(part)[1].split("<")[0] for html in shown}) == 4


def test_healthy_by_default_is_shown_as_not_checked():
    assert "Not checked yet" in badge(component(checked=False))
    assert next_step(component(checked=False)) == "Nobody has looked yet whether it works."


@pytest.mark.parametrize("status", [Status.CUSTOMER_INTERVENTION, Status.SEQUIN_INTERVENTION])
def test_a_reported_intervention_is_shown_before_any_check(status):
    assert str(status.label) in badge(component(status, checked=False))


@pytest.mark.parametrize("status", Status)
def test_the_next_step_says_what_its_owner_should_do(status):
    assert next_step(component(status)) == status.next_step


@pytest.mark.parametrize(
    ("ago", "words"),
    [
        (timedelta(), "just now"),
        (timedelta(seconds=59), "just now"),
        (timedelta(minutes=1), "1 minute ago"),
        (timedelta(minutes=59), "59 minutes ago"),
        (timedelta(hours=10, minutes=30), "10 hours ago"),
        (timedelta(days=20), "2 weeks ago"),
    ],
)
def test_a_time_is_said_as_people_do(ago, words):
    assert f">{words}</time>" in moment(timezone.now() - ago).replace("\xa0", " ")


def test_a_time_tells_the_exact_one_on_hover():
    when = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    html = moment(when)
    assert 'datetime="2026-01-02T03:04:05+00:00"' in html
    assert 'title="2 January 2026, 03:04:05 UTC"' in html


def test_a_time_that_never_was_is_never():
    assert moment(None) == "never"


def test_a_look_without_a_clear_result_is_not_called_healthy():
    seen = Component(status=Status.HEALTHY, last_observed_at=timezone.now())
    assert "No clear result yet" in badge(seen)
    assert "without an answer" in str(next_step(seen))


def test_a_provider_that_fails_has_an_incident_and_is_nobody_s_turn():
    ours = Status.SEQUIN_INTERVENTION
    stripe = Component(kind="provider", name="stripe", status=ours, own_status=ours)
    assert "Incident" in badge(stripe) and "We must act" not in badge(stripe)
    assert "We must act" in badge_of(ours, Component(kind="sync"))
