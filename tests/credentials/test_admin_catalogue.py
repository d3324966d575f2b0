"""The page on which people choose what they are about to add."""

import pytest

from credentials.kinds import KINDS, PROVIDERS
from tests.credentials.admin_pages import CATALOGUE, add_page, client_of, staff

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_its_link(admin_client, kind):
    html = admin_client.get(CATALOGUE).content.decode()
    assert f'href="{add_page(kind)}"' in html
    assert admin_client.get(add_page(kind)).status_code == 200


@pytest.mark.parametrize("provider", PROVIDERS.values(), ids=PROVIDERS)
def test_every_provider_is_named(admin_client, provider):
    assert provider.name in admin_client.get(CATALOGUE).content.decode()


def test_every_kind_says_what_it_is(admin_client):
    html = admin_client.get(CATALOGUE).content.decode()
    for kind in KINDS.values():
        assert str(kind.LABEL) in html
        assert kind.KIND in html


def test_it_is_not_for_those_who_may_only_look():
    client = client_of(staff("view_credential", "change_credential", "delete_credential"))
    assert client.get(CATALOGUE).status_code == 403
    assert client.get(add_page("stripe_key")).status_code == 403


def test_it_is_for_those_who_may_add():
    client = client_of(staff("add_credential"))
    assert client.get(CATALOGUE).status_code == 200
    assert client.get(add_page("stripe_key")).status_code == 200
