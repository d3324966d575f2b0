"""The default OAuth app of a provider: who follows it, what a change asks first, and two changes at once."""

import threading

import pytest
from django.core.exceptions import ValidationError
from django.db import close_old_connections, connection, transaction

from credentials import audit
from credentials.insertion import insert
from credentials.models import AuditEvent, Credential, OAuthApp
from health import graph
from tests.credentials.admin_pages import ADD_APP, page, problems, shown
from tests.factories import make_credential, make_oauth_app, new_credential, new_oauth_app

HUBSPOT = {"name": "Ours", "provider": "hubspot", "client_id": "abc", "client_secret": "fake-client-secret"}


def edges():
    return set(graph.edges().values_list("component_id", "depends_on_id"))


# --- at the same time

# How long the slower one is given to overtake: much longer than it takes.
PATIENCE = 0.5


class InThread(threading.Thread):
    """Something that another process does at the same time. `result` is what it returned or raised."""

    def __init__(self, act):
        super().__init__()
        self.act, self.result = act, None
        self.start()

    def run(self):
        try:
            with audit.acting("cli:other@localhost"):
                self.result = self.act()
        except Exception as error:  # noqa: BLE001 - the test looks at it
            self.result = error
        finally:
            close_old_connections()
            connection.close()

    def outcome(self):
        self.join(30)
        assert not self.is_alive()
        return self.result


def created_one_by_one():
    make_credential("hubspot_oauth2")


def inserted_together():
    credential = new_credential("hubspot_oauth2")
    credential.prepare()
    insert([(credential, None)])


def brought_back():
    Credential.everything.get().restore()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("appear", [created_one_by_one, inserted_together, brought_back])
def test_a_credential_that_appears_while_an_app_becomes_the_default_depends_on_it(appear):
    app = make_oauth_app("hubspot")
    app.is_default = True
    if appear is brought_back:
        make_credential("hubspot_oauth2").delete()
    with transaction.atomic():
        appear()
        other = InThread(app.save)
        other.join(PATIENCE)
    assert other.outcome() is None
    assert edges() == {(Credential.objects.get().component_id, app.component_id)}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("appear", [created_one_by_one, inserted_together, brought_back])
def test_an_app_becomes_the_default_while_a_credential_is_about_to_appear(appear):
    app = make_oauth_app("hubspot")
    app.is_default = True
    if appear is brought_back:
        make_credential("hubspot_oauth2").delete()

    def slowly():
        with transaction.atomic():
            appear()

    with transaction.atomic():
        app.save()
        other = InThread(slowly)
        other.join(PATIENCE)
    assert other.outcome() is None
    assert edges() == {(Credential.objects.get().component_id, app.component_id)}


@pytest.mark.django_db(transaction=True)
def test_credentials_of_one_provider_are_created_at_the_same_time():
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has one writer at a time.")
    make_oauth_app("hubspot")
    with transaction.atomic():
        created_one_by_one()
        assert InThread(created_one_by_one).outcome() is None
    assert Credential.objects.count() == 2


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("new", [True, False])
def test_the_slower_of_two_that_become_the_default_is_told_of_the_other(new):
    first = make_oauth_app("hubspot")
    second = new_oauth_app("hubspot") if new else make_oauth_app("hubspot")
    first.is_default = second.is_default = True
    with transaction.atomic():
        first.save()
        other = InThread(second.save)
        other.join(PATIENCE)
    assert isinstance(other.outcome(), ValidationError)
    assert "has a default app already" in str(other.outcome())
    assert OAuthApp.objects.get(is_default=True) == first


@pytest.mark.django_db
def test_a_client_id_that_another_app_has_is_an_error_with_words():
    make_oauth_app("hubspot", client_id="abc")
    with pytest.raises(ValidationError, match="this client id at this provider already"):
        make_oauth_app("hubspot", client_id="abc")


@pytest.mark.django_db
def test_apps_that_are_inserted_in_bulk_serve_as_default_too():
    credential = make_credential("hubspot_oauth2")
    (app,) = OAuthApp.objects.bulk_create([new_oauth_app("hubspot", is_default=True)])
    assert edges() == {(credential.component_id, app.component_id)}


