"""Messages as requests: signed webhooks, and what Slack and those compatible with it take.

Both go through egress, to an approved host and to public addresses only.
"""

import base64
import hashlib
import hmac
import json
import logging
import time
from typing import Any

import requests
from django.conf import settings

from credentials import egress
from credentials.models.channel import Channel
from credentials.notifications import messages
from credentials.notifications.messages import Message
from credentials.notifications.outcomes import Outcome
from credentials.sealing import SecretError

logger = logging.getLogger(__name__)

# Nothing of an answer is kept but its status.
BODY_LIMIT = 64 * 1024
# As long as Slack allows in one block, and a receiver may ask us to wait, in seconds.
LONGEST_TEXT, LONGEST_WAIT = 2900, 3600.0


def webhook(channel: Channel, message: Message) -> Outcome:
    """Post the message as a document, signed as the Standard Webhooks say. Never raises for the receiver."""
    body = json.dumps(messages.document(message), ensure_ascii=False).encode()
    stamp = str(int(time.time()))
    signed = ".".join((message.id, stamp, "")).encode() + body
    headers = {"Webhook-Id": message.id, "Webhook-Timestamp": stamp}
    try:
        headers["Webhook-Signature"] = "v1," + _signature(channel, signed)
    except SecretError:
        return Outcome(False, "The signing secret cannot be opened: enter it again.")
    return _post(channel, body, headers)


def slack(channel: Channel, message: Message) -> Outcome:
    """Post the message as Slack takes it. Never raises for the receiver."""
    return _post(channel, json.dumps(slack_document(message), ensure_ascii=False).encode(), {})


def slack_document(message: Message) -> dict[str, Any]:
    """A text, for notifications and for those that know no blocks, and the same in three blocks."""
    lines = "\n".join(f"*{_plain(name)}*: {_plain(value)}" for name, value in message.facts())
    blocks: list[dict[str, Any]] = [
        {"type": "section", "text": {"type": "mrkdwn", "text": f"*{_plain(message.title)}*"}},
        {"type": "section", "text": {"type": "mrkdwn", "text": lines[:LONGEST_TEXT]}},
    ]
    if message.link:
        shown = f"<{message.link}|Open in Lanyard>"
        blocks.append({"type": "context", "elements": [{"type": "mrkdwn", "text": shown}]})
    return {"text": _plain(f"{message.title}: {message.happened}")[:LONGEST_TEXT], "blocks": blocks}


def _plain(text: str) -> str:
    """A text in which nothing calls people, links or formats."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return text.replace("@", "@\u200b")


def _signature(channel: Channel, signed: bytes) -> str:
    """Raises SecretError."""
    key = base64.b64decode(channel.signing_secret.use(channel.destination()).removeprefix("whsec_"))
    return base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def _post(channel: Channel, body: bytes, headers: dict[str, str]) -> Outcome:
    try:
        response = _sent(channel, body, headers)
    except SecretError:
        return Outcome(False, "The URL cannot be opened: enter it again.")
    except egress.EgressError as error:
        if error.code == "host_refused":
            return Outcome(False, "The host is not an approved one: see NOTIFICATION_HOSTS.")
        return Outcome(False, str(error))
    if 200 <= response.status_code < 300:
        return Outcome(True, status=response.status_code)
    reason = "The receiver sent us elsewhere, and that is not followed."
    if not 300 <= response.status_code < 400:
        who = "simulator, which gets all calls," if settings.PROVIDER_SIMULATOR_URL else "receiver"
        reason = f"The {who} answered {response.status_code}."
    return Outcome(False, reason, response.status_code, _asked_wait(response))


def _sent(channel: Channel, body: bytes, headers: dict[str, str]) -> requests.Response:
    """The answer. Raises SecretError, EgressError."""
    request = requests.Request(
        "POST",
        channel.url.use(channel.destination()),
        {"Content-Type": "application/json", "Accept": "application/json", **headers},
        data=body,
    )
    hosts = {channel.host} & set(settings.NOTIFICATION_HOSTS)
    try:
        prepared = request.prepare()
    except (requests.RequestException, ValueError):
        prepared = None
    if prepared is None:
        # Out here, because what was caught holds the URL.
        raise egress.EgressError("our_fault", "The URL cannot be used: enter it again.")
    with egress.Adapter(hosts=hosts, body_limit=BODY_LIMIT, keep=False) as adapter:
        return adapter.send(prepared)


def _asked_wait(response: requests.Response) -> float:
    """The seconds that a receiver asks us to wait, within bounds."""
    text = response.headers.get("Retry-After", "")
    return min(float(text), LONGEST_WAIT) if text.isascii() and text.isdigit() and len(text) < 8 else 0.0
