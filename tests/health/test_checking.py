"""The worker in this process: its slots, its breakers, and what it writes."""

import logging
import threading
import time
from datetime import timedelta

import pytest
from django.db import OperationalError, connections
from django.utils import timezone

from health import breakers, checking, reports, schedule
from health.models import Component
from tests.health.cast import CUSTOMER, HEALTHY, make
from tests.health.probing import Providers

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def providers(monkeypatch):
    found = Providers()
    monkeypatch.setattr(schedule, "_registered", {})
    schedule.register("credential", found.probe)
    yield found
    for one in found.values():
        one.open.set()


def keys(number, provider="stripe", **fields):
    return [
        make("credential", f"{provider} {n}", provider=provider, revision="1", **fields)
        for n in range(number)
    ]


def once(**options):
    """One run over what is due now; returns what it told."""
    told = []
    worker = checking.Worker("tests", **{"concurrency": 8, "due_by": schedule.clock(), **options})
    worker.told = lambda row, seen: told.append((row.name, seen.code))
    worker.run()
    assert not any(thread.is_alive() for thread in worker.threads if thread.join(5))
    return told


def looping(**options):
    """A worker that runs for ever, in a thread: the caller sets `stopping`, then joins."""
    worker = checking.Worker("tests", **{"concurrency": 4, **options})

    def run():
        try:
            worker.run()
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    return worker, thread


def wait_until(condition, seconds=20):
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "it did not happen"
        time.sleep(0.02)


def test_all_that_is_due_is_looked_at_once_and_heard_of(providers):
    rows = [
        *keys(30),
        *keys(20, "github"),
        *keys(2, "later", next_check_at=timezone.now() + timedelta(hours=1)),
    ]
    told = once()
    assert sorted(told) == sorted((row.name, "ok") for row in rows[:50])
    for row in rows[:50]:
        row.refresh_from_db()
        assert row.checked and row.own_status == HEALTHY and row.claimed_by == ""
        wait = (row.next_check_at - timezone.now()).total_seconds()
        assert 0.7 * 300 < wait < 1.3 * 300 and row.expected_every >= 300
    assert "later" not in providers and once() == []


def test_a_run_ends_with_its_last_look(providers, monkeypatch):
    monkeypatch.setattr(checking, "GATHERED", 60.0)
    monkeypatch.setattr(checking, "IDLE", 60.0)
    keys(3)
    began = time.monotonic()
    assert len(once()) == 3
    assert time.monotonic() - began < 25


def test_a_component_has_its_own_interval(providers):
    (row,) = keys(1, check_every=7200)
    once()
    row.refresh_from_db()
    assert row.next_check_at > timezone.now() + timedelta(minutes=90)


def test_only_one_provider_where_that_is_said(providers):
    keys(2), keys(2, "github")
    assert sorted(name for name, _code in once(provider="github")) == ["github 0", "github 1"]


def test_what_hangs_at_one_provider_holds_up_nobody_else(providers):
    providers["hanging"].open.clear()
    keys(20, "hanging"), keys(40, "stripe"), keys(40, "github")
    worker, thread = looping(concurrency=8)
    try:
        wait_until(lambda: Component.objects.exclude(last_observed_at=None).count() == 80)
        assert providers["hanging"].most == 2  # a quarter of eight
        assert sum(providers["hanging"].looks.values()) == 2
    finally:
        providers["hanging"].open.set()
        worker.stopping.set()
        thread.join(30)
    assert not thread.is_alive()


def test_a_provider_that_does_not_answer_is_left_alone_after_a_few(providers):
    providers["down"].code = "timeout"
    keys(60, "down"), keys(10)
    told = once()
    looked = sum(providers["down"].looks.values())
    # Those under way when it opened still come to their end.
    assert breakers.FAILURES <= looked <= breakers.FAILURES + 2
    assert len(told) == looked + 10
    left = schedule.due("credential", "down", schedule.clock()).count()
    assert left == 60 - looked and not Component.objects.exclude(claimed_by="").exists()


def test_a_provider_that_answers_again_is_looked_at_in_full(providers, monkeypatch):
    monkeypatch.setattr(breakers, "OPEN_FOR", 0.5)
    providers["down"].code = "timeout"
    keys(40, "down")
    worker, thread = looping(concurrency=8)
    try:
        wait_until(lambda: worker.queues["down"].breaker.failures >= breakers.FAILURES)
        providers["down"].code = "ok"
        wait_until(lambda: len(providers["down"].looks) == 40)
    finally:
        worker.stopping.set()
        thread.join(30)


