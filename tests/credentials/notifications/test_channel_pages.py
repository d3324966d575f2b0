"""Channels as people make, see and change them; what is recorded of it, and what is never shown."""

import re

import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.urls import reverse

from credentials import notifications, rotation
from credentials.models import AuditEvent, Channel, Conflict, Delivery
from credentials.notifications.outcomes import Outcome
from tests import canary
from tests.credentials.admin_pages import client_of, page, problems, shown, staff
from tests.credentials.notifications.cast import HOST, SECRET, URL, make_channel
from tests.health.cast import OURS, make, say

pytestmark = pytest.mark.django_db

ADD = "/admin/credentials/channel/add/"
ENTRIES = {"name": "On call", "enabled": "on", "recoveries": "on", "owner": "", "metadata": ""}


def add(client, way, **entries):
    return client.post(f"{ADD}?way={way}", {**ENTRIES, **entries})


def test_each_way_has_its_form_and_makes_its_channel(admin_client):
    assert b"?way=webhook" in admin_client.get(ADD).content
    secret = re.search(rb"whsec_[A-Za-z0-9+/]{43}=", admin_client.get(f"{ADD}?way=webhook").content)[
        0
    ].decode()
    response = add(
        admin_client,
        "webhook",
        url=URL,
        signing_secret=secret,
        providers=["stripe", "hubspot"],
        kinds=["sync"],
        metadata="customer_id = acme\nplan=growth",
        remind_every="4",
    )
    assert response.status_code == 302, problems(response)
    channel = Channel.objects.get()
    assert (channel.way, channel.host, channel.remind_every) == ("webhook", HOST, 4)
    assert channel.metadata == {"customer_id": "acme", "plan": "growth"}
    assert (channel.providers, channel.kinds) == (["stripe", "hubspot"], ["sync"])
    assert add(admin_client, "slack", name="Slack", url=URL).status_code == 302
    assert add(admin_client, "email", name="Mail", addresses="a@example.com b@example.com").status_code == 302
    assert Channel.objects.get(way="email").addresses == ["a@example.com", "b@example.com"]
    assert [one.action for one in AuditEvent.objects.filter(object_type="channel")] == ["create"] * 3


@pytest.mark.parametrize(
    ("way", "entries", "field"),
    [
        ("email", {"addresses": "not an address"}, "addresses"),
        ("email", {"addresses": ""}, "addresses"),
        ("slack", {"url": ""}, "url"),
        ("slack", {"url": "http://hooks.example.com/x"}, "url"),
        ("slack", {"url": "https://hooks.example.com:8443/x"}, "url"),
        ("slack", {"url": "https://evil.example.com/x"}, "url"),
        ("slack", {"url": "https://hooks.example.com@evil.example.com/x"}, "url"),
        ("slack", {"url": "https://127.0.0.1/x"}, "url"),
        ("webhook", {"url": URL, "signing_secret": ""}, "signing_secret"),
        ("webhook", {"url": URL, "signing_secret": "whsec_short"}, "signing_secret"),
        ("email", {"addresses": "a@example.com", "metadata": "customer_id"}, "metadata"),
        ("email", {"addresses": "a@example.com", "remind_every": "0"}, "remind_every"),
    ],
)
def test_what_cannot_be_right_is_refused_in_words(admin_client, way, entries, field):
    response = add(admin_client, way, **entries)
    assert list(problems(response)) == [field] and not Channel.objects.exists()


def test_the_url_is_kept_replaced_and_takes_the_signing_secret_along(admin_client):
    channel = make_channel("webhook")
    renamed = admin_client.post(page(channel), shown(admin_client, channel, name="Renamed"))
    assert renamed.status_code == 302, problems(renamed)
    channel = Channel.objects.get()
    assert channel.name == "Renamed" and channel.url.opens() and channel.signing_secret.opens()
    other = f"https://{HOST}/other"
    refused = admin_client.post(page(channel), shown(admin_client, channel, url=other))
    assert list(problems(refused)) == ["signing_secret"]
    both = shown(admin_client, channel, url=other, signing_secret=SECRET)
    assert admin_client.post(page(channel), both).status_code == 302
    events = AuditEvent.objects.filter(object_type="channel").order_by("time", "pk")
    assert [(one.action, one.fields) for one in events] == [
        ("create", []),
        ("change", ["name"]),
        ("replace_secret", ["signing_secret", "url"]),
    ]


