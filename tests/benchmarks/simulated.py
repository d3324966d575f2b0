"""The provider simulator for benchmarks, in a process of its own."""

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.fresh_databases import ROOT

# It notes when a request arrived: as far as it may, it does not stand in line behind those whom it measures.
SERVER = """
import contextlib, os, sys
with contextlib.suppress(PermissionError):
    os.setpriority(os.PRIO_PROCESS, 0, -20)
from credentials.simulator.server import Simulator
simulator = Simulator(count=int(sys.argv[1]))
print(simulator.url, flush=True)
simulator.serve_forever()
"""


@contextmanager
def simulator(count: int = 1) -> Iterator[str]:
    """The address of a simulator with so many accounts of each kind."""
    with served(count) as (url, _pid):
        yield url


@contextmanager
def served(count: int = 1) -> Iterator[tuple[str, int]]:
    """As `simulator`, with the id of its process."""
    command = [sys.executable, "-c", SERVER, str(count)]
    server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout
        yield server.stdout.readline().strip(), server.pid
    finally:
        server.kill()
        server.wait()


def control(url: str, method: str, what: str, given: Any = None) -> Any:
    """What the simulator's control endpoint answers."""
    body = None if given is None else json.dumps(given).encode()
    request = urllib.request.Request(f"{url}/_control/{what}", body, method=method)  # noqa: S310
    with urllib.request.urlopen(request) as answer:  # noqa: S310
        return json.load(answer)


def lift(url: str, provider: str) -> None:
    """Let the simulated provider take any number of requests."""
    control(url, "POST", "limits", {"provider": provider, "requests": None, "seconds": 1})
