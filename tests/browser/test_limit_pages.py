"""The pages of rate limits in a real browser: they fit, and refresh by themselves while somebody looks."""

import pytest
from playwright.sync_api import expect

from credentials import limit_views, limiter
from credentials.models import Limit
from tests.factories import make_credential

pytestmark = pytest.mark.django_db(transaction=True)
LONG = "A customer whose name goes on and on: Donaudampfschifffahrtsgesellschaftskapitän"


@pytest.fixture
def limit(monkeypatch):
    monkeypatch.setattr(limit_views, "REFRESHED", 1)
    credential = make_credential("stripe_key", name=LONG)
    credential.set_limit(Limit(10, 3_600_000, 5))
    return credential.rate_limit


@pytest.mark.parametrize("width", [360, 1440])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pages_fit_and_are_quiet(limit, open_page, administrator, width, scheme):
    limit.try_acquire(purpose="a purpose that is as long as purposes may be, or nearly so")
    limit.hold_off(seconds=60, reason="The provider said so at length, and then said it again.")
    limit.note_quota(2, interval=3_600_000)
    view = open_page(administrator, width=width, height=900, colour_scheme=scheme)
    own = f"/rate-limits/{limit.pk}/"
    for address in ("/rate-limits/", f"/rate-limits/?edit={limit.pk}", "/rate-limits/?q=no", own):
        assert view.goto(address).status == 200
        assert view.evaluate("document.documentElement.scrollWidth") <= width, address
        assert not view.problems, address


def test_the_list_refreshes_by_itself_and_says_how_old_it_is(limit, desktop):
    desktop.goto("/rate-limits/")
    row = desktop.locator(f"#limit-{limit.pk}")
    expect(row).to_contain_text("0 of 10")
    limit.try_acquire(purpose="orders")
    expect(row).to_contain_text("1 of 10", timeout=10_000)
    expect(row).to_contain_text("orders")


def test_the_page_of_a_limit_refreshes_and_lifts(limit, desktop):
    desktop.goto(f"/rate-limits/{limit.pk}/")
    expect(desktop.locator("#now")).to_contain_text("0 of 10")
    limit.hold_off(seconds=600, reason="rate_limited")
    expect(desktop.locator("#now")).to_contain_text("Held off until", timeout=10_000)
    desktop.get_by_role("button", name="Lift").click()
    expect(desktop.locator("#now")).not_to_contain_text("Held off until")
    assert limiter.try_acquire(limit)


def test_a_form_that_is_open_is_left_alone(limit, desktop):
    desktop.goto(f"/rate-limits/?edit={limit.pk}")
    desktop.get_by_label("Requests").fill("77")
    desktop.wait_for_timeout(3_000)
    expect(desktop.get_by_label("Requests")).to_have_value("77")
    desktop.get_by_role("button", name="Save").click()
    expect(desktop.locator(f"#limit-{limit.pk}")).to_contain_text("77 per hour")


def test_nothing_is_asked_for_while_nobody_looks(limit, desktop):
    desktop.goto("/rate-limits/")
    asked = []
    desktop.on("request", lambda request: asked.append(request.url) if "part=" in request.url else None)
    desktop.evaluate("Object.defineProperty(document, 'hidden', {get: () => window.away})")
    desktop.evaluate("window.away = true")
    desktop.wait_for_timeout(500)
    asked.clear()
    desktop.wait_for_timeout(3_000)
    assert asked == []
    expect(desktop.locator("[data-age]")).to_have_text(", 3 s ago", timeout=5_000)
    desktop.evaluate("window.away = false")
    expect(desktop.locator("[data-age]")).not_to_contain_text("3 s ago")
    assert asked


def test_signed_out_the_page_keeps_what_it_shows_and_says_so(limit, desktop):
    desktop.goto("/rate-limits/")
    desktop.context.clear_cookies()
    expect(desktop.locator("[data-age]")).to_contain_text("cannot be refreshed now", timeout=10_000)
    expect(desktop.locator(f"#limit-{limit.pk}")).to_contain_text("0 of 10")
