"""Addresses of health's pages, and somebody who may do just so much."""

from django.contrib.auth.models import Permission, User
from django.urls import reverse

LIST = reverse("admin:health_component_changelist")
FLIPS = reverse("admin:health_flip_changelist")
ADD = reverse("admin:health_component_add")


def page(component, what=""):
    """Its page in the console; or, of the back office, the one to "change" or "delete" it."""
    if what:
        return reverse(f"admin:health_component_{what}", args=[component.pk])
    return reverse("health_component", args=[component.pk])


def act(component, name):
    return reverse("health_act", args=[component.pk, name])


def client_with(client, *codenames):
    user = User.objects.create_user("bo", password="x", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client.force_login(user)
    return client
