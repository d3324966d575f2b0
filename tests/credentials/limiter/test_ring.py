"""The arithmetic of a limit, without a database: no window ever holds more than it may, whatever happens."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from credentials.limiter import ring
from tests.credentials.limiter.strictness import most_in_a_window

SECOND = 1_000_000


def state(allowed, window=SECOND):
    cells = [ring.NEVER] * ring.number_of_cells(allowed)
    return ring.State(
        revision=1, provider="", allowed=allowed, window=window, guard=0, concurrency=0,
        sequence=ring.first_sequence(allowed, 12345), cells=cells,
    )  # fmt: skip


def saturate(of, start, until):
    """Take whatever is free until a time, and return the times."""
    taken = []
    while (time := ring.next_time(of, start)) < until:
        ring.take(of, time)
        taken.append(time)
    return taken


@pytest.mark.parametrize("allowed", [1, 2, 3, 63, 64, 65, 100, 127, 128, 1_000, 1_001, 28_800, 100_000])
def test_everything_that_is_allowed_is_granted_and_no_more(allowed):
    of = state(allowed)
    taken = saturate(of, 0, 3 * SECOND)
    assert len(taken) == 3 * allowed
    assert most_in_a_window(taken, SECOND) == allowed


@pytest.mark.parametrize("allowed", [1, 64, 65, 28_800, 1_000_000])
def test_no_more_than_64_times_are_kept(allowed):
    of = state(allowed)
    assert len(of.cells) <= 64
    for _ in range(200):
        ring.take(of, ring.next_time(of, 0))
    assert len(of.cells) <= 64 and len(of.gone) == 0


@pytest.mark.parametrize("allowed", [5, 64, 100, 1_000])
@pytest.mark.parametrize("load", [0.5, 0.95, 1.5])
def test_arrivals_at_random_get_nearly_all_that_an_exact_log_would_grant(allowed, load):
    chance, now, of = random.Random(1), 0.0, state(allowed)
    taken, exact = [], []
    while now < 30 * SECOND:
        now += chance.expovariate(allowed * load / SECOND)
        time = int(now)
        if ring.next_time(of, time) <= time:
            ring.take(of, time)
            taken.append(time)
        if len(exact) < allowed or exact[-allowed] + SECOND <= time:
            exact.append(time)
    assert most_in_a_window(taken, SECOND) <= allowed
    assert len(taken) >= 0.97 * len(exact)


class Traffic:
    """What callers do to one limit, and what they were granted. Waiters go at their time, or late."""

    def __init__(self, allowed, window, seed):
        self.of, self.chance, self.now = state(allowed, window), random.Random(seed), 10 * SECOND
        self.waiting, self.granted = [], []
        # Since when, so many may pass in a window of so long.
        self.laws = [(0, allowed, window)]

    def pass_time(self):
        self.now += self.chance.choice([0, 1, 1000, self.of.window // 7, self.of.window, 3 * self.of.window])
        self.redeem(late=0)

    def redeem(self, late):
        for epoch, place, time in list(self.waiting):
            if epoch != self.of.epoch:
                self.waiting.remove((epoch, place, time))
            elif time + late <= self.now:
                self.waiting.remove((epoch, place, time))
                if ring.use_late(self.of, place, self.now):
                    self.granted.append(self.now)

    def ask(self):
        for _ in range(self.chance.choice([1, 1, 5, self.of.allowed, 2 * self.of.allowed])):
            time = ring.next_time(self.of, self.now)
            if time > self.now + 5 * self.of.window:
                return
            place = ring.take(self.of, time)
            if time <= self.now:
                self.granted.append(time)
            else:
                self.waiting.append((self.of.epoch, place, time))

    def cancel(self):
        mine = [one for one in self.waiting if one[0] == self.of.epoch]
        if mine:
            one = self.chance.choice(mine)
            self.waiting.remove(one)
            ring.give_back(self.of, one[1])

    def hold_off(self):
        ring.void(self.of, self.now)

    def change(self, windows=(SECOND,)):
        allowed, window = self.chance.choice([1, 2, 7, 64, 65, 130]), self.chance.choice(windows)
        ring.rebuild(self.of, allowed=allowed, window=window, now=self.now)
        self.laws.append((self.now, allowed, window))

    def change_both(self):
        self.change((SECOND // 2, SECOND, 2 * SECOND))


@settings(deadline=None, max_examples=300)
@given(
    allowed=st.sampled_from([1, 2, 3, 7, 64, 65, 100, 200]),
    seed=st.integers(0, 10**9),
    doing=st.lists(
        st.sampled_from(["ask", "ask", "pass_time", "pass_time", "cancel", "hold_off"]), max_size=120
    ),
)
def test_no_window_holds_more_than_it_may_whatever_callers_do(allowed, seed, doing):
    traffic = Traffic(allowed, SECOND, seed)
    for what in doing:
        getattr(traffic, what)()
    assert most_in_a_window(sorted(traffic.granted), SECOND) <= allowed


CHANGING = st.lists(
    st.sampled_from(["ask", "ask", "pass_time", "pass_time", "cancel", "hold_off", "change"]), max_size=120
)


@settings(deadline=None, max_examples=300)
@given(seed=st.integers(0, 10**9), doing=CHANGING)
def test_no_window_holds_more_than_the_larger_of_two_limits_when_one_becomes_the_other(seed, doing):
    traffic = Traffic(7, SECOND, seed)
    for what in doing:
        getattr(traffic, what)()
    granted = sorted(traffic.granted)
    for time in granted:
        window = [one for one in granted if time - SECOND < one <= time]
        # The limits of which a part is in the window.
        ends = [since for since, *_ in traffic.laws[1:]] + [time + 1]
        laws = zip(traffic.laws, ends, strict=True)
        assert len(window) <= max(law[1] for law, end in laws if end >= window[0] and law[0] <= time)


@settings(deadline=None, max_examples=300)
@given(seed=st.integers(0, 10**9), doing=CHANGING)
def test_what_is_granted_under_a_limit_of_another_length_obeys_it(seed, doing):
    traffic = Traffic(7, SECOND, seed)
    for what in doing:
        getattr(traffic, "change_both" if what == "change" else what)()
    granted = sorted(traffic.granted)
    for (since, allowed, window), end in zip(
        traffic.laws, [*(law[0] for law in traffic.laws[1:]), float("inf")], strict=True
    ):
        # At the moment of the change itself, a grant may be of either.
        assert most_in_a_window([time for time in granted if since < time < end], window) <= allowed


@pytest.mark.parametrize("allowed", [1, 3, 64, 100, 1_000])
@pytest.mark.parametrize("order", ["first to last", "last to first", "at random"])
def test_waiting_places_that_are_given_back_leave_nothing_behind(allowed, order):
    of = state(allowed)
    saturate(of, 0, 1)
    before = (of.sequence, ring.next_time(of, 0))
    places = [ring.take(of, ring.next_time(of, 0)) for _ in range(min(100, 2 * allowed))]
    if order == "last to first":
        places.reverse()
    elif order == "at random":
        random.Random(1).shuffle(places)
    for place in places:
        ring.give_back(of, place)
    assert (of.sequence, ring.next_time(of, 0), of.gone) == (*before, [])


def test_a_hold_off_shorter_than_a_window_costs_nothing_but_its_time():
    of = state(10)
    saturate(of, 0, 1)
    for _ in range(25):
        ring.take(of, ring.next_time(of, 0))
    ring.void(of, 300_000)
    assert ring.next_time(of, 300_000) == SECOND
    assert len(saturate(of, SECOND, SECOND + 1)) == 10


def test_numbers_of_places_only_grow():
    of = state(10)
    seen = [ring.take(of, ring.next_time(of, 0)) for _ in range(25)]
    ring.void(of, 0)
    seen += [ring.take(of, ring.next_time(of, 0)) for _ in range(3)]
    ring.rebuild(of, allowed=3, window=SECOND, now=0)
    seen += [ring.take(of, ring.next_time(of, 0)) for _ in range(3)]
    assert seen == sorted(set(seen))


@pytest.mark.parametrize(("old", "new", "free"), [(10, 25, 15), (10, 5, 0), (100, 300, 200), (300, 100, 0)])
def test_another_limit_counts_what_was_granted_under_the_one_before(old, new, free):
    of = state(old)
    saturate(of, 0, 1)
    ring.rebuild(of, allowed=new, window=SECOND, now=1)
    # A cell that is half full counts as full.
    assert free - ring.size_of(new) < len(saturate(of, 1, 2)) <= free


def test_the_use_of_a_limit_is_counted_in_whole_cells():
    of = state(10)
    assert ring.used(of, 0) == 0
    for _ in range(4):
        ring.take(of, 0)
    assert ring.used(of, 0) == 4
    assert ring.used(of, SECOND) == 0
    saturate(of, 0, 1)
    assert ring.used(of, 1) == 10