def make_due():
    Component.objects.update(next_check_at=timezone.now() - timedelta(seconds=1))


def test_a_refused_key_is_tried_ever_more_seldom_until_it_works(providers):
    providers["stripe"].code = "revoked"
    (row,) = keys(1)
    waits = []
    for _ in range(4):
        once()
        row.refresh_from_db()
        waits.append((row.next_check_at - timezone.now()).total_seconds())
        make_due()
    assert 55 < waits[0] < 90 and waits[1] > 2700 and waits[2] > 5500 and waits[3] > 11000
    assert row.refusals == 4
    providers["stripe"].code = "timeout"
    once()
    row.refresh_from_db()
    assert row.refusals == 4  # an outage in between takes nothing back
    make_due()
    providers["stripe"].code = "ok"
    once()
    row.refresh_from_db()
    assert row.refusals == 0


def test_what_is_refused_twice_a_minute_apart_is_the_customer_s(providers):
    (row,) = keys(1)
    providers["stripe"].code = "revoked"
    once()
    Component.objects.update(
        last_observed_at=timezone.now() - timedelta(seconds=70),
        evidence={**Component.objects.get().evidence, **_earlier(Component.objects.get().evidence)},
    )
    make_due()
    once()
    row.refresh_from_db()
    assert row.own_status == CUSTOMER


def _earlier(evidence):
    """The same evidence, seen 70 seconds before."""
    from datetime import datetime

    moved = {}
    for name, value in evidence.items():
        if name.endswith("_at") and isinstance(value, str):
            moved[name] = (datetime.fromisoformat(value) - timedelta(seconds=70)).isoformat()
    assert moved
    return moved


def test_a_secret_replaced_during_a_look_is_tried_at_once_and_the_old_result_counts_nothing(providers):
    providers["stripe"].open.clear()
    providers["stripe"].code = "decryption_failed"  # would count at once
    (row,) = keys(1)
    worker, thread = looping()
    try:
        wait_until(lambda: providers["stripe"].running)
        Component.objects.filter(pk=row.pk).update(revision="2")
        schedule.hurry(row.pk)
        assert Component.objects.get().claimed_by == ""
        wait_until(lambda: Component.objects.get().claimed_by)
        providers["stripe"].code = lambda row: "ok" if row.revision == "2" else "decryption_failed"
        providers["stripe"].open.set()
        wait_until(lambda: Component.objects.get().last_ok_at)
    finally:
        worker.stopping.set()
        thread.join(30)
    row.refresh_from_db()
    assert row.own_status == HEALTHY and providers["stripe"].looks["stripe 0"] == 2
    assert row.next_check_at > timezone.now() + timedelta(minutes=3)


def test_what_cannot_be_asked_about_is_no_observation(providers):
    (row,) = keys(1, "unasked")
    assert once() == []
    row.refresh_from_db()
    assert not row.checked and row.next_check_at > timezone.now() + timedelta(hours=5)
    assert row.claimed_by == "" and row.expected_every is None


def test_a_probe_that_fails_in_our_code_is_ours_and_says_nothing_of_what_it_held(providers, caplog):
    providers["stripe"].code = ValueError("sk_live_exampleOfALeak")
    (row,) = keys(1)
    assert once() == [("stripe 0", "internal_error")]
    row.refresh_from_db()
    assert row.own_status == HEALTHY and row.last_observed_at
    assert "ValueError" in caplog.text and "sk_live" not in caplog.text


def test_what_cannot_be_written_keeps_nothing_else_from_it(providers, monkeypatch, caplog):
    rows = keys(5)
    observe = reports.observe

    def broken(batch):
        raise ValueError("this batch")

    def picky(pk, seen):
        if pk == rows[2].pk:
            raise KeyError("this one")
        return observe(pk, seen)

    monkeypatch.setattr(reports, "observe_all", broken)
    monkeypatch.setattr(reports, "observe", picky)
    once()
    written = Component.objects.exclude(last_observed_at=None)
    assert written.count() == 4 and "KeyError" in caplog.text
    assert not Component.objects.filter(next_check_at__lte=timezone.now()).exists()


def test_a_worker_outlives_trouble_with_the_database_and_says_so_once(providers, monkeypatch):
    keys(3)
    claim, failures, lines = schedule.claim, iter(range(3)), []

    def troubled(*args, **named):
        if next(failures, None) is not None:
            raise OperationalError("connection refused\nIs the server running?")
        return claim(*args, **named)

    monkeypatch.setattr(schedule, "claim", troubled)
    worker, thread = looping(says=lines.append)
    try:
        wait_until(lambda: Component.objects.exclude(last_observed_at=None).count() == 3)
        wait_until(lambda: len(lines) == 2)
    finally:
        worker.stopping.set()
        thread.join(30)
    assert lines == [
        "The database does not answer, so nothing is checked until it does: connection refused",
        "The database answers again.",
    ]


