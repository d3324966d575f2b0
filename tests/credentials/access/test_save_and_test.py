"""Adding a credential with "Save and test": the provider is asked first, and only what works is stored."""

import pytest

from credentials import testing
from credentials.models import AccessToken, AuditEvent, Credential, Fingerprint
from credentials.sealing import fingerprint
from credentials.simulator import cast
from tests import canary
from tests.credentials.admin_pages import add_page, entries

pytestmark = pytest.mark.django_db(transaction=True)


def send(person, kind, *, button="_test", stay=False, **changed):
    properties = cast.credential(kind, 0)["properties"]
    values = {name: value for name, value in properties.items() if name != "kind"} | changed
    headers = {"X-Lanyard-Stay": "1"} if stay else {}
    return person.client.post(add_page(kind), entries(kind, **values) | {button: "1"}, headers=headers)


def text_of(response):
    assert response.status_code == 200
    return " ".join(response.content.decode().split())


def test_what_works_is_stored_with_its_account_and_health_knows_at_once(person):
    response = send(person, "stripe_key")
    credential = Credential.objects.get()
    assert (response.status_code, response.url) == (302, credential.get_absolute_url())
    text = text_of(person.client.get(response.url))
    assert "Stripe accepts it." in text and "Healthy" in text
    assert credential.account.startswith("acct_") and credential.component.checked
    assert AuditEvent.objects.filter(object_id=credential.pk, action="create").get().actor == "user:ada"


def test_what_does_not_work_is_not_stored_and_can_be_saved_anyway(person):
    wrong = canary.make_plain("sk_test_")
    response = send(person, "stripe_key", secret=wrong)
    text = text_of(response)
    assert "Nothing was stored: it does not work" in text and "<code>revoked</code>" in text
    assert "/v1/account" in text and "Save anyway" in text and "Test again and save" in text
    assert not Credential.objects.exists() and canary.find(wrong, response.content) == []
    assert canary.leaks([wrong], canary.database()) == []
    assert send(person, "stripe_key", button="_save", secret=wrong).status_code == 302
    assert Credential.objects.get().account is None


def test_what_is_wrong_in_itself_is_not_even_asked(person, calls):
    text = text_of(send(person, "stripe_key", secret="pk_test_fake"))
    assert "publishable key" in text and calls() == [] and not Credential.objects.exists()


def test_a_token_that_was_used_up_is_stored_as_the_one_that_came_in_its_place(person):
    entered = cast.credential("airtable_oauth2", 0)["properties"]["refresh_token"]
    assert send(person, "airtable_oauth2").status_code == 302
    credential = Credential.objects.get()
    held = Fingerprint.objects.filter(owner=credential.pk, current=True)
    assert held.exists() and not held.filter(digest=fingerprint(entered)).exists()
    assert AccessToken.objects.filter(credential_id=credential.pk).exists()
    assert credential.component.status == "healthy"


def test_an_account_that_is_there_already_is_not_added_again(person):
    assert send(person, "stripe_key").status_code == 302
    first = Credential.objects.get()
    # As if it held another key: only the answer tells that the account is the same.
    Fingerprint.objects.all().delete()
    text = text_of(send(person, "stripe_key"))
    assert f"“{first.name}” is the credential of this account already." in text
    assert Credential.objects.count() == 1


def test_the_page_that_stays_is_told_where_to_go(person):
    answer = send(person, "stripe_key", stay=True)
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer["X-Lanyard-Goes-To"] == Credential.objects.get().get_absolute_url()


def test_nobody_tries_keys_by_the_hundred(person, monkeypatch, calls):
    monkeypatch.setattr(testing, "denied", lambda who: "You have started too many tests.")
    assert "You have started too many tests." in text_of(send(person, "stripe_key"))
    assert calls() == [] and not Credential.objects.exists()
