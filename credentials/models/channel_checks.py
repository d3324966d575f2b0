"""What must hold of a channel before it is stored."""

import re
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils.translation import gettext_lazy as _

from credentials import egress
from health.models import Component

if TYPE_CHECKING:
    from credentials.models.channel import Channel

# As libraries for Standard Webhooks take it: base64 of 24 to 64 bytes.
SIGNING_SECRET = re.compile(r"whsec_(?:[A-Za-z0-9+/]{4}){8,21}(?:[A-Za-z0-9+/]{2,4}={0,2})?", re.ASCII)
NEEDED = {"email": {"addresses"}, "slack": {"url"}, "webhook": {"url", "signing_secret"}}


def check(channel: "Channel") -> None:
    """Raise ValidationError, by field, for what cannot be right. Takes the host from a new URL."""
    if channel.way not in NEEDED:
        raise ValidationError(_("A channel is one of: %s.") % ", ".join(NEEDED))
    needed, errors = NEEDED[channel.way], {}
    for name, problem in (
        ("addresses", _wrong_addresses),
        ("url", _wrong_url),
        ("signing_secret", _wrong_signing_secret),
    ):
        if name in needed:
            errors[name] = problem(channel)
        elif getattr(channel, name):
            errors[name] = _("This way has none: leave it empty.")
    if unknown := set(channel.kinds) - set(Component.Kind.values):
        errors["kinds"] = _("There is no such kind: %s.") % ", ".join(sorted(unknown))
    if not all(isinstance(value, str) for value in channel.metadata.values()):
        errors["metadata"] = _("Each entry is a text: customer_id=acme.")
    if found := {name: message for name, message in errors.items() if message}:
        raise ValidationError(found)


def _wrong_addresses(channel: "Channel") -> Any:
    if not channel.addresses:
        return _("Enter at least one address.")
    for position, address in enumerate(channel.addresses, start=1):
        try:
            validate_email(address)
        except ValidationError:
            return _("Address %d is no e-mail address.") % position
    return None


def _wrong_url(channel: "Channel") -> Any:
    url, hosts = channel.fresh("url"), settings.NOTIFICATION_HOSTS
    if url is None:
        return None if channel.url else _("Enter the URL.")
    try:
        egress.check_url(url, hosts)
    except egress.EgressError:
        if not hosts:
            return _("No host is approved yet. Whoever runs Lanyard names those in NOTIFICATION_HOSTS.")
        return _("This must be an https address, without a port, at one of the approved hosts: %s.") % (
            ", ".join(hosts)
        )
    channel.host = re.split("[/?#]", url.removeprefix("https://"), maxsplit=1)[0]
    return None


def _wrong_signing_secret(channel: "Channel") -> Any:
    if not channel.signing_secret:
        return _("Enter the signing secret.")
    secret = channel.fresh("signing_secret")
    if secret is not None:
        right = SIGNING_SECRET.fullmatch(secret) and len(secret.removeprefix("whsec_")) % 4 == 0
        return None if right else _("It is whsec_ and the base64 text of 24 to 64 random bytes.")
    if channel.fresh("url") is not None:
        return _("Enter it again: the URL has changed, and the stored secret belongs to the old one.")
    return None
