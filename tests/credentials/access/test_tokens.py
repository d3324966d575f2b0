"""Access tokens: one exchange at a time, nothing lost, and honest words where something is."""

import threading
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from credentials import probes, tokens
from credentials.models import AccessToken, AuditEvent, Credential, Fingerprint
from credentials.sealing import fingerprint

pytestmark = pytest.mark.django_db(transaction=True)

TOKEN_PATH = "/oauth2/v1/token"


def opened(credential, name="refresh_token"):
    credential = Credential.objects.get(pk=credential.pk)
    return getattr(credential, name).use(credential.destination())


def end(credential):
    """Let the cached access token have ended."""
    AccessToken.objects.filter(credential=credential).update(expires_at=timezone.now() - timedelta(seconds=1))


def entered_during_the_next_exchange(monkeypatch, page):
    """Let a person save another refresh token, from this page, after the provider has answered."""
    ask = tokens._ask

    def entered_meanwhile(current, call):
        found = ask(current, call)
        page.refresh_token = "oar.v1.entered-by-a-person"
        page.save()
        return found

    monkeypatch.setattr(tokens, "_ask", entered_meanwhile)


def code_of(credential):
    with pytest.raises(tokens.NoToken) as caught:
        tokens.access_token(credential)
    return caught.value.reading.code


def test_a_token_is_exchanged_once_and_then_kept(stored, calls):
    credential = stored("airtable_oauth2")
    first = tokens.access_token(credential)
    assert tokens.access_token(Credential.objects.get(pk=credential.pk)) == first
    assert len(calls(TOKEN_PATH)) == 1


def test_a_new_refresh_token_takes_the_place_of_the_old_one(stored, calls):
    credential = stored("airtable_oauth2")
    before, version = opened(credential), credential.version
    tokens.access_token(credential)
    after = opened(credential)
    assert after != before
    held = Fingerprint.objects.filter(owner=credential.pk, field="refresh_token")
    assert set(held.values_list("digest", "current")) == {
        (fingerprint(before), False),
        (fingerprint(after), True),
    }
    row = Credential.objects.get(pk=credential.pk)
    # No edit: forms that are open stay good, and what was seen of the grant still counts.
    assert (row.version, row.secret_version) == (version, credential.secret_version)
    event = AuditEvent.objects.get(action="refresh")
    assert (event.object_id, event.fields) == (str(credential.pk), ["refresh_token"])


def test_the_chain_of_single_use_tokens_holds_over_many_exchanges(stored, calls):
    credential = stored("airtable_oauth2")
    for _number in range(5):
        tokens.access_token(credential)
        end(credential)
    assert [one["status"] for one in calls(TOKEN_PATH)] == [200] * 5
    assert probes.probe(credential).code == "ok"


def test_nothing_of_a_token_can_be_read_in_the_database(stored):
    credential = stored("airtable_oauth2")
    token = tokens.access_token(credential)
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM credentials_accesstoken")
        assert token not in repr(cursor.fetchall())
    assert token not in repr(AccessToken.objects.get().__dict__)


def test_a_token_that_ends_soon_is_exchanged_ahead_and_used_meanwhile(stored, fail):
    credential = stored("hubspot_oauth2")
    first = tokens.access_token(credential)
    now = timezone.now()
    AccessToken.objects.update(
        obtained_at=now - timedelta(minutes=29), expires_at=now + timedelta(seconds=50)
    )
    assert tokens.access_token(credential) != first
    # Where it cannot be had, the one in hand is good until its end.
    second = tokens.access_token(credential)
    AccessToken.objects.update(
        obtained_at=now - timedelta(minutes=29), expires_at=now + timedelta(seconds=50)
    )
    fail("5xx", provider="hubspot", context="token", times=1)
    assert tokens.access_token(credential) == second


def test_another_secret_ends_the_cached_token(stored, calls):
    credential = stored("hubspot_oauth2")
    tokens.access_token(credential)
    row = Credential.objects.get(pk=credential.pk)
    row.refresh_token = "na1-sim-revoked-another-one"
    row.save()
    assert code_of(credential) == "revoked"


def test_it_is_refused_inside_a_transaction_before_anything_is_sent(stored, calls):
    credential = stored("airtable_oauth2")
    with pytest.raises(RuntimeError), transaction.atomic():
        tokens.access_token(credential)
    assert calls(TOKEN_PATH) == []
    assert tokens.access_token(credential)


