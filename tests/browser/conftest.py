"""Pages in Debian's Chromium, on a server of this test run. Nothing but this machine can be reached.

`signed_in_page` is a page of an administrator; `phone` and `desktop` are the same in two sizes; `open_page`
makes others: `open_page(width=768, height=1024, colour_scheme="dark")`.
"""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.test import Client

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
NO_CHROMIUM = "no Chromium on this machine: `make browser` installs it"

CHROMIUM_FLAGS = [
    "--no-sandbox",  # needed as root; the only pages opened are our own
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
]


def pytest_collection_modifyitems(items):
    """Marks the tests of this folder, and skips them where there is no browser, but never in CI."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)
            if CHROMIUM is None and os.environ.get("CI") != "true":
                item.add_marker(pytest.mark.skip(reason=NO_CHROMIUM))


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args):
    if CHROMIUM is None:
        pytest.fail(NO_CHROMIUM, pytrace=False)
    return {**browser_type_launch_args, "executable_path": CHROMIUM, "args": CHROMIUM_FLAGS}


@pytest.fixture(scope="session")
def base_url():
    """Replaces pytest-playwright's own, which pytest warns about. open_page knows the address."""
    return None


@pytest.fixture
def administrator(transactional_db):
    return get_user_model().objects.create_superuser("ada", password="only-for-tests-0123456789")


def note_problem(page, message):
    # The browser asks for an icon of the site by itself.
    if message.type == "error" and not message.location["url"].endswith("/favicon.ico"):
        page.problems.append(message.text)


@pytest.fixture
def open_page(new_context, live_server) -> Callable:
    """Returns a function that opens a page: of a user, or of nobody with user=None.

    Addresses are relative to the server: page.goto("/admin/"). The page's attribute `problems` collects what
    the browser complains about: script errors and what the Content-Security-Policy refused.
    """

    def open_page(user=None, *, width=1440, height=900, colour_scheme="light", **options):
        context = new_context(
            base_url=live_server.url,
            viewport={"width": width, "height": height},
            color_scheme=colour_scheme,
            **options,
        )
        if user is not None:
            client = Client()
            client.force_login(user)
            value = client.cookies[settings.SESSION_COOKIE_NAME].value
            context.add_cookies(
                [{"name": settings.SESSION_COOKIE_NAME, "value": value, "url": live_server.url}]
            )
        page = context.new_page()
        page.problems = []
        page.on("pageerror", lambda error: page.problems.append(str(error)))
        page.on("console", lambda message: note_problem(page, message))
        return page

    return open_page


@pytest.fixture
def signed_in_page(open_page, administrator):
    return open_page(administrator)


@pytest.fixture
def phone(open_page, administrator):
    return open_page(administrator, width=360, height=780)


@pytest.fixture
def desktop(open_page, administrator):
    return open_page(administrator, width=1440, height=900)
