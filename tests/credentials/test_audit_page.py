"""The pages of the audit trail: what they show, how they are narrowed, and what they cost."""

import re
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from credentials import audit, audit_words
from credentials.models import AuditEvent, OAuthApp
from health import reports
from health.models import Component, Note
from tests.credentials.admin_pages import client_of, page, staff
from tests.factories import make_credential, make_oauth_app

pytestmark = pytest.mark.django_db

LIST = reverse("admin:credentials_auditevent_changelist")
# Session, user; events, flips, notes; and one for each of the five types of objects.
QUERIES = 10


def shown(client, query=""):
    """The entries of a page, newest first."""
    response = client.get(f"{LIST}?{query}")
    assert response.status_code == 200, response
    return [entry for _day, entries in response.context["days"] for entry in entries]


def text(client, query="", address=LIST):
    response = client.get(f"{address}?{query}")
    assert response.status_code == 200
    return response.content.decode()


def labels(client, query=""):
    return [entry.label for entry in shown(client, query)]


def event_page(event):
    return reverse("admin:credentials_auditevent_change", args=[event.pk])


def pressed(client, address, word):
    """The address behind a link of the page."""
    found = re.search(rf'href="(\?[^"]*)"[^>]*>{word}<', client.get(address).content.decode())
    return found and LIST + found[1].replace("&amp;", "&")


@pytest.fixture
def auditor():
    return client_of(staff("view_auditevent", "view_credential", "view_flip", "view_component"))


# --- what a row says


def test_a_row_says_who_did_what_to_what(auditor):
    credential = make_credential(name="Spice Bazaar")
    audit.record(
        "reveal", credential, actor="user:ada", fields=["secret"], reason="The customer lost their copy"
    )
    html = text(auditor)
    for words in (">ada</a>", "revealed a secret of", "credential “Spice Bazaar”", "<span>secret</span>"):
        assert words in html
    assert "The customer lost their copy" in html and 'title="user:ada"' in html
    assert f'href="{reverse("admin:credentials_credential_change", args=[credential.pk])}"' in html


def test_an_act_without_an_object_names_none(auditor):
    audit.record("sign_in", User.objects.create_user("grace"), actor="user:grace")
    html = text(auditor)
    assert "signed in</p>" in html and "“grace”" not in html


def test_days_stand_apart_in_the_time_zone_of_the_installation(auditor, settings):
    settings.TIME_ZONE = "Asia/Tokyo"
    for hour in (14, 16):
        when = datetime.fromisoformat(f"2026-03-01T{hour}:30:00+00:00")
        AuditEvent.objects.create(
            time=when, actor="user:a", action="create", object_type="user", object_id="1", object_label="x"
        )
    html = text(auditor)
    assert html.index("Monday, 2 March 2026") < html.index("01:30:00")
    assert html.index("Sunday, 1 March 2026") < html.index("23:30:00")
    assert len(shown(auditor, "day=2026-03-01")) == len(shown(auditor, "day=2026-03-02")) == 1


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
    for kind in ("credential", "oauth_app", "user", "group", "component", "something_new"):
        AuditEvent.objects.create(
            actor="<i>a", action="<u>%s{0}", object_type=kind, object_id=object_id, object_label=f"<b>{kind}"
        )
    html = text(admin_client)
    assert "something new “&lt;b&gt;something_new”" in html or not object_id
    assert "&lt;b&gt;user" in html
    assert not re.search("<b>user|<i>a|<u>%", html)


def test_every_act_and_type_that_the_code_records_reads_as_words():
    root = Path(audit.__file__).parent.parent
    files = [path for app in ("credentials", "project") for path in (root / app).rglob("*.py")]
    source = "".join(path.read_text() for path in files)
    acts = set(re.findall(r'audit\.(?:record|event)\(\s*"(\w+)"', source)) | {"replace_secret", "restore"}
    assert {"create", "change", "delete", "set_password", "sign_in", "sign_in_failed", "run"} <= acts
    assert acts <= set(audit_words.ACTS)


# --- health's own record


