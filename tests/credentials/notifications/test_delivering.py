"""Trying again, giving up, and never twice: with time moved by hand, and with processes that are killed."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import time_machine
from django.db import connections
from django.utils import timezone

from credentials import notifications
from credentials.models import Attempt, Channel, Delivery
from credentials.notifications import delivering
from credentials.notifications.outcomes import Outcome
from health.models import Flip
from tests.credentials.notifications.cast import HOST, SECRET, make_channel
from tests.health.cast import CUSTOMER, HEALTHY, OURS, make, say
from tests.health.test_checking_processes import environment, wait_until

ROOT = Path(__file__).parent.parent.parent.parent
DOWN = Outcome(False, "The receiver answered 503.", 503)


def turn_at(when):
    with time_machine.travel(when, tick=False):
        notifications.turn()


@pytest.mark.django_db
def test_what_fails_is_tried_for_about_a_day_and_then_given_up(receiver):
    make_channel()
    receiver.outcome = DOWN
    say(make("sync", "orders"), OURS)
    start = now = timezone.now() + timedelta(seconds=1)
    waits = []
    for _attempt in range(20):
        turn_at(now)
        delivery = Delivery.objects.get()
        if delivery.state != Delivery.State.PENDING:
            break
        waits.append((delivery.due_at - now).total_seconds())
        # Not before it is due, however often anybody looks.
        turn_at(delivery.due_at - timedelta(seconds=1))
        assert receiver.tried == len(waits)
        now = delivery.due_at + timedelta(seconds=31)
    assert delivery.state == Delivery.State.GIVEN_UP and receiver.tried == 9
    for wait, planned in zip(waits, (30, 120, 480, 1800, 7200, 21600, 21600, 21600), strict=True):
        assert planned * 0.8 <= wait <= planned * 1.2
    # Stretched or shortened, each by its own part.
    assert len({round(wait / planned, 3) for wait, planned in zip(waits, delivering.WAITS, strict=True)}) > 4
    assert timedelta(hours=16) < now - start < timedelta(hours=26)
    tries = list(Attempt.objects.order_by("number").values_list("number", "worked", "status", "reason"))
    assert tries == [(n, False, 503, "The receiver answered 503.") for n in range(1, 10)]
    assert Channel.objects.get().failures == 9


@pytest.mark.django_db
def test_a_failure_holds_up_its_own_channel_for_a_moment_and_keeps_the_order(receiver):
    channel = make_channel()
    receiver.outcome = DOWN
    orders = make("sync", "orders")
    say(orders, OURS)
    start = timezone.now() + timedelta(seconds=1)
    turn_at(start)
    say(orders, HEALTHY)
    say(make("sync", "invoices"), OURS)
    receiver.outcome = Outcome(True, status=200)
    turn_at(start + timedelta(seconds=10))
    assert receiver.got == [] and receiver.tried == 1
    # The recovery waits for the message that it belongs to; what is about others does not.
    Delivery.objects.filter(stage="began", flip__component=orders).update(
        due_at=start + timedelta(seconds=90)
    )
    turn_at(start + timedelta(seconds=40))
    assert receiver.titles() == ["We must act: Sync invoices"]
    turn_at(start + timedelta(seconds=100))
    assert receiver.titles()[1:] == ["We must act: Sync orders", "Works again: Sync orders"]
    channel.refresh_from_db()
    assert channel.failures == 0 and channel.last_sent_at


@pytest.mark.django_db
def test_a_receiver_that_asks_for_time_gets_it(receiver):
    make_channel()
    receiver.outcome = Outcome(False, "The receiver answered 429.", 429, wait=900)
    say(make("sync", "orders"), OURS)
    start = timezone.now() + timedelta(seconds=1)
    turn_at(start)
    assert Delivery.objects.get().due_at == start + timedelta(seconds=900)


@pytest.mark.django_db
def test_what_waits_is_dropped_with_its_channel_switched_off_and_goes_with_its_component(receiver):
    channel = make_channel()
    receiver.outcome = DOWN
    orders, invoices = make("sync", "orders"), make("sync", "invoices")
    for sync in (orders, invoices):
        say(sync, OURS)
    notifications.turn()
    orders.delete()
    assert [one.flip.component for one in Delivery.objects.all()] == [invoices]
    channel = Channel.objects.get()
    channel.enabled = False
    channel.save()
    assert Delivery.objects.get().state == Delivery.State.DROPPED
    channel.enabled, receiver.outcome = True, Outcome(True)
    channel.save()
    turn_at(timezone.now() + timedelta(hours=1))
    assert receiver.got == [] and Channel.objects.get().failures == 0


@pytest.mark.django_db
def test_whoever_comes_back_late_changes_nothing(receiver):
    make_channel()
    say(make("sync", "orders"), OURS)
    notifications.choosing.choose()
    late = delivering.next_due(Channel.objects.get().pk)
    assert delivering.claim(late)
    # Nor does a person send what is being sent.
    assert delivering.send_now(Delivery.objects.get()) is None and receiver.tried == 0
    Delivery.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    notifications.turn()
    assert len(receiver.got) == 1
    before = Delivery.objects.values().get()
    receiver.outcome = DOWN
    delivering.carry_out(late)
    assert Delivery.objects.values().get() == before and before["state"] == "sent"


@pytest.mark.django_db
def test_one_that_raises_is_tried_again_and_tells_nothing_of_what_it_held(receiver, monkeypatch, caplog):
    make_channel("slack")

    def breaks(channel, message):
        raise ValueError(f"could not reach {channel.url} {SECRET}")

    monkeypatch.setitem(delivering.SENDERS, "slack", breaks)
    say(make("sync", "orders"), OURS)
    notifications.turn()
    assert Delivery.objects.get().state == "pending"
    assert Attempt.objects.get().reason == "It could not be sent, by a fault of ours."
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == [
        "A notification could not be sent: ValueError"
    ]


# --- several processes --------------------------------------------------------------------------------------


class Sink:
    """An HTTP server that keeps what it gets. In the place of the simulator, to which all requests go."""

    def __init__(self, seconds):
        sink, self.got, self.lock = self, [], threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                time.sleep(seconds)
                with sink.lock:
                    sink.got.append((self.path, self.headers["Webhook-Id"], json.loads(body)))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def stop(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


CODE = """
import django, threading, signal
django.setup()
from datetime import timedelta
from credentials import notifications
from credentials.notifications import choosing, delivering
choosing.BATCH, delivering.LEASE = 7, timedelta(seconds=6)
stopping = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stopping.set())
print("ready", flush=True)
while not stopping.is_set():
    notifications.turn(stopping)
    stopping.wait(0.05)
