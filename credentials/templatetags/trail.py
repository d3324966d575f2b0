"""The audit trail on pages."""

from typing import Any

from django import template
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from credentials import audit_pages, audit_trail, audit_words
from credentials.audit_trail import Entry

register = template.Library()


@register.simple_tag(takes_context=True)
def trail_of(context: Any, subject: Any) -> dict[str, Any]:
    """A page of what happened to one row. Reasons and addresses are for those who may read the trail."""
    request = context["request"]
    found = audit_pages.shown(
        request, audit_trail.of(subject, health=request.user.has_perm("health.view_flip"))
    )
    return found | {"whole": request.user.has_perm("credentials.view_auditevent")}


@register.filter
def who(entry: Entry) -> str:
    return audit_words.who_words(entry.actor)


@register.filter
def narrowed_to(entry: Entry) -> str:
    """The address of all that the same actor did."""
    return reverse("admin:credentials_auditevent_changelist", query={"who": entry.actor})


@register.filter
def act(entry: Entry) -> SafeString:
    """What was done to which object, as a sentence whose object is a link where it has a page."""
    words = audit_words.thing_words(entry.type, "x" if entry.id else "", entry.label)
    if entry.page:
        thing = format_html('<a href="{}">{}</a>', entry.page, words)
    else:
        thing = format_html("<strong>{}</strong>", words)
    before, named, after = audit_words.sentence(entry.act, "\0").partition("\0")
    return format_html("{}{}{}", before, thing if named else "", after)


@register.filter
def fields(entry: Entry) -> list[str]:
    return audit_words.field_words(entry.act, entry.fields)


@register.filter
def title(entry: Entry) -> str:
    return audit_words.act_words(entry.act)
