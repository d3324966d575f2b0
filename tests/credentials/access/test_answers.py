"""Every recorded answer is read as its source says, by the kinds of its provider."""

from typing import Any

import pytest

from credentials import kinds
from credentials.answers import Reading
from credentials.exchange import Answer
from credentials.models import Credential
from credentials.simulator.answers import Recorded, recorded
from health.observations import CODES
from tests import factories

RECORDED = [one for one in recorded().values() if one.context in ("api", "token")]


def kinds_for(one: Recorded) -> list[type[Credential]]:
    """The kinds that can get this answer: only some ask a token endpoint."""
    found = kinds.of_provider(one.provider)
    if one.context == "token":
        found = [kind for kind in found if kind.token_call is not Credential.token_call]
    return found


def reading_of(kind: type[Credential], one: Recorded) -> Reading:
    credential = kind(**{k: v for k, v in factories.properties_of(kind.KIND).items() if k != "kind"})
    sent = one.answer()
    answer = Answer(sent.status, sent.headers, sent.content())
    if one.context == "api" and one.code == "ok":
        # Many are answers to other calls than the probe's.
        return credential.read_failure(answer) or Reading("ok")
    if one.context == "api":
        return credential.read(answer)
    found = credential.read_token_answer(answer)
    return found if isinstance(found, Reading) else Reading("ok")


def cases() -> list[Any]:
    return [
        pytest.param(kind, one, id=f"{kind.KIND}-{one.name}") for one in RECORDED for kind in kinds_for(one)
    ]


@pytest.mark.parametrize(("kind", "one"), cases())
def test_it_is_read_as_its_source_says(kind: type[Credential], one: Recorded):
    found = reading_of(kind, one)
    assert found.code == one.code, f"{one.why} [{one.source}] {found.detail}"
    if one.retry_after is not None:
        assert found.retry_after == pytest.approx(one.retry_after, abs=2.5)


def test_there_are_many_of_every_provider():
    assert len(RECORDED) >= 150
    for provider in kinds.PROVIDERS:
        assert sum(one.provider == provider for one in RECORDED) >= 6


def test_every_code_is_one_of_health():
    assert {one.code for one in RECORDED} <= set(CODES)
