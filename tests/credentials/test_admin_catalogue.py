"""The catalogue: the page on which people choose what they are about to add."""

import re

import pytest
from django.urls import reverse

from credentials.kinds import KINDS, PROVIDERS
from tests.credentials.admin_pages import CATALOGUE, add_page, client_of, staff

pytestmark = pytest.mark.django_db
CARD = re.compile(r'<section class="card provider" data-provider( hidden)? aria-labelledby="provider-(\w+)"')


def cards(response):
    """The providers that are shown, and those that are hidden."""
    found = CARD.findall(response.content.decode())
    return {name for hidden, name in found if not hidden}, {name for hidden, name in found if hidden}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_its_link(admin_client, kind):
    assert f'href="{add_page(kind)}"' in admin_client.get(CATALOGUE).content.decode()
    assert admin_client.get(add_page(kind)).status_code == 200


def test_every_provider_and_every_kind_says_what_it_is(admin_client):
    response = admin_client.get(CATALOGUE)
    html = response.content.decode()
    assert cards(response) == (set(PROVIDERS), set())
    assert all(provider.name in html for provider in PROVIDERS.values())
    assert all(str(kind.LABEL) in html and kind.KIND in html for kind in KINDS.values())


def test_it_is_narrowed_without_javascript(admin_client):
    for asked, left in (("STRIPE secret", {"stripe"}), ("payments", {"netsuite", "quickbooks", "stripe"})):
        response = admin_client.get(CATALOGUE, {"q": asked})
        assert cards(response) == (left, set(PROVIDERS) - left)
    html = admin_client.get(CATALOGUE, {"q": '"><script>'}).content.decode()
    assert "No provider or kind has these words." in html and '"><script>' not in html


def test_there_is_one_catalogue(admin_client):
    response = admin_client.get(reverse("admin:credentials_credential_add"))
    assert (response.status_code, response.url) == (302, CATALOGUE)


def test_it_is_for_those_who_may_add():
    looks = client_of(staff("view_credential", "change_credential", "delete_credential"))
    assert looks.get(CATALOGUE).status_code == looks.get(add_page("stripe_key")).status_code == 403
    adds = client_of(staff("add_credential"))
    assert adds.get(CATALOGUE).status_code == adds.get(add_page("stripe_key")).status_code == 200
    assert reverse("import_credentials") not in adds.get(CATALOGUE).content.decode()
