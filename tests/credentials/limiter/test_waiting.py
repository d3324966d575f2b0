"""Waiting costs the store next to nothing, and leaves nothing behind when it is broken off."""

import asyncio
import threading
import time

import pytest
from asgiref.sync import async_to_sync

from credentials import limiter
from credentials.limiter import counting, postgresql, sqlite, turns
from credentials.limiter.outcomes import Place
from credentials.limiter.stores import store
from tests.credentials.limiter.making import again, in_threads, make_limit, taken

pytestmark = pytest.mark.django_db


@pytest.fixture
def questions(monkeypatch):
    """Counts how often the store is asked."""
    asked = []
    for module in (postgresql, sqlite):
        take = module.take
        monkeypatch.setattr(module, "take", lambda *args, _take=take: asked.append(args) or _take(*args))
    return asked


def test_a_wait_is_two_questions_to_the_store(questions):
    limit = make_limit(1, 400)
    limit.acquire()
    questions.clear()
    limit.acquire(timeout=5)
    # The place, and its redemption; once more where the clock of the sleeper was a little ahead.
    assert 2 <= len(questions) <= 3


def test_many_waiters_ask_no_more_often_each(questions, transactional_db):
    limit = make_limit(20, 200)
    taken(limit, 20)
    questions.clear()
    assert len(in_threads(12, lambda: again(limit).acquire(timeout=9))) == 12
    assert len(questions) <= 3 * 12


def test_those_who_wait_for_a_lease_of_their_own_process_do_not_poll(questions, transactional_db):
    limit = make_limit(1_000, 1_000, at_once=1)
    lease = limit.acquire()
    questions.clear()

    def work():
        with again(limit).acquire(timeout=9):
            return True

    threading.Timer(1.0, lease.release).start()
    began = time.monotonic()
    assert in_threads(8, work) == [True] * 8
    assert time.monotonic() - began < 4
    # One of the eight looks every 0.2 s at most; the others only when it is their turn.
    assert len(questions) < 40


@pytest.mark.parametrize("allowed", [1, 5, 100])
def test_a_wait_that_is_broken_off_gives_its_place_back(allowed):
    limit = make_limit(allowed, 10_000)
    taken(limit, allowed)
    before = store().take(turns._asking(limit, "", 30.0), 0)
    waits = [turns.steps(limit, timeout=60) for _ in range(4)]
    for wait in waits:
        assert isinstance(next(wait), turns.Pause)
    # The first to come goes first: its place is not the newest.
    for wait in waits:
        wait.close()
    after = store().take(turns._asking(limit, "", 30.0), 0)
    assert after.reason == "rate"
    assert before.wait - 1_000_000 < after.wait <= before.wait


def test_a_cancelled_coroutine_gives_its_place_back():
    limit = make_limit(1, 10_000)
    limit.acquire()
    waiting = limit.try_acquire().retry_after

    async def cancelled():
        task = asyncio.ensure_future(acquired())
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    async def acquired():
        return await limit.aacquire(timeout=60)

    async_to_sync(cancelled)()
    denied = limit.try_acquire()
    assert denied.reason == "rate" and denied.retry_after < waiting


def test_an_interrupted_thread_gives_its_place_back(monkeypatch):
    limit = make_limit(1, 10_000)
    limit.acquire()
    waiting = limit.try_acquire().retry_after

    def interrupted(_seconds):
        raise KeyboardInterrupt

    monkeypatch.setattr(turns.time, "sleep", interrupted)
    with pytest.raises(KeyboardInterrupt):
        limit.acquire(timeout=60)
    monkeypatch.undo()
    assert limit.try_acquire().retry_after < waiting


def test_a_place_that_is_redeemed_too_late_and_overtaken_is_void():
    limit = make_limit(1, 100)
    limit.acquire()
    asking = turns._asking(limit, "", 30.0)
    place = store().take(asking, 1_000_000)
    overtaking = store().take(asking, 1_000_000)
    assert isinstance(place, Place) and overtaking.time - place.time == 110_000
    time.sleep(place.wait / 1e6 + 0.05)
    assert type(store().take(asking, 0, place)).__name__ == "Void"


def test_a_place_that_is_redeemed_late_moves_the_next():
    limit = make_limit(1, 100)
    limit.acquire()
    asking = turns._asking(limit, "", 30.0)
    place = store().take(asking, 1_000_000)
    time.sleep(place.wait / 1e6 + 0.05)
    granted = store().take(asking, 0, place)
    assert granted.time >= place.time + 50_000 and granted.late < 10_000
    assert store().take(asking, 1_000_000).time >= granted.time + 110_000


def test_coroutines_take_leases_as_threads_do():
    limit = make_limit(3, 300, at_once=2)

    async def work():
        async with limit.aacquire(timeout=5) as first:
            second = await limit.aacquire(timeout=5, purpose="second")
            denied = await limit.atry_acquire()
            assert (denied.granted, denied.reason) == (False, "concurrency")
            await second.arenew()
            assert await second.arelease() is True
            assert first.fence < second.fence
        third = await limit.atry_acquire()
        assert third.granted
        await third.arelease()
        began = time.monotonic()
        async with limit.aacquire(timeout=5):
            assert time.monotonic() - began < 2
        with pytest.raises(limiter.RateLimited):
            for _ in range(4):
                await limit.aacquire(timeout=0)

    async_to_sync(work)()


def test_a_hundred_coroutines_wait_together():
    limit = make_limit(100, 500)

    async def work():
        leases = await asyncio.gather(*(limit.aacquire(timeout=9) for _ in range(150)))
        return sorted(lease.granted_at for lease in leases)

    times = async_to_sync(work)()
    assert len(times) == 150
    assert all(later - earlier >= 0.5 for earlier, later in zip(times, times[100:], strict=False))
    counting.flush()
