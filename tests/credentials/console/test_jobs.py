"""Jobs: what each act does, what it refuses, whose rights count, and that nothing is done twice."""

import os
import subprocess
import sys
import threading
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import Group, User
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import connection
from django.utils import timezone

from credentials import audit, job_acts, jobs, probes
from credentials.models import AuditEvent, Credential, Job, JobItem
from health import pausing, turns
from health.models import Component
from health.observations import Observation
from tests.factories import make_credential

ROOT = Path(__file__).parent.parent.parent.parent
CODE = "from tests.credentials.console import job_processes; job_processes.main({!r}, {})"
KEY = {"how": "set", "key": "plan", "value": "growth"}

database = pytest.mark.django_db
really = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ada():
    user = User.objects.create_user("ada", is_staff=True)
    user.groups.add(Group.objects.get(name="admin"))
    return user


def start(person, act, *credentials, **parameters):
    chosen = [(one.pk, one.name) for one in credentials]
    return jobs.start(act, chosen, parameters=parameters, person=person)


def outcomes(job):
    return {item.name: (item.result, item.said) for item in job.items.all()}


def done(person, act, *credentials, **parameters):
    """Start a job and let a worker do it; returns what came of each."""
    job = start(person, act, *credentials, **parameters)
    jobs.turn()
    job.refresh_from_db()
    assert (job.state, job.left, job.beat_at) == (Job.State.DONE, 0, None)
    return outcomes(job)


def events(credential):
    return list(AuditEvent.objects.filter(object_id=str(credential.pk)).values_list("action", "actor"))


def of(credential, code):
    now = timezone.now()
    return probes.Test(credential, Observation(code, now, now), [])


# --- what each act does


@database
def test_a_pause_and_its_end(ada):
    awake, asleep = make_credential(name="awake"), make_credential(name="asleep")
    pausing.pause(asleep.component, reason="Moving house", actor="cli:tests@localhost")
    until = timezone.now() + timedelta(hours=4)
    found = done(ada, "pause", awake, asleep, reason="Maintenance there", ends_at=until.isoformat())
    assert found == {
        "awake": ("worked", "Paused."),
        "asleep": ("refused", "It is paused already."),
    }
    pause = awake.component.pauses.get()
    assert (pause.reason, pause.actor, pause.ends_at) == ("Maintenance there", "user:ada", until)
    assert done(ada, "resume", awake, asleep) == dict.fromkeys(
        ("awake", "asleep"), ("worked", "Not paused any more.")
    )
    assert not Component.objects.filter(paused_until__isnull=False).exists()
    assert done(ada, "resume", awake) == {"awake": ("refused", "It is not paused.")}


@database
def test_a_limit(ada):
    one, same = make_credential(name="one"), make_credential(name="same")
    wanted = {"allowed_requests": 7, "interval": 60_000, "max_concurrent_requests": None}
    same.set_limit(job_acts.Limit(**wanted))
    before, said_before = one.rate_limit.words, events(same)
    found = done(ada, "limit", one, same, **wanted)
    assert found == {
        "one": ("worked", f"Before: {before}."),
        "same": ("worked", "It had this limit already."),
    }
    one.rate_limit.refresh_from_db()
    assert one.rate_limit.limit == job_acts.Limit(**wanted)
    assert events(one)[-1] == ("change", "user:ada") and events(same) == said_before


@database
def test_metadata(ada):
    none = make_credential(name="none", metadata={"seats": 1})
    same = make_credential(name="same", metadata={"plan": "growth"})
    other = make_credential(name="other", metadata={"plan": "starter"})
    added = done(ada, "metadata", none, same, other, how="add", key="plan", value="growth")
    assert added == {
        "none": ("worked", "Added."),
        "same": ("worked", "It had this value already."),
        "other": ("refused", "It has another value there, which was kept."),
    }
    assert done(ada, "metadata", other, **KEY) == {"other": ("worked", "Replaced.")}
    assert done(ada, "metadata", none, other, how="remove", key="seats") == {
        "none": ("worked", "Removed."),
        "other": ("worked", "It had no such key."),
    }
    assert [Credential.objects.get(pk=one.pk).metadata for one in (none, same, other)] == [
        {"plan": "growth"}
    ] * 3
    # What did not change left no event.
    assert events(same) == [("create", "cli:tests@localhost")]
    assert events(none)[1:] == [("change", "user:ada")] * 2