"""


@pytest.mark.django_db(transaction=True)
def test_four_workers_tell_each_flip_once_though_one_is_killed(settings):
    sink, started = Sink(0.02), []
    try:
        for _n in range(2):
            make_channel()
        for n in range(30):
            # Different codes, so that they are not gathered.
            say(make("sync", f"sync {n}"), CUSTOMER, f"code_{n}")
        env = {**environment(), "PROVIDER_SIMULATOR_URL": sink.url, "NOTIFICATION_HOSTS": HOST}
        env["ALLOWED_HOSTS"] = "localhost"
        for _n in range(4):
            started.append(
                subprocess.Popen(
                    [sys.executable, "-c", CODE],
                    cwd=ROOT,
                    env={**env, "DJANGO_SETTINGS_MODULE": "project.settings"},
                    text=True,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                )
            )
        for one in started:
            assert one.stdout.readline() == "ready\n", one.stderr.read()
        wait_until(lambda: len(sink.got) > 8)
        os.kill(started[0].pid, signal.SIGKILL)
        done = Delivery.objects.filter(state="sent")
        wait_until(lambda: done.count() == 60)
        for one in started[1:]:
            one.terminate()
            _out, errors = one.communicate(timeout=30)
            assert (one.returncode, errors) == (0, "")
    finally:
        for one in started:
            if one.poll() is None:
                one.kill()
            one.communicate()
        sink.stop()
        connections.close_all()
    assert {path for path, _id, _body in sink.got} == {f"/{HOST}/services/T0/B0/fake"}
    ids = Counter(message_id for _path, message_id, _body in sink.got)
    assert set(ids) == {one.message_id for one in Delivery.objects.all()} and len(ids) == 60
    # What the killed one had sent and not written down yet, one for each channel at most, came once more,
    # under the same id.
    assert ids.total() <= 62
    assert not Flip.objects.filter(processed_at=None).exists()
    assert {body["component"]["name"] for _path, _id, body in sink.got} == {f"sync {n}" for n in range(30)}
