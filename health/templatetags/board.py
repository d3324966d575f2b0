"""How the board and the pages of components show things."""

from datetime import datetime

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from health import providers
from health.models import Component
from health.status import Status
from health.templatetags.lanyard import span

register = template.Library()

SIGN = (
    '<span class="hb-sign hb-{}" title="{}">'
    '<span class="material-symbols-outlined" aria-hidden="true">{}</span>'
    '<span class="hb-hidden">{}</span></span> '
)


@register.filter
def number(value: int) -> str:
    """A whole number with its thousands apart: 1,234,567."""
    return f"{value:,}"


@register.filter
def provider_name(key: str) -> str:
    return providers.name(key)


@register.filter
def sign(component: Component) -> SafeString:
    """The status of a component as colour and icon, its words on hover and for those who hear the page."""
    status = Status(component.status)
    tone, icon, words = status.colour, status.icon, str(status.label)
    if component.paused:
        tone, icon, words = "grey", "pause_circle", _("Paused")
    elif not component.checked:
        tone, icon, words = "grey", "pending", _("Unknown")
    return format_html(SIGN, tone, words, icon, words)


@register.filter
def who(actor: str) -> str:
    """An actor as people read it; the code keeps `user:ada`, `cli:ops@host`, "" for what the checks found."""
    return actor.removeprefix("user:")


@register.filter
def ahead_of(earlier: datetime, later: datetime) -> str:
    """By how much a time was before another, in words."""
    return span(later - earlier)