@database
def test_a_deletion_leaves_what_is_in_use(ada):
    free, used = make_credential(name="free"), make_credential(name="used")
    gone = make_credential(name="gone")
    sync = Component.objects.create(kind="sync", name="orders")
    sync.rewire([used.component], actor="cli:tests@localhost")
    gone.delete()
    found = done(ada, "delete", free, used, gone)
    assert found["free"] == ("worked", "Deleted.") and found["gone"] == ("refused", "It is deleted already.")
    assert found["used"][0] == "refused" and "depends on it" in found["used"][1]
    assert list(Credential.objects.all()) == [used]
    assert events(free)[-1] == ("delete", "user:ada")


@really
def test_a_test_asks_each_and_says_which_fail(ada, monkeypatch):
    """Several at the same time, and never more; only what works is called so."""
    made = [make_credential(name=f"{number}") for number in range(6)]
    running, most = [], []

    def look(credential):
        running.append(credential.pk)
        most.append(len(running))
        time.sleep(0.05)
        running.remove(credential.pk)
        if credential.name == "4":
            raise RuntimeError("sk_test_fakeNotToBeTold")
        return of(credential, "ok" if credential.name != "3" else "revoked")

    monkeypatch.setattr(probes, "test", look)
    found = done(ada, "test", *made)
    assert 1 < max(most) <= jobs.AT_ONCE
    assert [found[str(number)][0] for number in range(6)] == ["worked"] * 3 + ["failed"] * 2 + ["worked"]
    assert found["4"][1] == "It could not be done, by a fault of ours: RuntimeError."
    assert found["3"][1]


# --- the record, and whose rights count


@database
def test_starting_and_cancelling_are_recorded_and_all_events_belong_together(ada):
    one, other = make_credential(name="one"), make_credential(name="other")
    with audit.acting(ada):
        job = start(ada, "metadata", one, **KEY)
    # As a worker does beside its looks.
    turns.whole()
    with audit.acting(ada):
        later = start(ada, "metadata", other, **KEY)
        assert jobs.cancel(later, person=ada) and not jobs.cancel(later, person=ada)
    jobs.turn()
    assert (later.state, later.said, later.left) == (Job.State.CANCELLED, "Cancelled by ada.", 1)
    assert Credential.objects.get(pk=other.pk).metadata == {}
    told = AuditEvent.objects.filter(object_type="job").order_by("time", "pk")
    assert [(one.action, one.actor, one.object_label) for one in told] == [
        ("start_job", "user:ada", "Set metadata: 1 credential"),
        ("start_job", "user:ada", "Set metadata: 1 credential"),
        ("cancel_job", "user:ada", "Set metadata: 1 credential"),
    ]
    assert AuditEvent.objects.get(object_id=str(one.pk), action="change").request_id == job.pk


def shut_out(user):
    User.objects.filter(pk=user.pk).update(is_active=False)


def demoted(user):
    user.groups.set([Group.objects.get(name="viewer")])


@database
@pytest.mark.parametrize(
    ("meanwhile", "why"),
    [(shut_out, "may not sign in"), (demoted, "may not do this"), (User.delete, "is no user any more")],
)
def test_a_job_stops_when_its_starter_may_not_do_it_any_more(ada, monkeypatch, meanwhile, why):
    made = [make_credential(name=f"{number}") for number in range(3)]
    job = start(ada, "metadata", *made, **KEY)
    carry_out = job_acts.carry_out

    def then(*given):
        words = carry_out(*given)
        meanwhile(User.objects.get(username="ada"))
        return words

    monkeypatch.setattr(job_acts, "carry_out", then)
    monkeypatch.setattr(jobs, "RIGHTS_EVERY", 0.0)
    jobs.turn()
    job.refresh_from_db()
    assert job.state == Job.State.STOPPED and why in job.said
    assert (job.worked, job.left) == (1, 2)