# --- in the form


@pytest.fixture
def follower(db):
    """A credential that names no app, beside three that do not follow HubSpot's default."""
    make_credential("hubspot_oauth2", oauth_app=make_oauth_app("hubspot"))
    make_credential("shopify_oauth2")
    make_credential("hubspot_oauth2").delete()
    return make_credential("hubspot_oauth2", name="Follower")


def test_a_new_default_app_says_who_will_use_it_and_waits_for_a_tick(admin_client, follower):
    html = admin_client.get(ADD_APP).content.decode()
    assert "HubSpot 1, Shopify 1" in html
    response = admin_client.post(ADD_APP, HUBSPOT | {"is_default": "on"})
    assert problems(response) == {
        "confirm_default": "1 credential that names no app will use this one: tick this to confirm."
    }
    assert 'value="abc"' in response.content.decode() and OAuthApp.objects.count() == 1
    ticked = HUBSPOT | {"is_default": "on", "confirm_default": "on"}
    assert admin_client.post(ADD_APP, ticked).status_code == 302
    assert (follower.component_id, OAuthApp.objects.get(is_default=True).component_id) in edges()


@pytest.mark.parametrize("becomes", [True, False])
def test_another_default_waits_for_a_tick(admin_client, follower, becomes):
    app = make_oauth_app("hubspot", is_default=not becomes)
    assert (
        "1 credential names no app and follows the default one"
        in admin_client.get(page(app)).content.decode()
    )
    before, events = edges(), AuditEvent.objects.count()
    response = admin_client.post(page(app), shown(admin_client, app, is_default=becomes, name="Renamed"))
    words = "will use this one" if becomes else "will have none"
    assert problems(response) == {
        "confirm_default": f"1 credential that names no app {words}: tick this to confirm."
    }
    assert 'value="Renamed"' in response.content.decode()
    assert edges() == before and AuditEvent.objects.count() == events
    ticked = shown(admin_client, app, is_default=becomes, confirm_default=True)
    assert admin_client.post(page(app), ticked).status_code == 302
    assert OAuthApp.objects.get(pk=app.pk).is_default is becomes
    assert ((follower.component_id, app.component_id) in edges()) is becomes


def test_what_changes_no_default_needs_no_tick(admin_client, follower):
    app = make_oauth_app("hubspot", is_default=True)
    assert admin_client.post(page(app), shown(admin_client, app, name="Renamed")).status_code == 302
    assert admin_client.post(ADD_APP, HUBSPOT).status_code == 302
    linear = HUBSPOT | {"provider": "linear", "is_default": "on"}
    assert admin_client.post(ADD_APP, linear).status_code == 302


@pytest.mark.django_db
def test_where_nobody_follows_nothing_is_asked(admin_client):
    make_credential("stripe_key")
    assert "confirm_default" not in admin_client.get(ADD_APP).content.decode()
    assert admin_client.post(ADD_APP, HUBSPOT | {"is_default": "on"}).status_code == 302
    app = OAuthApp.objects.get()
    assert "confirm_default" not in admin_client.get(page(app)).content.decode()


def test_the_page_of_a_default_app_counts_those_that_use_it_without_naming_it(admin_client, follower):
    app = make_oauth_app("hubspot", is_default=True)
    make_credential("hubspot_oauth2", oauth_app=app)
    assert "2 credentials<" in admin_client.get(page(app)).content.decode()


# --- an app that is not there


@pytest.mark.django_db
@pytest.mark.parametrize("unknown", ["00000000-0000-4000-8000-000000000000", "no-id"])
@pytest.mark.parametrize("alone", [True, False])
def test_an_unknown_app_is_an_error_of_its_field(unknown, alone):
    values = new_credential("hubspot_oauth2")
    properties = {name: getattr(values, name) for name in ("hub_domain", "hub_id", "scopes")}
    properties["refresh_token"] = "fake-hubspot-refresh-token"
    with pytest.raises(ValidationError) as caught:
        type(values).from_properties(properties, alone=alone, oauth_app_id=unknown)
    assert caught.value.message_dict == {"oauth_app": ["There is no such OAuth app: create it first."]}
