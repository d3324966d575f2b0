"""What really goes out: to a receiver with TLS on this machine, and to Django's outbox of mails."""

import base64
import hashlib
import hmac
import json
import socket
from datetime import timedelta

import pytest
import time_machine
from django.core import mail as outbox
from django.utils import timezone

from credentials import notifications
from credentials.models import Attempt, Delivery
from credentials.notifications import delivering, mail
from tests.credentials import outside
from tests.credentials.notifications.cast import HOST, SECRET, URL, make_channel
from tests.factories import make_credential
from tests.health.cast import CUSTOMER, HEALTHY, make, say

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(monkeypatch):
    with outside.opened(monkeypatch) as world:
        world.names[HOST] = [outside.PUBLIC]
        yield world


def answering(world, status=b"200 OK", extra=b""):
    answer = b"HTTP/1.1 " + status + b"\r\n" + extra + b"Content-Length: 0\r\n\r\n"
    return world.serve(answer, outside.certificate(HOST))


def broken():
    """A credential whose key was revoked, which a sync needs."""
    key = make_credential("stripe_key", name="Acme & <Söhne> @channel", metadata={"customer_id": "acme"})
    make("sync", "acme orders", key.component)
    say(key.component, CUSTOMER, "revoked")
    return key


def received(server):
    """The head and body of the one request that came."""
    (request,) = server.requests
    head, _, body = request.partition(b"\r\n\r\n")
    return head.decode().split("\r\n")[0], headers_of(request), body


def headers_of(request):
    lines = request.partition(b"\r\n\r\n")[0].decode().split("\r\n")
    return dict(line.split(": ", 1) for line in lines[1:])


def test_a_webhook_is_signed_and_says_it_all(world):
    server = answering(world)
    make_channel("webhook")
    key = broken()
    notifications.turn()
    start, headers, body = received(server)
    assert start == "POST /services/T0/B0/fake HTTP/1.1" and headers["Host"] == HOST
    # By the words of the Standard Webhooks: base64 of HMAC-SHA256 over id.timestamp.body.
    signed = f"{headers['Webhook-Id']}.{headers['Webhook-Timestamp']}.".encode() + body
    secret = base64.b64decode(SECRET.split("_")[1])
    expected = base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()
    assert headers["Webhook-Signature"] == f"v1,{expected}"
    assert abs(int(headers["Webhook-Timestamp"]) - timezone.now().timestamp()) < 60
    component = key.component
    component.refresh_from_db()
    assert json.loads(body) == {
        "type": "health.failed",
        "id": headers["Webhook-Id"],
        "title": "Customer must act: Credential Acme & <Söhne> @channel",
        "component": {
            "kind": "credential",
            "name": "Acme & <Söhne> @channel",
            "id": str(component.pk),
            "provider": "stripe",
        },
        "status": {"before": "healthy", "after": "customer_intervention"},
        "code": "revoked",
        "owner": "customer",
        "since": component.since.isoformat(),
        "until": None,
        "happened": "The provider no longer accepts the secret: it was revoked, replaced or removed.",
        "what_to_do": "Ask the customer to connect again, or for a new key.",
        "reminder": 0,
        "affected": {
            "count": 1,
            "first": [
                {
                    "kind": "sync",
                    "name": "acme orders",
                    "id": str(component.dependants.get().pk),
                    "provider": "",
                }
            ],
        },
        "alike": {"count": 0, "first": []},
        "link": f"https://lanyard.example.com{page_of(component)}",
    }
    assert list(Attempt.objects.values_list("worked", "status", "reason")) == [(True, 200, "")]


def page_of(component):
    from health.views import page_url

    return page_url(component)


def test_what_comes_twice_has_the_same_id_and_another_signature(world):
    server = answering(world)
    make_channel("webhook")
    broken()
    notifications.turn()
    with time_machine.travel(timezone.now() + timedelta(minutes=5), tick=False):
        assert delivering.send_now(Delivery.objects.get()).worked
    first, second = map(headers_of, server.requests)
    assert first["Webhook-Id"] == second["Webhook-Id"]
    assert first["Webhook-Signature"] != second["Webhook-Signature"]


def test_slack_gets_text_and_blocks_in_which_nothing_calls_people(world):
    server = answering(world)
    make_channel("slack")
    key = broken()
    notifications.turn()
    _start, headers, body = received(server)
    found = json.loads(body)
    assert "Webhook-Signature" not in headers and set(found) == {"text", "blocks"}
    shown = json.dumps(found, ensure_ascii=False)
    assert "Acme &amp; &lt;Söhne&gt;" in shown and "@channel" not in shown and "<Söhne>" not in shown
    title, facts, context = found["blocks"]
    assert title["text"]["text"].startswith("*Customer must act: Credential Acme")
    for words in (
        "*Who must act*: The customer",
        "*What to do*: Ask the customer",
        "*Affected*: 1: Sync acme",
    ):
        assert words in facts["text"]["text"]
    assert context["elements"][0]["text"] == (
        f"<https://lanyard.example.com{page_of(key.component)}|Open in Lanyard>"
    )


