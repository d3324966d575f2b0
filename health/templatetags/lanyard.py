"""How status and time are shown, on every page alike."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django import template
from django.utils import formats, timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince
from django.utils.translation import gettext as _

from health import providers
from health.models import Component
from health.status import Status

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

register = template.Library()

BADGE = (
    '<span class="badge badge-{}">'
    '<span class="material-symbols-outlined" aria-hidden="true">{}</span>{}</span>'
)


@register.filter
def badge(component: Component) -> SafeString:
    """The status of a component as colour, icon and words. One that is paused, or that nobody ever checked,
    says so instead."""
    if component.paused:
        return format_html(BADGE, "grey", "pause_circle", _("Paused"))
    if component.in_doubt:
        return format_html(BADGE, "grey", "pending", _("Waiting for a check"))
    if component.status == Status.HEALTHY and not component.checked:
        words = _("Not checked yet") if component.heard_at is None else _("No clear result yet")
        return format_html(BADGE, "grey", "pending", words)
    return badge_of(component.status, component)


@register.filter
def status_badge(value: str) -> SafeString:
    """A status by its value, as colour, icon and words."""
    status = Status(value)
    return format_html(BADGE, status.colour, status.icon, status.label)


@register.filter
def badge_of(value: str, component: Component) -> SafeString:
    """A status of this component. A provider that fails has an incident: that is nobody's turn."""
    if component.kind == Component.Kind.PROVIDER and value != Status.HEALTHY:
        return format_html(BADGE, "amber", "cloud_off", _("Incident"))
    return status_badge(value)


@register.filter
def provider_name(key: str) -> str:
    """What people call a provider, by its key."""
    return providers.name(key)


@register.filter
def colour(value: str) -> str:
    """The name of the colour of a status, by its value."""
    return Status(value).colour


@register.filter
def step(value: str) -> "StrOrPromise":
    """What the owner of a status should do, by the value of the status."""
    return Status(value).next_step


@register.filter
def next_step(component: Component) -> "StrOrPromise":
    """What its owner should do."""
    if component.paused:
        return _("Nothing checks it until the pause ends.")
    if component.in_doubt:
        return _("Its secret was replaced, or its pause has ended: the next check shows how it is.")
    if component.status == Status.HEALTHY and not component.checked:
        if component.heard_at is None:
            return _("Nobody has looked yet whether it works.")
        return _("It was looked at, without an answer that tells whether it works.")
    return Status(component.status).next_step


@register.filter
def moment(when: datetime | None) -> SafeString | str:
    """A time as people say it, with the exact one on hover."""
    if when is None:
        return _("never")
    exact = formats.date_format(timezone.localtime(when), "j F Y, H:i:s T")
    ago = timesince(when, depth=1)
    words = _("just now") if ago.startswith("0") else _("%s ago") % ago
    return format_html('<time datetime="{}" title="{}">{}</time>', when.isoformat(), exact, words)


@register.filter
def span(length: timedelta) -> str:
    """A length of time in its two largest units: "3 d 4 h"; "–" for none. Less than a second is "< 1 s"."""
    if not length:
        return "–"
    seconds = int(length.total_seconds())
    found: list[str] = []
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        amount, seconds = divmod(seconds, size)
        if amount or found:
            found.append(f"{amount} {unit}" if amount else "")
    return " ".join(filter(None, found[:2])) or "< 1 s"
