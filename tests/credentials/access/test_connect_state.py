"""Consents that must make nothing: a state that is not this person's, a verifier that is another's, and where
a consent may lead."""

import threading
from datetime import timedelta

import pytest
import requests
import time_machine
from django.contrib.auth.models import Permission, User
from django.contrib.sessions.models import Session
from django.db import connections
from django.urls import reverse
from django.utils import timezone

from credentials import audit, connect
from credentials.models import AuditEvent, Credential, PendingConsent
from credentials.refusals import WORDS, Refused
from credentials.sealing import SecretError
from tests.credentials.access.consents import KINDS, Person, changed, param, refusal, state, works

pytestmark = pytest.mark.django_db(transaction=True)


def other(name="grace"):
    return Person(User.objects.create_superuser(name, password="only-for-tests-0123456789"))


# --- the state ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("forged", ["", "forged", "A" * 43, "x" * 100_000, "\udc80é"])
def test_a_forged_state(person, forged):
    address = person.consent(person.leave("hubspot_oauth2"))
    if forged == "\udc80é":
        place, _mark, _query = address.partition("?")
        address = f"{place}?code=x&state=%ff%c3%28"
    else:
        address = changed(address, state=forged)
    assert refusal(person.come_back(address)) in ("expired", "forged")
    assert state() == []
    assert PendingConsent.objects.count() == 1


@pytest.mark.parametrize("broken", ["wrong_state", "no_state"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_state_that_the_provider_does_not_bring_back(person, kind, broken):
    page = person.come_back(person.consent(person.leave(kind), broken=broken))
    assert refusal(page) == "expired"
    assert state() == []


def test_an_expired_state(person):
    address = person.consent(person.leave("hubspot_oauth2"))
    with time_machine.travel(timezone.now() + timedelta(minutes=10, seconds=1), tick=True):
        person.client.force_login(person.user)
        PendingConsent.objects.update(session=connect.digest(person.client.session.session_key))
        assert refusal(person.come_back(address)) == "expired"
    assert state() == []


def test_a_state_just_before_its_end(person):
    address = person.consent(person.leave("hubspot_oauth2"))
    PendingConsent.objects.update(created_at=timezone.now() - timedelta(minutes=9, seconds=50))
    person.come_back(address)
    assert len(state()) == 1


def test_a_replayed_callback(person, calls):
    address = person.consent(person.leave("hubspot_oauth2"))
    person.come_back(address)
    before, asked = state(), len(calls("/oauth/v1/token"))
    assert refusal(person.come_back(address)) == "expired"
    assert (state(), len(calls("/oauth/v1/token"))) == (before, asked)
    # RFC 6749 would have the provider end what a code was good for when it comes twice: it did not come.
    assert works(Credential.objects.get())


def test_of_a_hundred_callbacks_at_once_one_succeeds(person, calls):
    address = person.consent(person.leave("airtable_oauth2"))
    params = {name: param(address, name) for name in ("code", "state")}
    session, together = person.client.session.session_key, threading.Barrier(100)
    done, refused = [], []

    def come_back():
        try:
            together.wait()
            with audit.acting(person.user):
                done.append(connect.finish(person.user, session, "airtable", params))
        except Refused as error:
            refused.append(error.code)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=come_back) for _number in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(done), refused) == (1, ["expired"] * 99)
    assert len(calls("/oauth2/v1/token")) == 1
    assert works(Credential.objects.get())


def test_another_person_s_state(person):
    address, thief = person.consent(person.leave("hubspot_oauth2")), other()
    assert refusal(thief.come_back(address)) == "expired"
    assert state() == []
    # It is used up: whoever saw it has nothing of it.
    assert refusal(person.come_back(address)) == "expired"


def test_another_person_in_the_same_session(person):
    address = person.consent(person.leave("hubspot_oauth2"))
    params = {name: param(address, name) for name in ("code", "state")}
    with pytest.raises(Refused) as caught:
        connect.finish(other().user, person.client.session.session_key, "hubspot", params)
    assert caught.value.code == "expired"
    assert state() == []


def test_the_same_person_in_another_session(person):
    address, elsewhere = person.consent(person.leave("hubspot_oauth2")), Person(person.user)
    assert refusal(elsewhere.come_back(address)) == "expired"
    assert state() == []


def test_nobody_signed_in(person):
    address = person.consent(person.leave("hubspot_oauth2"))
    person.client.logout()
    answer = person.client.get(f"/oauth/hubspot/callback?{address.partition('?')[2]}")
    assert answer.status_code == 302
    assert not answer.cookies
    assert Session.objects.count() == 0
    shown = person.client.get(answer.headers["Location"])
    assert shown.headers["Location"] == f"/admin/login/?next={reverse('oauth_refused')}"
    assert state() == []


def test_somebody_who_may_only_look(person):
    viewer = User.objects.create_user("viewer", is_staff=True)
    viewer.user_permissions.set(Permission.objects.filter(codename="view_credential"))
    address = person.consent(person.leave("hubspot_oauth2"))
    PendingConsent.objects.update(user=viewer)
    assert refusal(Person(viewer).come_back(address)) == "expired"
    assert state() == []


