"""PROVIDER_SIMULATOR_URL: only this machine, only where nobody else comes, and never unnoticed."""

import pytest
from django.urls import reverse

from tests.project.test_settings import refused, value_of

NAME = "PROVIDER_SIMULATOR_URL"


@pytest.mark.parametrize(
    ("given", "read"),
    [
        (None, ""),
        ("", ""),
        ("http://127.0.0.1:8400", "http://127.0.0.1:8400"),
        ("http://localhost:8400/", "http://127.0.0.1:8400"),
        ("http://[::1]:8400/sim/", "http://[::1]:8400/sim"),
    ],
)
def test_an_address_of_this_machine_is_taken(given, read):
    assert value_of(NAME, **{NAME: given}) == read


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1:8400", "https://127.0.0.1:8400", "http://10.0.0.1:8400", "http://sim.example"),
        *("http://127.0.0.1@evil.example", "http://127.0.0.1.evil.example", "http://localhost.evil.example"),
        *("http://127.0.0.1:8400/?a=b", "http://127.0.0.1:8400/#a", "http://u:hunter2@127.0.0.1"),
        *("http://127.0.0.1:8400/../x y", "http://0.0.0.0:8400", "file:///127.0.0.1"),
    ],
)
def test_every_other_address_is_refused(address):
    assert "hunter2" not in refused(f"{NAME} is not an http address of this machine", **{NAME: address})


@pytest.mark.parametrize(
    "hosts", ["lanyard.example.com", "localhost,lanyard.example.com", "*", ".localhost.example"]
)
def test_where_others_come_there_is_no_simulator(hosts):
    refused(
        f"{NAME} is set although ALLOWED_HOSTS names more than this machine",
        **{NAME: "http://127.0.0.1:8400", "ALLOWED_HOSTS": hosts},
    )


BANNER = "Provider calls go to the simulator at <b>http://127.0.0.1:8400</b>"


@pytest.mark.django_db
@pytest.mark.parametrize("on", [True, False], ids=["on", "off"])
def test_every_page_says_so_while_calls_go_to_the_simulator(client, admin_client, settings, on):
    settings.PROVIDER_SIMULATOR_URL = "http://127.0.0.1:8400" if on else ""
    addresses = [
        reverse("admin:credentials_credential_changelist"),
        reverse("admin:credentials_oauthapp_add"),
        reverse("admin:health_component_changelist"),
        reverse("admin:auth_user_changelist") + "?_popup=1",
        reverse("admin:password_change"),
        "/nothing/here/",
    ]
    pages = [client.get(reverse("admin:login")), *map(admin_client.get, addresses)]
    assert [page.status_code for page in pages] == [200] * 6 + [404]
    assert [page.content.decode().count(BANNER) for page in pages] == [int(on)] * 7
    assert on or not any(b"simulator at" in page.content for page in pages)
