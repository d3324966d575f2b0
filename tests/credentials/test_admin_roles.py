"""Who may see and do what in the back office."""

import re
import uuid

import pytest

from credentials.kinds import KINDS
from credentials.models import Credential, OAuthApp
from tests import canary
from tests.credentials.admin_pages import (
    ADD_APP,
    APPS,
    CATALOGUE,
    LIST,
    add_page,
    client_of,
    entries,
    page,
    problems,
    shown,
    staff,
)
from tests.credentials.kind_facts import FACTS
from tests.factories import make_credential, make_oauth_app

pytestmark = pytest.mark.django_db

PAGES = ["change", "delete", "history"]
VIEWER = ("view_credential", "view_oauthapp")


def every_page():
    credential, app = make_credential(), make_oauth_app()
    rows = [page(row, action) for row in (credential, app) for action in PAGES]
    return [LIST, CATALOGUE, add_page("stripe_key"), APPS, ADD_APP, *rows]


def test_nobody_sees_a_page_without_signing_in(client):
    for address in every_page():
        response = client.get(address)
        assert response.status_code == 302
        assert response.url.startswith(
            ("/admin/login/?next=/admin/credentials/", f"/admin/login/?next={CATALOGUE}")
        )


def test_nobody_posts_without_signing_in(client):
    for address in every_page():
        assert client.post(address, {"post": "yes"}).url.startswith("/admin/login/")
    assert Credential.objects.count() == OAuthApp.objects.count() == 1


def test_staff_without_rights_see_nothing():
    addresses, client = every_page(), client_of(staff())
    assert {client.get(address).status_code for address in addresses} == {403}
    assert {client.post(address, {"post": "yes"}).status_code for address in addresses} == {403}
    assert Credential.objects.count() == OAuthApp.objects.count() == 1


def test_staff_without_rights_are_told_so_and_can_sign_out():
    client = client_of(staff())
    response = client.get("/", follow=True)
    assert response.status_code == 403
    html = response.content.decode()
    assert "You are signed in as staff" in html
    assert 'action="/admin/logout/"' in html


@pytest.mark.parametrize(
    ("right", "first_page"),
    [("view_credential", "/credentials/"), ("view_oauthapp", APPS), ("view_user", "/admin/auth/user/")],
)
def test_people_start_at_the_first_page_that_they_may_see(right, first_page):
    response = client_of(staff(right)).get("/", follow=True)
    assert response.status_code == 200
    assert response.redirect_chain[-1][0] == first_page


def test_a_viewer_sees_rows_and_changes_nothing():
    credential, app, client = (
        make_credential(name="Before"),
        make_oauth_app(name="Before"),
        client_of(staff(*VIEWER)),
    )
    for row in (credential, app):
        assert client.get(page(row)).status_code == 200
        assert client.get(page(row, "history")).status_code == 200
        assert client.post(page(row), {"name": "Mine"}).status_code == 403
        assert client.get(page(row, "delete")).status_code == 403
        assert client.post(page(row, "delete"), {"post": "yes"}).status_code == 403
    assert client.get(CATALOGUE).status_code == client.get(ADD_APP).status_code == 403
    assert client.post(add_page("github_app"), entries("github_app")).status_code == 403
    assert [Credential.objects.get().name, OAuthApp.objects.get().name] == ["Before", "Before"]