@database
def test_who_may_not_starts_nothing(ada):
    demoted(ada)
    one = make_credential()
    with pytest.raises(PermissionDenied):
        start(User.objects.get(pk=ada.pk), "metadata", one, **KEY)
    with pytest.raises(ValidationError):
        start(User.objects.create_superuser("root"), "metadata", **KEY)
    assert not Job.objects.exists() and not JobItem.objects.exists()


# --- the worker


@database
def test_what_fails_is_taken_back_and_the_others_are_done(ada, monkeypatch):
    made = [make_credential(name=f"{number}") for number in range(3)]
    save = Credential.save

    def fails(credential, *args, **kwargs):
        save(credential, *args, **kwargs)
        if credential.name == "1":
            raise ValueError("sk_test_fakeNotToBeTold")

    monkeypatch.setattr(Credential, "save", fails)
    found = done(ada, "metadata", *made, **KEY)
    assert [found[str(number)][0] for number in range(3)] == ["worked", "failed", "worked"]
    assert found["1"][1] == "It could not be done, by a fault of ours: ValueError."
    assert [Credential.objects.get(pk=one.pk).metadata.get("plan") for one in made] == [
        "growth",
        None,
        "growth",
    ]


@database
def test_of_two_workers_one_gets_a_job_until_it_is_silent(ada):
    start(ada, "metadata", make_credential(), **KEY)
    first = jobs.claim()
    assert first is not None and jobs.claim() is None
    Job.objects.update(beat_at=timezone.now() - jobs.SILENCE - timedelta(seconds=1))
    second = jobs.claim()
    assert second is not None and second.fence == first.fence + 1
    # Who comes back late does nothing, and takes nothing away from who has it.
    jobs.run(first)
    first.refresh_from_db()
    assert (first.state, first.handled, first.beat_at) == (Job.State.RUNNING, 0, second.beat_at)
    jobs.run(second)
    second.refresh_from_db()
    assert (second.state, second.worked) == (Job.State.DONE, 1)


@database
def test_what_was_cancelled_between_two_items_is_left_there(ada, monkeypatch):
    made = [make_credential(name=f"{number}") for number in range(3)]
    job = start(ada, "metadata", *made, **KEY)
    person, looks = jobs._person, []

    def then(*given):
        looks.append(given)
        if len(looks) == 2:
            jobs.cancel(Job.objects.get(), person=ada)
        return person(*given)

    monkeypatch.setattr(jobs, "_person", then)
    monkeypatch.setattr(jobs, "RIGHTS_EVERY", 0.0)
    jobs.turn()
    job.refresh_from_db()
    assert (job.state, job.worked, job.left) == (Job.State.CANCELLED, 1, 2)
    # What was begun by then was taken back.
    assert [Credential.objects.get(pk=one.pk).metadata for one in made] == [{"plan": "growth"}, {}, {}]


@database
def test_an_item_that_is_done_by_now_is_not_done_again(ada, monkeypatch):
    made = [make_credential(name=f"{number}") for number in range(3)]
    job = start(ada, "metadata", *made, **KEY)
    carry_out, did = job_acts.carry_out, []

    def then(act, pk, *given):
        did.append(pk)
        job.items.filter(credential=made[1].pk).update(result="refused")
        return carry_out(act, pk, *given)

    monkeypatch.setattr(job_acts, "carry_out", then)
    jobs.turn()
    assert did == [made[0].pk, made[2].pk]


