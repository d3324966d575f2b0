"""The matrix of rights: each role at each page, and at each act that changes something.

Who may stands in role_matrix.py. Whoever is not named is refused, and then not one row of the database
differs. A route, an action of a list or a command that is not in the tables yet fails the last tests.
"""

import io

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.core.management import call_command, get_commands
from django.db import transaction
from django.test import Client, RequestFactory
from django.urls import URLPattern, get_resolver, reverse

from credentials.kinds import KINDS
from credentials.models import AuditEvent, Credential
from health.management.base import actor
from health.models import Flip
from project import roles
from tests.conftest import act_as_tests
from tests.project.role_acts import ACTS
from tests.project.role_cast import difference, make_cast, make_world, state
from tests.project.role_commands import RUNS
from tests.project.role_matrix import (
    ACTIONS,
    COLUMNS,
    COMMANDS,
    COMMANDS_APART,
    NOT_TAKEN,
    OPEN,
    PAGES,
    SENT,
    SHOWN,
    SIDEBAR,
    STAFF,
    WHO_MAY,
)

pytestmark = pytest.mark.django_db


def patterns(resolver=None, prefix=""):
    for entry in (resolver or get_resolver()).url_patterns:
        path = prefix + str(entry.pattern)
        if isinstance(entry, URLPattern):
            yield path, entry.name
        else:
            yield from patterns(entry, path)


def routes():
    """Each name of the table with the routes that it stands for; kinds are named together."""
    models = {kind._meta.model_name for kind in KINDS.values()}
    found = {}
    for path, name in patterns():
        if not name:
            name = {"admin/(?P<url>.*)$": "catch_all"}.get(path, path)
        if name.endswith("/<path:object_id>/"):
            found.setdefault("old_address", []).append(name)
            continue
        parts = name.split("_")
        together = ["credentials", "kind", *parts[2:]] if len(parts) > 2 and parts[1] in models else parts
        found.setdefault("_".join(together), []).append(name)
    for app in ("health", "credentials", "auth"):
        found[f"app_list {app}"] = found["app_list"]
    found["autocomplete components"] = found["autocomplete people"] = found["autocomplete"]
    del found["app_list"], found["autocomplete"]
    return found


def addresses(page, cast):
    if page.startswith("app_list"):
        return [reverse("admin:app_list", args=[page.split()[1]])]
    if page.startswith("autocomplete"):
        asked = {
            "components": "app_label=health&model_name=component&field_name=cause",
            "people": "app_label=admin&model_name=logentry&field_name=user",
        }
        return [f"{reverse('admin:autocomplete')}?{asked[page.split()[1]]}"]
    names = routes()[page]
    if page in ("new_credential", "import_credentials"):
        return [reverse(page)]
    if page == "upload":
        return [reverse(page, args=[cast.upload.pk])]
    if page in (
        "home",
        "find",
        "find_leaked",
        "credentials",
        "jobs",
        "health_board",
        "rate_limits",
        "oauth_refused",
    ):
        return [reverse(page)]
    if page == "providers":
        return [reverse(page)]
    if page == "provider":
        return [reverse(page, args=["shopify"])]
    if page == "connect_new":
        return [reverse(page, args=["shopify_oauth2"])]
    if page == "deliveries":
        return [reverse(page, args=[cast.channel.pk])]
    if page in ("rate_limit", "credential", "replace_secret"):
        return [reverse(page, args=[cast.credential.pk])]
    if page == "job":
        return [reverse(page, args=[cast.job.pk])]
    if page in ("health_component", "health_act"):
        return [reverse(page, args=[cast.sync.pk, *(["report"] if page == "health_act" else [])])]
    if page == "old_address":
        return ["/" + name.replace("<path:object_id>", str(cast.credential.pk)) for name in names]
    if not page.endswith(("_change", "_history", "_delete", "_report")) or page == "password_change":
        return [reverse(f"admin:{name}") for name in names]
    rows = {"component": cast.sync, "oauthapp": cast.app, "user": cast.other, "group": cast.shift}
    rows |= {"channel": cast.channel, "credential": cast.credential}
    rows |= {"auditevent": cast.event, "flip": cast.flip}
    # The page of a kind, asked for a row of that kind.
    rows |= {type(row)._meta.model_name: row for row in (cast.credential, cast.shop)}
    return [
        reverse(f"admin:{name}", args=[rows[name.split("_")[1]].pk])
        for name in names
        if name.split("_")[1] in rows
    ]


@pytest.fixture(scope="module")
def world(django_db_setup, django_db_blocker):
    """Made once: each test works in a savepoint of this transaction, and is rolled back to here."""
    with pytest.MonkeyPatch.context() as patch, django_db_blocker.unblock(), transaction.atomic():
        act_as_tests(patch)
        yield make_world()
        transaction.set_rollback(True)


@pytest.fixture
def cast(world, request):
    return make_cast(request.getfixturevalue("role"), world)


