"""`make run` keeps the web server and the worker alive, and ends both."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from project import launch, supervisor
from tests.project.test_settings import ROOT

# Runs two programs, each of which notes its id at every start, until it is told to end.
CODE = """
import sys
from project import supervisor
supervisor.FIRST_WAIT = 0.2
supervisor.PATIENCE = 3
note = "import os, time; open({path!r} + NAME, 'a').write(str(os.getpid()) + chr(10)); time.sleep(60)"
program = lambda name, text, **more: supervisor.Program(name, [sys.executable, "-c", text], **more)
one = program("one", note.replace("NAME", "'one'"))
two = program("two", {two!r} or note.replace("NAME", "'two'"), needed=True)
one.wait = two.wait = 0.2
sys.exit(supervisor.watch([one, two]))
"""


@pytest.fixture
def watching(tmp_path):
    started = []

    def start(two=""):
        code = CODE.format(path=f"{tmp_path}/", two=two)
        process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stderr=subprocess.PIPE, text=True)
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def pids(tmp_path, name, number):
    """The ids that a program has had, when there are so many."""
    ends = time.monotonic() + 30
    while True:
        path = Path(tmp_path, name)
        found = path.read_text().split() if path.exists() else []
        if len(found) >= number:
            return list(map(int, found))
        assert time.monotonic() < ends, f"{name} was started {len(found)} times"
        time.sleep(0.05)


def gone(pid):
    """Whether a process has ended, which is waited for."""
    ends = time.monotonic() + 15
    while time.monotonic() < ends:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        if Path(f"/proc/{pid}/stat").exists() and ") Z " in Path(f"/proc/{pid}/stat").read_text():
            return True
        time.sleep(0.05)
    return False


def test_what_dies_is_started_again_and_the_other_goes_on(watching, tmp_path):
    process = watching()
    (first,), (other,) = pids(tmp_path, "one", 1), pids(tmp_path, "two", 1)
    os.kill(first, signal.SIGKILL)
    assert pids(tmp_path, "one", 2)[1] != first
    assert pids(tmp_path, "two", 1) == [other]
    process.send_signal(signal.SIGINT)
    _out, errors = process.communicate(timeout=30)
    assert process.returncode == 0
    assert errors == "The one ended by signal 9: it is started again in 0 s.\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_both_end_with_it(watching, tmp_path, number):
    process = watching()
    both = pids(tmp_path, "one", 1) + pids(tmp_path, "two", 1)
    if number == signal.SIGKILL and sys.platform != "linux":
        pytest.skip("only Linux tells the others")
    process.send_signal(number)
    process.communicate(timeout=30)
    assert all(gone(pid) for pid in both)


def test_each_start_in_a_row_waits_longer_up_to_a_bound(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(supervisor.time, "monotonic", lambda: now[0])
    program = supervisor.Program("x", [sys.executable, "-c", "raise SystemExit(3)"])
    waits = []
    for _ in range(8):
        program.watch()
        program.process.wait()
        assert program.watch() == 3
        waits.append(program.start_at - now[0])
        assert program.watch() is None and program.process is None
        now[0] = program.start_at
    assert waits == [1, 2, 4, 8, 16, 30, 30, 30]
    program.watch()
    now[0] += supervisor.WELL + 1
    program.process.wait()
    program.watch()
    assert program.start_at - now[0] == 1


def test_a_web_server_that_cannot_start_ends_everything(watching, tmp_path):
    process = watching("import time; time.sleep(0.5); raise SystemExit(2)")
    (other,) = pids(tmp_path, "one", 1)
    process.communicate(timeout=30)
    assert process.returncode == 2 and gone(other)


def test_make_run_serves_pages_and_runs_the_worker_and_ends_both(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {
        **os.environ,
        "DATABASE_URL": f"sqlite:///{tmp_path}/run.sqlite3",
        "ENV_FILE": "",
        "DEBUG": "on",
        "WEB_CONCURRENCY": "1",
    }
    # .env is none of this test's.
    code = (
        "import sys; from project import dotenv, launch; dotenv.main = lambda given: None;"
        f" sys.argv = ['launch', '{port}']; launch.main()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        lines = iter(process.stdout.readline, "")
        assert any(line.startswith("worker:check@") for line in lines)
        ends = time.monotonic() + 60
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/admin/login/", timeout=20) as page:
                    assert page.status == 200
                break
            except OSError:
                assert time.monotonic() < ends
                time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=60)
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
    assert process.returncode == 0 and "Ended after 0 checks." in rest and "Traceback" not in rest
    launch.listen(str(port)).close()  # nobody listens any more
