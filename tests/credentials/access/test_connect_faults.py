"""Consents where something fails beside the provider's page: what is said then, what is stored, and what no
message or traceback holds."""

import json
import traceback

import pytest
from django.contrib.auth.models import Permission, User
from django.db import DatabaseError
from django.urls import reverse

from credentials import audit, connect, consented, egress, tokens
from credentials.exchange import Answer
from credentials.models import Conflict, Credential, PendingConsent
from credentials.refusals import Refused
from health import reports
from tests import canary
from tests.credentials.access.consents import Person, changed, param, refusal, state, works

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(consented.time, "sleep", lambda seconds: None)


# --- what the provider calls it -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "code"),
    [
        *((name, "failed") for name in ("temporarily_unavailable", "server_error")),
        *((name, "denied") for name in ("login_required", "consent_required", "interaction_required")),
        *((name, "misconfigured") for name in ("invalid_scope", "unauthorized_client", "no_such_error")),
    ],
)
def test_an_error_is_of_whom_it_names(person, error, code):
    back = (
        f"http://127.0.0.1:8000/oauth/hubspot/callback?state={param(person.leave('hubspot_oauth2'), 'state')}"
    )
    assert refusal(person.come_back(changed(back, error=error))) == code
    assert state() == []


@pytest.mark.parametrize("issuer", ["https://evil.example", "http://app.hubspot.com", "https://[bad", ""])
def test_an_answer_of_another_issuer(person, calls, issuer):
    address = person.consent(person.leave("hubspot_oauth2"))
    query = f"{address}&iss={issuer}"
    assert refusal(person.come_back(query)) == "forged"
    assert (state(), calls("/oauth/v1/token")) == ([], [])


@pytest.mark.parametrize(
    ("kind", "provider", "issuer"),
    [
        ("hubspot_oauth2", "hubspot", "https://app.hubspot.com"),
        ("quickbooks_oauth2", "quickbooks", "https://oauth.platform.intuit.com/op/v1"),
        ("salesforce_oauth2", "salesforce", "https://arrakis-water.my.salesforce.com"),
    ],
)
def test_an_answer_that_names_its_own_issuer(person, kind, provider, issuer):
    person.come_back(changed(person.consent(person.leave(kind)), iss=issuer))
    assert Credential.objects.get().provider == provider


@pytest.mark.parametrize("kind", ["hubspot_oauth2", "airtable_oauth2"])
def test_the_app_s_secret_is_repeated_by_the_provider(person, apps, monkeypatch, kind):
    secret = "fakesecretoflettersalone"
    app = apps[kind.partition("_")[0]]
    app.client_secret = secret
    app.save()
    address = person.consent(person.leave(kind))
    body = {"error": "invalid_client", "error_description": f"{secret} is wrong"}
    monkeypatch.setattr(egress, "send", lambda call, **hosts: Answer(401, {}, json.dumps(body).encode()))
    page = person.come_back(address)
    assert refusal(page) == "misconfigured"
    assert "is wrong" in page.content.decode()
    assert canary.find(secret, "\n".join(person.seen)) == []
    assert canary.find(secret, str(dict(person.client.session))) == []


def test_the_app_s_secret_does_not_open_when_the_person_comes_back(person, apps, settings):
    address = person.consent(person.leave("shopify_oauth2"))
    settings.FERNET_KEYS = ["another-key-" + "x" * 40]
    assert refusal(person.come_back(address)) == "misconfigured"
    assert state() == []


# --- storing ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [DatabaseError("disk full"), Conflict("changed")])
@pytest.mark.parametrize("again", [False, True])
def test_what_cannot_be_stored_is_stored_in_no_part(person, monkeypatch, again, error):
    credential = person.connect("airtable_oauth2") if again else None
    address = person.consent(person.leave_again(credential) if again else person.leave("airtable_oauth2"))
    before, tries = state(), []

    def keep(*args):
        tries.append(args)
        raise error

    with monkeypatch.context() as patch:
        # The last step: the secret is saved before it.
        patch.setattr(tokens, "keep", keep)
        page = person.come_back(address)
    assert refusal(page) == "failed"
    assert "could not be stored here" in page.content.decode()
    assert (state(), len(tries)) == (before, consented.TRIES)
    assert not again or works(credential)