@pytest.fixture
def target():
    return Component.objects.create(kind="target", name="orders-db")


def test_reports_and_notes_stand_between_the_events(auditor, target):
    make_credential(name="Before")
    reports.report(target, "customer_intervention", actor="user:ada", note="Disk full", code="disk_full")
    Note.objects.write(target, "Called them", actor="user:bo")
    make_credential("shopify_oauth2", name="After")
    found = [(entry.actor, entry.act, entry.label, entry.said) for entry in shown(auditor)]
    assert found == [
        ("cli:tests@localhost", "create", "After", ""),
        ("user:bo", "note", "Target orders-db", "Called them"),
        ("user:ada", "report", "Target orders-db", "Healthy → Customer must act: Disk full"),
        ("cli:tests@localhost", "create", "Before", ""),
    ]
    link = reverse("health_component", args=[target.pk])
    assert text(auditor).count(f'href="{link}"') == 2


def test_what_followed_from_a_report_is_not_listed_and_what_nobody_did_neither(auditor, target):
    sync = Component.objects.create(kind="sync", name="orders")
    sync.rewire([target])
    reports.report(target, "customer_intervention", actor="user:ada", code="disk_full")
    assert sync.flips.count() == 1
    assert labels(auditor) == ["Target orders-db"]
    sync.flips.update(actor="")
    target.flips.update(actor="")
    assert labels(auditor) == []


def test_a_report_that_changed_nothing_is_there_by_its_note(auditor, target):
    for _ in range(2):
        reports.report(target, "customer_intervention", actor="user:ada", note="Full", code="disk_full")
    reports.report(target, "customer_intervention", actor="user:bo", note="Still full", code="disk_full")
    found = [(entry.actor, entry.act, entry.said) for entry in shown(auditor)]
    assert found[0] == ("user:bo", "note", "Still full")
    assert found[-1] == ("user:ada", "report", "Healthy → Customer must act: Full")


def test_a_report_of_something_older_says_since_when(auditor, target):
    began = timezone.now() - timedelta(days=2)
    reports.report(target, "customer_intervention", actor="user:ada", code="disk_full", at=began)
    assert f"(since {timezone.localtime(began):%Y-%m-%d %H:%M})" in shown(auditor)[0].said


def test_who_may_not_see_flips_sees_none_here(target):
    reports.report(target, "customer_intervention", actor="user:ada", code="disk_full")
    make_credential(name="One")
    assert labels(client_of(staff("view_auditevent"))) == ["One"]


# --- narrowing


@pytest.fixture
def some(target):
    with audit.acting("user:bo") as who:
        make_credential(name="Überseering")
        make_oauth_app(name="App two").delete()
    with audit.acting("user:ada"):
        make_credential("shopify_oauth2", name="Other")
    reports.report(target, "customer_intervention", actor="cli:ops@host", code="disk_full")
    return who


@pytest.mark.parametrize(
    ("query", "found"),
    {
        "": ["Target orders-db", "Other", "App two", "App two", "Überseering"],
        "who=bo": ["App two", "App two", "Überseering"],
        "who=user:bo": ["App two", "App two", "Überseering"],
        "who=cli:ops@host": ["Target orders-db"],
        "who=b": [],
        "what=delete": ["App two"],
        "what=report": ["Target orders-db"],
        "what=note": [],
        "type=oauth_app": ["App two", "App two"],
        "type=component": ["Target orders-db"],
        "type=oauth_app&what=create": ["App two"],
        "object=Übersee": ["Überseering"],
        "object=app": ["App two", "App two"],
        "object=orders": ["Target orders-db"],
        "source=browser": ["Other", "App two", "App two", "Überseering"],
        "source=command": ["Target orders-db"],
        "source=worker": [],
        "day=2020-01-01": [],
    }.items(),
)
def test_filters_narrow_the_list(auditor, some, query, found):
    assert labels(auditor, query) == found


