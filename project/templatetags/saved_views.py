"""The views that a person saved of a list, as tabs above it."""

from typing import Any

from django import template
from django.urls import reverse

from project.models import SavedView

register = template.Library()


@register.inclusion_tag("saved_views.html", takes_context=True)
def saved_views(context: Any, page: str, query: str) -> dict[str, Any]:
    """The saved views of a list, with the one that it shows: `query` is what it is narrowed by, in its one
    written form."""
    request = context["request"]
    views = list(SavedView.objects.filter(user=request.user.pk, page=page).order_by("created_at", "pk"))
    return {
        "csrf_token": context.get("csrf_token"),
        "page": page,
        "address": reverse(page),
        "query": query,
        "views": views,
        "current": next((view for view in views if view.query == query), None),
        "full": len(views) >= SavedView.MOST,
    }