def test_a_refused_refresh_token_that_is_current_was_revoked(stored):
    credential = stored("airtable_oauth2", refresh_token="oar.v1.sim-revoked-0000")
    assert code_of(credential) == "revoked"
    assert AccessToken.objects.get().in_flight == ""


def test_a_refused_refresh_token_that_was_replaced_meanwhile_tells_nothing(stored, monkeypatch):
    credential = stored("airtable_oauth2", refresh_token="oar.v1.sim-revoked-0000")
    entered_during_the_next_exchange(monkeypatch, Credential.objects.get(pk=credential.pk))
    assert code_of(credential) == "superseded"


def test_a_secret_entered_during_an_exchange_stays(stored, monkeypatch):
    credential = stored("airtable_oauth2")
    entered_during_the_next_exchange(monkeypatch, Credential.objects.get(pk=credential.pk))
    tokens.access_token(credential)
    assert opened(credential) == "oar.v1.entered-by-a-person"
    # The token of the older grant is not kept for it.
    assert AccessToken.objects.get().obtained_at is None


def test_a_token_lost_on_the_way_is_told_from_a_revoked_one(stored, simulator, monkeypatch):
    credential = stored("airtable_oauth2")

    class Killed(BaseException):
        pass

    def killed(*args):
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(tokens, "_store", killed)
        with pytest.raises(Killed):
            tokens.access_token(credential)
    AccessToken.objects.update(leased_until=timezone.now() - timedelta(seconds=1))
    # Airtable has ended the old one, and nobody knows the new one.
    assert code_of(credential) == "token_lost"
    assert code_of(credential) == "token_lost"


def test_an_outage_loses_nothing(stored, fail):
    credential = stored("airtable_oauth2")
    fail("5xx", provider="airtable", context="token", times=1)
    assert code_of(credential) == "provider_outage"
    assert tokens.access_token(credential)
    assert AccessToken.objects.get().in_flight == ""


def test_a_database_that_fails_for_a_moment_loses_no_token(stored, monkeypatch):
    from django.db import OperationalError

    credential = stored("airtable_oauth2")
    before, once, fails = opened(credential), tokens._store_once, [1, 1, 1]

    def failing(*args):
        if fails:
            fails.pop()
            raise OperationalError("database is locked")
        return once(*args)

    monkeypatch.setattr(tokens, "_store_once", failing)
    assert tokens.access_token(credential)
    assert not fails
    assert opened(credential) != before


def test_the_app_s_fault_is_told_from_the_customer_s(stored, simulator):
    credential = stored("hubspot_oauth2")
    app = credential.app_in_use()
    app.client_secret = "entered-wrongly"
    app.save()
    assert code_of(credential) == "oauth_app_rejected"


def test_a_missing_app_is_ours(stored):
    credential = stored("hubspot_oauth2")
    app = credential.app_in_use()
    app.is_default = False
    app.save()
    assert code_of(Credential.objects.get(pk=credential.pk)) == "oauth_app_missing"


def test_threads_that_want_a_token_at_once_make_one_exchange(stored, calls):
    credential = stored("airtable_oauth2")
    found, together = [], threading.Barrier(8)

    def worker():
        try:
            together.wait()
            found.append(tokens.access_token(Credential.objects.get(pk=credential.pk)))
        finally:
            connection.close()

    workers = [threading.Thread(target=worker) for _number in range(8)]
    for one in workers:
        one.start()
    for one in workers:
        one.join()
    assert len(found) == 8
    assert len(set(found)) == 1
    assert len(calls(TOKEN_PATH)) == 1


def test_who_waits_for_long_hears_that_somebody_is_busy(stored, monkeypatch):
    credential = stored("airtable_oauth2")
    monkeypatch.setattr(tokens, "PATIENCE", 0.3)
    tokens.for_credential(credential)
    AccessToken.objects.update(leased_until=timezone.now() + timedelta(minutes=1))
    assert code_of(credential) == "busy"


@pytest.mark.parametrize(
    "kind",
    ["auth0_client_credentials", "marketo_client_credentials", "servicenow_client_credentials", "github_app"],
)
def test_tokens_without_a_refresh_token_are_cached_as_well(kind, stored, simulator):
    credential = stored(kind)
    first = tokens.access_token(credential)
    asked = len(simulator.world.log)
    assert tokens.access_token(credential) == first
    assert len(simulator.world.log) == asked == 1
