"""Every address that the admin knows for credentials and apps, as each role: no secret in any answer."""

from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from django.urls import URLPattern, get_resolver

from credentials.kinds import KINDS
from tests import canary
from tests.credentials.admin_pages import client_of, page, shown, staff
from tests.credentials.kind_facts import FACTS
from tests.factories import make_credential, make_oauth_app

pytestmark = pytest.mark.django_db

VIEWER = ("view_credential", "view_oauthapp")
# Pages of the console that show all rows.
CONSOLE = ("", "credentials/new/", "credentials/import/", "jobs/", "rate-limits/")
# What can be asked of any of these addresses.
QUERIES = ("", "?_popup=1&_to_field=id&q=a&o=1&_changelist_filters=kind%3Dstripe_key")


def patterns(resolver=None, prefix="") -> Iterator[str]:
    for entry in (resolver or get_resolver()).url_patterns:
        path = prefix + str(entry.pattern)
        if isinstance(entry, URLPattern):
            yield path
        else:
            yield from patterns(entry, path)


def addresses(rows) -> list[str]:
    found = []
    for path in patterns():
        if path.startswith("credentials/<uuid:pk>/"):
            keys = [row.pk for row in rows if row._meta.model_name != "oauthapp"]
            found += [path.replace("<uuid:pk>", str(key)) for key in keys]
        if not path.startswith("admin/"):
            found += [path] if path in CONSOLE else []
            continue
        if "<path:object_id>" in path or "<id>" in path:
            model = path.split("/")[2]
            names = {row._meta.model_name for row in rows}
            keys = [row.pk for row in rows if row._meta.model_name == model or model not in names]
            found += [path.replace("<path:object_id>", str(key)).replace("<id>", str(key)) for key in keys]
        elif "<" not in path and "(?P" not in path:
            found.append(path)
    return [f"/{path}" for path in found]


@pytest.fixture
def core():
    """A text that stands in every secret of the database."""
    return canary.make()


@pytest.fixture
def rows(core):
    secret_of = {
        kind: {name: f"{FACTS[kind].begins}{name}-{core}" for name in FACTS[kind].secrets} for kind in KINDS
    }
    secret_of["linear_oauth2"]["refresh_token"] = f"refresh_token-{core}"
    credentials = [make_credential(kind, **secret_of[kind]) for kind in KINDS]
    apps = [
        make_oauth_app("hubspot", client_secret=f"client-{core}"),
        make_oauth_app("github", client_secret=f"github-{core}", private_key=f"-----BEGIN {core}"),
    ]
    return credentials + apps


def told(core, response):
    head = "\n".join(f"{name}: {value}" for name, value in response.items())
    cookies = response.cookies.output()
    return canary.find(core, response.content) + canary.find(core, head) + canary.find(core, cookies)


@pytest.mark.parametrize("role", ["superuser", "viewer", "changer", "nobody"])
def test_no_page_tells_a_secret(rows, core, role):
    users = {
        "superuser": lambda: User.objects.create_superuser("root"),
        "viewer": lambda: staff(*VIEWER),
        "changer": lambda: staff(*VIEWER, "change_credential", "change_oauthapp"),
        "nobody": lambda: None,
    }
    client = client_of(users[role]())
    seen = 0
    for address in addresses(rows):
        for query in QUERIES if role == "superuser" else QUERIES[:1]:
            response = client.get(address + query)
            assert response.status_code < 500, address
            assert told(core, response) == [], address
            seen += response.status_code == 200
    assert seen > (0 if role == "nobody" else 40)


def test_the_crawl_reaches_every_kind(rows):
    found = addresses(rows)
    for row in rows:
        for action in ("change", "delete", "history"):
            assert page(row, action) in found
    assert {"/", f"/credentials/{rows[0].pk}/", f"/credentials/{rows[0].pk}/secret/"} <= set(found)


def test_no_answer_to_a_save_tells_a_secret(rows, core, admin_client):
    for row in rows:
        for changes in ({"name": "Renamed"}, {"name": "", "metadata": "{"}):
            response = admin_client.post(page(row), shown(admin_client, row, **changes), follow=True)
            assert told(core, response) == [], page(row)


def test_the_database_holds_no_secret_after_pages_were_used(rows, core, admin_client):
    for row in rows:
        admin_client.post(page(row), shown(admin_client, row, name=f"Renamed {row.pk}"))
        admin_client.get(page(row, "history"))
    assert canary.leaks([core], canary.database()) == []
