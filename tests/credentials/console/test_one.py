"""The page of one credential: what it answers, for whom, and at which cost."""

from datetime import timedelta

import pytest
from cryptography.fernet import Fernet
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from credentials import audit, sealing
from credentials.kinds import KINDS
from credentials.models import Credential, Limit
from health import pausing, reports
from health.models import Component
from tests.credentials.admin_pages import client_of, staff
from tests.factories import make_credential, make_oauth_app
from tests.rawsql import store

pytestmark = pytest.mark.django_db
OURS, CUSTOMER = "sequin_intervention", "customer_intervention"
SAID = "cli:ops@host"


@pytest.fixture
def viewer(db):
    return client_of(staff("view_credential"))


@pytest.fixture
def operator(db):
    return client_of(staff("view_credential", "change_credential", "report_component"))


def address(credential, route="credential"):
    return reverse(route, args=[credential.pk])


def text_of(response):
    assert response.status_code == 200
    return " ".join(response.content.decode().replace("&nbsp;", " ").split())


def sync(credential, name="orders"):
    made = Component.objects.create(kind="sync", name=name)
    made.rewire([credential.component], actor=SAID)
    return made


def test_a_credential_leads_to_its_page(viewer):
    credential = make_credential("stripe_key")
    assert credential.get_absolute_url() == f"/credentials/{credential.pk}/"
    assert viewer.get("/credentials/00000000-0000-0000-0000-000000000000/").status_code == 404


def test_it_answers_what_is_the_matter(operator):
    app = make_oauth_app("hubspot", name="Our app")
    credential = make_credential(
        "hubspot_oauth2", name="Atreides", oauth_app=app, metadata={"plan": "growth"}
    )
    sync(credential)
    with audit.acting("cli:grace@host"):
        credential.refresh_token = "fake-another-refresh-token"
        credential.save()
    reports.report(credential.component, CUSTOMER, actor=SAID, code="revoked", note="It was revoked.")
    text = text_of(operator.get(address(credential)))
    for words in (
        "Customer must act",
        "It was revoked. <code>revoked</code>",
        "Ask the customer to connect again, or for a new key.",
        "Words for the customer",
        "Broken since",
        "1 depends on it, 1 does not work",
        ">orders</a>",
        "Our app",
        # What changed before it broke, and who did it.
        "Secret replaced",
        "shortly before it broke",
        "cli:grace@host",
        credential.account,
        "***********",
        "growth",
        str(credential.pk),
        # What can be done.
        address(credential, "replace_secret"),
        address(credential, "connect_again"),
        reverse("health_act", args=[credential.component_id, "pause"]),
    ):
        assert words in text, words


def test_a_failure_above_names_its_cause(viewer):
    app = make_oauth_app("hubspot", name="Our app")
    credential = make_credential("hubspot_oauth2", oauth_app=app)
    reports.report(app.component, OURS, actor=SAID, code="oauth_app_rejected")
    text = text_of(viewer.get(address(credential)))
    assert "We must act" in text and "Because of" in text
    assert reverse("health_component", args=[app.component_id]) in text


def test_what_is_well_and_what_nobody_knows(viewer):
    credential = make_credential("stripe_key")
    text = text_of(viewer.get(address(credential)))
    assert "Not checked yet" in text and "Nobody has looked yet" in text
    assert "Nothing depends on it" in text and "Nothing was asked for in the last hour." in text
    reports.report(credential.component, "healthy", actor=SAID)
    assert "Nothing to do." in text_of(viewer.get(address(credential)))


def test_what_is_paused_says_by_whom_and_until_when(operator):
    credential = make_credential("stripe_key")
    pausing.pause(credential.component, reason="They move.", actor=SAID)
    text = text_of(operator.get(address(credential)))
    assert "Paused" in text and "They move." in text and SAID in text
    assert reverse("health_act", args=[credential.component_id, "resume"]) in text


def test_what_cannot_be_read_is_shown_all_the_same(operator):
    credential = make_credential("stripe_key", name="Atreides")
    store(credential, secret_seal_key="gone")
    Credential.objects.filter(pk=credential.pk).update(unreadable=True)
    text = text_of(operator.get(address(credential)))
    assert "Unreadable" in text and "Cannot be read" in text and "Atreides" in text and "Healthy" not in text
    assert "bring the key back into FERNET_KEYS" in text


def test_a_deleted_one_says_until_when_it_can_come_back(viewer, admin_client):
    credential = make_credential("stripe_key", name="Atreides")
    credential.delete()
    text = text_of(viewer.get(address(credential)))
    assert (
        "It was deleted: its secrets are neither used nor shown." in text
        and "It can be brought back until" in text
    )
    assert 'value="restore"' not in text and address(credential, "test_credential") not in text
    assert 'value="restore"' in text_of(admin_client.get(address(credential)))
    assert admin_client.get(address(credential, "replace_secret")).status_code == 404


def test_who_may_only_see_is_offered_nothing(viewer):
    credential = make_credential("hubspot_oauth2", oauth_app=make_oauth_app("hubspot"))
    text = text_of(viewer.get(address(credential)))
    for route in ("test_credential", "connect_again", "replace_secret"):
        assert address(credential, route) not in text
    assert "What can be done" not in text
    for name in ("pause", "resume"):
        assert reverse("health_act", args=[credential.component_id, name]) not in text


def test_the_limit_is_live_by_itself(viewer):
    credential = make_credential("stripe_key")
    credential.set_limit(Limit(10, 60_000, 3))
    limit = Credential.objects.get(pk=credential.pk).rate_limit
    for _number in range(4):
        limit.try_acquire(purpose="orders of May")
    limit.hold_off(seconds=600, reason="quota_exhausted")
    for part in ("", "?part=limit"):
        text = text_of(viewer.get(address(credential) + part))
        for words in (
            "30 %",
            "3 of 10",
            "3 granted, 1 denied",
            "Held off until",
            "orders of May",
            "rl-chart",
        ):
            assert words in text, words
    assert "<html" not in text and 'id="limit"' in text
    state = text_of(viewer.get(address(credential) + "?part=state"))
    assert "<html" not in state and 'id="state"' in state


def queries(client, credential):
    with CaptureQueriesContext(connection) as found:
        assert client.get(address(credential)).status_code == 200
    return len(found)


def test_the_number_of_queries_does_not_grow_and_nothing_is_decrypted(viewer, monkeypatch):
    app = make_oauth_app("hubspot")
    small = make_credential("hubspot_oauth2", oauth_app=app)
    full = make_credential("hubspot_oauth2", oauth_app=app, hub_id=2)
    for number in range(12):
        sync(full, f"sync {number}")
        full.refresh_token = f"fake-refresh-token-no-{number}"
        full.save()
        at = timezone.now() - timedelta(minutes=60 - number)
        status = (CUSTOMER, "healthy")[number % 2]
        reports.report(full.component, status, actor=SAID, code="revoked" if number % 2 == 0 else "", at=at)
    others = [make_credential(kind) for kind in KINDS if kind not in ("hubspot_oauth2", "github_app")]
    monkeypatch.setattr(Fernet, "decrypt", lambda *args, **kwargs: pytest.fail("A secret was opened."))
    monkeypatch.setattr(sealing, "unseal", lambda *args: pytest.fail("A secret was opened."))
    viewer.get(address(small))
    assert queries(viewer, small) == queries(viewer, full) == QUERIES
    for credential in others:
        # One more where the provider's default app is looked for.
        assert queries(viewer, credential) <= QUERIES + 1


# Four of them for the person.
QUERIES = 19