def test_one_run_does_not_wait_for_the_database(providers, monkeypatch):
    keys(1)

    def down(*args, **named):
        raise OperationalError("connection refused")

    monkeypatch.setattr(schedule, "claim", down)
    with pytest.raises(OperationalError):
        once()


def test_a_look_that_failed_for_our_own_database_is_no_observation(providers, monkeypatch):
    providers["stripe"].open.clear()
    answers, told = iter(["internal_error", "ok"]), []
    providers["stripe"].code = lambda row: next(answers)
    keys(1)
    renew, failures = schedule.renew, iter(range(2))

    def troubled(*args, **named):
        if next(failures, None) is not None:
            raise OperationalError("server closed the connection")
        return renew(*args, **named)

    monkeypatch.setattr(schedule, "renew", troubled)
    monkeypatch.setattr(checking, "RENEWED", 0.1)
    worker, thread = looping(told=lambda row, seen: told.append(seen.code))
    try:
        wait_until(lambda: worker.trouble_until > 0)
        providers["stripe"].open.set()
        wait_until(lambda: told)
    finally:
        worker.stopping.set()
        thread.join(30)
    assert told == ["ok"] and providers["stripe"].looks["stripe 0"] == 2


def test_who_stood_still_for_too_long_looks_at_nothing_any_more(providers):
    (row,) = keys(1)
    worker = checking.Worker("tests", concurrency=1)
    worker.held = {row.pk: time.monotonic() - 1}
    worker.jobs.put((row, providers.probe([row.pk])[row.pk]))
    worker.jobs.put(None)
    worker._serve()
    assert worker.results.get_nowait().seen is None and not providers["stripe"].looks


def test_the_end_finishes_what_is_under_way_and_gives_back_the_rest(providers):
    providers["stripe"].seconds = 0.5
    keys(12)
    worker, thread = looping()
    wait_until(lambda: providers["stripe"].running)
    worker.stopping.set()
    thread.join(30)
    looked = sum(providers["stripe"].looks.values())
    assert looked == Component.objects.exclude(last_observed_at=None).count() < 12
    assert not Component.objects.exclude(claimed_by="").exists()
    assert schedule.due("credential", "stripe", schedule.clock()).count() == 12 - looked


def test_the_end_waits_for_a_look_only_so_long_and_gives_back_what_waits_before(providers, monkeypatch):
    monkeypatch.setattr(checking, "PATIENCE", 3.0)
    providers["stripe"].open.clear()
    keys(6)
    worker, thread = looping()
    wait_until(lambda: providers["stripe"].running)
    claimed = Component.objects.exclude(claimed_by="")
    assert claimed.count() == 2  # one is under way, one waits
    worker.stopping.set()
    wait_until(lambda: claimed.count() == 1, seconds=2.5)
    assert thread.is_alive()
    thread.join(30)
    assert not claimed.exists()
    assert schedule.due("credential", "stripe", schedule.clock()).count() == 6


def test_a_worker_does_what_is_due_by_time(providers):
    (row,) = keys(1, paused_until=timezone.now() + timedelta(days=1))
    make("target", "silent", expected_every=60, timer_at=timezone.now() - timedelta(minutes=1))
    worker, thread = looping()
    try:
        wait_until(lambda: Component.objects.filter(kind="target").exclude(own_status=HEALTHY).exists())
    finally:
        worker.stopping.set()
        thread.join(30)
    assert not providers["stripe"].looks


def test_what_a_worker_never_comes_to_look_at_is_expected_from_then_on(providers):
    keys(3, "down", next_check_at=timezone.now() - timedelta(minutes=6))
    worker = checking.Worker("tests", concurrency=4)
    worker.queues["down"].breaker = breakers.Breaker(breakers.FAILURES, opens_until=float("inf"))
    worker._claim()
    expected = Component.objects.filter(expected_every=300)
    assert not expected.exists()  # it has only just begun
    worker.began_at -= 301
    worker.found_at = checking.NEVER
    worker._claim()
    assert expected.count() == 3


def test_the_log_stays_quiet_where_nothing_is_wrong(providers, caplog):
    caplog.set_level(logging.INFO)
    keys(3)
    once()
    assert not [record for record in caplog.records if record.name.startswith("health")]
