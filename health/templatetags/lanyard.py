"""How status and time are shown, on every page alike."""

from datetime import datetime

from django import template
from django.utils import formats, timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince
from django.utils.translation import gettext as _

from health.models import Component
from health.status import Status

register = template.Library()

BADGE = (
    '<span class="badge badge-{}"><span class="material-symbols-outlined" aria-hidden="true">{}</span>{}</span>'
)


@register.filter
def badge(component: Component) -> SafeString:
    """The status of a component as colour, icon and words. One that nobody ever checked says so instead."""
    status = Status(component.status)
    if status is Status.HEALTHY and not component.checked:
        return format_html(BADGE, "grey", "pending", _("Not checked yet"))
    return format_html(BADGE, status.colour, status.icon, status.label)


@register.filter
def next_step(component: Component) -> str:
    """What its owner should do."""
    if component.status == Status.HEALTHY and not component.checked:
        return _("Nobody has looked yet whether it works.")
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
