"""The admin's pages as tests use them: addresses, what a form would send, who signs in."""

from typing import Any

from django import forms
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from credentials.kinds import KINDS
from credentials.models import Credential
from credentials.sealing import SecretFormField
from tests.factories import number, properties_of

LIST = "/admin/credentials/credential/"
CATALOGUE = "/credentials/new/"
APPS = "/admin/credentials/oauthapp/"
ADD_APP = "/admin/credentials/oauthapp/add/"
LIMIT = {"allowed_requests": "", "interval_0": "", "interval_1": "second", "max_concurrent_requests": ""}


def add_page(kind: str) -> str:
    return reverse(f"admin:credentials_{KINDS[kind]._meta.model_name}_add")


def page(row: Any, action: str = "change") -> str:
    return reverse(f"admin:credentials_{row._meta.model_name}_{action}", args=[row.pk])


def sent(values: dict[str, Any]) -> dict[str, Any]:
    """Values of fields as a browser sends them."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        if value is True:
            found[name] = "on"
        elif isinstance(value, list):
            found[name] = " ".join(value)
        elif value not in (None, False):
            found[name] = str(value)
    return found


def entries(kind: str, **overrides: Any) -> dict[str, Any]:
    """What a person enters to add a credential of a kind; None leaves a field out."""
    values = {"name": f"Entered {next(number)}", "metadata": ""} | properties_of(kind) | overrides
    return {**LIMIT, **sent(values)}


def form_of(response: Any) -> Any:
    return response.context["adminform"].form


def shown(client: Client, row: Any, **overrides: Any) -> dict[str, Any]:
    """What the change page of a row would send, with some entries changed; None empties an entry."""
    form = form_of(client.get(page(row)))
    found: dict[str, Any] = {}
    for bound in form:
        value = bound.value()
        if isinstance(bound.field, SecretFormField):
            found[bound.name] = ""
        elif isinstance(bound.field.widget, forms.MultiWidget):
            for position, part in enumerate(bound.field.widget.decompress(value) or []):
                found[f"{bound.name}_{position}"] = "" if part is None else part
        elif not isinstance(bound.field.widget, forms.CheckboxInput):
            found[bound.name] = "" if value is None else value
        elif value:
            found[bound.name] = "on"
    for name in overrides:
        found.pop(name, None)
    return {**found, **sent(overrides)}


def problems(response: Any) -> dict[str, str]:
    """What the page says is wrong, by field."""
    assert response.status_code == 200, response
    return {name: " ".join(messages) for name, messages in form_of(response).errors.items()}


def added(client: Client, kind: str, **overrides: Any) -> Any:
    """The credential that the form of a kind creates."""
    before = set(Credential.everything.values_list("pk", flat=True))
    response = client.post(add_page(kind), entries(kind, **overrides))
    assert response.status_code == 302, problems(response)
    return Credential.objects.exclude(pk__in=before).get()


def staff(*permissions: str) -> User:
    """A member of the staff with rights on credentials and OAuth apps: staff("view_credential")."""
    user = User.objects.create_user(f"staff{next(number)}", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    assert user.user_permissions.count() == len(permissions)
    return user


def client_of(user: User | None) -> Client:
    client = Client()
    if user:
        client.force_login(user)
    return client
