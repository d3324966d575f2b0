"""Channels, and receivers that stand in for the senders."""

import base64
import secrets
from typing import Any

from credentials.models import Channel
from credentials.notifications import delivering, messages
from credentials.notifications.outcomes import Outcome

HOST = "hooks.example.com"
URL = f"https://{HOST}/services/T0/B0/fake"
SECRET = "whsec_" + base64.b64encode(b"only for tests, not a secret" + bytes(4)).decode()


def make_channel(way: str = "webhook", **fields: Any) -> Channel:
    """A saved channel of a way."""
    needed: dict[str, dict[str, Any]] = {
        "email": {"addresses": ["ops@example.com"]},
        "slack": {"url": URL},
        "webhook": {"url": URL, "signing_secret": SECRET},
    }
    channel = Channel(**{"way": way, "name": f"{way} {secrets.token_hex(3)}", **needed[way], **fields})
    channel.save()
    return channel


class Receiver:
    """Takes the place of all senders: keeps the messages, and answers as it is told."""

    def __init__(self, monkeypatch: Any) -> None:
        self.got: list[tuple[str, messages.Message]] = []
        self.tried = 0
        self.outcome = Outcome(True, status=200)
        # In the test's own transaction, which threads do not see.
        monkeypatch.setattr(delivering, "AT_ONCE", 1)
        for way in list(delivering.SENDERS):
            monkeypatch.setitem(delivering.SENDERS, way, self.take)

    def take(self, channel: Channel, message: messages.Message) -> Outcome:
        self.tried += 1
        if self.outcome.worked:
            self.got.append((channel.name, message))
        return self.outcome

    def titles(self) -> list[str]:
        return [message.title for _name, message in self.got]
