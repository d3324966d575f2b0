"""Acts on many credentials in the browser: what is said before, what is typed, and what came of it."""

import json
import re
import uuid
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from credentials import jobs
from credentials.console import bulk, job_views
from credentials.models import AuditEvent, Credential, Job, JobItem
from health import pausing
from health.models import Beat, Component
from tests.factories import make_credential, make_oauth_app

pytestmark = pytest.mark.django_db

BULK = reverse("bulk_credentials")


@pytest.fixture
def ada(client):
    user = User.objects.create_superuser("ada")
    client.force_login(user)
    return user


def sent(client, act, *credentials, follow=False, **more):
    given = {"act": act, "pk": [one.pk for one in credentials], **more}
    return client.post(BULK, given, follow=follow)


def started(client, act, *credentials, **more):
    """The job that a page starts, done by a worker."""
    found = sent(client, act, *credentials, start="1", **more)
    assert found.status_code == 302, found.context["form"].errors | found.context["confirm"].errors
    job = Job.objects.get(pk=found.url.split("/")[-2])
    jobs.turn()
    job.refresh_from_db()
    assert job.state == Job.State.DONE
    return job


def text_of(response):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


# --- before


def test_what_is_refused_is_counted_and_named_before(client, ada):
    app = make_oauth_app("hubspot", name="Ours")
    free = make_credential("hubspot_oauth2", name="free", oauth_app=app)
    used, gone = make_credential(name="used"), make_credential(name="gone")
    sync = Component.objects.create(kind="sync", name="orders")
    sync.rewire([used.component], actor="cli:tests@localhost")
    gone.delete()
    page = sent(client, "delete", free, used, gone)
    found = page.context["found"]
    assert (found.total, found.number, found.names) == (3, 1, ["free"])
    assert [(one.words, one.number, one.names) for one in found.left] == [
        ("It is deleted already.", 1, ["gone"]),
        ("Something depends on it: it cannot be deleted.", 1, ["used"]),
    ]
    assert (found.users, found.user_names, found.apps) == ([("Sync", 1)], ["orders"], [("Ours", 1)])
    words = text_of(page)
    assert "1 sync depends on these" in words and "Type free to say that you mean it" in words
    # Nothing has happened yet.
    assert Credential.objects.count() == 2 and not Job.objects.exists()


def test_a_dangerous_act_asks_for_the_number_or_the_name(client, ada):
    one, other = make_credential(name="Acme"), make_credential()
    for typed in ("", "3", "Acme"):
        refused = sent(client, "delete", one, other, start="1", seen="2-2", confirm=typed)
        assert "Type 2, to say that you mean it." in text_of(refused)
    assert "Type Acme" in text_of(sent(client, "delete", one, start="1", seen="1-1", confirm="1"))
    assert not Job.objects.exists()
    assert started(client, "delete", one, seen="1-1", confirm="Acme").worked == 1
    assert list(Credential.objects.all()) == [other]


def test_a_selection_that_changed_meanwhile_is_shown_again(client, ada):
    for _number in range(2):
        make_credential("stripe_key")
    make_credential("github_app")
    everything = {"everything": "1", "match": "provider=stripe"}
    seen = sent(client, "resume", **everything).context["found"].seen
    assert seen == "2-0"
    for credential in Credential.objects.all():
        pausing.pause(credential.component, reason="Away", actor="cli:tests@localhost")
    changed = sent(client, "resume", start="1", seen=seen, **everything)
    assert "The selection has changed" in text_of(changed) and not Job.objects.exists()
    # What is sent next is what was shown now.
    assert 'name="seen" value="2-2"' in changed.content.decode()
    job = started(client, "resume", seen="2-2", **everything)
    assert (job.total, job.worked) == (2, 2)
    assert Component.objects.filter(paused_until__isnull=False).count() == 1


@pytest.mark.parametrize(
    ("sends", "says"),
    [
        ({"act": "test"}, "Nothing is selected"),
        ({"act": "test", "pk": "no-key"}, "has no key"),
        ({"act": "test", "everything": "1", "match": "provider=nobody"}, "is none of those to choose from"),
        ({"act": "test", "pk": uuid.UUID(int=0)}, "Nothing is selected"),
    ],
)
def test_what_selects_nothing_leads_back_and_says_so(client, ada, sends, says):
    found = client.post(BULK, sends, follow=True)
    assert found.redirect_chain[0][0].startswith("/credentials/")
    assert says in text_of(found)
    assert client.post(BULK, {"act": "no-such-act"}).status_code == 404


def test_too_many_at_once_are_refused(client, ada, monkeypatch):
    monkeypatch.setattr(jobs, "MOST", 2)
    three = [make_credential() for _ in range(3)]
    page = sent(client, "test", *three)
    assert "More than 2 match" in text_of(page) and 'name="start"' not in page.content.decode()
    assert sent(client, "test", *three, start="1", seen=page.context["found"].seen).status_code == 200
    assert not Job.objects.exists()


