"""Credentials that work with the provider simulator, over real HTTP."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from credentials import transfer
from credentials.app_documents import import_app
from credentials.kinds import KINDS
from credentials.models import Credential, OAuthApp
from credentials.simulator import cast
from credentials.simulator.faults import Fault
from credentials.simulator.server import Simulator, running


@pytest.fixture(scope="session")
def running_simulator() -> Iterator[Simulator]:
    with running() as simulator:
        yield simulator


@pytest.fixture
def simulator(running_simulator: Simulator, settings: Any) -> Simulator:
    """The simulator as at its start, to which all calls to providers go."""
    running_simulator.reset()
    settings.PROVIDER_SIMULATOR_URL = running_simulator.url
    return running_simulator


@pytest.fixture
def stored(simulator: Simulator) -> Callable[..., Credential]:
    """Stores the n-th credential of a kind that the simulator knows, with its OAuth app."""

    def store(kind: str, n: int = 0, **properties: Any) -> Credential:
        document = cast.credential(kind, n)
        document["properties"] |= properties
        provider = KINDS[kind].PROVIDER.key
        if KINDS[kind].USES_OAUTH_APP and not OAuthApp.objects.filter(provider=provider).exists():
            import_app(cast.app(provider))
        transfer.import_document(document)
        return Credential.objects.get(name=document["properties"].get("name", document["name"]))

    return store


@pytest.fixture
def calls(simulator: Simulator) -> Callable[..., list[Any]]:
    """The requests that the simulator had, each as it notes them, whose path ends with this."""

    def of(path: str = "") -> list[Any]:
        return [one for one in simulator.world.log if one["path"].endswith(path)]

    return of


@pytest.fixture
def fail(simulator: Simulator) -> Callable[..., None]:
    """Lets the simulator answer so: a recorded answer, a code or a behaviour, so many times (None: always)."""

    def arrange(answer: str, *, times: int | None = None, **whom: Any) -> None:
        simulator.world.faults.append(Fault(answer=answer, times=times, **whom))

    return arrange
