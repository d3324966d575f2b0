"""The use of a limit: counted by the minute, and live; what the provider says of it."""

import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from credentials import limiter
from credentials.limiter import LimiterUnavailable, RateLimited, counting, is_lower
from credentials.limiter.stores import store
from credentials.models import AuditEvent, Limit, RateLimit
from tests.credentials.limiter.making import again, change, in_threads, make_limit, taken

pytestmark = pytest.mark.django_db


def total(limit):
    """All minutes together: a test may run over the end of one."""
    minutes = limit.usage(5)
    names = ("grants", "denials", "waits", "waited")
    return {name: sum(getattr(minute, name) for minute in minutes) for name in names} | {
        "peak": max((minute.peak for minute in minutes), default=0)
    }


def test_grants_denials_and_waits_are_counted_by_the_minute():
    limit = make_limit(3, 500)
    assert limit.usage() == []
    assert len(taken(limit, 5)) == 3
    with pytest.raises(RateLimited):
        limit.acquire(timeout=0.01)
    limit.acquire(timeout=5)
    used = total(limit)
    assert (used["grants"], used["denials"], used["waits"]) == (4, 3, 1)
    assert 0.2 < used["waited"] < 2
    first = limit.usage()[0].start
    assert first.second == 0 and datetime.now(UTC) - first < timedelta(minutes=3)


def test_waiting_for_nothing_is_no_wait():
    limit = make_limit(3, 500)
    limit.acquire()
    assert total(limit)["waits"] == 0


def test_the_peak_is_of_all_processes_where_concurrency_is_bounded():
    limit = make_limit(100, 1_000, at_once=3)
    for lease in taken(limit, 2):
        lease.release()
    taken(limit, 1)
    assert total(limit)["peak"] == 2


def test_the_peak_is_that_of_a_process_where_it_is_not():
    limit = make_limit(100, 1_000)
    with limit.acquire(), limit.acquire(), limit.acquire():
        pass
    with limit.acquire():
        pass
    assert total(limit)["peak"] == 3


def test_counts_of_several_flushes_add_up():
    limit = make_limit(100, 1_000)
    for _ in range(3):
        taken(limit, 2)
        counting.flush()
    assert total(limit)["grants"] == 6


def test_the_use_is_written_once_a_second_by_itself():
    limit = make_limit(100, 1_000)
    taken(limit, 2)
    until = time.monotonic() + 10
    while not store().usage([limit.key], 5) and time.monotonic() < until:
        time.sleep(0.05)
    assert [minute.grants for _key, minute in store().usage([limit.key], 5)] == [2]


def test_counts_of_threads_are_whole(transactional_db):
    limit = make_limit(10_000, 60_000)
    in_threads(4, lambda: taken(again(limit), 50))
    assert total(limit)["grants"] == 200


def test_what_could_not_be_written_is_kept(monkeypatch):
    limit = make_limit(100, 1_000)
    taken(limit, 2)

    def fail(counts):
        raise LimiterUnavailable("full")

    monkeypatch.setattr(store(), "add_usage", fail)
    with pytest.raises(LimiterUnavailable):
        counting.flush()
    taken(limit, 1)
    monkeypatch.undo()
    assert total(limit)["grants"] == 3


def test_use_is_kept_for_so_long(monkeypatch):
    limit, other = make_limit(100, 1_000), make_limit(100, 1_000)
    taken(limit, 2)
    counting.flush()
    store().prune(30 * 24 * 60)
    assert total(limit)["grants"] == 2
    store().prune(-2)
    assert limit.usage() == other.usage() == []


def test_states_that_tell_nothing_any_more_are_removed(monkeypatch):
    limit, used = make_limit(100, 1_000, at_once=2), make_limit(100, 1_000)
    for one in (limit, used):
        taken(one, 1)[0].release()
    with store().locked(limit.key) as (state, _now):
        state.cells = [time - 2 * 86_400_000_000 for time in state.cells]
    before = taken(limit, 0)
    store().prune(30 * 24 * 60)
    assert [key for key, *_ in store().states([limit.key, used.key])] == [used.key]
    assert before == [] and limit.try_acquire().granted


