"""Consents that must make nothing: of another account, not by the provider, or refused by it."""

import pytest

from credentials.models import Credential, PendingConsent
from tests.credentials.access.consents import KINDS, changed, param, refusal, state, works

pytestmark = pytest.mark.django_db(transaction=True)


# --- the account --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind", [kind for kind in KINDS if kind not in ("shopify_oauth2", "salesforce_oauth2")]
)
def test_another_account_on_connecting_again(person, kind):
    credential = person.connect(kind)
    before = state()
    page = person.come_back(person.consent(person.leave_again(credential), account=1))
    assert refusal(page) == "other_account"
    assert "The stored secret was left as it is." in page.content.decode()
    assert state() == before
    assert works(credential)


def test_another_shop_or_organization_on_connecting_again(person):
    for kind, broken in (("shopify_oauth2", "other_shop"), ("salesforce_oauth2", "other_account")):
        credential = person.connect(kind)
        before = state()
        page = person.come_back(person.consent(person.leave_again(credential), broken=broken))
        assert refusal(page) == "other_account"
        assert state() == before
        assert works(credential)


def test_an_account_that_another_credential_has(person):
    one, two = person.connect("hubspot_oauth2"), person.connect("hubspot_oauth2", account=1)
    before = state()
    assert refusal(person.come_back(person.consent(person.leave_again(two)))) == "other_account"
    assert state() == before
    assert works(one) and works(two)


def test_a_credential_that_was_deleted_meanwhile(person):
    credential = person.connect("hubspot_oauth2")
    address = person.consent(person.leave_again(credential))
    Credential.objects.get().delete()
    assert refusal(person.come_back(address)) == "expired"
    assert state() == []


# --- what only the provider can write ----------------------------------------------------------------------


@pytest.mark.parametrize("broken", ["wrong_hmac", "no_hmac"])
def test_shopify_s_signature(person, broken):
    page = person.come_back(person.consent(person.leave("shopify_oauth2"), broken=broken))
    assert refusal(page) == "forged"
    assert state() == []


def test_shopify_from_another_shop(person, calls):
    page = person.come_back(person.consent(person.leave("shopify_oauth2"), broken="other_shop"))
    assert refusal(page) == "other_account"
    assert calls("/admin/oauth/access_token") == []


@pytest.mark.parametrize("values", [{"shop": "evil.myshopify.com"}, {"timestamp": "1"}, {"added": "x"}])
def test_shopify_s_parameters_are_all_signed(person, values):
    address = person.consent(person.leave("shopify_oauth2"))
    assert refusal(person.come_back(changed(address, **values))) == "forged"
    assert state() == []


@pytest.mark.parametrize("broken", ["no_realm", "wrong_realm"])
def test_quickbooks_company(person, broken):
    page = person.come_back(person.consent(person.leave("quickbooks_oauth2"), broken=broken))
    assert refusal(page) == {"no_realm": "forged", "wrong_realm": "failed"}[broken]
    assert state() == []


@pytest.mark.parametrize("realm", ["../../oauth2", "1/companyinfo/2?x=", "12 OR 1", "१२३४५६७८९०"])
def test_a_company_that_is_no_number_is_not_asked_for(person, calls, realm):
    address = person.consent(person.leave("quickbooks_oauth2"))
    refused = refusal(person.come_back(changed(address, realmId=realm)))
    assert refused in ("forged", "failed")
    assert state() == []
    assert not [one for one in calls() if "/v3/company/" in one["path"]]


def test_salesforce_of_another_host(person, simulator, calls):
    # As after signing in at login.salesforce.com, where every organization may.
    address = person.consent(person.leave("salesforce_oauth2"), broken="other_account")
    asked = len(calls("/userinfo"))
    assert refusal(person.come_back(address)) == "other_account"
    assert len(calls("/userinfo")) == asked
    assert state() == []


@pytest.mark.parametrize("number", ["40400001", "99999999", "0", "-5", "1e5", "x", "9" * 30, ""])
def test_github_s_installation_is_one_of_our_app(person, number):
    address = person.consent(person.leave("github_app"))
    assert refusal(person.come_back(changed(address, installation_id=number))) in ("forged", "failed")
    assert state() == []


def test_github_answers_for_another_installation(person, fail):
    address = person.consent(person.leave("github_app"))
    fail("other_account", provider="github", path=f"/app/installations/{param(address, 'installation_id')}")
    assert refusal(person.come_back(address)) == "other_account"
    assert state() == []


def test_github_where_an_owner_has_to_approve(person):
    address = person.consent(person.leave("github_app"))
    back = changed(address, setup_action="request", installation_id=None)
    page = person.come_back(back)
    assert refusal(page) == "requested"
    assert "asked an owner to" in page.content.decode()


# --- what the provider refuses ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "github_app"])
def test_a_denied_consent(person, kind):
    page = person.come_back(person.consent(person.leave(kind), decision="deny"))
    assert refusal(page) == "denied"
    assert "The user denied the request" in page.content.decode()
    assert state() == []


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("github_app",)])
def test_a_code_that_was_used_before(person, kind):
    page = person.come_back(person.consent(person.leave(kind), broken="used_code"))
    assert refusal(page) == "failed"
    assert state() == []


def test_the_app_s_secret_is_wrong(person, apps):
    app = apps["hubspot"]
    address = person.consent(person.leave("hubspot_oauth2"))
    app.client_secret = "entered-wrongly"
    app.save()
    page = person.come_back(address)
    assert refusal(page) == "misconfigured"
    assert "http://127.0.0.1:8000/oauth/hubspot/callback" in page.content.decode()
    assert state() == []


def test_the_app_of_github_is_unknown_there(person, apps):
    app = apps["github"]
    app.app_id = 1
    app.save()
    page = person.ask("github_app", app=str(app.pk))
    assert "The provider does not accept our OAuth app" in page.content.decode()
    assert PendingConsent.objects.count() == 0


def test_an_outage_of_the_token_endpoint(person, fail):
    address = person.consent(person.leave("hubspot_oauth2"))
    fail("5xx", provider="hubspot", context="token")
    assert refusal(person.come_back(address)) == "failed"
    assert state() == []


def test_the_provider_s_words_are_escaped_and_short(person):
    words = '<script>alert("x")</script>' + "long " * 1000
    person.leave("hubspot_oauth2")
    address = person.leave("hubspot_oauth2")
    back = f"http://127.0.0.1:8000/oauth/hubspot/callback?state={param(address, 'state')}&error=invalid_scope"
    page = person.come_back(changed(back, error_description=words[:4000]))
    text = page.content.decode()
    assert refusal(page) == "misconfigured"
    assert "&lt;script&gt;alert" in text and "<script>alert" not in text
    assert text.count("long ") <= 60


def test_an_error_without_a_state_is_nobody_s(person):
    page = person.come_back("http://127.0.0.1:8000/oauth/hubspot/callback?error=x&error_description=buy+now")
    assert refusal(page) == "expired"
    assert "buy now" not in page.content.decode()