def test_an_object_is_found_by_its_id(auditor, some, target):
    app = AuditEvent.objects.filter(object_type="oauth_app").first()
    assert labels(auditor, f"object={app.object_id}") == ["App two", "App two"]
    assert labels(auditor, f"object={target.pk}") == ["Target orders-db"]
    user = User.objects.create_user("grace")
    audit.record("create", user)
    assert labels(auditor, f"object={user.pk}") == ["grace"]


def test_today_is_a_day(auditor, some):
    assert len(shown(auditor, f"day={timezone.localdate()}")) == 5


def test_events_of_one_click_are_found_together(auditor, some):
    assert labels(auditor, f"request={some.request_id}") == ["App two", "App two", "Überseering"]
    html = text(auditor, address=event_page(AuditEvent.objects.get(object_label="Überseering")))
    assert f"{LIST}?request={some.request_id}" in html
    assert "Only what was done with one click" in text(auditor, f"request={some.request_id}")


@pytest.mark.parametrize(
    "query",
    [
        *("request=garbage", "day=yesterday", "day=2026-02-30", "what=nothing", "type=x", "source=x"),
        *("before=x", "before=~~", "before=2026-01-01T00:00:00~0~1", "after=9999-99-99~0~x"),
        *("before=2026-01-01T00:00:00%2B00:00~1~" + "9" * 40, "before=0001-01-01T00:00:00%2B00:00~1~1"),
        *("before=2026-01-01T00:00:00%2B00:00~7~1", "before=~1~" + "9" * 40, "who=" + "a" * 60_000),
        *("object=%25", "object=_", "p=2", "x=1"),
        *("object=" + "9" * 300, "day=0001-01-01", "day=9999-12-31", "page=-1", "request=" + "9" * 99),
    ],
)  # fmt: skip
def test_a_strange_address_is_answered(auditor, some, query):
    assert auditor.get(f"{LIST}?{query}").status_code == 200


def test_what_cannot_be_read_is_said_and_narrows_nothing(auditor, some):
    assert len(shown(auditor, "day=yesterday")) == 5
    assert "Enter a valid date" in text(auditor, "day=yesterday")
    assert "names no click or command" in text(auditor, "request=garbage")


# --- one page after the other


def test_pages_go_on_and_back_without_a_gap(auditor, target):
    for _ in range(12):
        # Ten of one moment, on the clock of the database.
        audit.record_all(audit.event("run", audit.Named("command", "x", f"{n}")) for n in range(10))
    times = list(AuditEvent.objects.order_by("time").values_list("time", flat=True))[5::12]
    for n, time in enumerate(times):
        note = Note.objects.write(target, f"note {n}", actor="user:a")
        Note.objects.filter(pk=note.pk).update(last_seen=time)
    wanted = [entry.place for entry in shown(auditor)]
    address, pages = LIST, []
    while address:
        pages.append(shown(auditor, address.partition("?")[2]))
        address = pressed(auditor, address, "Older")
    assert [len(one) for one in pages] == [50, 50, 30]
    places = [entry.place for one in pages for entry in one]
    assert places == sorted(places, reverse=True) and len(set(places)) == 130
    assert [entry.place for entry in pages[0]] == wanted
    last = f"{LIST}?before={str(pages[1][-1].place).replace('+', '%2B')}"
    back = pressed(auditor, last, "Newer")
    assert [entry.place for entry in shown(auditor, back.partition("?")[2])] == [e.place for e in pages[1]]
    first = pressed(auditor, back, "Newer")
    assert [entry.place for entry in shown(auditor, first.partition("?")[2])] == wanted
    assert pressed(auditor, first, "Newer") is None
    assert pressed(auditor, last, "Newest") == f"{LIST}?"


def test_turning_the_page_keeps_the_filters(auditor):
    for index in range(51):
        make_credential("github_app", name=f"{index:02}")
    make_oauth_app()
    older = pressed(auditor, f"{LIST}?type=credential", "Older")
    assert labels(auditor, older.partition("?")[2]) == ["00"]


