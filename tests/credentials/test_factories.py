import pytest

from credentials.kinds import KINDS
from tests.factories import PROPERTIES, make_credential, make_oauth_app

pytestmark = pytest.mark.django_db


def test_there_is_a_factory_for_every_kind():
    assert set(PROPERTIES) == set(KINDS)


@pytest.mark.parametrize("kind", PROPERTIES)
def test_each_kind_can_be_made_twice(kind):
    assert make_credential(kind).pk != make_credential(kind).pk


@pytest.mark.parametrize("provider", ["shopify", "github"])
def test_apps_can_be_made_twice(provider):
    assert make_oauth_app(provider).pk != make_oauth_app(provider).pk
