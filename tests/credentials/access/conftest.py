"""Credentials that work with the provider simulator, over real HTTP."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User

from credentials import feedback, transfer
from credentials.app_documents import import_app
from credentials.kinds import KINDS
from credentials.models import Credential, OAuthApp
from credentials.simulator import cast
from credentials.simulator.faults import Fault
from credentials.simulator.server import Simulator, running
from health import reports
from tests.credentials.access.consents import Person


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
        # Rate limits outlive the test: each credential has its own.
        del document["id"]
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
    """Lets the simulator answer so: a recorded answer, a code or a behaviour; so many times, or always."""

    def arrange(answer: str, *, times: int | None = None, **whom: Any) -> None:
        simulator.world.faults.append(Fault(answer=answer, times=times, **whom))

    return arrange


@pytest.fixture
def apps(simulator: Simulator) -> dict[str, OAuthApp]:
    """The OAuth apps that the simulator knows, by provider."""
    for provider in cast.SCOPES:
        import_app(cast.app(provider))
    return {app.provider: app for app in OAuthApp.objects.all()}


@pytest.fixture
def person(apps: Any) -> Person:
    """Somebody with a browser, who may do all."""
    return Person(User.objects.create_superuser("ada", password="only-for-tests-0123456789"))


@pytest.fixture(autouse=True)
def nothing_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process that has just begun."""
    monkeypatch.setattr(feedback, "_told", {})
    monkeypatch.setattr(feedback, "_apps", {})


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The observations that health is told, in place of telling it."""
    seen: list[Any] = []
    monkeypatch.setattr(reports, "observe", lambda component, one: seen.append(one))
    return seen


@pytest.fixture
def stripe(stored: Callable[..., Credential]) -> Credential:
    """One that holds its key."""
    return stored("stripe_key")


@pytest.fixture
def airtable(stored: Callable[..., Credential]) -> Credential:
    """One whose secret is exchanged, and replaced by each exchange."""
    return stored("airtable_oauth2")
