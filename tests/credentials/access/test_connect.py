"""Connecting accounts through the consent pages of the simulator, from the first page to the stored row."""

import uuid

import pytest
from django.urls import reverse

from credentials import probes
from credentials.app_documents import import_app
from credentials.kinds import KINDS
from credentials.models import AccessToken, AuditEvent, Credential, Fingerprint, OAuthApp, PendingConsent
from credentials.models import properties as declared
from credentials.models.rate_limit import Limit
from credentials.sealing import MASK
from credentials.simulator import cast, linear, registration
from health import reports
from tests.credentials.access.consents import KINDS as CONNECTED
from tests.credentials.access.consents import param

pytestmark = pytest.mark.django_db(transaction=True)


def plain(kind, n=0):
    """What a consent for the simulator's n-th account must store, beside the secrets."""
    secrets = declared.secret_names(KINDS[kind])
    found = {name: value for name, value in cast.credential(kind, n)["properties"].items() if name != "kind"}
    return {name: value for name, value in found.items() if name not in secrets}


def in_order(values):
    """Scopes have no order."""
    return {
        name: sorted(value.split() if isinstance(value, str) else value)
        if name in ("scope", "scopes")
        else value
        for name, value in values.items()
    }


def test_these_are_all_kinds_that_have_a_consent_page():
    assert {kind for kind, model in KINDS.items() if model.CONSENT} == set(CONNECTED)


@pytest.mark.parametrize("kind", CONNECTED)
def test_a_consent_becomes_a_credential_that_works(person, kind):
    page = person.come_back(person.consent(person.leave(kind)))
    credential = Credential.objects.get()
    assert credential.kind == kind
    # The first account at Stripe's page is one of test mode.
    stripe = {"name": credential.name, "test": True} if kind == "stripe_oauth2" else {}
    expected = plain(kind) | stripe
    assert in_order(declared.plain(credential)) == in_order(expected)
    assert credential.name.startswith(f"{credential.PROVIDER.name} ")
    assert credential.app_in_use().provider == credential.provider
    assert "is connected" in page.content.decode()
    assert page.request["PATH_INFO"] == credential.get_absolute_url()
    # Told at once, and true.
    component = Credential.objects.get().component
    assert (component.status, component.checked) == ("healthy", True)
    assert probes.probe(Credential.objects.get()).code == "ok"
    assert PendingConsent.objects.count() == 0
    created = AuditEvent.objects.get(action="create", object_id=str(credential.pk))
    assert created.actor == "user:ada"


@pytest.mark.parametrize("kind", CONNECTED)
def test_what_is_sent_to_the_page_is_what_the_provider_wants(person, apps, kind):
    address = person.leave(kind)
    app = apps[KINDS[kind].PROVIDER.key]
    # 256 bits.
    assert len(param(address, "state")) == 43
    if kind == "github_app":
        assert "/github.com/apps/lanyard-simulated/installations/new?state=" in address
        return
    assert param(address, "client_id") == app.client_id
    assert param(address, "redirect_uri") == f"http://127.0.0.1:8000/oauth/{app.provider}/callback"
    assert (param(address, "code_challenge_method"), len(param(address, "code_challenge"))) == ("S256", 43)
    separator = "," if kind in ("linear_oauth2", "shopify_oauth2") else " "
    assert param(address, "scope").split(separator) == app.scopes


@pytest.mark.parametrize("kind", CONNECTED)
def test_connecting_again_keeps_all_but_the_secret(person, kind):
    credential = person.connect(kind)
    credential.name, credential.metadata = "Ours", {"customer": "arrakis"}
    credential.save()
    credential.set_limit(Limit(7, 1000, 2))
    secrets = declared.secret_names(type(credential))
    before = {name: getattr(credential, name).use(credential.destination()) for name in secrets}
    person.come_back(person.consent(person.leave_again(credential)))
    after = Credential.objects.get()
    assert (after.pk, after.name, after.metadata) == (credential.pk, "Ours", {"customer": "arrakis"})
    assert after.rate_limit.allowed_requests == 7
    for name in secrets:
        assert getattr(after, name).use(after.destination()) != before[name]
        assert Fingerprint.objects.filter(owner=after.pk, field=name).count() == 2
    assert probes.probe(after).code == "ok"


