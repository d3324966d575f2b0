"""The story of one revoked key, over real HTTP: from the provider's 401 to the message, and back to healthy.

Only time is moved. The provider is the simulator, and the receiver of messages a server of its own.
"""

import base64
import hashlib
import hmac
import json
from contextlib import contextmanager
from datetime import timedelta
from io import StringIO

import pytest
import time_machine
from django.core.management import call_command
from django.test import override_settings
from django.urls import reverse
from django.utils import timezone

from credentials.egress import connections
from credentials.models import Attempt, Credential, Delivery
from credentials.notifications import delivering, posts
from credentials.simulator import cast, control
from health import schedule
from health.models import Component
from tests.credentials import outside
from tests.credentials.admin_pages import client_of, staff
from tests.credentials.notifications.cast import HOST, SECRET, make_channel
from tests.health.cast import chained, make

pytestmark = pytest.mark.django_db(transaction=True)
WORDS = "The provider no longer accepts the secret: it was revoked, replaced or removed."
TO_DO = "Ask the customer to connect again, or for a new key."


@pytest.fixture
def receiver(monkeypatch, settings):
    """A server with TLS that takes webhooks, past the simulator, which takes all other calls."""

    def past_the_simulator(channel, message):
        with override_settings(PROVIDER_SIMULATOR_URL=""):
            return posts.webhook(channel, message)

    settings.NOTIFICATION_HOSTS, settings.LANYARD_URL = [HOST], "https://lanyard.example.com"
    monkeypatch.setitem(delivering.SENDERS, "webhook", past_the_simulator)
    to_the_simulator = connections.dial
    with outside.opened(monkeypatch) as world:
        world.names[HOST] = [outside.PUBLIC]

        def dial(address, *more):
            return (world.dial if address == outside.PUBLIC else to_the_simulator)(address, *more)

        monkeypatch.setattr(connections, "dial", dial)
        yield world.serve(b"HTTP/1.1 204 No Content\r\n\r\n", outside.certificate(HOST))


def told(receiver):
    """The documents of all messages so far, each proved to be signed as the receiver expects it."""
    key, found = base64.b64decode(SECRET.removeprefix("whsec_")), []
    for request in receiver.requests:
        head, _, body = request.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
        signed = f"{headers['Webhook-Id']}.{headers['Webhook-Timestamp']}.".encode() + body
        signature = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
        assert headers["Webhook-Signature"] == f"v1,{signature}"
        found.append(json.loads(body))
    return found


@pytest.fixture(autouse=True)
def one_clock(monkeypatch):
    """PostgreSQL's own cannot be moved."""
    monkeypatch.setattr(schedule, "clock", timezone.now)


@contextmanager
def later(**by):
    with time_machine.travel(timezone.now() + timedelta(**by)):
        yield


def check():
    """`manage.py check_health`: what is due is checked, and messages are sent. Returns its last line."""
    out = StringIO()
    try:
        call_command("check_health", stdout=out, stderr=StringIO())
    except SystemExit as end:
        assert end.code == 1
    return out.getvalue().splitlines()[-1]


def test_a_revoked_key_from_the_refusal_to_the_message_and_back(stripe, simulator, receiver, calls):
    make_channel("webhook", owner="customer", providers=["stripe"])
    sync = make("sync", "acme orders", stripe.component)
    browser = client_of(staff("view_credential", "change_credential", "view_component", "report_component"))

    def status():
        rows = {row.pk: row for row in Component.objects.all()}
        return rows[stripe.component_id], rows[sync.pk]

    def page(of):
        return browser.get(of).content.decode()

    # It works, and so does what needs it.
    check()
    assert [(one.status, one.checked) for one in status()] == [("healthy", True)] * 2
    assert calls() and receiver.requests == []

    # The customer revokes the key at the provider. One refusal decides nothing, and nobody is told.
    document = cast.credential("stripe_key", 0)
    old, new = document["properties"]["secret"], "sk_test_fakeNewKeyOfTheSameAccount"
    account = simulator.world.access["stripe", old].account.id
    assert control.revoke(simulator, {"provider": "stripe", "account": account}) == {"revoked": 1}
    with later(minutes=10):
        refused_at = timezone.now()
        assert check() == "checked 1: 0 work, 1 do not"
        assert [one.status for one in status()] == ["healthy", "healthy"] and receiver.requests == []

    # The second does: the customer's turn, since the first refusal, with what needs it and one message.
    with later(minutes=17):
        check()
        key, its_sync = status()
        assert [one.status for one in (key, its_sync)] == ["customer_intervention"] * 2
        assert (key.code, its_sync.code, its_sync.cause_id) == ("revoked", "credential:revoked", key.pk)
        assert abs(key.since - refused_at) < timedelta(seconds=30)
        [message] = told(receiver)
        assert message["type"] == "health.failed" and message["component"]["id"] == str(key.pk)
        assert (message["code"], message["owner"]) == ("revoked", "customer")
        assert (message["happened"], message["what_to_do"]) == (WORDS, TO_DO)
        assert [one["name"] for one in message["affected"]["first"]] == ["acme orders"]
        # What the people behind the link of the message see.
        assert message["link"].endswith(reverse("health_component", args=[key.pk]))
        for address in (stripe.get_absolute_url(), reverse("health_component", args=[key.pk])):
            for words in (WORDS, TO_DO, "Words for the customer", "revoked"):
                assert words in page(address), (address, words)
        # Looked at again, and again: no other flip and no other message.
        check()
        check()
        assert len(told(receiver)) == 1

    # The customer makes a new key, and an operator stores it.
    document["properties"]["secret"] = new
    control.credentials(simulator, document)
    with later(minutes=40):
        seen = Credential.objects.get(pk=stripe.pk).version
        answer = browser.post(
            reverse("replace_secret", args=[stripe.pk]), {"seen_version": seen, "secret": new}
        )
        assert answer.status_code == 302, answer.context["form"].errors
        # Nobody knows before somebody has looked.
        key, its_sync = status()
        assert key.in_doubt and not key.checked and len(told(receiver)) == 1
        assert "Waiting for a check" in page(stripe.get_absolute_url())
        check()
        key, its_sync = status()
        assert [(one.status, one.checked) for one in (key, its_sync)] == [("healthy", True)] * 2
        first, second = told(receiver)
        assert second["type"] == "health.recovered" and second["component"]["id"] == str(key.pk)
        assert second["id"] != first["id"]
        check()
        assert len(told(receiver)) == 2

    # The history holds it once, without a gap; nothing of a message names the secrets.
    for one in (key, its_sync):
        assert [flip.new for flip in chained(one)] == ["customer_intervention", "healthy"]
    assert set(Delivery.objects.values_list("state", flat=True)) == {"sent"}
    assert Attempt.objects.count() == 2
    assert not any(secret.encode() in b"".join(receiver.requests) for secret in (old, new))
    assert Credential.objects.get(pk=stripe.pk).secret_version == 2
