"""Who looks at the pages of rate limits, and the trouble that they meet."""

import pytest

from credentials import limiter
from credentials.limiter import LimiterUnavailable, watching_postgresql, watching_sqlite
from credentials.limiter.stores import store
from tests.credentials.admin_pages import client_of, staff


@pytest.fixture(autouse=True)
def no_provider_stays_held_off():
    yield
    limiter.hold_off_provider("stripe", seconds=0)


@pytest.fixture
def viewer(db):
    return client_of(staff("view_credential"))


@pytest.fixture
def operator(db):
    return client_of(staff("view_credential", "change_credential"))


@pytest.fixture
def broken(monkeypatch):
    """A store that answers nothing."""

    def fail(*args, **kwargs):
        raise LimiterUnavailable("down")

    def break_it():
        for name in ("states", "holders", "quota", "usage", "locked"):
            monkeypatch.setattr(store(), name, fail)
        for module in (watching_postgresql, watching_sqlite):
            for name in (
                "totals",
                "stretches",
                "first_holders",
                "over",
                "lower",
                "provider_holds",
                "own_hold",
            ):
                monkeypatch.setattr(module, name, fail)

    return break_it