def refused_at_the_door(response):
    return response.status_code == 302 and response.url.startswith("/admin/login/")


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("role", COLUMNS)
def test_who_sees_what(cast, role, page):
    found = addresses(page, cast)
    assert found
    for address in found:
        response = cast.client.get(address)
        if role in ("anonymous", "outsider"):
            assert refused_at_the_door(response), address
        elif role in PAGES[page].split():
            assert response.status_code in (200, 302) and not refused_at_the_door(response), address
        else:
            assert response.status_code == (404 if page.startswith("app_list") else 403), address


@pytest.mark.parametrize("act", WHO_MAY)
@pytest.mark.parametrize("role", COLUMNS)
def test_who_does_what(cast, role, act):
    before = state()
    response = ACTS[act](cast)
    changed = difference(before, state())
    if role in WHO_MAY[act].split() and act in SHOWN:
        assert response.status_code == 200 and bool(changed) is SHOWN[act]
        return
    if role in WHO_MAY[act].split():
        assert response.status_code == 302 and changed
        return
    assert changed == []
    if role in ("anonymous", "outsider"):
        assert refused_at_the_door(response)
    else:
        assert response.status_code in ((200, 302, 403) if act in NOT_TAKEN else (403,))


@pytest.mark.parametrize("role", STAFF.split())
def test_who_is_led_where(cast, role):
    request = RequestFactory().get("/admin/")
    request.user = cast.me
    items = [item for group in admin.site.get_sidebar_list(request) for item in group["items"]]
    shown = [str(item["title"]) for item in items if item["has_permission"]]
    assert shown == [title for title, who in SIDEBAR.items() if role in who.split()]


@pytest.mark.parametrize("role", [role for role in COLUMNS if role != "anonymous"])
def test_nobody_reveals_by_their_role(cast, role):
    with pytest.raises(PermissionDenied):
        Credential.objects.get(pk=cast.credential.pk).secret.reveal(
            actor=cast.me, reason="because I am an admin"
        )


@pytest.mark.parametrize("role", roles.ROLES)
def test_the_migration_gave_each_role_its_rights(role):
    held = Group.objects.get(name=role).permissions.values_list("content_type__app_label", "codename")
    assert sorted(".".join(one) for one in held) == sorted(roles.ROLES[role])


# --- commands: whoever may run them is not asked for a role, and is written down


def run_command(name, world, monkeypatch):
    """Run it; returns the new events, the new flips, and the tables that differ."""
    cast = make_cast("anonymous", world)
    cast.patch = monkeypatch
    arguments = RUNS[name](cast)
    call_command("verify_audit", stdout=io.StringIO())  # the events so far are in the chain
    events, flips = set(AuditEvent.objects.values_list("pk")), set(Flip.objects.values_list("pk"))
    before = state()
    call_command(name, *arguments, stdout=io.StringIO(), stderr=io.StringIO())
    new_events = [one for one in AuditEvent.objects.all() if (one.pk,) not in events]
    new_flips = [one for one in Flip.objects.all() if (one.pk,) not in flips]
    return new_events, new_flips, difference(before, state())


@pytest.mark.parametrize("command", [name for name, changes in COMMANDS.items() if changes])
def test_a_command_that_changes_something_is_recorded_by_name(world, monkeypatch, command):
    events, flips, changed = run_command(command, world, monkeypatch)
    assert changed
    found = {one.actor for one in (events or flips)}
    assert found == {actor()} and actor().startswith("cli:")


@pytest.mark.parametrize("command", [name for name, changes in COMMANDS.items() if not changes])
def test_a_command_that_shows_something_changes_nothing(world, monkeypatch, command):
    assert run_command(command, world, monkeypatch) == ([], [], [])


# --- the tables are whole


@pytest.mark.parametrize("route", OPEN)
def test_an_open_route_shows_nothing_of_the_database(route):
    addresses = {"catch_all": "/admin/nothing/of/this/name/"}
    addresses |= {name: f"/{name}" for name in ("livez", "readyz", "metrics")}
    addresses["oauth_callback"] = reverse("oauth_callback", args=["hubspot"])
    address = addresses.get(route) or reverse(f"admin:{route}")
    assert Client().get(address).status_code == OPEN[route]


def test_every_route_and_every_act_is_in_the_matrix():
    assert set(routes()) - set(OPEN) - set(SENT) == set(PAGES)
    assert set(SENT.values()) <= set(WHO_MAY)
    assert set(ACTS) == set(WHO_MAY)


def test_every_action_of_a_list_is_in_the_matrix():
    found = set()
    for model, page in admin.site._registry.items():
        # The theme has more places for actions than the menu above a list.
        for place in ("actions_list", "actions_row", "actions_detail", "actions_submit_line"):
            assert not getattr(page, place, None), f"{model.__name__}.{place} is not in the matrix"
        if model not in KINDS.values():
            found |= {f"{model._meta.label} {name}" for _call, name, _title in page._get_base_actions()}
    assert found == set(ACTIONS)
    assert set(ACTIONS.values()) <= set(WHO_MAY)


def test_every_command_is_in_the_matrix():
    ours = {name for name, app in get_commands().items() if app in ("project", "credentials", "health")}
    assert ours == set(COMMANDS) | set(COMMANDS_APART)
    assert set(RUNS) == set(COMMANDS)
