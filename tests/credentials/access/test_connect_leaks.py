"""What passes through a consent stays nowhere in clear: state, code, verifier, tokens, the app's secret."""

import io
import logging

import pytest
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from credentials import connect
from credentials.kinds import KINDS as KINDS_OF
from credentials.models import AuditEvent, Credential, PendingConsent
from credentials.models import properties as declared
from credentials.models.pending_consent import LIFETIME
from project.errors import NoQuery
from tests import canary
from tests.credentials.access.consents import KINDS, changed, param

pytestmark = pytest.mark.django_db(transaction=True)


def passed_through(address, simulator, verifier):
    """All that was secret in one consent."""
    found = {"state": param(address, "state"), "verifier": verifier}
    if "code=" in address:
        found["code"] = param(address, "code")
    for (_provider, value), token in [*simulator.world.access.items(), *simulator.world.refresh.items()]:
        if token.issued_at >= simulator.started:
            found[f"token {value[:6]}"] = value
    return found


@pytest.fixture
def watched(simulator, caplog):
    """Everything is logged, also what usually is not; and only tokens of this test count."""
    caplog.set_level(logging.DEBUG)
    simulator.started = simulator.world.now()
    return caplog


def apps_secret(app, simulator):
    """A client secret that stands nowhere else, unlike the simulator's, here and there."""
    if not app.client_secret:
        return {}
    text = canary.make_plain()
    app.client_secret = simulator.world.app(app.provider, app.client_id).client_secret = text
    app.save()
    return {"client secret": text}


def verifier_of():
    row = PendingConsent.objects.get()
    return row.verifier.use(row.destination())


@pytest.mark.parametrize("broken", ["", "missing_scope", "used_code", "other_account"])
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_of_a_consent_is_left_in_clear(person, apps, simulator, watched, kind, broken):
    own = apps_secret(apps[KINDS_OF[kind].PROVIDER.key], simulator)
    credential = person.connect(kind)
    address = person.leave_again(credential)
    verifier = verifier_of()
    back = person.consent(address, broken=broken)
    person.come_back(back)
    secrets = passed_through(back, simulator, verifier)
    assert len(secrets) >= 3
    stored = Credential.objects.get()
    for name in declared.secret_names(type(stored)):
        secrets[name] = getattr(stored, name).use(stored.destination())
    secrets |= own
    if connection.vendor == "sqlite":
        connection.ensure_connection()
    assert canary.leaks(secrets.values(), canary.database()) == []
    sessions = "\n".join(str(row.get_decoded()) for row in Session.objects.all())
    logs = "\n".join(
        f"{record.getMessage()} {record.exc_text or ''}"
        for record in watched.records
        # The test's own browser at the provider's page, and the simulator.
        if not record.name.startswith(("urllib3", "credentials.simulator"))
    )
    seen = "\n".join(person.seen)
    events = "\n".join(str(row.__dict__) for row in AuditEvent.objects.all())
    places = {"sessions": sessions, "logs": logs, "pages": seen, "audit": events}
    leaked = canary.leaks(secrets.values(), [(name, canary.as_bytes(text)) for name, text in places.items()])
    everywhere = "\n".join(places.values())
    assert leaked == [], [name for name, secret in secrets.items() if canary.find(secret, everywhere)]


def test_what_the_provider_says_of_the_code_is_not_repeated(person):
    address = person.leave("hubspot_oauth2")
    state = param(address, "state")
    back = f"http://127.0.0.1:8000/oauth/hubspot/callback?state={state}&error=invalid_request"
    page = person.come_back(changed(back, error_description=f"bad state {state}", code="fakeCode0123456789"))
    text = page.content.decode()
    assert "bad state •••" in text
    assert state not in text and state not in "".join(person.seen)


def test_a_fault_of_ours_in_the_callback_tells_nothing(person, monkeypatch, caplog):
    back = person.consent(person.leave("hubspot_oauth2"))
    person.client.raise_request_exception = False

    def broken(*args):
        raise RuntimeError("broken")

    monkeypatch.setattr(connect, "_kept", broken)
    answer = person.client.get("/oauth/hubspot/callback?" + back.partition("?")[2])
    assert answer.status_code == 500
    for name in ("code", "state"):
        assert canary.find(param(back, name), answer.content) == []
        assert canary.find(param(back, name), caplog.text) == []


def test_the_development_server_logs_no_query():
    record = logging.LogRecord(
        "django.server",
        logging.INFO,
        "",
        0,
        '"%s" %s %s',
        ("GET /oauth/x/callback?code=1 HTTP/1.1", "302", "0"),
        None,
    )
    assert NoQuery().filter(record)
    assert record.getMessage() == '"GET /oauth/x/callback?… HTTP/1.1" 302 0'


def test_who_reads_the_table_can_use_nothing_of_it(person):
    address = person.leave("hubspot_oauth2")
    row = PendingConsent.objects.get()
    assert row.state != param(address, "state") and row.session != person.client.session.session_key
    assert PendingConsent.objects.take(row.state) is None


def test_a_purge_removes_consents_that_nobody_came_back_from(person):
    person.leave("hubspot_oauth2")
    call_command("purge_credentials", "--dry-run", stdout=io.StringIO())
    call_command("purge_credentials", stdout=io.StringIO())
    assert PendingConsent.objects.count() == 1
    PendingConsent.objects.update(created_at=timezone.now() - LIFETIME)
    call_command("purge_credentials", "--dry-run", stdout=io.StringIO())
    assert PendingConsent.objects.count() == 1
    call_command("purge_credentials", stdout=io.StringIO())
    assert PendingConsent.objects.count() == 0
