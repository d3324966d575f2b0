"""Channels as people read of them: the ways there are, and the rules of one."""

from typing import Any, NamedTuple

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from credentials import kinds
from credentials.models import Channel
from health.models import Component


class Way(NamedTuple):
    title: Any
    summary: Any


WAYS = {
    "email": Way(
        gettext_lazy("E-mail"),
        gettext_lazy("To addresses, as plain text, through the mail server of this installation."),
    ),
    "slack": Way(
        gettext_lazy("Slack"),
        gettext_lazy(
            "To an incoming webhook of Slack, or of what takes the same: Mattermost, Rocket.Chat, Discord"
            " with /slack at the end of the address."
        ),
    ),
    "webhook": Way(
        gettext_lazy("Webhook"),
        gettext_lazy("To a program of yours, as JSON, signed as the Standard Webhooks say."),
    ),
}


def rules(channel: Channel) -> list[str]:
    """What a channel is told, as short lines."""
    who = {"customer": _("What the customer must do"), "us": _("What we must do")}
    found = [str(who.get(channel.owner, _("What the customer or we must do")))]
    if channel.providers:
        names = [kinds.PROVIDERS[key].name if key in kinds.PROVIDERS else key for key in channel.providers]
        found.append(_("at %s") % ", ".join(names))
    if channel.kinds:
        labels = [str(Component.Kind(kind).label) for kind in channel.kinds if kind in Component.Kind.values]
        found.append(_("of the kinds: %s") % ", ".join(labels))
    if channel.metadata:
        pairs = ", ".join(f"{key}={value}" for key, value in channel.metadata.items())
        found.append(_("with %s") % pairs)
    if not channel.recoveries:
        found.append(_("no recoveries"))
    if channel.remind_every:
        found.append(_("again every %d h") % channel.remind_every)
    return found
