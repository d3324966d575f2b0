"""Every page in a real browser, on phone and desktop: nothing overflows, complains or calls outside."""

import pytest
from playwright.sync_api import expect

from credentials.kinds import KINDS
from health.models import Component
from health.status import Status
from tests.credentials.admin_pages import ADD_APP, APPS, CATALOGUE, LIST, add_page, page
from tests.factories import make_credential, make_oauth_app

pytestmark = pytest.mark.django_db(transaction=True)

SIZES = {"phone": (360, 780), "desktop": (1440, 900)}
LONG = (
    "A customer whose name goes on and on, and whose account is in Donaudampfschifffahrtsgesellschaftskapitän"
)
VIEWS = [("phone", "light"), ("phone", "dark"), ("desktop", "light"), ("desktop", "dark")]


@pytest.fixture
def view(request, open_page, administrator):
    size, scheme = request.param
    width, height = SIZES[size]
    view = open_page(administrator, width=width, height=height, colour_scheme=scheme)
    view.outside = []
    view.on("request", lambda sent: view.outside.append(sent.url) if not inside(sent.url) else None)
    return view


def inside(address):
    return address.startswith(("http://localhost:", "http://127.0.0.1:", "data:"))


def faults(view, addresses):
    """What is wrong with each of these pages."""
    found = {}
    width = view.viewport_size["width"]
    for address in addresses:
        response = view.goto(address, wait_until="load")
        wrong = [f"answer {response.status}"] if response.status != 200 else []
        wide = view.evaluate("document.documentElement.scrollWidth")
        if wide > width:
            wrong.append(f"{wide} px wide")
        if wrong or view.problems or view.outside:
            found[address] = wrong + view.problems + view.outside
        view.problems.clear()
    return found


@pytest.mark.parametrize("view", VIEWS, indirect=True, ids="-".join)
def test_every_page_of_credentials_fits_and_is_quiet(view):
    credentials = [make_credential(kind, name=f"{LONG} {kind}") for kind in KINDS]
    kinds = KINDS if view.viewport_size["width"] == 360 else ["linear_oauth2"]
    changed = credentials if view.viewport_size["width"] == 360 else credentials[4:5]
    one = credentials[4]
    addresses = [
        LIST,
        f"{LIST}?q=nothing",
        CATALOGUE,
        *map(add_page, kinds),
        *map(page, changed),
        page(one, "delete"),
        page(one, "history"),
        "/",
        one.get_absolute_url(),
        f"{one.get_absolute_url()}secret/",
    ]
    assert faults(view, addresses) == {}


@pytest.mark.parametrize("view", VIEWS[::3], indirect=True, ids="-".join)
def test_every_other_page_fits_and_is_quiet(view):
    app = make_oauth_app("github", name=LONG)
    empty = [LIST, page(app), APPS, ADD_APP, page(app, "delete"), page(app, "history")]
    people = ["/admin/auth/user/", "/admin/auth/user/add/", "/admin/auth/group/", "/admin/password_change/"]
    assert faults(view, empty + people) == {}


@pytest.mark.parametrize("colour_scheme", ["light", "dark"])
def test_the_page_of_a_stranger_is_quiet(open_page, colour_scheme):
    view = open_page(width=360, height=780, colour_scheme=colour_scheme)
    assert view.goto("/admin/").status == 200
    assert view.evaluate("document.documentElement.scrollWidth") <= 360
    expect(view.get_by_role("heading", name="Sign in")).to_be_visible()
    expect(view.get_by_label("Name")).to_be_focused()
    assert view.problems == []


@pytest.mark.parametrize("status", Status)
def test_a_status_is_readable_without_its_colour(desktop, status):
    credential = make_credential()
    Component.objects.filter(pk=credential.component_id).update(
        status=status, known_since="2026-01-01T00:00Z"
    )
    desktop.goto(LIST)
    badge = desktop.locator("td .badge")
    expect(badge).to_contain_text(str(status.label))
    icon = badge.locator(".material-symbols-outlined")
    expect(icon).to_be_visible()
    # The icon font draws one sign; without it there would be a word as wide as itself.
    assert icon.evaluate("icon => icon.getBoundingClientRect().width") <= 20


def test_a_page_that_is_not_there_leads_back(desktop):
    assert desktop.goto("/admin/nowhere/").status == 404
    desktop.get_by_role("link", name="To the start page").click()
    expect(desktop.get_by_role("heading", name="First steps")).to_be_visible()
