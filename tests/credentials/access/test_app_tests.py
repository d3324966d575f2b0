"""Testing an OAuth app: a wrong client secret is told from a wrong refresh token."""

import pytest
from django.urls import reverse

from credentials.models import AccessToken, Credential, OAuthApp
from credentials.simulator import cast
from tests.rawsql import store

pytestmark = pytest.mark.django_db(transaction=True)

PROVIDERS = tuple(cast.SCOPES)


@pytest.fixture
def app(request, apps, stored):
    provider = request.param
    if provider == "shopify":
        # Shopify is asked at a shop, whichever.
        stored("shopify_oauth2")
    return apps[provider]


def code_of(app):
    found = OAuthApp.objects.get(pk=app.pk).test()
    return found.observation.code


@pytest.mark.parametrize("app", PROVIDERS, indirect=True)
def test_a_good_app_is_known(app, calls):
    found = app.test()
    assert (found.works, found.observation.code) == (True, "ok")
    assert [step.status for step in found.steps] == [calls()[-1]["status"]]
    assert (app.provider == "github") == (found.steps[0].status == 200)
    assert found.untold
    app.component.refresh_from_db()
    assert app.component.last_observed_at


@pytest.mark.parametrize("app", [one for one in PROVIDERS if one != "github"], indirect=True)
def test_a_wrong_client_secret_is_the_app_s_fault(app):
    app.client_secret = "entered-wrongly"
    app.save()
    assert code_of(app) == "oauth_app_rejected"


# Stripe signs in with the secret key alone, and says so on the page.
@pytest.mark.parametrize("app", [one for one in PROVIDERS if one not in ("github", "stripe")], indirect=True)
def test_a_wrong_client_id_is_the_app_s_fault(app):
    app.client_id = "nobody"
    app.save()
    assert code_of(app) == "oauth_app_rejected"


@pytest.mark.parametrize("app", ["github"], indirect=True)
def test_github_s_app_id_and_key(app):
    app.app_id = 7
    app.save()
    assert code_of(app) == "oauth_app_rejected"
    app.app_id, app.private_key = 424242, "-----BEGIN KEY-----\nfake\n-----END KEY-----\n"
    app.save()
    found = app.test()
    assert (found.observation.code, found.steps) == ("oauth_app_rejected", [])


def test_a_key_of_github_that_is_none_is_seen_by_credentials_too(stored):
    credential = stored("github_app")
    app = credential.app_in_use()
    app.private_key = "-----BEGIN KEY-----\nfake\n-----END KEY-----\n"
    app.save()
    assert Credential.objects.get().test().observation.code == "oauth_app_rejected"


def test_a_wrong_refresh_token_is_not_the_app_s_fault(stored):
    credential = stored("hubspot_oauth2", refresh_token="na1-sim-revoked-0000")
    assert credential.test().observation.code == "revoked"
    assert credential.app_in_use().test().works


def test_no_customer_s_token_is_touched(stored, calls):
    credential = stored("airtable_oauth2")
    credential.test()
    before = AccessToken.objects.get().fence
    assert credential.app_in_use().test().works
    assert AccessToken.objects.get().fence == before
    assert Credential.objects.get().test().works


def test_where_every_customer_has_a_host_one_must_be_known(apps, calls):
    found = apps["shopify"].test()
    assert (found.works, found.observation, found.steps) == (False, None, [])
    assert calls() == []


@pytest.mark.parametrize(("answer", "code"), [("5xx", "provider_outage"), ("hang", "timeout")])
@pytest.mark.parametrize("app", ["hubspot"], indirect=True)
def test_an_outage_says_nothing_of_the_app(app, fail, answer, code):
    fail(answer, provider="hubspot")
    assert code_of(app) == code


def test_an_app_whose_secret_does_not_open(apps):
    app = apps["hubspot"]
    store(app, client_secret=b"broken")
    found = OAuthApp.objects.get(pk=app.pk).test()
    assert (found.observation.code, found.steps) == ("decryption_failed", [])


# --- the page -----------------------------------------------------------------------------------------------


def test_the_page_says_it_in_words(person, apps):
    app = apps["hubspot"]
    address = reverse("test_oauth_app", args=[app.pk])
    text = person.client.post(address).content.decode()
    assert "HubSpot knows “Hubspot app (simulated)”" in text
    assert "its secret is right" in text and "Not tested:" in text
    app.client_secret = "entered-wrongly"
    app.save()
    text = person.client.post(address).content.decode()
    assert "HubSpot does not accept “Hubspot app (simulated)”" in text
    assert "Enter the app&#x27;s secret or key as it is now." in text
    assert "entered-wrongly" not in text and "not-a-token" not in text
    text = person.client.post(reverse("test_oauth_app", args=[apps["shopify"].pk])).content.decode()
    assert "Whether Shopify knows" in text and "a host of its own" in text


def test_the_page_of_an_app_shows_the_address_to_register(person, apps):
    for provider, app in apps.items():
        text = person.client.get(reverse("admin:credentials_oauthapp_change", args=[app.pk])).content.decode()
        assert f"<code>http://127.0.0.1:8000/oauth/{provider}/callback</code>" in text
    text = person.client.get(reverse("admin:credentials_oauthapp_add")).content.decode()
    assert "<code>http://127.0.0.1:8000/oauth/provider/callback</code>" in text


def test_the_catalogue_offers_what_can_be_connected(person, apps):
    text = person.client.get(reverse("new_credential")).content.decode()
    assert text.count("Connect with") == 8
    assert reverse("connect_new", args=["hubspot_oauth2"]) in text
    OAuthApp.objects.filter(provider="hubspot").delete()
    text = person.client.get(reverse("new_credential")).content.decode()
    assert reverse("connect_new", args=["hubspot_oauth2"]) not in text
    # The form itself leads on, and there to how an app is registered.
    text = person.client.get(reverse("admin:credentials_hubspotoauth2_add")).content.decode()
    assert reverse("connect_new", args=["hubspot_oauth2"]) in text
