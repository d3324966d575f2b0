"""One simulator for the tests of a file, as at its start before each."""

import pytest
import requests

from credentials.simulator.server import running
from tests.simulator.calls import Caller


@pytest.fixture(scope="module")
def server():
    with running() as simulator:
        yield simulator


@pytest.fixture
def simulator(server):
    server.reset()
    return server


@pytest.fixture
def call(simulator):
    """Calls the simulator as https://HOST/PATH."""
    with requests.Session() as session:
        session.trust_env = False
        yield Caller(simulator, session)
