"""Connecting accounts and testing credentials in a real browser, with the simulator as the providers."""

import re

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from credentials import transfer
from credentials.app_documents import import_app
from credentials.models import Credential
from credentials.simulator import cast
from credentials.simulator.faults import Fault
from credentials.simulator.server import running
from tests.credentials.admin_pages import CATALOGUE, LIST, page

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def server():
    with running() as simulator:
        yield simulator


@pytest.fixture
def simulator(server, live_server, settings, transactional_db):
    """The simulator, whose apps send people back to this test's server; the apps are stored here too."""
    server.reset()
    settings.PROVIDER_SIMULATOR_URL = server.url
    for app in server.world.apps.values():
        # GitHub is not told where to send people back: it has one address for that.
        app.redirect_uris.clear()
        app.redirect_uris.add(f"{live_server.url}/oauth/{app.provider}/callback")
    for provider in cast.SCOPES:
        import_app(cast.app(provider))
    return server


def begin(view, kind, provider, **asked):
    view.goto(reverse("connect_new", args=[kind]))
    for label, value in asked.items():
        field = view.locator(f"[name={label}]")
        field.select_option(value) if value in ("production", "sandbox") else field.fill(value)
    view.get_by_role("button", name=f"Continue to {provider}").click()
    expect(view.get_by_role("heading", name="Let this app into your")).to_be_visible()


def fits(view):
    return view.evaluate("document.documentElement.scrollWidth") <= view.viewport_size["width"]


@pytest.mark.parametrize(
    ("kind", "provider", "asked"),
    [
        ("hubspot_oauth2", "HubSpot", {}),
        ("shopify_oauth2", "Shopify", {"shop_url": "arrakis-water"}),
        ("quickbooks_oauth2", "QuickBooks", {"environment": "production"}),
        ("salesforce_oauth2", "Salesforce", {"domain": "arrakis-water.my.salesforce.com"}),
        ("github_app", "GitHub", {}),
    ],
)
def test_an_account_is_connected(simulator, phone, kind, provider, asked):
    begin(phone, kind, provider, **asked)
    # What brought the person here must not be told: it could be a page of Lanyard with a state in it.
    assert phone.evaluate("document.referrer") == ""
    phone.get_by_role("button", name="Allow").click()
    expect(phone.get_by_text("is connected")).to_be_visible()
    credential = Credential.objects.get()
    assert phone.url.endswith(page(credential)) or str(credential.pk) in phone.url
    assert credential.kind == kind
    assert phone.problems == []
    assert fits(phone)


def test_from_the_catalogue_with_the_keyboard_alone(simulator, desktop):
    desktop.goto(CATALOGUE)
    desktop.keyboard.type("hubspot")
    expect(desktop.locator("[data-provider]:visible")).to_have_count(1)
    desktop.keyboard.press("Tab")
    desktop.keyboard.press("Tab")
    expect(desktop.locator(":focus")).to_contain_text("Connect with HubSpot")
    desktop.keyboard.press("Enter")
    desktop.get_by_role("button", name="Continue to HubSpot").press("Enter")
    desktop.get_by_role("button", name="Allow").press("Enter")
    expect(desktop.get_by_text("is connected")).to_be_visible()
    assert desktop.problems == []


def test_a_denied_consent_leads_to_what_can_be_done(simulator, phone):
    begin(phone, "hubspot_oauth2", "HubSpot")
    phone.get_by_role("button", name="Deny").click()
    expect(phone.get_by_role("heading", name="The consent was not given")).to_be_visible()
    assert phone.url.endswith(reverse("oauth_refused"))
    assert fits(phone)
    phone.get_by_role("link", name="Begin again").click()
    expect(phone.get_by_role("button", name="Continue to HubSpot")).to_be_visible()
    assert phone.problems == []


