"""Adding and changing a credential of every kind through its form."""

import pytest

from credentials.kinds import KINDS
from credentials.models import Credential, Fingerprint
from credentials.models.properties import secret_names
from credentials.sealing import fingerprint
from tests import canary
from tests.credentials.admin_pages import add_page, added, entries, page, problems, shown
from tests.credentials.kind_facts import FACTS
from tests.factories import make_credential, make_oauth_app, properties_of

pytestmark = pytest.mark.django_db

every_kind = pytest.mark.parametrize("kind", KINDS)
WITH_SECRETS = [kind for kind in KINDS if secret_names(KINDS[kind])]


@every_kind
def test_what_was_entered_is_stored(admin_client, kind):
    properties = properties_of(kind)
    credential = added(admin_client, kind, name="Entered", metadata='{"plan": "gold"}', **properties)
    secrets = FACTS[kind].secrets
    assert credential.name == "Entered"
    assert credential.metadata == {"plan": "gold"}
    for name, value in properties.items():
        if name not in secrets:
            assert getattr(credential, name) == value
    for name in secrets:
        assert getattr(credential, name).use(credential.destination()) == properties[name]


@every_kind
def test_a_new_credential_brings_what_belongs_to_it(admin_client, kind):
    credential = added(admin_client, kind)
    allowed, interval, at_once = FACTS[kind].limit
    if "test" in FACTS[kind].properties and not credential.test:
        allowed = 100  # live mode
    assert credential.rate_limit.limit == (allowed, interval, at_once)
    assert credential.component.name == credential.name
    assert credential.component.provider == FACTS[kind].provider
    held = Fingerprint.objects.of(credential.id).values_list("field", flat=True)
    assert sorted(held) == sorted(FACTS[kind].secrets)


@every_kind
def test_saving_without_a_change_changes_nothing_but_the_version(admin_client, kind):
    credential = make_credential(kind, metadata={"a": [1, {"b": None}]})
    before = credential.document()
    seals = {name: getattr(credential, f"{name}_seal_version") for name in FACTS[kind].secrets}
    response = admin_client.post(page(credential), shown(admin_client, credential))
    assert response.status_code == 302, problems(response)
    after = Credential.objects.get(pk=credential.pk)
    assert {**after.document(), "updated_at": None} == {**before, "updated_at": None}
    assert {name: getattr(after, f"{name}_seal_version") for name in seals} == seals


@pytest.mark.parametrize("kind", WITH_SECRETS)
def test_an_empty_secret_keeps_the_stored_one(admin_client, kind):
    properties = properties_of(kind)
    credential = make_credential(kind, **properties)
    response = admin_client.post(page(credential), shown(admin_client, credential, name="Renamed"))
    assert response.status_code == 302, problems(response)
    stored = Credential.objects.get(pk=credential.pk)
    assert stored.name == "Renamed"
    for name in FACTS[kind].secrets:
        assert getattr(stored, name).use(stored.destination()) == properties[name]


@pytest.mark.parametrize("kind", WITH_SECRETS)
def test_a_new_secret_replaces_the_old_one(admin_client, kind):
    credential = make_credential(kind)
    fresh = {name: canary.make(FACTS[kind].begins) for name in FACTS[kind].secrets}
    response = admin_client.post(page(credential), shown(admin_client, credential, **fresh))
    assert response.status_code == 302, problems(response)
    stored = Credential.objects.get(pk=credential.pk)
    for name, text in fresh.items():
        assert getattr(stored, name).use(stored.destination()) == text
        assert Fingerprint.objects.get(owner=stored.id, field=name, current=True).digest == fingerprint(text)


def test_a_box_removes_an_optional_secret(admin_client):
    credential = make_credential("linear_oauth2")
    response = admin_client.post(page(credential), shown(admin_client, credential, remove_refresh_token=True))
    assert response.status_code == 302, problems(response)
    stored = Credential.objects.get(pk=credential.pk)
    assert stored.refresh_token is None
    assert stored.access_token
    assert not Fingerprint.objects.filter(owner=stored.id, field="refresh_token", current=True).exists()


