"""The three statuses answer one question: who must act before this works again?"""

import pytest

from health.status import Status


def test_the_documented_statuses_are_the_only_ones():
    assert Status.values == ["healthy", "customer_intervention", "sequin_intervention"]


def test_our_own_faults_rank_highest():
    assert sorted(Status, key=lambda status: status.severity) == list(Status)


@pytest.mark.parametrize(
    ("status", "owner"),
    [(Status.HEALTHY, ""), (Status.CUSTOMER_INTERVENTION, "customer"), (Status.SEQUIN_INTERVENTION, "us")],
)
def test_each_status_names_who_must_act(status, owner):
    assert status.owner == owner


@pytest.mark.parametrize("look", ["severity", "owner", "colour", "icon", "label", "next_step"])
def test_no_two_statuses_look_or_read_the_same(look):
    assert len({str(getattr(status, look)) for status in Status}) == len(Status)


@pytest.mark.parametrize("status", Status)
def test_each_status_says_the_next_step_in_a_sentence(status):
    assert str(status.next_step).endswith(".")
    assert str(status.label)