def test_another_account_leaves_the_credential_as_it_is(simulator, desktop):
    begin(desktop, "hubspot_oauth2", "HubSpot")
    desktop.get_by_role("button", name="Allow").click()
    expect(desktop.get_by_text("is connected")).to_be_visible()
    before = Credential.objects.get().secret_version
    desktop.get_by_role("button", name="Connect again").click()
    desktop.locator("[value=other_account]").check()
    desktop.get_by_role("button", name="Allow").click()
    expect(desktop.get_by_role("heading", name="Another account answered")).to_be_visible()
    expect(desktop.get_by_text("The stored secret was left as it is.")).to_be_visible()
    assert Credential.objects.get().secret_version == before


def test_going_back_after_the_consent_does_no_harm(simulator, desktop):
    begin(desktop, "hubspot_oauth2", "HubSpot")
    desktop.get_by_role("button", name="Allow").click()
    expect(desktop.get_by_text("is connected")).to_be_visible()
    row = Credential.objects.get()
    desktop.go_back()
    expect(desktop.get_by_role("heading", name="Let this app into your")).to_be_visible()
    desktop.get_by_role("button", name="Allow").click()
    expect(desktop.get_by_role("heading", name="This connection is no longer waiting")).to_be_visible()
    assert Credential.objects.get().version == row.version


def test_a_wrong_host_is_said_at_its_field(simulator, phone):
    phone.goto(reverse("connect_new", args=["shopify_oauth2"]))
    phone.locator("[name=shop_url]").fill("evil.example")
    phone.get_by_role("button", name="Continue to Shopify").click()
    expect(phone.get_by_role("alert")).to_contain_text("This is not a host of the form name.myshopify.com.")
    assert fits(phone)
    assert phone.problems == []


def test_a_credential_is_tested(simulator, phone):
    transfer.import_document(cast.credential("sendgrid_key", 0))
    phone.goto(page(Credential.objects.get()))
    phone.get_by_role("button", name="Test", exact=True).click()
    expect(phone.get_by_role("heading", name=re.compile("works$"))).to_be_visible()
    assert fits(phone)
    simulator.world.faults.append(Fault(answer="revoked", provider="sendgrid", times=None))
    phone.get_by_role("button", name="Test again").click()
    expect(phone.get_by_text("Customer must act")).to_be_visible()
    expect(phone.get_by_text("Ask the customer to connect again, or for a new key.")).to_be_visible()
    assert fits(phone)
    assert phone.problems == []


def test_several_are_tested_from_the_list(simulator, desktop):
    for kind in ("sendgrid_key", "stripe_key", "workday_oauth2"):
        transfer.import_document(cast.credential(kind, 0))
    simulator.world.faults.append(Fault(answer="revoked", provider="stripe", times=None))
    desktop.goto(LIST)
    desktop.locator("#action-toggle").check()
    desktop.locator("select[name=action]").select_option("test_selected")
    desktop.locator("#changelist-actions button").first.click()
    expect(desktop.get_by_role("heading", name="2 of 3 work")).to_be_visible()
    # What fails comes first, and with all that there is to say.
    first = desktop.locator("section.outcome").first
    expect(first).to_contain_text("Customer must act")
    expect(first).to_contain_text("https://api.stripe.com/v1/account")
    expect(desktop.locator("section.outcome").last.get_by_role("row")).to_have_count(3)
    assert desktop.problems == []


def test_an_app_is_tested_and_its_address_copied(simulator, live_server, desktop):
    desktop.context.grant_permissions(["clipboard-read", "clipboard-write"])
    desktop.goto("/admin/credentials/oauthapp/")
    desktop.get_by_role("link", name="Hubspot app (simulated)").first.click()
    desktop.get_by_role("button", name="Copy").click()
    expect(desktop.get_by_role("button", name="Copied")).to_be_visible()
    assert desktop.evaluate("navigator.clipboard.readText()") == f"{live_server.url}/oauth/hubspot/callback"
    desktop.get_by_role("button", name="Test", exact=True).click()
    expect(desktop.get_by_role("heading", name="HubSpot knows")).to_be_visible()
    assert desktop.problems == []