@pytest.mark.parametrize("act", ["delete", "test"])
def test_looking_costs_the_same_whatever_was_chosen(client, ada, django_assert_num_queries, act):
    """Session, person, and of what was chosen: how many, which, and what hangs on them."""
    made = [make_credential(name=f"{number:02}") for number in range(30)]
    sync = Component.objects.create(kind="sync", name="orders")
    sync.rewire([one.component for one in made[:20]], actor="cli:tests@localhost")
    sent(client, act, *made[:2])
    with django_assert_num_queries(10 if act == "delete" else 8):
        sent(client, act, *made)
    with django_assert_num_queries(10 if act == "delete" else 8):
        sent(client, act, made[0], made[-1])


# --- acts


def test_a_pause_is_given_its_reason_and_its_end(client, ada):
    one, other = make_credential(), make_credential()
    wrong = sent(client, "pause", one, other, start="1", seen="2-2", confirm="2", reason=" ", hours="4")
    assert not wrong.context["form"].is_valid() and not Job.objects.exists()
    job = started(client, "pause", one, other, seen="2-2", confirm="2", reason="Moving house", hours="4")
    pause = one.component.pauses.get()
    assert (job.worked, pause.reason, pause.actor) == (2, "Moving house", "user:ada")
    assert timedelta(hours=3.9) < pause.ends_at - timezone.now() < timedelta(hours=4)
    assert "Moving house" in text_of(client.get(job.get_absolute_url()))


def test_a_limit_is_checked_before_it_is_set(client, ada):
    one = make_credential()
    given = {"seen": "1-1", "interval_0": "1", "interval_1": "minute", "max_concurrent_requests": ""}
    wrong = sent(client, "limit", one, start="1", allowed_requests="0", **given)
    assert "At least 1" in text_of(wrong) and not Job.objects.exists()
    job = started(client, "limit", one, allowed_requests="7", **given)
    one.rate_limit.refresh_from_db()
    assert one.rate_limit.words == "7 per minute"
    assert "7 per minute" in text_of(client.get(job.get_absolute_url()))


@pytest.mark.parametrize(
    ("value", "form", "stored"), [("42", "text", "42"), ("42", "json", 42), ('["a"]', "json", ["a"])]
)
def test_metadata_are_stored_as_what_they_are_said_to_be(client, ada, value, form, stored):
    one = make_credential(metadata={"plan": "growth"})
    given = {"seen": "1-1", "how": "set", "key": "seats"}
    for wrong in ("", "{", '{"a": NaN}', "\x00"):
        page = sent(client, "metadata", one, start="1", value=wrong, form="json", **given)
        assert page.context["form"].errors["value"], wrong
    started(client, "metadata", one, value=value, form=form, **given)
    assert Credential.objects.get(pk=one.pk).metadata == {"plan": "growth", "seats": stored}


def test_an_export_is_a_file_without_secrets_and_is_recorded(client, ada, monkeypatch):
    from credentials.console import downloads

    monkeypatch.setattr(downloads, "TOGETHER", 1)
    made = [make_credential(name=f"{number}", secret=f"sk_test_fakeSecret{number}") for number in range(3)]
    files = {
        form: sent(client, "export", *made[:2], start="1", seen="2-2", format=form)
        for form in ("json", "jsonl", "csv")
    }
    read = {form: b"".join(response.streaming_content).decode() for form, response in files.items()}
    assert [one["name"] for one in json.loads(read["json"])] == ["0", "1"]
    assert [json.loads(line)["name"] for line in read["jsonl"].splitlines()] == ["0", "1"]
    assert [line.split(",")[1] for line in read["csv"].splitlines()] == ["name", "0", "1"]
    assert "fakeSecret" not in "".join(read.values()) and "***********" in read["csv"]
    assert files["csv"].headers["Content-Disposition"].endswith('.csv"')
    recorded = AuditEvent.objects.filter(action="export")
    assert {(one.actor, one.object_label) for one in recorded} == {("user:ada", "2 credentials")}
    assert not Job.objects.exists()


# --- while and after


