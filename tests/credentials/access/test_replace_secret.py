"""Replacing a secret on its page: what is refused, what is tried at the provider first, what is stored."""

import pytest
from django.urls import reverse

from credentials import probes, trials
from credentials.models import AccessToken, AuditEvent, Credential, Fingerprint
from credentials.sealing import fingerprint
from credentials.simulator import cast
from health import reports
from tests import canary
from tests.factories import make_credential
from tests.rawsql import store

pytestmark = pytest.mark.django_db(transaction=True)
CUSTOMER = "customer_intervention"


def good(kind, name, n=0):
    return cast.credential(kind, n)["properties"][name]


def send(person, credential, *, test=True, **values):
    data = {"seen_version": credential.version, **values} | ({"test": "1"} if test else {})
    return person.client.post(reverse("replace_secret", args=[credential.pk]), data)


def text_of(response):
    assert response.status_code == 200
    return " ".join(response.content.decode().split())


def holds(credential, text):
    return Fingerprint.objects.filter(owner=credential.pk, digest=fingerprint(text), current=True).exists()


@pytest.fixture
def revoked(stored):
    """One whose key does not work any more, as health knows."""
    credential = stored("stripe_key", secret="sk_test_oldNotReal00000000")
    reports.report(credential.component, CUSTOMER, actor="cli:ops@host", code="revoked")
    return credential


def test_what_works_is_stored_and_health_knows_at_once(person, revoked):
    secret = good("stripe_key", "secret")
    response = send(person, revoked, secret=secret)
    assert (response.status_code, response.url) == (302, revoked.get_absolute_url())
    text = text_of(person.client.get(response.url))
    assert "The provider accepts the new one." in text and "Healthy" in text
    assert holds(revoked, secret)
    revoked.component.refresh_from_db()
    assert revoked.component.status == "healthy"
    event = AuditEvent.objects.filter(object_id=revoked.pk, action="replace_secret").get()
    assert (event.actor, event.fields) == ("user:ada", ["secret"])


def test_what_does_not_work_is_not_stored_and_the_answer_is_shown(person, revoked):
    wrong = canary.make_plain("sk_test_")
    response = send(person, revoked, secret=wrong)
    text = text_of(response)
    assert "Nothing was stored: it does not work" in text
    assert "<code>revoked</code>" in text and "/v1/account" in text and "401" in text
    assert not holds(revoked, wrong) and canary.find(wrong, response.content) == []
    assert Credential.objects.get(pk=revoked.pk).version == revoked.version
    # Somebody may know better.
    assert send(person, revoked, test=False, secret=wrong).status_code == 302
    assert holds(revoked, wrong)


def test_that_of_another_account_is_not_stored(person, stored):
    credential = stored("airtable_oauth2")
    before = Credential.objects.get(pk=credential.pk)
    text = text_of(send(person, credential, refresh_token=good("airtable_oauth2", "refresh_token", 1)))
    assert "another account" in text and "The test has used up what you entered" in text
    assert Credential.objects.get(pk=credential.pk).version == before.version
    assert probes.test(before).works


def test_what_the_provider_gave_in_place_of_the_entered_token_is_stored(person, airtable, calls):
    entered = good("airtable_oauth2", "refresh_token")
    assert send(person, airtable, refresh_token=entered).status_code == 302
    exchanges = len(calls("/oauth2/v1/token"))
    assert exchanges == 1
    assert not holds(airtable, entered)
    current = Credential.objects.get(pk=airtable.pk)
    assert AccessToken.objects.get(credential=airtable).secret_version == current.secret_version
    # The access token is used on, and the new refresh token is good for the next.
    assert probes.test(current).works and len(calls("/oauth2/v1/token")) == exchanges
    AccessToken.objects.all().delete()
    assert probes.test(current).works


def test_the_stored_refresh_token_is_not_used_up_by_a_test(person, stored, calls):
    credential = stored("linear_oauth2")
    before = len(calls())
    text = text_of(send(person, credential, access_token="fake-linear-access-token-new"))
    assert "The test would use up the stored refresh token" in text
    assert len(calls()) == before and Credential.objects.get(pk=credential.pk).version == credential.version


