"""What people come for, in a real browser from the first page to the last.

Two of the ten stories stand where their parts are: connecting an account in test_connect.py, setting a limit
in test_limit_pages.py.
"""

import re

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.urls import reverse
from playwright.sync_api import expect

from credentials import jobs, transfer
from credentials.models import Credential
from credentials.simulator import cast
from credentials.simulator.faults import Fault
from credentials.simulator.server import running
from health import reports, wiring
from health.models import Component
from tests import canary
from tests.factories import make_credential

pytestmark = pytest.mark.django_db(transaction=True)

ME = "cli:tests@localhost"


@pytest.fixture(scope="module")
def server():
    with running() as simulator:
        yield simulator


@pytest.fixture
def simulator(server, live_server, settings, transactional_db):
    server.reset()
    settings.PROVIDER_SIMULATOR_URL = server.url
    return server


def person(role, name):
    user = get_user_model().objects.create_user(name, is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    return user


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
def test_the_first_credential(open_page, administrator, scripts):
    view, secret = open_page(administrator, java_script_enabled=scripts), canary.make_plain("sk_test_")
    view.goto("/")
    expect(view.get_by_role("heading", name="First steps")).to_be_visible()
    view.get_by_role("link", name="Add a credential").click()
    view.get_by_label("Find a provider or kind").fill("stripe")
    if not scripts:
        view.get_by_role("button", name="Find", exact=True).last.click()
    expect(view.locator("[data-provider]:visible")).to_have_count(1)
    view.get_by_role("link", name="Secret or restricted key").click()
    view.get_by_label("Name").fill("Arrakis Water")
    view.get_by_label("Secret").fill(secret)
    view.get_by_label("Test mode").check()
    view.get_by_role("button", name="Save", exact=True).click()
    expect(view.get_by_role("link", name="Arrakis Water").first).to_be_visible()
    credential = Credential.objects.get()
    assert credential.secret.use(credential.destination()) == secret
    assert canary.find(secret, view.content()) == [] and view.problems == []


def test_an_import_with_errors(desktop):
    rows = "\n".join(
        (
            "name,kind,secret,test",
            f"Arrakis,stripe_key,{canary.make_plain('sk_test_')},true",
            f"Caladan,stripe_key,{canary.make_plain('pk_live_')},false",
            "Giedi,stripe_key,***********,false",
        )
    )
    desktop.goto("/")
    desktop.get_by_role("link", name="Import a file").click()
    sent = {"name": "keys.csv", "mimeType": "text/csv", "buffer": rows.encode()}
    desktop.get_by_label("File", exact=True).set_input_files(sent)
    desktop.get_by_role("button", name="Look at the file").click()
    if desktop.get_by_role("button", name="Look at the rows").count():
        desktop.get_by_role("button", name="Look at the rows").click()
    problems = desktop.get_by_role("region", name="2 rows that cannot be imported")
    expect(problems).to_contain_text("This is a publishable key")
    expect(problems).to_contain_text("enter the secret")
    assert not Credential.objects.exists()
    desktop.get_by_role("button", name="Import 1, leave out the 2 that fail").click()
    expect(desktop.get_by_text("keys.csv was imported")).to_be_visible()
    desktop.get_by_role("link", name="See the newest credentials").click()
    expect(desktop.get_by_role("link", name="Arrakis")).to_be_visible()
    assert [one.name for one in Credential.objects.all()] == ["Arrakis"] and desktop.problems == []


def test_a_secret_is_replaced(desktop):
    credential, secret = make_credential("stripe_key", name="Arrakis"), canary.make_plain("sk_test_")
    desktop.goto("/credentials/")
    desktop.keyboard.press("j")
    desktop.keyboard.press("Enter")
    desktop.get_by_role("link", name="Replace secret").click()
    desktop.get_by_label("New secret").fill(secret)
    desktop.get_by_role("button", name="Save without a test").click()
    expect(desktop).to_have_url(re.compile(f"{credential.get_absolute_url()}$"))
    expect(desktop.get_by_role("region", name="What changed")).to_contain_text("Secret replaced")
    stored = Credential.objects.get()
    assert stored.secret.use(stored.destination()) == secret
    assert canary.find(secret, desktop.content()) == [] and desktop.problems == []


def test_a_leaked_key_is_pasted_and_found(desktop):
    secret = canary.make_plain("sk_test_")
    credential = make_credential("stripe_key", name="Arrakis", secret=secret)
    asked = []
    desktop.on("request", lambda request: asked.append(request.url))
    desktop.goto("/credentials/")
    # Into the search of a page, and into that of all pages: neither sends it.
    desktop.keyboard.press("/")
    desktop.keyboard.insert_text(secret)
    desktop.keyboard.press("Enter")
    palette = desktop.get_by_role("dialog", name="Find")
    expect(palette.get_by_role("heading", name="This looks like a secret")).to_be_visible()
    desktop.keyboard.press("Escape")
    desktop.keyboard.press("Control+k")
    expect(palette.get_by_role("link", name="Find a leaked key")).to_be_visible()
    desktop.keyboard.insert_text(f"found in a log: {secret}")
    expect(palette.get_by_label("Leaked key")).to_have_value(f"found in a log: {secret}")
    desktop.keyboard.press("Enter")
    held = desktop.get_by_role("status").filter(has_text="It is held here")
    expect(held).to_contain_text("In force")
    assert canary.find(secret, desktop.content()) == []
    held.get_by_role("link", name="Arrakis").click()
    expect(desktop).to_have_url(re.compile(f"{credential.get_absolute_url()}$"))
    assert canary.leaks([secret], [("addresses", "\n".join(asked).encode())]) == []
    assert desktop.problems == []


def test_anything_is_found_with_the_keyboard_alone(desktop):
    credential = make_credential("stripe_key", name="Arrakis", metadata={"owner": "Stilgar"})
    desktop.goto("/providers/")
    desktop.keyboard.press("/")
    desktop.keyboard.type("stilg")
    palette = desktop.get_by_role("dialog", name="Find")
    expect(palette.get_by_role("link", name="Arrakis").first).to_be_visible()
    desktop.keyboard.press("ArrowDown")
    expect(palette.get_by_role("link", name="Arrakis").first).to_be_focused()
    desktop.keyboard.press("Enter")
    expect(desktop).to_have_url(re.compile(f"{credential.get_absolute_url()}$"))
    desktop.wait_for_load_state()
    desktop.keyboard.press("?")
    expect(desktop.get_by_role("dialog", name="Keys")).to_contain_text("Find anything")
    assert desktop.problems == []


def test_a_revoked_key_is_followed_to_its_sync(phone):
    credential = make_credential("stripe_key", name="Arrakis key")
    sync = Component.objects.create(kind=Component.Kind.SYNC, name="orders of Arrakis")
    wiring.connect([(sync.pk, credential.component_id)], actor=ME)
    reports.report(
        credential.component, "customer_intervention", code="revoked", note="It was revoked.", actor=ME
    )
    phone.goto("/health/")
    cause = phone.get_by_role("listitem").filter(has_text="Arrakis key").first
    cause.get_by_text("1 sync affected").click()
    cause.get_by_role("link", name="orders of Arrakis").click()
    expect(phone.get_by_role("heading", name="orders of Arrakis").first).to_be_visible()
    phone.get_by_role("link", name="Arrakis key").first.click()
    expect(phone).to_have_url(re.compile(f"/health/{credential.component_id}/$"))
    expect(phone.locator("#content")).to_contain_text("Customer must act")
    phone.locator(f"#content a[href='{credential.get_absolute_url()}']").first.click()
    expect(phone.get_by_role("region", name="Who uses it")).to_contain_text("orders of Arrakis")
    expect(phone.get_by_role("link", name="Replace secret")).to_be_visible()
    assert phone.evaluate("document.documentElement.scrollWidth") <= 360 and phone.problems == []


def test_many_are_tested_and_some_fail(simulator, desktop):
    for kind in ("sendgrid_key", "stripe_key", "workday_oauth2"):
        transfer.import_document(cast.credential(kind, 0))
    simulator.world.faults.append(Fault(answer="revoked", provider="stripe", times=None))
    desktop.goto("/credentials/")
    desktop.get_by_label("Select all on this page").check()
    expect(desktop.get_by_text("3 selected")).to_be_visible()
    desktop.locator("[data-acts]").get_by_role("button", name="Test", exact=True).click()
    expect(desktop.get_by_role("heading", name="What will happen")).to_be_visible()
    desktop.locator("button[name=start]").click()
    expect(desktop).to_have_url(re.compile("/jobs/"))
    jobs.turn()
    desktop.reload()
    expect(desktop.get_by_text("3 of 3")).to_be_visible()
    failed = desktop.get_by_role("row").filter(has_text="Failed")
    expect(failed).to_have_count(1)
    failed.get_by_role("link").first.click()
    expect(desktop.locator("#content")).to_contain_text("Stripe")
    assert desktop.problems == []


def test_of_two_people_at_once_the_second_is_told(open_page, administrator):
    credential = make_credential("stripe_key", name="Arrakis")
    address, mine = reverse("replace_secret", args=[credential.pk]), canary.make_plain("sk_test_")
    ada, ben = open_page(administrator), open_page(person("operator", "ben"))
    for view, secret in ((ada, canary.make_plain("sk_test_")), (ben, mine)):
        view.goto(address)
        view.get_by_label("New secret").fill(secret)
    ada.get_by_role("button", name="Save without a test").click()
    expect(ada).to_have_url(re.compile(f"{credential.get_absolute_url()}$"))
    ben.get_by_role("button", name="Save without a test").click()
    conflict = ben.get_by_role("alert").filter(has_text="while you were editing")
    expect(conflict).to_contain_text("ada saved this")
    assert canary.find(mine, ben.content()) == []
    assert Credential.objects.get().secret_version == credential.secret_version + 1
    ben.get_by_label("New secret").fill(mine)
    ben.get_by_role("button", name="Save without a test").click()
    expect(ben.get_by_role("region", name="What changed")).to_contain_text("ben")
    stored = Credential.objects.get()
    assert stored.secret.use(stored.destination()) == mine


def test_a_viewer_may_look_and_nothing_else(open_page, transactional_db):
    credential = make_credential("stripe_key", name="Arrakis")
    view = open_page(person("viewer", "eve"))
    view.goto("/credentials/")
    expect(view.get_by_role("link", name="Add a credential")).to_have_count(0)
    view.get_by_role("link", name="Arrakis").click()
    expect(view.get_by_role("heading", name="Properties")).to_be_visible()
    expect(view.get_by_role("navigation", name="What can be done")).to_have_count(0)
    for address in ("replace_secret", "rate_limit"):
        view.goto(reverse(address, args=[credential.pk]))
        expect(view.get_by_role("button", name="Save")).to_have_count(0)
    assert view.goto(reverse("replace_secret", args=[credential.pk])).status == 403
    expect(view.get_by_role("heading")).to_contain_text("You may not")
    view.get_by_role("link", name="To the start page").click()
    expect(view).to_have_url(re.compile("/$"))
