"""What a worker does for the floors above: beside its looks, and never in their way."""

import threading
import time

import pytest
from django.core.management import call_command

from health import schedule, ticking, turns

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def registered(monkeypatch):
    monkeypatch.setattr(turns, "_registered", {})
    monkeypatch.setattr(turns, "EVERY", 0.01)
    return turns.register


def test_one_that_hangs_or_raises_holds_up_nothing_and_ends_with_the_worker(registered, caplog):
    hangs, quick = [], []

    def hang(ending):
        hangs.append(threading.current_thread())
        ending.wait(30)

    def fail(ending):
        raise ValueError("not today")

    registered("hang", hang)
    registered("fail", fail)
    registered("quick", quick.append)
    worker = ticking.Ticking()
    ends = time.monotonic() + 30
    while len(quick) < 3 and time.monotonic() < ends:
        worker.run()
        time.sleep(0.01)
    assert len(quick) >= 3 and len(hangs) == 1 and hangs[0].is_alive()
    assert "The turn “fail” of a worker failed" in caplog.text
    worker.end()
    assert not hangs[0].is_alive()


def test_a_single_run_of_check_health_does_each_once(registered, monkeypatch, capsys):
    monkeypatch.setattr(schedule, "_registered", {})
    taken = []
    registered("one", taken.append)
    call_command("check_health")
    assert len(taken) == 1 and not taken[0].is_set()


def test_notifications_are_one_of_them():
    from credentials import notifications

    assert turns._registered["notifications"] is notifications.turn
