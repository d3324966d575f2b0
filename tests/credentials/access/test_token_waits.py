"""An exchange that keeps failing is tried ever more seldom, by all processes together."""

from datetime import timedelta

import pytest
from django.utils import timezone

from credentials import probes, token_waits, tokens
from credentials.models import AccessToken, Credential, OAuthApp
from health.intervals import SOON
from health.observations import CODES, Weight

pytestmark = pytest.mark.django_db(transaction=True)

TOKEN_PATH = "/oauth/v1/token"


def code_of(credential):
    """What a worker of another process gets to hear."""
    with pytest.raises(tokens.NoToken) as caught:
        tokens.access_token(Credential.objects.get(pk=credential.pk))
    return caught.value.reading.code


def pass_time(seconds):
    row = AccessToken.objects.get()
    AccessToken.objects.update(wait_until=row.wait_until and row.wait_until - timedelta(seconds=seconds))


def test_a_failing_token_endpoint_is_asked_ever_more_seldom(stored, fail, calls):
    credential = stored("hubspot_oauth2")
    fail("5xx", provider="hubspot", context="token")
    # A blip costs nothing; from the second time on there is a wait, in which nobody asks.
    assert [code_of(credential) for _number in range(4)] == ["provider_outage"] * 2 + ["token_waits"] * 2
    assert len(calls(TOKEN_PATH)) == 2
    waits = []
    for _number in range(7):
        left = (AccessToken.objects.get().wait_until - timezone.now()).total_seconds()
        waits.append(round(left))
        pass_time(left + 1)
        assert (code_of(credential), code_of(credential)) == ("provider_outage", "token_waits")
    assert waits == [2, 5, 10, 20, 40, 55, 55]
    assert len(calls(TOKEN_PATH)) == 2 + 7
    # No check of what fails falls into the wait that the one before it began.
    assert max(token_waits.AFTER) < SOON


def test_the_wait_says_why_and_until_when_and_decides_nothing(stored, fail):
    credential = stored("hubspot_oauth2")
    fail("5xx", provider="hubspot", context="token")
    code_of(credential), code_of(credential)
    seen = probes.probe(credential)
    assert (seen.code, CODES[seen.code].weight) == ("token_waits", Weight.INCONCLUSIVE)
    assert seen.detail == f"Failed 2 times in a row. {CODES['provider_outage'].happened}"
    assert 0 < seen.retry_after <= 2


def test_it_ends_with_success_and_with_another_secret_of_the_credential_or_its_app(stored, fail, calls):
    credential = stored("hubspot_oauth2")
    fail("5xx", provider="hubspot", context="token", times=6)

    def waiting():
        code_of(credential), code_of(credential)
        return code_of(credential) == "token_waits"

    assert waiting()
    row = Credential.objects.get(pk=credential.pk)
    row.refresh_token = "na1-fake-0001"
    row.save()
    assert code_of(credential) == "provider_outage"
    assert waiting()
    app = OAuthApp.objects.get(pk=Credential.objects.get(pk=credential.pk).app_in_use().pk)
    app.client_secret = "fake-client-secret-0002"
    app.save()
    assert code_of(credential) == "provider_outage"
    assert AccessToken.objects.get().failures == 1


def test_a_refused_refresh_token_begins_no_wait_and_a_token_that_is_still_good_is_given_meanwhile(
    stored, fail, simulator
):
    credential = stored("hubspot_oauth2")
    good = tokens.access_token(credential)
    # It ends soon, and every exchange fails: until its end it is good.
    now = timezone.now()
    AccessToken.objects.update(obtained_at=now - timedelta(hours=1), expires_at=now + timedelta(seconds=50))
    fail("5xx", provider="hubspot", context="token", times=2)
    assert [tokens.access_token(credential) for _number in range(4)] == [good] * 4
    assert AccessToken.objects.get().failures == 2
    pass_time(10)
    fresh = tokens.access_token(credential)
    assert fresh != good
    assert AccessToken.objects.filter(failures=0, wait_until=None, failed_code="").exists()
    AccessToken.objects.update(obtained_at=None)
    fail("revoked", provider="hubspot", context="token")
    assert [code_of(credential) for _number in range(3)] == ["revoked"] * 3