def test_there_is_no_box_where_nothing_is_to_be_removed(admin_client):
    without = make_credential("linear_oauth2", refresh_token=None)
    assert "remove_refresh_token" not in shown(admin_client, without)
    html = admin_client.get(page(without)).content.decode()
    assert "remove_" not in html


def test_a_required_secret_has_no_box_that_removes_it(admin_client):
    credential = make_credential("stripe_key")
    data = shown(admin_client, credential, remove_secret=True)
    admin_client.post(page(credential), data)
    assert Credential.objects.get(pk=credential.pk).secret


def test_the_form_says_since_when_a_secret_is_set(admin_client):
    html = admin_client.get(page(make_credential("stripe_key"))).content.decode()
    assert "Set on " in html
    assert "Leave empty to keep it" in html


def test_the_form_says_that_a_key_is_missing_and_takes_a_new_secret(admin_client, settings):
    credential = make_credential("stripe_key")
    settings.FERNET_KEYS = ["another-key-" + "x" * 40]
    html = admin_client.get(page(credential)).content.decode()
    assert "Cannot be read: its key is missing." in html
    assert "Enter it again" in html
    data = shown(admin_client, credential, secret="sk_test_entered_again")
    response = admin_client.post(page(credential), data)
    assert response.status_code == 302, problems(response)
    stored = Credential.objects.get(pk=credential.pk)
    assert stored.secret.use(stored.destination()) == "sk_test_entered_again"


@pytest.mark.parametrize("kind", [kind for kind in KINDS if KINDS[kind].USES_OAUTH_APP])
def test_an_app_of_the_same_provider_can_be_chosen(admin_client, kind):
    app = make_oauth_app(FACTS[kind].provider)
    assert added(admin_client, kind, oauth_app=app.pk).oauth_app == app


@pytest.mark.parametrize("kind", [kind for kind in KINDS if KINDS[kind].USES_OAUTH_APP])
def test_an_app_of_another_provider_is_refused(admin_client, kind):
    app = make_oauth_app("quickbooks" if kind != "quickbooks_oauth2" else "linear")
    response = admin_client.post(add_page(kind), entries(kind, oauth_app=app.pk))
    assert "oauth_app" in problems(response)
    assert not Credential.objects.exists()


@pytest.mark.parametrize("kind", [kind for kind, facts in FACTS.items() if facts.odd])
def test_what_looks_odd_is_saved_and_said(admin_client, kind):
    response = admin_client.post(add_page(kind), entries(kind, **FACTS[kind].odd), follow=True)
    assert "Saved, but look at the" in response.content.decode()
    assert Credential.objects.count() == 1


def test_names_of_fields_are_kept_in_the_history_and_values_are_not(admin_client):
    credential = make_credential("stripe_key")
    secret = canary.make_plain("sk_test_")
    admin_client.post(page(credential), shown(admin_client, credential, secret=secret, name="Seen"))
    html = admin_client.get(page(credential, "history")).content.decode()
    assert "Secret" in html
    assert canary.find(secret, html) == []


@pytest.mark.parametrize(
    ("kind", "name"), [("quickbooks_oauth2", "environment"), ("github_app", "account_type")]
)
def test_what_has_to_be_chosen_is_not_chosen_beforehand(admin_client, kind, name):
    html = admin_client.get(add_page(kind)).content.decode()
    select = html.split(f'name="{name}"')[1].split("</select>")[0]
    assert '<option value="" selected>Choose one</option>' in select and select.count("selected") == 1
    response = admin_client.post(add_page(kind), entries(kind, **{name: ""}))
    assert name in problems(response) and not Credential.objects.exists()
    stored = added(admin_client, kind)
    html = admin_client.get(page(stored)).content.decode()
    assert "Choose one" not in html.split(f'name="{name}"')[1].split("</select>")[0]
