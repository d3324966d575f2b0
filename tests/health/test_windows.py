"""Maintenance of a provider: what is there is paused with it, for as long as it lasts."""

from datetime import timedelta

import pytest
import time_machine
from django.urls import reverse
from django.utils import timezone

from health import incidents, reports
from health.models import Component, Pause
from health.observations import Observation
from tests.credentials.admin_pages import client_of, staff
from tests.factories import make_credential, make_oauth_app
from tests.health.cast import ANNA, CUSTOMER, HEALTHY, make, say

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


@pytest.fixture
def bo(db):
    return client_of(staff("view_credential", "view_component", "report_component"))


def paused(*rows):
    return [row.paused for row in map(again, rows)]


def again(row):
    return Component.objects.get(pk=row.pk)


def local(moment):
    return timezone.localtime(moment).strftime("%Y-%m-%dT%H:%M")


def test_a_planned_window_pauses_all_that_is_at_a_provider_until_its_end(bo):
    app = make_oauth_app("hubspot").component
    key, other = (make_credential("hubspot_oauth2", hub_id=n).component for n in (1, 2))
    elsewhere = make_credential("stripe_key").component
    sync = make("sync", "acme orders", key)
    for row in (app, key, other, elsewhere):
        say(row, HEALTHY, at=timezone.now() - 2 * HOUR)
    # It is planned from the provider's page, and one comes back there.
    place = reverse("provider", args=["hubspot"])
    answer = bo.post(reverse("plan_maintenance", args=["hubspot"]))
    assert "3 other components depend on this one and follow." in bo.get(answer.url).text
    starts = timezone.now() + HOUR
    posted = {"reason": "They move.", "starts_at": local(starts), "hours": 4, "next": place}
    answer = bo.post(answer.url.partition("?")[0], posted)
    assert (answer.status_code, answer.url) == (302, place)
    text = bo.get(place).text
    assert "Planned" in text and "They move." in text and "by bo" not in text
    reports.tick()
    assert not any(paused(app, key, other))

    with time_machine.travel(starts + timedelta(minutes=1), tick=False) as now:
        reports.tick()
        assert paused(app, key, other, elsewhere, sync) == [True, True, True, False, False]
        part = Pause.objects.get(component=key)
        assert (part.reason, part.actor) == ("They move.", Pause.objects.get(part_of=None).actor)
        # Who comes meanwhile is paused as well; what a person resumes stays so.
        new = make_credential("hubspot_oauth2", hub_id=3).component
        reports.resume(again(other), actor=ANNA)
        reports.tick()
        assert paused(new, other, key) == [True, False, True]
        # Nothing that is seen counts.
        for _number in range(3):
            now.shift(timedelta(minutes=10))
            at = timezone.now()
            reports.observe(key.pk, Observation("revoked", at, at, revision=again(key).revision))
            incidents.assess("hubspot", at)
        assert again(key).status == again(sync).status == HEALTHY
        now.move_to(starts + 5 * HOUR)
        reports.tick()
        assert paused(app, key, new, other) == [False] * 4
        # Nobody knows how it is before it is looked at, which is due at once.
        assert again(key).in_doubt and again(key).next_check_at <= timezone.now()
        # What uptime leaves out: the whole of it, and of the one that was resumed as much as it was.
        [(began, ended)], [(_began, resumed)] = (row.pauses.windows(timezone.now()) for row in (key, other))
        assert ended - began == 4 * HOUR and resumed - began < timedelta(minutes=2)


def test_a_window_can_be_ended_early_or_taken_back(bo):
    keys = [make_credential("stripe_key", name=f"key {n}").component for n in range(3)]
    stripe = incidents.of_provider("stripe")
    reports.pause(stripe, reason="They move.", actor=ANNA)
    later = reports.pause(stripe, reason="Again.", actor=ANNA, starts_at=timezone.now() + 9 * 24 * HOUR)
    # In pieces, each of which is bounded.
    assert reports.tick(batch=2).more and sum(paused(*keys)) == 2
    reports.tick(batch=2)
    assert all(paused(*keys))
    place, end = reverse("provider", args=["stripe"]), reverse("health_act", args=[stripe.pk, "cancel-pause"])
    for pause in (Pause.objects.get(part_of=None, reason="They move."), later):
        assert f'value="{pause.pk}"' in bo.get(place).text
        assert bo.post(end, {"pause": pause.pk, "next": place}).url == place
    assert "None is planned." in bo.get(place).text
    reports.tick(batch=2)
    reports.tick(batch=2)
    assert not any(paused(stripe, *keys))
    assert not Pause.objects.filter(ended_at=None).exists()
    # What never began is in no timeline, and nothing that is no pause of it is ended.
    titles = [
        entry.title
        for entry in bo.get(reverse("health_component", args=[stripe.pk])).context["timeline"].entries
    ]
    assert titles == ["Pause ended", "Paused"]
    say(keys[0], CUSTOMER)
    for odd in ("x", "", "9" * 30, later.pk):
        assert bo.post(end, {"pause": odd}).status_code == 302


@pytest.mark.parametrize(
    "wanted",
    [
        "https://evil.example.com/",
        "//evil.example.com",
        "/\\evil.example.com",
        "javascript:alert('evil')",
        "evil",
        "admin:index",
        "",
    ],
)
def test_one_comes_back_to_pages_of_ours_alone(bo, wanted):
    target = make("target", "orders-db")
    act, own = reverse("health_act", args=[target.pk, "pause"]), reverse("health_component", args=[target.pk])
    assert "evil" not in bo.get(act, {"next": wanted}).text
    assert bo.post(act, {"reason": "Why.", "hours": 1, "next": wanted}).url == own
    resume = reverse("health_act", args=[target.pk, "resume"])
    assert bo.post(resume, {"next": wanted}).url == own
    assert bo.post(resume, {"next": "/credentials/?q=a"}).url == "/credentials/?q=a"
