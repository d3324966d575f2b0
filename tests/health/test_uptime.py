"""Uptime: the parts add up to the window exactly, and nothing is rounded in our favour."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from health import charts
from health.status import Status
from health.uptime import MICROSECOND, STATES, Uptime, in_percent, measure, segments

START = datetime(2026, 1, 1, tzinfo=UTC)
H, C, S = Status.HEALTHY.value, Status.CUSTOMER_INTERVENTION.value, Status.SEQUIN_INTERVENTION.value
HOUR = timedelta(hours=1)


@dataclass
class FakeFlip:
    old: str
    new: str
    happened_at: datetime
    derived: bool = False


def at(microseconds):
    return START + microseconds * MICROSECOND


@st.composite
def histories(draw):
    """A short history in whole microseconds, so that a naive count of each of them is possible."""
    moments = sorted(draw(st.sets(st.integers(0, 60), max_size=6)))
    statuses, flips = [draw(st.sampled_from([H, C, S]))], []
    for moment in moments:
        statuses.append(draw(st.sampled_from([s for s in (H, C, S) if s != statuses[-1]])))
        flips.append(FakeFlip(statuses[-2], statuses[-1], at(moment), draw(st.booleans())))
    spans = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 20)), max_size=2)
    pauses, doubts = draw(spans), draw(spans)
    start = draw(st.integers(0, 60))
    return {
        "start": at(start),
        "end": at(draw(st.integers(start, 70))),
        "flips": flips,
        "status": statuses[-1],
        "derived": draw(st.booleans()),
        "created_at": at(draw(st.integers(0, 60))),
        "known_since": draw(st.none() | st.integers(0, 60).map(at)),
        "pauses": [(at(begin), at(begin + length)) for begin, length in pauses],
        "doubts": [(at(begin), at(begin + length)) for begin, length in doubts],
    }


def counted(history):
    """Each microsecond by itself."""
    totals = dict.fromkeys(STATES, 0)
    moment = history["start"]
    while moment < history["end"]:
        status = history["flips"][0].old if history["flips"] else history["status"]
        doubted = any(begin <= moment < stop for begin, stop in history["doubts"])
        of_another = history["derived"] and not history["flips"]
        for flip in history["flips"]:
            if flip.happened_at <= moment:
                status = flip.new
                of_another = flip.derived
        known = history["known_since"]
        if moment >= history["created_at"]:
            if any(begin <= moment < stop for begin, stop in history["pauses"]):
                totals["paused"] += 1
            elif doubted and not (of_another and status != H):
                totals["unknown"] += 1
            elif status == C:
                totals["customer"] += 1
            elif status == S:
                totals["us"] += 1
            elif known is None or moment < known:
                totals["unknown"] += 1
            else:
                totals["healthy"] += 1
        moment += MICROSECOND
    return Uptime(**totals)


@given(histories())
def test_it_is_what_a_count_of_every_microsecond_says(history):
    assert measure(segments(**history)) == counted(history)


@given(histories())
def test_the_parts_add_up_to_the_window_and_leave_no_gap(history):
    found = segments(**history)
    begin = max(history["start"], history["created_at"])
    expected = max(history["end"] - begin, timedelta(0)) // MICROSECOND
    assert measure(found).window == expected
    if found:
        assert (found[0].start, found[-1].end) == (begin, history["end"])
    for one, other in zip(found, found[1:], strict=False):
        assert one.end == other.start and one.state != other.state


def test_a_strip_holds_no_more_bars_than_can_be_seen():
    flips = [FakeFlip((H, C)[n % 2], (C, H)[n % 2], at(60_000_000 * n)) for n in range(20_000)]
    end = at(60_000_000 * 20_000)
    pauses = [(at(0), at(90)), (at(120_000_000), at(180_000_000))]
    found = segments(START, end, flips, status=H, created_at=START, known_since=START, pauses=pauses)
    assert len(found) > 19_000
    drawn = str(charts.strip(found, START, end))
    assert drawn.count("<rect") < 20 and all(f"strip-{one}" in drawn for one in ("healthy", "customer"))
    # Those that stand apart stay apart.
    apart = segments(
        START,
        START + 24 * HOUR,
        [
            FakeFlip(H, S, START + HOUR),
            FakeFlip(S, H, START + 2 * HOUR),
            FakeFlip(H, S, START + 9 * HOUR),
            FakeFlip(S, H, START + 10 * HOUR),
        ],
        status=H,
        created_at=START,
        known_since=START,
    )
    assert str(charts.strip(apart, START, START + 24 * HOUR)).count("strip-us") == 2


@given(*(st.integers(0, 10**13) for _ in STATES))
def test_shares_are_rounded_down_and_never_flatter(healthy, customer, us, paused, unknown):
    uptime = Uptime(healthy, customer, us, paused, unknown)
    share = uptime.share("healthy")
    counted = healthy + customer + us + unknown
    if healthy + customer + us == 0:
        assert share is None and uptime.percent == "–"
        return
    exact = Fraction(healthy * 10_000, counted)
    assert share is not None and exact - 1 < share <= exact
    if customer or us or unknown:
        assert share < 10_000


def whole(flips=(), **fields):
    known = {"status": H, "created_at": START, "known_since": START, **fields}
    return measure(segments(START, START + 24 * HOUR, list(flips), **known))


def test_no_microsecond_of_downtime_reads_as_100():
    flips = [FakeFlip(H, S, START + HOUR), FakeFlip(S, H, START + HOUR + MICROSECOND)]
    assert whole(flips).percent == "99.99 %"
    assert whole().percent == "100.00 %"


def test_downtime_is_told_apart_by_owner():
    flips = [FakeFlip(H, C, START + 6 * HOUR), FakeFlip(C, S, START + 12 * HOUR)]
    found = whole(flips, status=S)
    assert [found.share(state) for state in STATES] == [2500, 2500, 5000, 0, 0]


def test_without_data_there_is_no_figure():
    assert whole(known_since=None).percent == "–"
    assert whole(created_at=START + 48 * HOUR).percent == "–"
    assert whole(pauses=[(START, START + 24 * HOUR)]).percent == "–"
    assert in_percent(0) == "0.00 %" and in_percent(9) == "0.09 %"


def test_pauses_and_the_time_before_creation_do_not_count():
    found = whole(created_at=START + 12 * HOUR, pauses=[(START + 18 * HOUR, START + 30 * HOUR)])
    assert (found.window, found.paused) == (12 * HOUR // MICROSECOND, 6 * HOUR // MICROSECOND)
    assert found.percent == "100.00 %"


def test_an_intervention_is_known_even_where_nobody_looked_before():
    found = whole([FakeFlip(H, C, START + 12 * HOUR)], status=C, known_since=None)
    assert (found.unknown, found.customer) == (12 * HOUR // MICROSECOND, 12 * HOUR // MICROSECOND)
