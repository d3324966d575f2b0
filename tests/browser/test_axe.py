"""Every page of the console and the main ones of the back office, as axe-core sees them: no violation of
WCAG 2.2 AA, in light and dark, on a phone and on a desktop.

Each page is loaded once; then it is made dark and as narrow as a phone.
"""

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from django.urls import reverse
from playwright.sync_api import expect

from credentials.models import Limit
from health import reports, wiring
from health.models import Component
from tests.credentials.admin_pages import ADD_APP, APPS, LIST, add_page, page
from tests.factories import make_credential, make_oauth_app

pytestmark = pytest.mark.django_db(transaction=True)

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
# As the theme does when it is loaded.
SHOW = "dark => document.documentElement.classList.toggle('dark', dark)"
RUN = "options => axe.run(document, options)"
# Both sizes and both schemes in two steps: colours do not depend on the size. The second time only what can
# differ is looked at.
LOOKS = [
    ((1440, 900), "light", {"type": "tag", "values": TAGS}),
    ((360, 780), "dark", {"type": "rule", "values": ["color-contrast", "target-size", "link-in-text-block"]}),
]


def violations(view, rules):
    """What is wrong with what a page shows now, in a line each."""
    found = view.evaluate(RUN, {"runOnly": rules, "resultTypes": ["violations"]})["violations"]
    return [
        f"{one['id']}: {node['target'][-1]} {node['html'][:160]} {node['failureSummary']}"
        for one in found
        for node in one["nodes"]
    ]


@pytest.fixture
def look(open_page, administrator):
    """Gives a function that says what is wrong with pages, by address and by how they are looked at."""
    view = open_page(administrator, width=1440, height=900)
    # Colours change at once.
    view.emulate_media(reduced_motion="reduce")
    view.context.add_init_script(AXE_SCRIPT)

    def look(*addresses, act=None):
        found = {}
        for address in addresses:
            view.emulate_media(color_scheme="light")
            view.set_viewport_size({"width": LOOKS[0][0][0], "height": LOOKS[0][0][1]})
            response = view.goto(address)
            assert response.status == 200, address
            if act:
                act(view)
            for size, scheme, rules in LOOKS:
                view.set_viewport_size({"width": size[0], "height": size[1]})
                view.emulate_media(color_scheme=scheme)
                view.evaluate(SHOW, scheme == "dark")
                wide = view.evaluate("document.documentElement.scrollWidth")
                wrong = violations(view, rules) + ([f"{wide} px wide"] if wide > size[0] else [])
                if wrong:
                    found[f"{address} {size[0]} {scheme}"] = wrong
        return found

    look.view = view
    return look


@pytest.fixture
def world(transactional_db):
    """Something of everything, and something wrong with it."""
    credential = make_credential("stripe_key", name="Arrakis Water", metadata={"plan": "growth"})
    make_credential("shopify_oauth2", name="Caladan")
    credential.set_limit(Limit(10, 3_600_000, 5))
    limit = credential.rate_limit
    limit.try_acquire(purpose="orders")
    limit.hold_off(seconds=600, reason="rate_limited")
    sync = Component.objects.create(kind=Component.Kind.SYNC, name="orders of Arrakis")
    reports.report(sync, "sequin_intervention", code="broken", note="It broke.", actor="cli:tests@localhost")
    wiring.connect([(sync.pk, credential.component_id)], actor="cli:tests@localhost")
    credential.sync = sync
    return credential


def told(found):
    """Fails with what was found, in lines that can be read."""
    assert not found, "\n".join(f"{where}\n    {line}" for where, lines in found.items() for line in lines)


def test_the_console_is_for_everybody(look, world):
    own = world.get_absolute_url()
    pages = [
        "/",
        "/credentials/",
        "/credentials/?q=nothing&status=nonsense",
        "/credentials/new/",
        "/credentials/import/",
        "/jobs/",
        own,
        f"{own}secret/",
        "/rate-limits/",
        f"/rate-limits/?edit={world.pk}",
        f"/rate-limits/{world.pk}/",
        "/health/",
        f"/health/{world.sync.pk}/",
        f"/health/{world.sync.pk}/report/",
        "/providers/",
        "/providers/stripe/",
        "/find/?q=arrakis",
        "/find/leaked/",
        reverse("connect_new", args=["shopify_oauth2"]),
    ]
    told(look(*pages))


def test_the_palette_is_for_everybody(look, world):
    def ask(view):
        view.keyboard.press("Control+k")
        view.locator("#palette input[name=q]").fill("arrakis")
        view.locator("#palette").get_by_role("link", name="Arrakis Water", exact=False).first.wait_for()

    told(look("/providers/", act=ask))


def test_the_back_office_is_for_everybody(look, world):
    app = make_oauth_app("github", name="Ours")
    pages = [
        LIST,
        add_page("stripe_key"),
        page(world),
        page(world, "delete"),
        APPS,
        ADD_APP,
        page(app),
        "/admin/health/component/",
        "/admin/health/flip/",
        "/admin/credentials/auditevent/",
        "/admin/credentials/channel/",
        "/admin/auth/user/",
        "/admin/auth/user/add/",
    ]
    told(look(*pages))


def test_signing_in_is_for_everybody(look):
    look.view.context.clear_cookies()
    told(look("/admin/login/"))


def test_the_keyboard_reaches_everything_and_paper_shows_what_matters(look, world):
    view = look.view
    view.goto("/rate-limits/")
    view.keyboard.press("Tab")
    skip = view.get_by_role("link", name="Skip to the content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    view.keyboard.press("Enter")
    view.keyboard.press("j")
    expect(view.locator(f"#see-{world.pk}")).to_be_focused()
    view.keyboard.press("j")
    view.keyboard.press("k")
    expect(view.locator(f"#see-{world.pk}")).to_be_focused()
    # The theme's own menu of a person is one for the mouse.
    view.locator("#nav-sidebar [role=button]", has_text="ada").press("Enter")
    expect(view.get_by_role("button", name="Log out")).to_be_visible()
    view.emulate_media(media="print")
    expect(view.locator("#nav-sidebar")).to_be_hidden()
    expect(view.get_by_role("search")).to_have_count(0)
    expect(view.locator("#limits")).to_be_visible()
    assert view.problems == []
