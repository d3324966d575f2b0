"""What stays true of a credential when refreshes, probes and people's edits meet."""

from datetime import timedelta

import pytest
from django.utils import timezone

from credentials import finding, probes, tokens
from credentials.models import AccessToken, Credential
from credentials.models.access import Tokens
from tests.credentials.access.test_tokens import entered_during_the_next_exchange, opened

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_slow_refresh_never_replaces_what_was_entered_through_an_older_page(stored, monkeypatch):
    credential = stored("airtable_oauth2")
    page = Credential.objects.get(pk=credential.pk)
    tokens.access_token(credential)
    AccessToken.objects.update(obtained_at=None)
    # Loaded before the first refresh: it counts the seals from there.
    entered_during_the_next_exchange(monkeypatch, page)
    tokens.access_token(credential)
    assert opened(credential) == "oar.v1.entered-by-a-person"


def test_a_rename_through_an_older_page_keeps_what_a_probe_learnt(stored):
    credential = stored("stripe_key")
    page = Credential.objects.get(pk=credential.pk)
    assert page.account is None
    assert probes.probe(credential).code == "ok"
    page.name = "Renamed"
    page.save()
    row = Credential.objects.get(pk=credential.pk)
    assert row.account
    assert finding.find(Credential.objects.non_polymorphic(), row.account).get().pk == row.pk
    assert "renamed" in row.search


def test_a_rename_through_an_older_page_keeps_the_known_end(stored):
    credential = stored("airtable_oauth2")
    page = Credential.objects.get(pk=credential.pk)
    ends = timezone.now() + timedelta(days=60)
    Credential._root_rows().filter(pk=credential.pk).update(expires_at=ends)
    page.name = "Renamed"
    page.save()
    assert Credential.objects.get(pk=credential.pk).expires_at == ends


def test_another_secret_has_no_known_end(stored):
    credential = stored("airtable_oauth2")
    Credential._root_rows().filter(pk=credential.pk).update(expires_at=timezone.now() + timedelta(days=1))
    row = Credential.objects.get(pk=credential.pk)
    row.refresh_token = "oar.v1.entered-by-a-person"
    row.save()
    assert Credential.objects.get(pk=credential.pk).expires_at is None


def test_a_consent_brings_its_own_end(stored):
    credential = stored("quickbooks_oauth2")
    tokens.keep(credential, Tokens("fake-access-token", refresh_expires_in=100 * 24 * 3600))
    ends = Credential.objects.get(pk=credential.pk).expires_at
    assert timedelta(days=99) < ends - timezone.now() < timedelta(days=101)


def test_a_late_answer_to_an_older_key_pins_no_account(stored):
    credential = stored("stripe_key")
    looked_at = Credential.objects.get(pk=credential.pk)
    row = Credential.objects.get(pk=credential.pk)
    row.secret = "sk_test_fakeEnteredMeanwhile"
    row.save()
    probes._learn(looked_at, "acct_1Older:test")
    assert Credential.objects.get(pk=credential.pk).account is None


@pytest.mark.parametrize("kind", ["hubspot_oauth2", "airtable_oauth2"])
def test_what_never_left_cannot_have_been_taken(kind, stored, settings, simulator):
    """Refused connections note nothing in flight, so that a later refusal is a revocation."""
    credential = stored(kind)
    working, settings.PROVIDER_SIMULATOR_URL = settings.PROVIDER_SIMULATOR_URL, "http://127.0.0.1:9"
    with pytest.raises(tokens.NoToken) as caught:
        tokens.access_token(credential)
    assert caught.value.reading.code == "connection_failed"
    settings.PROVIDER_SIMULATOR_URL = working
    assert AccessToken.objects.get().in_flight == ""


def test_a_token_that_is_good_more_than_once_is_never_called_lost(stored, fail):
    credential = stored("hubspot_oauth2")
    fail("5xx", provider="hubspot", context="token", times=1)
    with pytest.raises(tokens.NoToken):
        tokens.access_token(credential)
    fail("revoked", provider="hubspot", context="token", times=1)
    with pytest.raises(tokens.NoToken) as caught:
        tokens.access_token(credential)
    assert caught.value.reading.code == "revoked"
