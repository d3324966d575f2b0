"""Nothing is decrypted unless it is asked to, and use() gives a text for one destination only."""

import pytest
from django.core import serializers
from django.forms.models import model_to_dict

from credentials import sealing
from credentials.models import Credential, OAuthApp
from credentials.sealing import Sealed, SealedElsewhere, Secret
from tests import canary
from tests.factories import PROPERTIES, make_credential, make_oauth_app

pytestmark = pytest.mark.django_db


# --- loading never decrypts


LOADS = {
    "a list": lambda pk: list(Credential.objects.all()),
    "a list of base rows": lambda pk: list(Credential.objects.non_polymorphic()),
    "get": lambda pk: Credential.objects.get(pk=pk),
    "values": lambda pk: [list(type(c).objects.values()) for c in Credential.objects.all()],
    "values_list": lambda pk: [list(type(c).objects.values_list()) for c in Credential.objects.all()],
    "document": lambda pk: Credential.objects.get(pk=pk).document(),
    "properties": lambda pk: Credential.objects.get(pk=pk).properties,
    "refresh": lambda pk: Credential.objects.get(pk=pk).refresh_from_db(),
    "serialize": lambda pk: serializers.serialize("json", [Credential.objects.get(pk=pk)]),
    "model_to_dict": lambda pk: model_to_dict(Credential.objects.get(pk=pk)),
    "rename": lambda pk: _renamed(pk),
    "update": lambda pk: Credential.objects.filter(pk=pk).update(expires_at=None),
    "readable": lambda pk: [s.readable for s in secrets_of(Credential.objects.get(pk=pk))],
    "raw SQL": lambda pk: list(OAuthApp.objects.raw("SELECT * FROM credentials_oauthapp")),
    "iterator": lambda pk: [vars(row) for row in Credential.objects.iterator(chunk_size=1)],
    "in_bulk": lambda pk: Credential.objects.in_bulk([pk])[pk],
    "related rows": lambda pk: list(
        Credential.objects.select_related("oauth_app", "component", "rate_limit")
    ),
    "delete": lambda pk: Credential.objects.get(pk=pk).delete(),
    "delete of a query": lambda pk: Credential.objects.filter(pk=pk).delete(),
}


def _renamed(pk):
    credential = Credential.objects.get(pk=pk)
    credential.name = "renamed"
    credential.save()


def secrets_of(instance):
    return [getattr(instance, field.name) for field in sealing.secret_fields(type(instance))]


@pytest.mark.parametrize("how", LOADS)
@pytest.mark.parametrize("kind", PROPERTIES)
def test_nothing_is_decrypted_by(how, kind, opened):
    LOADS[how](make_credential(kind).pk)
    assert opened == []


def test_an_app_is_loaded_and_renamed_without_decrypting(opened):
    make_oauth_app("github")
    app = OAuthApp.objects.get()
    app.name = "renamed"
    app.save()
    app.delete()
    assert opened == []


def test_use_decrypts_twice_each_time_once_before_it_is_noted(opened):
    credential = Credential.objects.get(pk=make_credential().pk)
    credential.secret.use(credential.destination())
    credential.secret.use(credential.destination())
    assert opened == ["unseal", "decrypt"] * 4


def test_opened_text_is_not_kept_in_the_instance(text):
    credential = Credential.objects.get(pk=make_credential(secret=text).pk)
    credential.secret.use(credential.destination())
    state = vars(credential)["secret"]
    assert isinstance(state, Sealed) and canary.find(text, state.token) == [] and state.digest == ""


# --- use


def test_use_gives_the_text(credential, text):
    assert credential.secret.use(credential.destination()) == text


@pytest.mark.parametrize(
    "destination", [(), ("stripe_key",), ("stripe_key", "oauth_app=x"), None, "stripe_key"]
)
def test_use_for_another_destination_is_refused(destination, credential, opened):
    with pytest.raises(sealing.DestinationChanged):
        credential.secret.use(destination)
    assert opened == []


def test_a_held_secret_follows_its_row():
    credential = make_credential(secret="sk_test_one")
    held = credential.secret
    credential.secret = "sk_test_two"
    assert held.use(credential.destination()) == "sk_test_two"


def test_a_held_secret_whose_row_was_cleared_says_so():
    credential = make_credential("linear_oauth2")
    held = credential.refresh_token
    credential.refresh_token = None
    with pytest.raises(sealing.SecretError):
        held.use(credential.destination())
    credential.save()
    with pytest.raises(sealing.SecretError):
        held.use(credential.destination())


def test_a_secret_is_readable_while_its_key_is_at_hand(settings):
    credential = make_credential()
    assert credential.secret.readable and credential.secret.key == sealing.key_id(settings.FERNET_KEYS[0])
    settings.FERNET_KEYS = ["another" * 8]
    assert not credential.secret.readable
    credential.secret = "sk_test_fresh"
    assert credential.secret.readable


def test_whether_a_secret_opens_is_told_without_its_text(opened):
    credential = Credential.objects.get(pk=make_credential("shopify_oauth2").pk)
    assert credential.access_token.opens() is True
    credential.shop_url = "other.myshopify.com"
    assert credential.access_token.opens() is False
    credential.access_token = "shpat_fresh"
    assert credential.access_token.opens() is True
    assert opened == ["unseal", "decrypt"] * 2


def test_a_stale_token_put_back_in_memory_does_not_open():
    credential = make_credential(secret="sk_test_one")
    stale = Credential.objects.get(pk=credential.pk)
    credential.secret = "sk_test_two"
    credential.save()
    credential.secret = stale.secret
    with pytest.raises(SealedElsewhere):
        credential.secret.use(credential.destination())


def test_there_is_no_secret_where_none_is_stored():
    credential = make_credential("linear_oauth2", refresh_token=None)
    assert credential.refresh_token is None
    assert isinstance(credential.access_token, Secret)
