"""Signing in with a browser."""

import re

import pytest
from playwright.sync_api import Error, expect


def test_an_administrator_signs_in(open_page, administrator):
    page = open_page()
    page.goto("/admin/")
    page.locator("[name=username]").fill("ada")
    page.locator("[name=password]").fill("only-for-tests-0123456789")
    page.locator("[name=password]").press("Enter")
    expect(page).not_to_have_url(re.compile("/login/"))
    assert page.problems == []


@pytest.mark.parametrize("colour_scheme", ["light", "dark"])
def test_the_first_page_has_no_sideways_scrolling_on_a_phone(open_page, administrator, colour_scheme):
    page = open_page(administrator, width=360, height=780, colour_scheme=colour_scheme)
    response = page.goto("/admin/")
    assert response.status == 200
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.problems == []


def test_nothing_outside_this_machine_can_be_reached(signed_in_page):
    with pytest.raises(Error, match="ERR_NAME_NOT_RESOLVED"):
        signed_in_page.goto("http://outside.example/")