@pytest.mark.parametrize(
    ("kind", "values", "words"),
    [
        ("stripe_key", {"secret": ""}, "Enter the new secret."),
        ("stripe_key", {}, "Enter the new secret."),
        ("stripe_key", {"secret": "***********"}, "This is a masked value"),
        ("stripe_key", {"secret": "pk_test_fakeNotARealKey"}, "publishable"),
        ("netsuite_tba", {"consumer_secret": "", "token_secret": ""}, "Enter at least one new secret"),
    ],
)
def test_bad_input_is_asked_for_again(person, stored, calls, kind, values, words):
    credential = stored(kind)
    before = len(calls())
    for test in (True, False):
        assert words in text_of(send(person, credential, test=test, **values))
    assert len(calls()) == before and Credential.objects.get(pk=credential.pk).version == credential.version


def test_one_of_several_secrets_is_replaced_and_the_other_stays(person, stored):
    credential = stored("netsuite_tba", token_secret="f" * 64)
    right = good("netsuite_tba", "token_secret")
    assert send(person, credential, token_secret=right).status_code == 302
    assert holds(credential, right) and holds(credential, good("netsuite_tba", "consumer_secret"))
    assert probes.test(Credential.objects.get(pk=credential.pk)).works


def test_who_is_slower_is_told_and_replaces_it_when_sent_again(person, stripe):
    theirs = Credential.objects.get(pk=stripe.pk)
    theirs.secret = "sk_test_theirsNotReal0000"
    theirs.save()
    response = send(person, stripe, test=False, secret="sk_test_mineNotReal000000")
    text = text_of(response)
    assert "cli:tests@localhost saved this while you were editing" in text and "Nothing was saved" in text
    assert holds(stripe, "sk_test_theirsNotReal0000")
    stripe.version = response.context["form"]["seen_version"].value()
    assert send(person, stripe, test=False, secret="sk_test_mineNotReal000000").status_code == 302
    assert holds(stripe, "sk_test_mineNotReal000000")


def test_who_is_slower_by_the_time_of_the_test_is_told_as_well(person, stripe, monkeypatch):
    look = trials.look

    def slow(credential):
        found = look(credential)
        theirs = Credential.objects.get(pk=stripe.pk)
        theirs.name = "Theirs"
        theirs.save()
        return found

    monkeypatch.setattr(trials, "look", slow)
    text = text_of(send(person, stripe, secret=good("stripe_key", "secret")))
    assert "saved this while you were editing" in text
    assert not AuditEvent.objects.filter(object_id=stripe.pk, action="replace_secret").exists()


def test_one_that_cannot_be_read_stays_so_until_a_new_secret_is_stored(person, stripe):
    store(stripe, secret_seal_key="gone")
    Credential.objects.filter(pk=stripe.pk).update(unreadable=True)
    page = reverse("replace_secret", args=[stripe.pk])
    assert "Cannot be read: its key is missing." in text_of(person.client.get(page))
    text_of(send(person, stripe, secret="sk_test_wrongNotReal00000"))
    assert Credential.objects.get(pk=stripe.pk).unreadable
    assert send(person, stripe, secret=good("stripe_key", "secret")).status_code == 302
    assert not Credential.objects.get(pk=stripe.pk).unreadable


def test_a_kind_without_a_secret_has_no_such_page(person, stored):
    credential = stored("github_app")
    assert person.client.get(reverse("replace_secret", args=[credential.pk])).status_code == 404
    assert "It has no secret of its own" in text_of(person.client.get(credential.get_absolute_url()))


def test_an_unknown_account_comes_with_the_secret_unless_it_is_taken(person, stored):
    known = stored("stripe_key")
    assert probes.test(known).works
    other = make_credential("stripe_key", name="Another", secret="sk_test_otherNotReal0000")
    assert other.account is None
    text = text_of(send(person, other, secret=good("stripe_key", "secret")))
    assert "is a credential of the same account already" in text
    assert Credential.objects.get(pk=other.pk).account is None
    Credential.objects.get(pk=known.pk).delete()
    assert send(person, other, secret=good("stripe_key", "secret")).status_code == 302
    learnt = Credential.objects.get(pk=other.pk).account
    assert learnt and learnt == Credential.everything.get(pk=known.pk).account
