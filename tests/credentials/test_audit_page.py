"""The page of the audit trail: what it shows, how it is narrowed, and what it costs."""

import re
from pathlib import Path

import pytest
from django.contrib.auth.models import Group, User
from django.urls import reverse

from credentials import audit, audit_admin
from credentials.models import AuditEvent
from tests.credentials.admin_pages import client_of, page, staff
from tests.factories import make_credential, make_oauth_app

pytestmark = pytest.mark.django_db

LIST = reverse("admin:credentials_auditevent_changelist")
# Session, user, the page, its number, and one for each of the four types of objects.
QUERIES = 8


def text(client, query=""):
    response = client.get(f"{LIST}?{query}")
    assert response.status_code == 200
    return response.content.decode()


def labels(client, query=""):
    response = client.get(f"{LIST}?{query}")
    assert response.status_code == 200, response
    return [event.object_label for event in response.context["cl"].result_list]


def event_page(event):
    return reverse("admin:credentials_auditevent_change", args=[event.pk])


@pytest.fixture
def auditor():
    return client_of(staff("view_auditevent", "view_credential"))


def test_a_row_says_who_did_what_to_what(auditor):
    credential = make_credential(name="Spice Bazaar")
    audit.record(
        "reveal", credential, actor="user:ada", fields=["secret"], reason="The customer lost their copy"
    )
    html = text(auditor)
    for words in (
        *("user:ada", "Secret revealed", "Spice Bazaar", "Credential", ">secret<"),
        *("The customer lost their copy", "just now", "title="),
    ):
        assert words in html
    assert f'href="{reverse("admin:credentials_credential_change", args=[credential.pk])}"' in html


def test_what_is_gone_or_not_for_this_person_is_no_link(auditor):
    gone, app = make_credential(name="Gone"), make_oauth_app(name="App")
    gone.delete()
    html = text(auditor)
    assert "Gone" in html and "App" in html
    assert f"/{gone.pk}/change/" not in html
    assert f"/{app.pk}/change/" not in html


def test_people_and_groups_are_linked_for_who_may_see_them(admin_client, auditor):
    user, group = User.objects.create_user("grace"), Group.objects.create(name="crew")
    for row in (user, group):
        audit.record("create", row)
    links = [reverse(f"admin:auth_{row._meta.model_name}_change", args=[row.pk]) for row in (user, group)]
    assert all(link in text(admin_client) for link in links)
    assert not any(link in text(auditor) for link in links)


@pytest.mark.parametrize("object_id", ["x", "", "9" * 40, "-1", "é", "1.5"])
def test_an_object_without_a_usable_id_is_shown(admin_client, object_id):
    for kind in ("credential", "oauth_app", "user", "group", "something_new"):
        AuditEvent.objects.create(
            actor="a", action="odd_act", object_type=kind, object_id=object_id, object_label=f"<b>{kind}"
        )
    html = text(admin_client)
    assert "Odd act" in html and "Something new" in html
    assert "&lt;b&gt;user" in html and "<b>user" not in html


@pytest.mark.parametrize("query", ["action=delete", "type=oauth_app&action=delete", "q=App+two+user:bo"])
def test_filters_and_search_narrow_the_list(auditor, query):
    make_credential(name="Kept")
    app = make_oauth_app(name="App two")
    with audit.acting("user:bo"):
        app.delete()
    assert labels(auditor, query) == ["App two"]


def test_the_type_narrows_the_list(auditor):
    make_credential(name="One")
    make_oauth_app(name="Two")
    assert labels(auditor, "type=credential") == ["One"]
    assert labels(auditor, "type=oauth_app") == ["Two"]


def test_the_search_finds_letters_beyond_ascii_as_they_are_written(auditor):
    make_credential(name="Überseering")
    make_credential(name="Other")
    assert labels(auditor, "q=Übersee") == ["Überseering"]


def test_events_of_one_click_are_found_together(auditor):
    with audit.acting("user:bo") as who:
        make_credential(name="One")
        make_credential(name="Two")
    make_credential(name="Later")
    assert sorted(labels(auditor, f"request={who.request_id}")) == ["One", "Two"]
    assert len(labels(auditor, "request=garbage")) == 3
    html = auditor.get(event_page(AuditEvent.objects.get(object_label="One"))).content.decode()
    assert f"{LIST}?request={who.request_id}" in html


def test_the_newest_stands_first_fifty_on_a_page(auditor):
    for index in range(51):
        make_credential("github_app", name=f"{index:02}")
    assert labels(auditor)[:2] == ["50", "49"]
    assert len(labels(auditor)) == 50
    assert labels(auditor, "p=2") == ["00"]


@pytest.mark.parametrize("rows", [1, 60])
def test_the_list_costs_the_same_queries_at_any_length(admin_client, django_assert_num_queries, rows):
    for index in range(rows):
        make_credential("github_app")
        make_oauth_app()
        audit.record("create", User.objects.create_user(f"user{index}"))
        audit.record("create", Group.objects.create(name=f"group{index}"))
    with django_assert_num_queries(QUERIES):
        admin_client.get(LIST)


def test_an_event_shows_where_it_came_from_and_its_place_in_the_chain(auditor):
    with audit.acting("user:bo", address="192.0.2.7"):
        make_credential()
    audit.chain()
    event = AuditEvent.objects.get()
    html = auditor.get(event_page(event)).content.decode()
    for words in ("192.0.2.7", event.hash, "user:bo", "Created"):
        assert words in html
    assert "<textarea" not in html and 'name="actor"' not in html


def test_an_empty_trail_says_what_will_stand_here(auditor):
    html = text(auditor)
    assert "Nothing has happened yet" in html and "Never a value" in html
    assert "Clear search and filters" in text(auditor, "q=x")


def test_the_sidebar_leads_there_for_those_who_may(auditor):
    assert LIST in auditor.get("/admin/credentials/credential/").content.decode()
    viewer = client_of(staff("view_credential"))
    assert LIST not in viewer.get("/admin/credentials/credential/").content.decode()


def test_the_page_of_a_credential_is_not_the_trail_of_a_viewer():
    credential = make_credential()
    viewer = client_of(staff("view_credential"))
    assert viewer.get(page(credential)).status_code == 200
    for address in (LIST, event_page(AuditEvent.objects.first())):
        assert viewer.get(address).status_code == 403


def test_every_act_that_the_code_records_reads_as_words():
    root = Path(audit.__file__).parent.parent
    files = [path for app in ("credentials", "project") for path in (root / app).rglob("*.py")]
    source = "".join(path.read_text() for path in files)
    acts = set(re.findall(r'audit\.(?:record|event)\(\s*"(\w+)"', source)) | {"replace_secret", "restore"}
    assert {"create", "change", "delete", "set_password"} <= acts
    assert acts <= set(audit_admin.ACTIONS)