@pytest.mark.parametrize("rows", [1, 60])
def test_the_list_costs_the_same_queries_at_any_length(admin_client, django_assert_num_queries, rows):
    for index in range(rows):
        make_credential("github_app")
        app = make_oauth_app()
        audit.record("create", User.objects.create_user(f"user{index}"))
        audit.record("create", Group.objects.create(name=f"group{index}"))
        reports.report(app.component, "sequin_intervention", actor="user:a", code="broken")
        Note.objects.write(app.component, "Seen", actor="user:a")
    with django_assert_num_queries(QUERIES):
        admin_client.get(LIST)


# --- one event, and the history of one object


def test_an_event_shows_where_it_came_from_and_its_place_in_the_chain(auditor):
    with audit.acting("user:bo", address="192.0.2.7"):
        make_credential()
    audit.chain()
    event = AuditEvent.objects.get()
    html = text(auditor, address=event_page(event))
    for words in ("192.0.2.7", event.hash, "user:bo", "Created", f"object={event.object_id}"):
        assert words in html
    # The palette, on every page, has the only one.
    assert html.count("<textarea") == html.count('id="palette-secret"') == 1 and 'name="actor"' not in html


def history(client, row):
    return text(client, address=page(row, "history"))


def test_the_history_of_a_credential_shows_what_came_by_every_path(admin_client, auditor):
    credential = make_credential("stripe_key", name="Spice")
    other = make_credential("stripe_key", name="Another")
    credential.secret = "sk_test_another"
    credential.save()
    with audit.acting("user:bo", address="192.0.2.7"):
        type(credential).objects.get(pk=credential.pk).save()
        audit.record("reveal", credential, fields=["secret"], reason="The customer lost it")
    reports.report(credential.component, "customer_intervention", actor="user:ada", code="revoked")
    html = history(auditor, credential)
    for words in (
        "created",
        "replaced a secret of",
        "revealed a secret of",
        ">bo<",
        ">ada<",
        "cli:tests@localhost",
    ):
        assert words in html, words
    assert "Healthy → Customer must act: revoked" in html and "The customer lost it" in html
    assert html.count("“Spice”") == 3 and "Another" not in html
    assert "sk_test_another" not in html
    assert "Another" in history(auditor, other)


def test_who_may_not_read_the_trail_sees_who_and_what_and_no_reason():
    credential = make_credential(name="Spice")
    audit.record("reveal", credential, actor="user:bo", fields=["secret"], reason="The customer lost it")
    html = history(client_of(staff("view_credential")), credential)
    assert "revealed a secret of" in html and "<span>secret</span>" in html
    assert "The customer lost it" not in html and LIST not in html


def test_the_history_of_other_rows(admin_client, target):
    app, user = make_oauth_app(name="App"), User.objects.create_user("grace")
    audit.record("set_password", user, fields=["password"])
    reports.report(target, "customer_intervention", actor="user:ada", code="disk_full")
    assert "OAuth app “App”" in history(admin_client, OAuthApp.objects.get(pk=app.pk))
    for row, words in ((user, "set the password of"), (target, "disk_full")):
        address = reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_history", args=[row.pk])
        assert words in text(admin_client, address=address)
    assert "No changes yet" in text(
        admin_client, address=reverse("admin:auth_group_history", args=[Group.objects.first().pk])
    )


@pytest.mark.parametrize("changes", [1, 70])
def test_a_history_costs_the_same_queries_at_any_length(admin_client, changes):
    credential = make_credential("stripe_key")
    for _ in range(changes):
        audit.record("change", credential, fields=["name"])
    with CaptureQueriesContext(connection) as queries:
        html = history(admin_client, credential)
    assert len(queries) == 8, [one["sql"][:120] for one in queries]
    assert ("Older" in html) == (changes > 50)


# --- who may


def test_an_empty_trail_says_what_will_stand_here(auditor):
    html = text(auditor)
    assert "Nothing has happened yet" in html and "Never a value" in html
    assert "Clear search and filters" in text(auditor, "who=x")


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


@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_the_list_takes_nothing(auditor, method):
    make_credential()
    before = list(AuditEvent.objects.values())
    getattr(auditor, method)(LIST, {"action": "delete_selected"})
    assert list(AuditEvent.objects.values()) == before