@pytest.mark.parametrize("address", [LIST, APPS])
def test_a_viewer_deletes_nothing_by_an_action(address):
    row = make_credential() if address == LIST else make_oauth_app()
    data = {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"}
    client_of(staff(*VIEWER)).post(address, data)
    assert type(row).objects.filter(pk=row.pk).exists()


@pytest.mark.parametrize("kind", KINDS)
def test_a_viewer_sees_every_property_and_no_secret(kind):
    facts = FACTS[kind]
    secrets = {name: canary.make(facts.begins) for name in facts.secrets}
    credential = make_credential(kind, **facts.properties | secrets)
    response = client_of(staff("view_credential")).get(page(credential))
    html = response.content.decode()
    assert '<input type="password"' not in html
    for name, value in facts.properties.items():
        if name in secrets:
            assert canary.find(secrets[name], html) == []
        elif isinstance(value, str):
            assert value in html
    assert html.count("Set on ") == len(secrets)


def test_a_viewer_sees_whether_an_optional_secret_is_set():
    credential = make_credential("linear_oauth2", refresh_token=None)
    html = client_of(staff("view_credential")).get(page(credential)).content.decode()
    assert html.count("Not set.") == 1


def test_a_viewer_of_an_unreadable_secret_learns_that_its_key_is_missing(settings):
    credential = make_credential()
    settings.FERNET_KEYS = ["another-key-" + "x" * 40]
    html = client_of(staff("view_credential")).get(page(credential)).content.decode()
    assert "Cannot be read: its key is missing." in html


@pytest.mark.parametrize("rights", [("view_credential",), ("change_credential",)])
def test_a_page_does_not_tell_how_long_a_secret_is(rights):
    client, pages = client_of(staff(*rights)), []
    for secret in ("fake-one", "fake-secret-" + "x" * 4_000):
        credential = make_credential("stripe_oauth2", name="Same", secret=secret)
        html = client.get(page(credential)).content.decode()
        pages.append(
            re.sub(rf"{credential.pk}|\d\d:\d\d(:\d\d)?[^\"]*|value=\"[A-Za-z0-9]{{64}}\"", "", html)
        )
        credential.delete()
    assert pages[0] == pages[1]


def test_who_may_change_needs_no_other_right_for_it():
    credential, client = make_credential(name="Before"), client_of(staff("change_credential"))
    assert client.get(LIST).status_code == 200
    assert client.post(page(credential), shown(client, credential, name="After")).status_code == 302
    assert Credential.objects.get().name == "After"
    assert client.get(page(credential, "delete")).status_code == 403
    assert client.get(CATALOGUE).status_code == 403


def test_who_may_add_only_gets_back_to_a_page_that_is_theirs():
    client = client_of(staff("add_credential"))
    response = client.post(add_page("github_app"), entries("github_app"), follow=True)
    assert Credential.objects.count() == 1
    assert response.status_code in (200, 403)


def test_save_as_new_copies_no_secret(admin_client):
    credential = make_credential("stripe_key")
    data = shown(admin_client, credential, name="Copy") | {"_saveasnew": "1"}
    response = admin_client.post(page(credential), data)
    assert "secret" in problems(response)
    assert Credential.objects.count() == 1


SMUGGLED = {
    "status": "sequin_intervention",
    "kind": "github_app",
    "provider": "github",
    "account": "smuggled",
    "version": "77",
    "unreadable": "on",
    "secret_version": "77",
    "secret_seal_key": "smuggled",
    "secret_seal_version": "77",
    "search": "smuggled",
    "deleted_at": "2020-01-01 00:00:00",
    "expires_at": "2020-01-01 00:00:00",
    "last_used_at": "2020-01-01 00:00:00",
    "created_at": "2020-01-01 00:00:00",
    "polymorphic_ctype": "1",
    "is_superuser": "on",
    "user_permissions": "1",
}


def state(row):
    volatile = {"version", "updated_at", "_state", "_polymorphic_base_instance", "secret"}
    return {name: value for name, value in vars(row).items() if name not in volatile}


def test_what_the_form_does_not_show_is_not_taken():
    user = staff("change_credential")
    credential, client = make_credential("stripe_key"), client_of(user)
    other = make_credential("github_app")
    smuggled = SMUGGLED | {"component": other.component_id, "id": other.pk, "credential_ptr": other.pk}
    before = state(Credential.objects.get(pk=credential.pk))
    response = client.post(page(credential), shown(client, credential) | smuggled)
    assert response.status_code == 302, problems(response)
    after = Credential.objects.get(pk=credential.pk)
    assert state(after) == before
    assert after.version == 2
    user.refresh_from_db()
    assert not user.is_superuser


def test_what_the_form_does_not_show_is_not_taken_when_adding(admin_client):
    pk = uuid.uuid4()
    admin_client.post(add_page("github_app"), entries("github_app") | SMUGGLED | {"id": pk})
    credential = Credential.objects.get()
    assert (credential.kind, credential.version, credential.deleted_at) == ("github_app", 1, None)
    assert credential.account == str(credential.installation_id)
    assert credential.component.status == "healthy"
    assert credential.pk != pk
