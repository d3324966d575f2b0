"""Adding and changing credentials in a real browser."""

import re

import pytest
from playwright.sync_api import expect

from credentials.kinds import KINDS
from credentials.models import Credential
from tests import canary
from tests.credentials.admin_pages import CATALOGUE, LIST, add_page, page
from tests.factories import make_credential

pytestmark = pytest.mark.django_db(transaction=True)


def tab_to(page, name):
    """Press Tab until a field has the focus."""
    for _ in range(60):
        if page.evaluate("document.activeElement?.name") == name:
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab does not lead to {name}.")


def test_a_stripe_key_is_added_with_the_keyboard_alone(desktop):
    secret = canary.make_plain("sk_test_")
    desktop.goto(CATALOGUE)
    desktop.keyboard.type("stripe")
    expect(desktop.locator("[data-provider]:visible")).to_have_count(1)
    desktop.keyboard.press("Tab")
    expect(desktop.locator(":focus")).to_contain_text("Secret or restricted key")
    desktop.keyboard.press("Enter")
    expect(desktop).to_have_url(re.compile("/stripekey/add/"))
    desktop.wait_for_load_state()
    tab_to(desktop, "name")
    desktop.keyboard.type("Arrakis")
    tab_to(desktop, "secret")
    desktop.keyboard.type(secret)
    tab_to(desktop, "test")
    desktop.keyboard.press("Space")
    tab_to(desktop, "_save")
    desktop.keyboard.press("Enter")
    expect(desktop.get_by_role("link", name="Arrakis").first).to_be_visible()
    credential = Credential.objects.get()
    assert (credential.name, credential.test) == ("Arrakis", True)
    assert credential.secret.use(credential.destination()) == secret
    assert desktop.problems == []


def test_the_catalogue_narrows_while_typing(phone):
    phone.goto(CATALOGUE)
    phone.keyboard.type("oauth dev")
    names = phone.locator("[data-provider]:visible h2").all_inner_texts()
    assert [name.split()[0] for name in names] == ["Linear"]
    phone.keyboard.type(" nothing like this")
    expect(phone.get_by_text("No provider or kind has these words.")).to_be_visible()
    phone.get_by_label("Find a provider or kind").fill("")
    expect(phone.locator("[data-kind]:visible")).to_have_count(len(KINDS))


def test_the_catalogue_works_without_scripts(open_page, administrator):
    view = open_page(administrator, java_script_enabled=False)
    view.goto(CATALOGUE)
    expect(view.locator("[data-kind]:visible")).to_have_count(len(KINDS))
    view.get_by_label("Find a provider or kind").fill("oauth dev")
    view.get_by_label("Find a provider or kind").press("Enter")
    expect(view.locator("[data-provider]:visible")).to_have_count(1)


def test_what_is_wrong_stands_at_its_field_and_the_secret_is_gone(phone):
    secret = canary.make_plain("pk_live_")
    phone.goto(add_page("stripe_key"))
    phone.locator("[name=name]").fill("Arrakis")
    phone.locator("[name=secret]").fill(secret)
    phone.locator("[name=_save]").click()
    expect(phone.get_by_text("This is a publishable key")).to_be_visible()
    expect(phone.locator("[name=name]")).to_have_value("Arrakis")
    expect(phone.locator("[name=secret]")).to_have_value("")
    assert canary.find(secret, phone.content()) == []
    assert phone.evaluate("document.documentElement.scrollWidth") <= 360
    assert phone.problems == []


def test_of_two_pages_the_second_sees_what_the_first_one_saved(desktop):
    credential = make_credential(name="Before")
    second = desktop.context.new_page()
    for each in (desktop, second):
        each.goto(page(credential))
    desktop.locator("[name=name]").fill("First")
    desktop.locator("[name=_continue]").click()
    expect(desktop.get_by_text("was changed successfully")).to_be_visible()
    second.locator("[name=name]").fill("Second")
    second.locator("[name=_save]").click()
    conflict = second.get_by_role("alert").filter(has_text="while you were editing")
    expect(conflict).to_contain_text("ada saved this while you were editing")
    expect(conflict.get_by_role("row", name="Name")).to_contain_text("First")
    second.locator("[name=_save]").click()
    expect(second).to_have_url(re.compile(f"{LIST}$"))
    assert Credential.objects.get().name == "Second"


def test_a_conflict_leads_to_what_is_stored(phone):
    credential = make_credential(name="Before")
    phone.goto(page(credential))
    phone.locator("[name=name]").fill("Mine")
    other = Credential.objects.get()
    other.name = "Theirs"
    other.save()
    phone.locator("[name=_save]").click()
    expect(phone.get_by_role("link", name="load what is stored")).to_be_visible()
    assert phone.evaluate("document.documentElement.scrollWidth") <= 360
    phone.once("dialog", lambda dialog: dialog.accept())
    phone.get_by_role("link", name="load what is stored").click()
    expect(phone.locator("[name=name]")).to_have_value("Theirs")


def test_the_list_is_searched_and_filtered(desktop):
    make_credential("stripe_key", name="Arrakis")
    make_credential("github_app", name="Caladan")
    desktop.goto(LIST)
    desktop.keyboard.press("/")
    desktop.keyboard.type("arrakis")
    desktop.keyboard.press("Enter")
    expect(desktop).to_have_url(re.compile("q=arrakis"))
    expect(desktop.get_by_role("link", name="Arrakis").first).to_be_visible()
    expect(desktop.get_by_role("link", name="Caladan")).to_have_count(0)
    assert desktop.problems == []