def test_a_database_that_fails_for_a_moment_costs_nothing(person, monkeypatch):
    keep, failed = tokens.keep, []

    def fails_once(*args):
        if not failed:
            failed.append(args)
            raise DatabaseError("locked")
        keep(*args)

    monkeypatch.setattr(tokens, "keep", fails_once)
    person.come_back(person.consent(person.leave("airtable_oauth2")))
    assert works(Credential.objects.get())


@pytest.mark.parametrize("kind", ["airtable_oauth2", "linear_oauth2", "stripe_oauth2", "shopify_oauth2"])
@pytest.mark.parametrize("where", ["save", "keep", "exchange"])
def test_no_traceback_holds_what_a_consent_brought(person, simulator, monkeypatch, kind, where):
    known = {*simulator.world.access, *simulator.world.refresh}
    address = person.consent(person.leave(kind))
    row = PendingConsent.objects.get()
    verifier = row.verifier.use(row.destination())

    def broken(*args, **named):
        raise RuntimeError("broken")

    place = {"save": (Credential, "save"), "keep": (tokens, "keep"), "exchange": (egress, "send")}[where]
    monkeypatch.setattr(*place, broken)
    query = {name: param(address, name) for name in ("code", "state", "hmac") if f"{name}=" in address}
    query |= {name: param(address, name) for name in ("shop", "timestamp", "host") if f"{name}=" in address}
    with pytest.raises(RuntimeError) as caught, audit.acting(person.user):
        connect.finish(person.user, person.client.session.session_key, kind.partition("_")[0], query)
    # The frame of this test is left out.
    told = traceback.TracebackException(
        caught.type, caught.value, caught.value.__traceback__.tb_next, capture_locals=True
    )
    text = "".join(told.format())
    assert "in finish" in text
    got = {value for _provider, value in {*simulator.world.access, *simulator.world.refresh} - known}
    assert where == "exchange" or got
    for secret in (verifier, param(address, "code"), param(address, "state"), *got):
        assert canary.find(secret, text) == []


def test_health_that_cannot_be_told_does_not_undo_a_consent(person, monkeypatch):
    def busy(*args, **named):
        raise reports.Busy("busy")

    monkeypatch.setattr(reports, "observe", busy)
    page = person.come_back(person.consent(person.leave("hubspot_oauth2")))
    assert "is connected" in page.content.decode()
    assert works(Credential.objects.get())


def test_an_account_that_cannot_be_told_is_none_of_this_credential(person, monkeypatch):
    credential = person.connect("hubspot_oauth2")
    before, address = state(), person.consent(person.leave_again(credential))
    monkeypatch.setattr(type(credential), "account_of", classmethod(lambda cls, properties, answer: None))
    page = person.come_back(address)
    assert refusal(page) == "other_account"
    assert "It named no account." in page.content.decode()
    assert state() == before


def test_a_credential_that_is_deleted_while_it_is_stored(person, monkeypatch):
    credential = person.connect("hubspot_oauth2")
    address = person.consent(person.leave_again(credential))
    store = consented.store

    def deleted_first(given, stored):
        Credential.objects.get(pk=stored.pk).delete()
        return store(given, stored)

    monkeypatch.setattr(connect, "store", deleted_first)
    assert refusal(person.come_back(address)) == "expired"


def test_a_refusal_says_nothing_by_itself():
    assert str(Refused("failed", "said")) == "failed"


# --- before the consent -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Stripe \u202eevil", "a\tb", "a\u200bb"])
def test_a_name_that_cannot_be_stored_is_said_before_the_consent(person, name):
    answer = person.ask("hubspot_oauth2", name=name)
    assert list(answer.context["form"].errors) == ["name"]
    assert PendingConsent.objects.count() == 0


@pytest.mark.parametrize("right", ["add_credential", "change_credential"])
def test_connecting_takes_the_right_to_add_and_to_change(person, right):
    user = User.objects.create_user("half", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=["view_credential", right]))
    half = Person(user)
    assert half.client.get(reverse("connect_new", args=["hubspot_oauth2"])).status_code == 403
    if right == "add_credential":
        catalogue = half.client.get(reverse("new_credential")).content.decode()
        assert "HubSpot" in catalogue and "Connect with" not in catalogue
