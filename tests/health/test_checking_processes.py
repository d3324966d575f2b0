"""Several workers in processes of their own: nothing is looked at twice, nor lost with a killed one."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.db import connection
from django.utils import timezone

from health.models import Component
from tests.health.cast import make

pytestmark = pytest.mark.django_db(transaction=True)
ROOT = Path(__file__).parent.parent.parent
CODE = "from tests.health import checking_processes; checking_processes.main({!r}, {}, {})"


def environment():
    """The environment of a process that works on the tests' database."""
    name = connection.settings_dict["NAME"]
    if connection.vendor == "sqlite":
        url = f"sqlite:///{name}"
    else:
        url = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}").geturl()
    return {**os.environ, "DATABASE_URL": url}


@pytest.fixture
def workers(tmp_path):
    """Starts workers; ends what still runs."""
    started = []

    def start(number=1, *, seconds=0.02, claim=30.0):
        code = CODE.format(str(tmp_path / "looks"), seconds, claim)
        made = [
            subprocess.Popen(
                [sys.executable, "-c", code],
                cwd=ROOT,
                env=environment(),
                text=True,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
            for _ in range(number)
        ]
        started.extend(made)
        for one in made:
            assert one.stdout.readline() == "ready\n", one.stderr.read()
        return made

    yield start
    for one in started:
        if one.poll() is None:
            one.kill()
        one.communicate()


def end(processes):
    for one in processes:
        one.terminate()
    for one in processes:
        _out, errors = one.communicate(timeout=60)
        assert (one.returncode, errors) == (0, "")


def looks(tmp_path):
    """How often each component was looked at, and by how many processes."""
    lines = [line.split() for line in (tmp_path / "looks").read_text().splitlines()]
    return Counter(pk for pk, _pid, _at in lines), {pid for _pk, pid, _at in lines}


def wait_until(condition, seconds=60):
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "it did not happen"
        time.sleep(0.1)


def keys(number):
    for n in range(number):
        make("credential", f"{n}", provider=f"provider{n % 5}", revision="1")


def all_are_known():
    return not Component.objects.filter(last_observed_at=None).exists()


def test_three_workers_look_at_each_once(workers, tmp_path):
    keys(150)
    processes = workers(3)
    wait_until(all_are_known)
    time.sleep(1.5)  # whoever wanted to look again would by now
    end(processes)
    counts, pids = looks(tmp_path)
    assert set(counts.values()) == {1} and len(counts) == 150 and len(pids) > 1
    assert not Component.objects.exclude(claimed_by="").exists()
    assert not Component.objects.filter(next_check_at__lte=timezone.now()).exists()


def test_what_a_killed_worker_had_claimed_is_looked_at_by_others(workers, tmp_path):
    keys(40)
    (doomed,) = workers(1, seconds=30, claim=4)
    wait_until(lambda: (tmp_path / "looks").exists() and len(looks(tmp_path)[0]) == 8)
    doomed.send_signal(signal.SIGKILL)
    doomed.wait()
    (tmp_path / "looks").unlink()
    assert Component.objects.exclude(claimed_by="").count() >= 8
    others = workers(2, claim=4)
    wait_until(all_are_known)
    end(others)
    counts, _pids = looks(tmp_path)
    assert set(counts.values()) == {1} and len(counts) == 40
    assert not Component.objects.exclude(claimed_by="").exists()


def test_a_worker_that_is_alive_keeps_what_takes_longer_than_a_claim(workers, tmp_path):
    keys(3)
    slow = workers(1, seconds=7, claim=2)
    wait_until(lambda: (tmp_path / "looks").exists() and len(looks(tmp_path)[0]) == 3)
    slow += workers(1, seconds=7, claim=2)
    wait_until(all_are_known)
    end(slow)
    counts, pids = looks(tmp_path)
    assert set(counts.values()) == {1} and len(pids) == 1


def test_one_that_stood_still_writes_nothing_over_those_who_took_over(workers, tmp_path):
    keys(4)
    (still,) = workers(1, seconds=1, claim=2)
    wait_until(lambda: (tmp_path / "looks").exists())
    still.send_signal(signal.SIGSTOP)
    others = workers(1, claim=2)
    # What was seen is written first, and then when to look again.
    wait_until(lambda: all_are_known() and not Component.objects.exclude(claimed_by="").exists())
    before = dict(Component.objects.values_list("pk", "next_check_at"))
    observed = dict(Component.objects.values_list("pk", "last_observed_at"))
    still.send_signal(signal.SIGCONT)
    time.sleep(3)
    end([still, *others])
    assert dict(Component.objects.values_list("pk", "next_check_at")) == before
    assert dict(Component.objects.values_list("pk", "last_observed_at")) == observed
