"""Each kind, broken in every way that its provider's table names: the right code, and words for it."""

import time

import pytest

from credentials import probes
from credentials.kinds import KINDS
from health.observations import CODES
from tests.credentials.access import failures
from tests.credentials.access.failures import SLOW, Failure

pytestmark = pytest.mark.django_db

ALL = list(failures.failures())


@pytest.fixture
def soon(simulator, monkeypatch):
    """A call may take a quarter of a second, in which several bytes drip."""
    monkeypatch.setattr(simulator, "drip_every", 0.05)
    before = failures.shorten(0.25)
    yield
    failures.lengthen(before)


@pytest.mark.parametrize("kind", list(KINDS))
def test_it_works(kind, stored):
    credential = stored(kind)
    seen, steps = probes.look(credential)
    assert (seen.code, seen.detail) == ("ok", "")
    assert steps and {one.status for one in steps} == {200}
    credential.refresh_from_db()
    assert credential.account


@pytest.mark.parametrize("failure", [one for one in ALL if one.name not in SLOW], ids=str)
def test_it_fails_with_the_right_code_and_words(failure, stored, simulator):
    credential = stored(failure.kind)
    if failure.name == "other_account":
        assert probes.look(credential)[0].code == "ok"
    failure.arrange(simulator)
    seen, steps = probes.look(credential)
    assert seen.code == failure.code, seen.detail
    assert_words(seen)
    assert len(steps) <= 2


@pytest.mark.parametrize("failure", [one for one in ALL if one.name in SLOW], ids=str)
def test_it_ends_in_time(failure, stored, simulator, soon):
    credential = stored(failure.kind)
    failure.arrange(simulator)
    started = time.monotonic()
    seen, _steps = probes.look(credential)
    assert seen.code == failure.code
    assert time.monotonic() - started < 4
    assert_words(seen)


def assert_words(seen):
    meaning = CODES[seen.code]
    assert str(meaning.happened).strip() and str(meaning.what_to_do).strip()
    # What the provider said stands there redacted and bounded; of a page, nothing.
    assert len(seen.detail) <= 300 and "<" not in seen.detail


def test_every_kind_fails_in_many_ways():
    for kind in KINDS:
        codes = {one.code for one in ALL if one.kind == kind}
        assert {"timeout", "garbled", "provider_outage", "unclassified", "rate_limited"} <= codes, kind
        assert len([one for one in ALL if one.kind == kind]) >= 25
    assert isinstance(ALL[0], Failure)