def test_a_mail_has_a_subject_that_says_it_and_the_rest_below(settings):
    settings.LANYARD_URL = ""
    make_channel("email", addresses=["ops@example.com", "cs@example.com"])
    key = broken()
    notifications.turn()
    say(key.component, HEALTHY)
    notifications.turn()
    first, second = outbox.outbox
    assert first.subject == "[Lanyard] Customer must act: Credential Acme & <Söhne> @channel (1 affected)"
    assert first.to == ["ops@example.com", "cs@example.com"] and "http" not in first.body
    assert first.body.splitlines()[2:5] == [
        "What happened: The provider no longer accepts the secret: it was revoked, replaced or removed.",
        "Who must act: The customer",
        "What to do: Ask the customer to connect again, or for a new key.",
    ]
    assert second.subject == "[Lanyard] Works again: Credential Acme & <Söhne> @channel"
    assert "Work again: 1: Sync acme orders" in second.body and "Nobody" in second.body
    assert first.extra_headers["Message-ID"] != second.extra_headers["Message-ID"]


def test_without_a_mail_server_that_is_what_is_said(settings):
    settings.MAIL_SERVER = False
    channel = make_channel("email")
    assert channel.missing == "No mail server is configured: set EMAIL_URL."
    _delivery, outcome = delivering.test(channel)
    assert outcome.reason == "No mail server is configured: set EMAIL_URL." and outbox.outbox == []


def test_what_a_mail_server_says_is_not_repeated(monkeypatch):
    import smtplib

    def refuse(self):
        raise smtplib.SMTPAuthenticationError(535, b"bad password hunter2 for ops")

    monkeypatch.setattr(mail.EmailMessage, "send", refuse)
    _delivery, outcome = delivering.test(make_channel("email"))
    assert (outcome.status, outcome.reason) == (
        535,
        "The mail server did not accept our user name and password.",
    )


@pytest.mark.parametrize(
    "addresses", [["127.0.0.1"], ["10.0.0.7"], ["169.254.169.254"], ["::1"], [outside.PUBLIC, "192.168.1.1"]]
)
def test_an_approved_host_that_leads_inside_is_not_called(world, addresses):
    server = answering(world)
    world.names[HOST] = addresses
    _delivery, outcome = delivering.test(make_channel("slack"))
    assert not outcome.worked and "off limits" in outcome.reason
    assert server.requests == [] and world.dialled == []


def test_a_host_that_is_approved_no_more_is_not_called(world, settings):
    server, channel = answering(world), make_channel("webhook")
    settings.NOTIFICATION_HOSTS = ["hooks.slack.com"]
    _delivery, outcome = delivering.test(channel)
    assert outcome.reason == "The host is not an approved one: see NOTIFICATION_HOSTS."
    assert server.requests == [] and world.looked_up == []


@pytest.mark.parametrize(
    ("status", "extra", "reason", "wait"),
    [
        (b"302 Found", b"Location: https://elsewhere.example.com/\r\n", "sent us elsewhere", 0),
        (b"429 Slow", b"Retry-After: 99999\r\n", "answered 429", 3600),
        (b"500 Oops", b"Retry-After: soon\r\n", "answered 500", 0),
    ],
)
def test_anything_but_success_is_a_failure_and_no_redirect_is_followed(world, status, extra, reason, wait):
    server = answering(world, status, extra)
    delivery, outcome = delivering.test(make_channel("webhook"))
    assert not outcome.worked and reason in outcome.reason and outcome.wait == wait
    assert len(server.requests) == 1
    delivery.refresh_from_db()
    assert delivery.state == "given_up"  # a test is not tried again


def test_the_url_is_of_no_use_in_another_row_or_for_another_host(world):
    server = answering(world)
    channel, other = make_channel("slack"), make_channel("webhook")
    type(channel)._root_rows().filter(pk=channel.pk).update(host="evil.example.com")
    channel.refresh_from_db()
    assert delivering.test(channel)[1].reason == "The URL cannot be opened: enter it again."
    stored = type(other)._root_rows().filter(pk=channel.pk).values("url_seal_version", "url_seal_key").get()
    with pytest.raises(TypeError):
        other.url = channel.url
    assert stored["url_seal_version"] == 1 and server.requests == []


def test_a_name_that_is_not_found_says_so(world):
    world.names[HOST] = socket.gaierror(socket.EAI_NONAME, "unknown")
    assert delivering.test(make_channel("slack"))[1].reason == f"The name {HOST} was not found."
    assert URL not in "".join(Attempt.objects.values_list("reason", flat=True))
