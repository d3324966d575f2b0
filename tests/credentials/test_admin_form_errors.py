"""What the forms refuse, in what words, and that they never send a secret back."""

import pytest

from credentials.kinds import KINDS
from credentials.models import Credential
from credentials.models.properties import secret_names
from tests import canary
from tests.credentials.admin_pages import add_page, entries, form_of, page, problems, shown
from tests.credentials.kind_facts import FACTS
from tests.factories import make_credential, properties_of

pytestmark = pytest.mark.django_db

WITH_SECRETS = [kind for kind in KINDS if secret_names(KINDS[kind])]
REFUSED = [(kind, refused) for kind, facts in FACTS.items() for refused in facts.refused]
WITH_DESTINATION = [kind for kind, facts in FACTS.items() if facts.destination]
BAD_METADATA = "{not json"


@pytest.mark.parametrize("kind", WITH_SECRETS)
def test_a_refused_form_keeps_what_was_typed_and_sends_no_secret_back(admin_client, kind):
    secrets = {name: canary.make(FACTS[kind].begins) for name in FACTS[kind].secrets}
    data = entries(kind, name="Typed by hand", metadata=BAD_METADATA, **secrets)
    response = admin_client.post(add_page(kind), data)
    html = response.content.decode()
    assert "metadata" in problems(response)
    assert 'value="Typed by hand"' in html
    assert BAD_METADATA in html
    for text in secrets.values():
        assert canary.find(text, html) == []


@pytest.mark.parametrize("kind", WITH_SECRETS)
def test_a_refused_change_sends_no_secret_back(admin_client, kind):
    stored = {name: canary.make(FACTS[kind].begins) for name in FACTS[kind].secrets}
    credential = make_credential(kind, **stored)
    entered = {name: canary.make(FACTS[kind].begins) for name in FACTS[kind].secrets}
    response = admin_client.post(
        page(credential), shown(admin_client, credential, metadata=BAD_METADATA, **entered)
    )
    html = response.content.decode()
    assert "metadata" in problems(response)
    for text in [*stored.values(), *entered.values()]:
        assert canary.find(text, html) == []


@pytest.mark.parametrize(("kind", "refused"), REFUSED)
def test_a_mix_up_is_refused_where_it_was_typed(admin_client, kind, refused):
    response = admin_client.post(add_page(kind), entries(kind, **FACTS[kind].properties | refused.changes))
    # What a list offers cannot be mistyped in a browser: Django's own words for it do.
    listed = KINDS[kind]._meta.get_field(refused.blamed).choices
    says = "Select a valid choice" if listed else refused.says
    assert says in problems(response)[refused.blamed]
    assert not Credential.objects.exists()


@pytest.mark.parametrize("mask", ["***********", "••••••••", "sk_t...4242", "$encrypted$"])
def test_a_masked_value_is_not_taken_for_a_secret(admin_client, mask):
    response = admin_client.post(add_page("stripe_oauth2"), entries("stripe_oauth2", secret=mask))
    assert "masked value" in problems(response)["secret"]


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_form_names_every_required_field(admin_client, kind):
    response = admin_client.post(add_page(kind), {})
    # A box that is not ticked says no.
    required = {name for name in FACTS[kind].properties if name != "test"}
    assert required <= set(problems(response))
    assert not Credential.objects.exists()


@pytest.mark.parametrize("kind", WITH_DESTINATION)
def test_another_destination_asks_for_the_secret_again(admin_client, kind):
    credential = make_credential(kind)
    changes = FACTS[kind].destination
    response = admin_client.post(page(credential), shown(admin_client, credential, **changes))
    found = problems(response)
    for name in FACTS[kind].secrets:
        assert "another destination" in found[name]
    assert Credential.objects.get(pk=credential.pk).destination() == credential.destination()


@pytest.mark.parametrize("kind", WITH_DESTINATION)
def test_another_destination_with_its_secret_is_taken(admin_client, kind):
    credential = make_credential(kind)
    fresh = {name: f"{FACTS[kind].begins}fake-{name}-of-the-new-place" for name in FACTS[kind].secrets}
    changes = FACTS[kind].destination | fresh
    response = admin_client.post(page(credential), shown(admin_client, credential, **changes))
    assert response.status_code == 302, problems(response)
    stored = Credential.objects.get(pk=credential.pk)
    for name, text in fresh.items():
        assert getattr(stored, name).use(stored.destination()) == text


@pytest.mark.parametrize("kind", ["stripe_key", "stripe_oauth2"])
def test_changing_between_test_and_live_mode_asks_for_the_secret(admin_client, kind):
    credential = make_credential(kind, test=True, secret="fake_secret_of_test_mode")
    response = admin_client.post(page(credential), shown(admin_client, credential, test=False))
    assert "keys of their own" in problems(response)["secret"]


@pytest.mark.parametrize("kind", [kind for kind, facts in FACTS.items() if facts.account])
def test_a_second_credential_of_an_account_is_refused_and_the_first_one_named(admin_client, kind):
    facts = FACTS[kind]
    first = make_credential(kind, name="The first one", **facts.properties)
    secrets = dict.fromkeys(facts.secrets, "fake-secret-of-the-second-one")
    response = admin_client.post(add_page(kind), entries(kind, **facts.properties | secrets))
    assert "The first one" in problems(response)["__all__"]
    assert str(first.pk) in problems(response)["__all__"]
    assert Credential.objects.count() == 1


def test_a_second_credential_with_the_same_secret_is_refused(admin_client):
    secret = "sk_test_exampleOfTheSameKeyAsBefore"
    make_credential("stripe_key", name="The first one", secret=secret, test=True)
    response = admin_client.post(add_page("stripe_key"), entries("stripe_key", secret=secret))
    assert "The first one" in problems(response)["__all__"]
    assert canary.find(secret, response.content) == []


def test_a_credential_cannot_be_changed_into_the_account_of_another(admin_client):
    make_credential("github_app", name="The first one", installation_id=7)
    second = make_credential("github_app", installation_id=8)
    response = admin_client.post(page(second), shown(admin_client, second, installation_id=7))
    assert "The first one" in problems(response)["__all__"]


def test_scopes_that_were_typed_stay_as_they_were_typed(admin_client):
    data = entries("hubspot_oauth2", scopes="contacts,  oauth", metadata=BAD_METADATA)
    html = admin_client.post(add_page("hubspot_oauth2"), data).content.decode()
    assert "contacts,  oauth" in html


@pytest.mark.parametrize("kind", KINDS)
def test_an_address_fills_no_form(admin_client, kind):
    properties = {name: f"from-the-address-{name}" for name in properties_of(kind)}
    response = admin_client.get(
        add_page(kind), {**properties, "interval": "99", "metadata": "{", "name": "x"}
    )
    assert "from-the-address" not in response.content.decode().split("<form", 1)[1].split("</form>")[0]
    assert not form_of(response).initial


def test_messages_are_escaped(admin_client):
    hostile = "<script>alert(1)</script>"
    make_credential("github_app", name=hostile, installation_id=7)
    response = admin_client.post(
        add_page("github_app"), entries("github_app", name=hostile, installation_id=7)
    )
    assert hostile not in response.content.decode()
