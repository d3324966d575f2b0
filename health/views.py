"""Where the page of a component is."""

from django.urls import reverse

from health.models import Component


def page_url(component: Component) -> str:
    """The address of its page in the console."""
    return reverse("health_component", args=[component.pk])
