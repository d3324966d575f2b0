"""manage.py rate_limits."""

import io
import json

import pytest
from django.core.management import CommandError, call_command

from credentials.limiter import LimiterUnavailable, stores
from credentials.models import Credential
from tests.credentials.limiter.making import make_limit, taken

pytestmark = pytest.mark.django_db


def said(*args):
    out = io.StringIO()
    call_command("rate_limits", *args, stdout=out)
    return out.getvalue()


@pytest.fixture
def cast():
    """Three limits: three quarters used, not used, held off."""
    busy, idle, held = make_limit(4, 60_000, at_once=5), make_limit(2, 3_600_000), make_limit(2, 60_000)
    for limit, name in ((busy, "Atreides"), (idle, "Corrino"), (held, "Harkonnen")):
        credential = Credential.objects.get(pk=limit.pk)
        credential.name = name
        credential.save()
    taken(busy, 3)
    held.hold_off(seconds=120, reason="429")
    return busy, idle, held


def test_every_limit_with_its_use(cast):
    lines = said().splitlines()
    assert lines[0].split() == ["CREDENTIAL", "LIMIT", "USED", "AT", "ONCE", "BUSIEST"]
    assert lines[1].split() == [
        "Atreides",
        "4",
        "per",
        "minute,",
        "5",
        "at",
        "a",
        "time",
        "75%",
        "3/5",
        "75%",
    ]
    assert lines[2].split() == ["Corrino", "2", "per", "hour", "0%", "-", "-"]
    assert "held off for 1" in lines[3] and lines[3].endswith("s: 429")
    assert lines[4] == "rate limits 3, shown 3, held off 1"


@pytest.mark.parametrize(
    ("over", "names"),
    [("70%", ["Atreides", "Harkonnen"]), ("0.7", ["Atreides", "Harkonnen"]), ("80%", ["Harkonnen"])],
)
def test_those_over_a_share_and_those_held_off(cast, over, names):
    assert [limit["name"] for limit in json.loads(said("--json", "--over", over))] == names
    assert said("--over", over).splitlines()[-1] == f"rate limits 3, shown {len(names)}, held off 1"


def test_json_for_programs(cast):
    busy, idle, held = json.loads(said("--json"))
    assert busy == {
        "credential": str(cast[0].pk),
        "name": "Atreides",
        "provider": "stripe",
        "allowed_requests": 4,
        "interval": 60_000,
        "max_concurrent_requests": 5,
        "used": 3,
        "under_way": 3,
        "busiest_minute": 0.75,
        "saturation": 0.75,
        "held_off": 0.0,
        "held_reason": "",
    }
    assert (idle["used"], idle["busiest_minute"], idle["max_concurrent_requests"]) == (0, None, 0)
    assert 100 < held["held_off"] <= 120 and held["held_reason"] == "429"


def test_nothing_there():
    assert said() == "rate limits 0, shown 0, held off 0\n"
    assert json.loads(said("--json")) == []


def test_as_many_queries_for_many_limits_as_for_few(cast, django_assert_max_num_queries):
    for _ in range(10):
        make_limit()
    with django_assert_max_num_queries(2):
        assert said().splitlines()[-1].startswith("rate limits 13,")


@pytest.mark.parametrize("wrong", ["80x", "120%", "-1", ""])
def test_a_share_that_is_none(wrong):
    with pytest.raises(CommandError, match="--over"):
        said(f"--over={wrong}")


def test_a_store_that_does_not_answer_is_said_in_one_line(cast, monkeypatch):
    def fail(keys):
        raise LimiterUnavailable("down")

    monkeypatch.setattr(stores.store(), "states", fail)
    with pytest.raises(CommandError, match="store failed.*down") as caught:
        said()
    assert caught.value.returncode == 2