@pytest.mark.parametrize("provider", ["airtable", "linear", "github", "stripe"])
def test_another_provider_s_callback(person, provider):
    address = person.consent(person.leave("hubspot_oauth2"))
    mixed_up = address.replace("/oauth/hubspot/", f"/oauth/{provider}/")
    assert refusal(person.come_back(mixed_up)) == "expired"
    assert state() == []


def test_a_callback_of_no_provider(person):
    assert person.client.get("/oauth/nobody/callback").status_code == 404


def test_a_callback_cannot_be_posted(person):
    address = person.consent(person.leave("hubspot_oauth2"))
    params = {name: param(address, name) for name in ("code", "state")}
    assert person.client.post("/oauth/hubspot/callback", params).status_code == 405


# --- PKCE ---------------------------------------------------------------------------------------------------


def test_a_verifier_of_another_consent(person, calls):
    address = person.consent(person.leave("airtable_oauth2"))
    # The codes swapped: what an attacker does who puts his own code into somebody's callback.
    other_code = person.consent(person.leave("airtable_oauth2"))
    assert refusal(person.come_back(changed(address, code=param(other_code, "code")))) == "failed"
    assert state() == []
    assert calls("/oauth2/v1/token")[-1]["status"] == 400


def test_a_code_that_was_got_without_pkce_is_refused_by_who_wants_it(person):
    address = changed(person.leave("airtable_oauth2"), code_challenge=None, code_challenge_method=None)
    with requests.Session() as session:
        session.trust_env = False
        answer = session.get(address, allow_redirects=False, timeout=10)
    back = answer.headers["Location"]
    assert param(back, "error") == "invalid_request"
    assert refusal(person.come_back(back)) == "misconfigured"
    assert state() == []


def test_a_plain_challenge_is_never_asked_for(person):
    for kind in KINDS[:-1]:
        assert param(person.leave(kind), "code_challenge_method") == "S256"


def test_a_verifier_opens_in_its_own_row_only(person):
    person.leave("airtable_oauth2")
    person.leave("hubspot_oauth2")
    one, another = PendingConsent.objects.all()
    PendingConsent.objects.filter(pk=one.pk).update(kind=another.kind)
    moved = PendingConsent.objects.get(pk=one.pk)
    with pytest.raises(SecretError):
        moved.verifier.use(moved.destination())


# --- where it leads, and what stays -------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["next", "redirect_uri", "return_to", "url", "continue"])
@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example", "/\\evil.example"])
def test_nothing_in_the_address_says_where_to_go(person, name, target):
    back = person.consent(person.leave("hubspot_oauth2"))
    query = changed(back, **{name: target}).partition("?")[2]
    answer = person.client.get(f"/oauth/hubspot/callback?{query}")
    assert answer.headers["Location"] == Credential.objects.get().get_absolute_url()
    answer = person.client.get("/oauth/hubspot/callback", {name: target})
    assert answer.headers["Location"] == reverse("oauth_refused")


def test_every_page_is_kept_out_of_caches_and_tells_no_other_site(person):
    pages = [
        person.client.get(reverse("connect_new", args=["hubspot_oauth2"])),
        person.ask("hubspot_oauth2"),
        person.client.get("/oauth/hubspot/callback?state=x"),
        person.client.get(reverse("oauth_refused")),
    ]
    address = person.consent(person.leave("hubspot_oauth2"))
    pages.append(person.client.get("/oauth/hubspot/callback?" + address.partition("?")[2]))
    for page in pages:
        assert "no-store" in page.headers["Cache-Control"]
        assert page.headers["Referrer-Policy"] in ("no-referrer", "same-origin")


def test_who_signs_in_after_coming_back_is_told_to_begin_again(person):
    answer = person.client.get(reverse("oauth_refused"))
    assert refusal(answer) == "expired"
    assert reverse("new_credential") in answer.content.decode()


def test_every_refusal_has_a_page(person):
    for code, (title, happened, what_to_do) in WORDS.items():
        session = person.client.session
        session["connect_refused"] = {"code": code, "detail": "", "provider": "hubspot", "credential": None}
        session.save()
        text = person.client.get(reverse("oauth_refused")).content.decode()
        for words in (title, happened, what_to_do):
            assert str(words).replace("'", "&#x27;") in text, code


def test_old_consents_are_cleared_away(person):
    person.leave("hubspot_oauth2")
    PendingConsent.objects.update(created_at=timezone.now() - timedelta(minutes=11))
    person.leave("hubspot_oauth2")
    assert PendingConsent.objects.count() == 1


def test_a_refused_consent_is_no_change_in_the_audit_trail(person):
    before = AuditEvent.objects.count()
    person.come_back(person.consent(person.leave("hubspot_oauth2"), decision="deny"))
    assert AuditEvent.objects.count() == before