@database
def test_a_worker_that_ends_gives_its_job_back_and_a_long_one_lets_others_have_their_turn(ada, monkeypatch):
    long = start(ada, "metadata", *[make_credential() for _ in range(3)], **KEY)
    short = start(ada, "metadata", make_credential(), **KEY)
    ending = threading.Event()
    carry_out = job_acts.carry_out
    monkeypatch.setattr(job_acts, "carry_out", lambda *given: [carry_out(*given), ending.set()][0])
    jobs.turn(ending)
    long.refresh_from_db()
    assert (long.state, long.worked, long.beat_at) == (Job.State.RUNNING, 1, None)
    monkeypatch.undo()
    assert jobs.claim() == short


@database
def test_a_job_that_ended_long_ago_is_forgotten(ada):
    job = start(ada, "metadata", make_credential(), **KEY)
    jobs.turn()
    Job.objects.update(ended_at=timezone.now() - jobs.KEPT_FOR - timedelta(days=1))
    jobs.turn()
    assert not Job.objects.filter(pk=job.pk).exists() and not JobItem.objects.exists()


@database
def test_progress_says_whether_any_worker_is_there(ada):
    from health.models import Beat

    job = start(ada, "metadata", make_credential(), **KEY)
    assert jobs.progress(job) == jobs.Progress(held=False, workers=False, seconds_left=None)
    Beat.objects.create(name="somewhere", seen_at=timezone.now())
    assert jobs.progress(job) == jobs.Progress(held=False, workers=True, seconds_left=None)
    Job.objects.filter(pk=job.pk).update(
        total=40, worked=10, started_at=timezone.now() - timedelta(seconds=60)
    )
    assert round(jobs.progress(jobs.claim()).seconds_left) == 180


# --- processes


def environment():
    """The environment of a process that works on the tests' database."""
    name = connection.settings_dict["NAME"]
    if connection.vendor == "sqlite":
        url = f"sqlite:///{name}"
    else:
        url = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}").geturl()
    return {**os.environ, "DATABASE_URL": url}


@pytest.fixture
def worker(tmp_path):
    """Starts a worker; ends those that still run."""
    started = []

    def begin(seconds=0.0):
        one = subprocess.Popen(
            [sys.executable, "-c", CODE.format(str(tmp_path / "done"), seconds)],
            cwd=ROOT,
            env=environment(),
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        started.append(one)
        return one

    yield begin
    for one in started:
        if one.poll() is None:
            one.kill()
        one.communicate()


@really
def test_a_killed_worker_is_followed_and_nothing_is_done_twice(ada, worker, tmp_path):
    """The first is killed inside an item; of two that follow at once, each item is done once."""
    made = [make_credential(name=f"{number}") for number in range(12)]
    job = start(ada, "metadata", *made, **KEY)
    first = worker(0.1)
    ends = time.monotonic() + 60
    while job.items.exclude(result="").count() < 3 and time.monotonic() < ends:
        time.sleep(0.02)
    first.kill()
    first.wait()
    job.refresh_from_db()
    assert job.state == Job.State.RUNNING and 3 <= job.handled < 12
    assert job.handled == job.items.exclude(result="").count()
    assert jobs.claim() is None
    Job.objects.update(beat_at=timezone.now() - jobs.SILENCE - timedelta(seconds=1))
    others = [worker(0.01), worker(0.01)]
    for one in others:
        _out, errors = one.communicate(timeout=60)
        assert (one.returncode, errors) == (0, "")
    job.refresh_from_db()
    assert (job.state, job.worked, job.fence) == (Job.State.DONE, 12, 2)
    changes = AuditEvent.objects.filter(action="change", actor="user:ada").values_list("object_id", flat=True)
    assert Counter(changes) == Counter(str(one.pk) for one in made)
    # Only the item in which it was killed was begun twice, and then by another process.
    begun = Counter(line.split()[0] for line in (tmp_path / "done").read_text().splitlines())
    assert sum(begun.values()) <= 13 and set(begun) == {str(one.pk) for one in made}
