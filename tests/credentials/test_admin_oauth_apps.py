"""The pages of OAuth apps."""

import pytest

from credentials.models import OAuthApp
from tests import canary
from tests.credentials.admin_pages import ADD_APP, APPS, page, problems, shown
from tests.factories import PEM, make_credential, make_oauth_app

pytestmark = pytest.mark.django_db

GITHUB = {"name": "Ours", "provider": "github", "client_id": "Iv1", "app_id": "77", "private_key": PEM}
HUBSPOT = {"name": "Ours", "provider": "hubspot", "client_id": "abc", "client_secret": "fake-client-secret"}


def opened(app, name):
    return getattr(app, name).use(app.destination())


def test_a_github_app_is_added_with_its_id_and_private_key(admin_client):
    response = admin_client.post(ADD_APP, GITHUB | {"scopes": "repo, read:org"})
    assert response.status_code == 302, problems(response)
    app = OAuthApp.objects.get()
    assert (app.provider, app.app_id, app.scopes) == ("github", 77, ["repo", "read:org"])
    assert opened(app, "private_key").replace("\r\n", "\n").strip() == PEM.strip()
    assert app.component.name == "Ours"


@pytest.mark.parametrize("missing", ["app_id", "private_key"])
def test_a_github_app_needs_its_id_and_private_key(admin_client, missing):
    assert missing in problems(admin_client.post(ADD_APP, GITHUB | {missing: ""}))


def test_another_app_is_added_with_its_client_secret(admin_client):
    response = admin_client.post(ADD_APP, HUBSPOT)
    assert response.status_code == 302, problems(response)
    app = OAuthApp.objects.get()
    assert opened(app, "client_secret") == "fake-client-secret"
    assert app.scopes == []


def test_an_untouched_form_stores_no_scopes(admin_client):
    html = admin_client.get(ADD_APP).content.decode()
    assert "[]" not in html.split('name="scopes"')[1].split("</textarea>")[0]


def test_another_app_needs_its_client_secret(admin_client):
    found = problems(admin_client.post(ADD_APP, HUBSPOT | {"client_secret": ""}))
    assert found == {"client_secret": "Enter the client secret."}


@pytest.mark.parametrize("only_github", [{"app_id": "5"}, {"private_key": PEM}])
def test_another_app_has_nothing_of_github(admin_client, only_github):
    found = problems(admin_client.post(ADD_APP, HUBSPOT | only_github))
    assert found == dict.fromkeys(only_github, "Only GitHub apps have this: leave it empty.")


@pytest.mark.parametrize("provider", ["", "nobody", "checkout_champ"])
def test_an_app_is_at_a_provider_that_has_apps(admin_client, provider):
    assert "provider" in problems(admin_client.post(ADD_APP, HUBSPOT | {"provider": provider}))


def test_a_refused_app_sends_no_secret_back(admin_client):
    secret, key = canary.make(), f"-----BEGIN {canary.make_plain()}"
    response = admin_client.post(ADD_APP, GITHUB | {"client_secret": secret, "private_key": key, "name": ""})
    assert "name" in problems(response)
    assert canary.find(secret, response.content) == canary.find(key, response.content) == []


def test_a_change_keeps_the_secret_that_was_left_empty(admin_client):
    app = make_oauth_app("hubspot", client_secret="fake-kept-secret")
    response = admin_client.post(page(app), shown(admin_client, app, name="Renamed"))
    assert response.status_code == 302, problems(response)
    stored = OAuthApp.objects.get()
    assert stored.name == "Renamed"
    assert opened(stored, "client_secret") == "fake-kept-secret"


def test_an_optional_secret_is_removed_by_its_box(admin_client):
    app = make_oauth_app("github", client_secret="fake-secret")
    response = admin_client.post(page(app), shown(admin_client, app, remove_client_secret=True))
    assert response.status_code == 302, problems(response)
    assert OAuthApp.objects.get().client_secret is None


@pytest.mark.parametrize(("provider", "name"), [("hubspot", "client_secret"), ("github", "private_key")])
def test_a_needed_secret_is_not_removed(admin_client, provider, name):
    app = make_oauth_app(provider)
    response = admin_client.post(page(app), shown(admin_client, app, **{f"remove_{name}": True}))
    assert name in problems(response)
    assert getattr(OAuthApp.objects.get(), name)


def test_the_provider_is_chosen_once(admin_client):
    app = make_oauth_app("hubspot")
    response = admin_client.post(page(app), shown(admin_client, app) | {"provider": "linear"})
    assert response.status_code == 302, problems(response)
    stored = OAuthApp.objects.get()
    assert stored.provider == "hubspot"
    assert stored.client_secret.opens()


def test_the_same_app_is_not_added_twice(admin_client):
    make_oauth_app("hubspot", client_id="abc")
    found = problems(admin_client.post(ADD_APP, HUBSPOT))
    assert "There is an app with this client id at this provider already." in found["__all__"]


def test_a_provider_has_one_default_app(admin_client):
    make_oauth_app("hubspot", is_default=True)
    found = problems(admin_client.post(ADD_APP, HUBSPOT | {"is_default": "on"}))
    assert "has a default app already" in found["__all__"]


def test_an_app_in_use_is_not_deleted_and_its_credentials_are_named(admin_client):
    app = make_oauth_app("hubspot")
    make_credential("hubspot_oauth2", name="Atreides", oauth_app=app)
    for response in (
        admin_client.get(page(app, "delete")),
        admin_client.post(page(app, "delete"), {"post": "yes"}),
        admin_client.post(APPS, {"action": "delete_selected", "_selected_action": app.pk, "post": "yes"}),
    ):
        assert response.status_code == 200
        assert "Atreides" in response.content.decode()
    assert OAuthApp.objects.exists()


def test_an_app_says_how_many_credentials_use_it(admin_client):
    app = make_oauth_app("hubspot")
    make_credential("hubspot_oauth2", oauth_app=app)
    assert "1 credential<" in admin_client.get(page(app)).content.decode()


def test_the_list_shows_the_apps(admin_client):
    make_oauth_app("hubspot", name="Ours", client_id="abc-123", is_default=True)
    html = admin_client.get(APPS).content.decode()
    for text in ("Ours", "abc-123", "HubSpot", "Not checked yet", "Yes"):
        assert text in html


@pytest.mark.parametrize(
    ("query", "expected"), [("q=our", 1), ("q=abc", 1), ("q=other", 0), ("provider=linear", 0)]
)
def test_the_list_of_apps_is_narrowed(admin_client, query, expected):
    make_oauth_app("hubspot", name="Ours", client_id="abc-123")
    assert admin_client.get(f"{APPS}?{query}").context["cl"].result_count == expected