@pytest.mark.parametrize("kind", CONNECTED)
def test_the_same_account_twice_renews_its_credential(person, kind):
    first = person.connect(kind)
    page = person.come_back(person.consent(person.leave(kind, name="Another name")))
    again = Credential.objects.get()
    assert (again.pk, again.name) == (first.pk, first.name)
    assert "is connected again" in page.content.decode()
    if declared.secret_names(type(again)):
        assert again.secret_version == first.secret_version + 1


def test_another_account_becomes_another_credential(person):
    one, other = person.connect("hubspot_oauth2"), person.connect("hubspot_oauth2", account=1)
    assert one.account != other.account


def test_a_credential_broken_at_the_provider_works_after_connecting_again(person, simulator):
    credential = person.connect("airtable_oauth2")
    for token in simulator.world.refresh.values():
        simulator.world.revoke(token.grant)
    AccessToken.objects.all().delete()
    assert credential.test().observation.code == "revoked"
    reports.report(credential.component, "customer_intervention", actor="user:ada", code="revoked")
    person.come_back(person.consent(person.leave_again(credential)))
    assert Credential.objects.get().component.status == "healthy"


def test_a_name_that_was_given_is_kept(person):
    person.come_back(person.consent(person.leave("hubspot_oauth2", name="Spice Guild")))
    assert Credential.objects.get().name == "Spice Guild"


def test_what_another_app_got_is_used_with_that_app(person, apps, simulator):
    credential = person.connect("hubspot_oauth2")
    # It follows the default app from now on.
    credential.oauth_app, credential.refresh_token = None, "na1-entered-by-a-person"
    credential.save()
    document = cast.app("hubspot") | {"id": str(uuid.uuid4()), "client_id": "another", "is_default": False}
    import_app(document)
    registration.register(simulator.world, document, cast.REDIRECTS)
    other = OAuthApp.objects.get(client_id="another")
    page = person.come_back(person.consent(person.leave("hubspot_oauth2", app=str(other.pk))))
    assert f"used the app “{apps['hubspot']}” until now, and from now on “{other}”" in page.content.decode()
    again = Credential.objects.get()
    assert (again.pk, again.oauth_app) == (credential.pk, other)
    AccessToken.objects.all().delete()
    assert probes.probe(again).code == "ok"


@pytest.mark.parametrize(
    "kind", [kind for kind in CONNECTED if kind not in ("stripe_oauth2", "quickbooks_oauth2", "github_app")]
)
def test_a_missing_scope_is_saved_seen_and_said(person, kind):
    page = person.come_back(person.consent(person.leave(kind), broken="missing_scope"))
    credential = Credential.objects.get()
    text = page.content.decode()
    assert "is connected" in text and "may not do what a sync needs" in text
    missing = credential.app_in_use().scopes[-1]
    assert f"Missing: {missing}." in text
    assert credential.component.status == "customer_intervention"
    assert credential.component.code == "insufficient_scope"
    # And it heals by connecting again, with all that is asked for.
    person.come_back(person.consent(person.leave_again(credential)))
    assert Credential.objects.get().component.status == "healthy"


def test_a_secret_that_the_new_consent_does_not_give_is_gone(person, simulator, monkeypatch):
    credential = person.connect("linear_oauth2")
    assert credential.refresh_token
    monkeypatch.setattr(linear.FLOW, "new_refresh", None)
    person.come_back(person.consent(person.leave_again(credential)))
    again = Credential.objects.get()
    assert not again.refresh_token
    assert again.properties["access_token"] == MASK
    assert probes.probe(again).code == "ok"


def test_what_is_entered_is_checked_before_anybody_is_sent_away(person):
    for wrong in ("evil.example", "arrakis.myshopify.com.evil.example", "https://x@evil.example/", ""):
        response = person.ask("shopify_oauth2", shop_url=wrong)
        assert response.status_code == 200
        assert response.context["form"].errors["shop_url"], wrong
    assert PendingConsent.objects.count() == 0


def test_without_an_app_the_page_says_what_to_register(person):
    OAuthApp.objects.filter(provider="hubspot").delete()
    page = person.client.get(reverse("connect_new", args=["hubspot_oauth2"])).content.decode()
    assert "There is no OAuth app for HubSpot yet" in page
    assert "http://127.0.0.1:8000/oauth/hubspot/callback" in page


def test_kinds_without_a_consent_page_have_no_such_page(person):
    assert person.client.get(reverse("connect_new", args=["stripe_key"])).status_code == 404
    assert person.client.get(reverse("connect_new", args=["nothing"])).status_code == 404