def test_the_page_of_a_job_says_who_must_do_what(client, ada, monkeypatch):
    made = [make_credential(name=f"{number}", metadata={"plan": "other"}) for number in range(3)]
    found = sent(
        client, "metadata", *made, start="1", seen="3-3", how="add", key="plan", value="x", form="text"
    )
    waiting = client.get(found.url)
    assert "No worker is running" in text_of(waiting) and "0 of 3" in text_of(waiting)
    assert 'data-live="2"' in waiting.content.decode()
    Beat.objects.create(name="somewhere", seen_at=timezone.now())
    assert "No worker is running" not in text_of(client.get(found.url))
    part = client.get(found.url, {"part": "now"}).content.decode()
    assert part.lstrip().startswith('<div id="job"') and "<html" not in part
    jobs.turn()
    after = client.get(found.url)
    assert "data-live" not in after.content.decode()
    assert "3 of 3" in text_of(after) and "Done, some refused" in text_of(after)
    assert "It has another value there, which was kept." in text_of(after)
    assert client.get(f"{found.url}?result=failed").context["items"] == []
    # Pages of results, each found from the end of the one before.
    monkeypatch.setattr(job_views, "SIZE", 2)
    first = client.get(f"{found.url}?result=refused")
    second = client.get(first.context["older"])
    assert [one.name for one in (*first.context["items"], *second.context["items"])] == ["0", "1", "2"]
    assert "result=refused" in first.context["older"] and second.context["older"] is None


def test_what_failed_is_done_again_with_the_same_parameters(client, ada):
    good, bad = make_credential(name="good"), make_credential(name="bad")
    given = {"how": "set", "key": "seats", "value": 42}
    job = jobs.start("metadata", [(one.pk, one.name) for one in (good, bad)], parameters=given, person=ada)
    job.items.filter(credential=bad.pk).update(result="failed", said="Others keep changing it.")
    jobs.turn()
    Job.objects.update(failed=1)
    page = client.get(job.get_absolute_url())
    assert "Again for the one that failed" in text_of(page)
    before = client.post(BULK, {"act": "metadata", "again": job.pk, "result": "failed"})
    assert before.context["found"].names == ["bad"]
    assert {name: before.context["form"].initial[name] for name in ("key", "value", "form")} == {
        "key": "seats",
        "value": "42",
        "form": "json",
    }
    given = {"again": job.pk, "result": "failed", "how": "set", "key": "seats", "value": "42", "form": "json"}
    assert started(client, "metadata", seen="1-1", **given).worked == 1
    assert Credential.objects.get(pk=bad.pk).metadata == {"seats": 42}


def test_a_job_is_cancelled_and_what_is_left_can_be_gone_on_with(client, ada):
    made = [make_credential(name=f"{number}") for number in range(3)]
    found = sent(client, "resume", *made, start="1", seen="3-0")
    # None is paused: there is nothing to start.
    assert found.status_code == 200 and "There is nothing to do." in text_of(found)
    job = jobs.start("test", [(one.pk, one.name) for one in made], parameters={}, person=ada)
    cancelled = client.post(reverse("cancel_job", args=[job.pk]), follow=True)
    assert "Cancelled by ada." in text_of(cancelled) and "Go on with the 3 not done" in text_of(cancelled)
    jobs.turn()
    assert not JobItem.objects.exclude(result="").exists()
    again = client.post(BULK, {"act": "test", "again": job.pk, "result": bulk.LEFT})
    assert again.context["found"].number == 3
    assert "It had ended already" in text_of(client.post(reverse("cancel_job", args=[job.pk]), follow=True))


def test_whose_jobs_are_listed(client, ada):
    one = make_credential()
    jobs.start("test", [(one.pk, one.name)], parameters={}, person=ada)
    assert "Test: 1 credential" in text_of(client.get(reverse("jobs")))
    oscar = User.objects.create_user("oscar", is_staff=True)
    oscar.groups.add(Group.objects.get(name="operator"))
    client.force_login(oscar)
    assert "No jobs yet" in text_of(client.get(f"{reverse('jobs')}?whose=all"))
    # Nor does doing a job again show whose credentials another has chosen.
    again = {"act": "test", "again": Job.objects.get().pk, "result": "left"}
    assert client.post(BULK, again).status_code == 403
    oscar.groups.set([Group.objects.get(name="admin")])
    assert "Test: 1 credential" in text_of(client.get(f"{reverse('jobs')}?whose=all"))


def test_pages_of_jobs_cost_the_same_whatever_their_number(client, ada, django_assert_num_queries):
    made = [make_credential(name=f"{number}") for number in range(30)]
    chosen = [(one.pk, one.name) for one in made]
    few = jobs.start("test", chosen[:2], parameters={}, person=ada)
    many = jobs.start("test", chosen, parameters={}, person=ada)
    # Session, person, job, items, workers; PostgreSQL is asked for the time.
    number = 6 if connection.vendor == "postgresql" else 5
    for job in (few, many):
        with django_assert_num_queries(number):
            client.get(job.get_absolute_url())
    with django_assert_num_queries(3):
        client.get(reverse("jobs"))


def test_a_job_of_many_is_started_with_few_statements(ada, django_assert_max_num_queries):
    chosen = [(uuid.uuid4(), f"{number}") for number in range(1_200)]
    with django_assert_max_num_queries(16):
        job = jobs.start("test", chosen, parameters={}, person=ada)
    assert job.items.count() == job.total == 1_200