# --- live ---------------------------------------------------------------------------------------------------


def test_live_use_of_many_limits_in_one_go():
    busy, idle, bounded = make_limit(4, 60_000), make_limit(4, 60_000), make_limit(10, 60_000, at_once=4)
    taken(busy, 3)
    taken(bounded, 3)
    live = limiter.live([busy, idle, bounded])
    assert (live[busy.key].used, live[busy.key].allowed, live[busy.key].under_way) == (3, 4, None)
    assert live[busy.key].saturation == 0.75
    assert (live[idle.key].used, live[idle.key].saturation) == (0, 0.0)
    assert (live[bounded.key].under_way, live[bounded.key].bound) == (3, 4)
    assert live[bounded.key].saturation == 0.75


def test_the_busiest_minute_of_the_last_hour_shows_what_now_does_not():
    limit = make_limit(2, 1_000)
    counting.flush()
    store().add_usage([(limit.key, 90, 0, 0, 0, 0)])
    live = limit.live()
    assert (live.used, live.busiest, live.saturation) == (0, 0.75, 0.75)
    assert make_limit(2, 3_600_000).live().busiest is None


# --- what the provider says ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("allowed", "interval", "reported", "reported_interval", "lower"),
    [
        (100, 1_000, 25, 1_000, True),
        (25, 1_000, 25, 1_000, False),
        (25, 1_000, 100, 1_000, False),
        (100, 1_000, 25, None, True),
        (10, 1_000, 300, 60_000, True),
        (5, 1_000, 300, 60_000, False),
        (100, 10_000, 50, 1_000, True),
    ],
)
def test_a_limit_that_lets_more_through_than_the_provider_takes(
    allowed, interval, reported, reported_interval, lower
):
    said = {"reported": reported, "reported_interval": reported_interval}
    assert is_lower(allowed=allowed, interval=interval, **said) is lower


def test_what_the_provider_says_is_kept_and_can_be_adopted():
    limit = make_limit(100, 1_000, at_once=4)
    assert limit.disagreement() is None
    assert limit.adopt() is False
    limit.note_quota(25, interval=1_000, remaining=7)
    told = limiter.reported(limit)
    assert (told.allowed_requests, told.interval, told.remaining) == (25, 1_000, 7)
    assert 0 <= told.age < 10_000_000
    assert limit.disagreement() == Limit(25, 1_000, 4)
    assert limit.adopt() is True
    assert RateLimit.objects.get(pk=limit.pk).limit == Limit(25, 1_000, 4)
    assert AuditEvent.objects.filter(object_id=limit.pk, fields=["rate_limit"]).count() == 2
    assert limit.disagreement() is None


def test_the_same_news_is_not_written_each_time(monkeypatch):
    limit, written = make_limit(), []
    note = store().note_quota
    monkeypatch.setattr(store(), "note_quota", lambda *args: written.append(args) or note(*args))
    for remaining in (9, 8, 7):
        limit.note_quota(25, interval=1_000, remaining=remaining)
    limit.note_quota(30, interval=1_000)
    assert len(written) == 2
    assert limiter.reported(limit).allowed_requests == 30


def test_a_higher_limit_of_the_provider_is_no_disagreement():
    limit = make_limit(10, 1_000)
    limit.note_quota(100, interval=1_000)
    assert limit.disagreement() is None
    change(limit, 200, 1_000)
    assert limit.disagreement() == Limit(100, 1_000, None)


def test_the_thread_that_writes_survives_what_fails(monkeypatch, caplog):
    monkeypatch.setattr(counting, "EVERY", 0.01)
    calls, stopped = [], threading.Event()

    def fail():
        calls.append(1)
        if len(calls) == 3:
            stopped.set()
            raise SystemExit
        raise LimiterUnavailable("full")

    monkeypatch.setattr(counting, "flush", fail)
    monkeypatch.setattr(counting, "_failing", False)
    with caplog.at_level("WARNING"), pytest.raises(SystemExit):
        counting._run()
    assert stopped.is_set()
    [message] = [record.message for record in caplog.records]
    assert message.startswith("The use of rate limits could not be written: ") and message.endswith("full.")