def test_the_second_of_two_editors_is_told(admin_client):
    channel = make_channel("email")
    late = Channel.objects.get()
    stale = shown(admin_client, channel, name="Mine")
    channel.name = "Theirs"
    channel.save()
    response = admin_client.post(page(channel), stale)
    assert response.status_code == 200 and b"while you were editing" in response.content
    late.name = "Late"
    with pytest.raises(Conflict):
        late.save()
    assert Channel.objects.get().name == "Theirs"
    with pytest.raises(TypeError):
        Channel.objects.update(name="past save")


def test_a_test_message_shows_the_real_outcome_and_again_sends_again(admin_client, receiver):
    channel = make_channel("webhook")
    receiver.outcome = Outcome(False, "The receiver answered 404.", 404)
    response = admin_client.post(reverse("test_channel", args=[channel.pk]), follow=True)
    assert b"It did not arrive. The receiver answered 404." in response.content
    say(make("sync", "orders"), OURS)
    Channel.objects.update(hold_until=None)
    notifications.turn()
    receiver.outcome = Outcome(True, status=204)
    told = Delivery.objects.get(stage="began")
    response = admin_client.post(reverse("deliver_again", args=[told.key]), follow=True)
    assert b"The receiver took the message." in response.content and b"2 attempts" in response.content
    told.refresh_from_db()
    assert told.state == "sent" and receiver.titles() == ["We must act: Sync orders"]
    listed = admin_client.get("/admin/credentials/channel/").content.decode()
    assert "Arrives" in listed and f"Webhook: {HOST}" in listed


def test_deleting_takes_the_record_along_and_is_recorded(admin_client):
    channel = make_channel("email")
    assert admin_client.post(page(channel, "delete"), {"post": "yes"}).status_code == 302
    make_channel("email")
    make_channel("slack")
    chosen = [one.pk for one in Channel.objects.all()]
    admin_client.post(
        "/admin/credentials/channel/",
        {"action": "delete_selected", "_selected_action": chosen, "post": "yes"},
    )
    assert not Channel.objects.exists()
    assert AuditEvent.objects.filter(object_type="channel", action="delete").count() == 3


def test_rotation_finds_both_secrets(settings):
    make_channel("webhook")
    names = {str(column) for column in rotation.columns()}
    assert {"credentials_channel.url", "credentials_channel.signing_secret"} <= names
    settings.FERNET_KEYS = ["a-newer-key-only-for-tests-0123456789abcdefghij", *settings.FERNET_KEYS]
    assert rotation.rotate()["rotated"] >= 2
    settings.FERNET_KEYS = settings.FERNET_KEYS[:1]
    channel = Channel.objects.get()
    assert channel.url.opens() and channel.signing_secret.opens() and channel.missing is None


def test_neither_url_nor_secret_is_shown_anywhere(admin_client, receiver, monkeypatch, caplog, tmp_path):
    path = canary.make_plain()
    secret = "whsec_" + "".join(canary.make_plain()[n % 40] for n in range(44))
    channel = make_channel("webhook", url=f"https://{HOST}/{path}", signing_secret=secret)
    monkeypatch.undo()  # the real senders, which find nobody there
    monkeypatch.setattr("credentials.egress.names.lookup", lambda host: ["127.0.0.1"])
    say(make("sync", "orders"), OURS)
    notifications.turn()
    pages = [page(channel), page(channel, "history"), page(channel, "delete"), "/admin/credentials/channel/"]
    pages += [reverse("deliveries", args=[channel.pk]), "/admin/credentials/auditevent/"]
    viewer = client_of(staff("view_channel"))
    texts = [client.get(one).content for client in (admin_client, viewer) for one in pages]
    texts.append(admin_client.post(reverse("test_channel", args=[channel.pk]), follow=True).content)
    bad = shown(admin_client, channel, name="", url=f"https://evil.example.com/{path}", signing_secret=secret)
    texts.append(admin_client.post(page(channel), bad).content)
    dump = tmp_path / "dump.json"
    call_command("dumpdata", "credentials.channel", "credentials.attempt", output=str(dump))
    texts += [dump.read_bytes(), caplog.text.encode(), repr(channel).encode(), repr(vars(channel)).encode()]
    with pytest.raises(ValidationError) as error:
        channel.url = f"http://{HOST}/{path}"
        channel.save()
    texts.append(str(error.value).encode())
    assert len(texts) > 15
    assert [found for text in texts for one in (path, secret[6:]) for found in canary.find(one, text)] == []
    assert canary.leaks([path, secret[6:]], canary.database()) == []
