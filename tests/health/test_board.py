"""The board: who must act, one row for each cause, what narrows it, pages of it, and how often it asks."""

import pytest
from django.utils import timezone

from health import incidents, observing, pausing
from health.console.board import SIZE
from health.models import Component
from health.observations import Observation
from health.status import Status
from tests.factories import make_oauth_app
from tests.health.cast import ANNA, CUSTOMER, HEALTHY, OURS, make, make_cast, say
from tests.health.pages import client_with, page

pytestmark = pytest.mark.django_db

BOARD = "/health/"


@pytest.fixture
def bo(client):
    return client_with(client, "view_component")


def causes(response):
    """The names of the causes by owner."""
    return {
        section.owner: [row.component.name for row in section.rows]
        for section in response.context["sections"]
        if section.rows
    }


def names(response):
    return [row.component.name for row in response.context.get("rows") or response.context["causes"]]


def test_one_cause_with_fifty_syncs_is_one_row(bo):
    app = make_oauth_app("github", name="GitHub app").component
    for number in range(50):
        make("sync", f"sync {number:02}", make("credential", f"key {number:02}", app))
    say(app, OURS, "oauth_app_rejected")
    response = bo.get(BOARD)
    text = response.content.decode()
    assert causes(response) == {"us": ["GitHub app"]}
    assert "50 syncs affected" in text and "50 syncs wait for us" in text
    assert "sync 05" in text and "sync 06" not in text  # the first of them; the others behind a link
    everything = bo.get(BOARD, {"view": "sync", "cause": app.pk})
    assert names(everything) == [f"sync {number:02}" for number in range(50)]
    assert "Because of OAuth app GitHub app" in " ".join(everything.content.decode().split())


def test_both_owners_and_what_waits_for_both(bo):
    cast = make_cast()
    say(cast.target, CUSTOMER, "disk_full", note="Full since noon.")
    say(cast.credential, OURS, "unreadable")
    response = bo.get(BOARD)
    assert causes(response) == {"us": ["acme shop"], "customer": ["orders-db"]}
    counts = response.context["counts"]
    assert (counts.us, counts.us_syncs, counts.customer, counts.customer_syncs) == (1, 1, 1, 1)
    assert counts.customer_also == 1 and counts.working == 0
    text = response.content.decode()
    assert "Full since noon." in text and "2 syncs affected" in text
    assert causes(bo.get(BOARD, {"q": "globex orders"})) == {"customer": ["orders-db"]}
    assert names(bo.get(BOARD, {"view": "sync", "state": "also"})) == ["acme orders"]
    assert causes(bo.get(BOARD, {"state": "also"})) == {"us": ["acme shop"], "customer": ["orders-db"]}


def test_what_narrows_the_board(bo):
    cast = make_cast()
    stripe = make("credential", "northwind", provider="stripe")
    say(stripe, CUSTOMER, "key_refused")
    say(cast.credential, HEALTHY)
    pausing.pause(cast.other, reason="x", actor=ANNA)
    Component.objects.filter(pk=cast.consumer.pk).update(evidence={"flapping": True, "results": 7})

    def found(**query):
        return names(bo.get(BOARD, query))

    assert found(owner="customer") == ["northwind"] and found(owner="us") == []
    assert found(view="all", provider="stripe") == ["northwind"]
    assert found(view="all", kind="target") == ["orders-db"]
    assert found(view="all", q="SHOP acme") == ["acme shop"]
    assert found(state="paused") == ["globex orders"]
    assert found(state="flapping") == ["orders consumer"]
    assert found(view="sync") == ["acme orders", "globex orders"]
    assert found(owner="nobody") == ["acme shop"] + found(view="sync", owner="nobody")
    assert "orders-db" in found(state="unchecked") and "acme shop" not in found(state="unchecked")
    everything = found(view="all")
    assert found(view="all", owner="nobody' OR 1=1", kind="\x01", provider="?", cause="no") == everything
    chips = bo.get(BOARD, {"view": "all", "provider": "stripe", "q": "north"}).context["chips"]
    assert [(words, value) for words, value, _without in chips] == [
        ("Name", "“north”"),
        ("Provider", "Stripe"),
    ]
    assert chips[1][2] == "/health/?view=all&q=north"


def test_incidents_are_shown_and_in_no_count(bo):
    now = timezone.now()
    stripe = incidents.of_provider("stripe")
    observing.weighed(stripe.pk, Observation("provider_incident", now, now, source="derived"))
    response = bo.get(BOARD)
    text = response.content.decode()
    assert "Stripe has an incident" in text and page(stripe) in text
    assert causes(response) == {} and response.context["counts"].us == 0
    row = next(row for row in bo.get(BOARD, {"view": "provider"}).context["providers"] if row.key == "stripe")
    assert row.incident == stripe and (row.us, row.customer, row.credentials) == (0, 0, 0)


def test_a_row_for_each_provider(bo):
    app = make("oauth_app", "app", provider="github")
    keys = [make("credential", f"key {n}", app, provider="github") for n in range(3)]
    make("sync", "sync", keys[0])
    say(keys[0], CUSTOMER)
    say(app, OURS)
    pausing.pause(keys[2], reason="x", actor=ANNA)
    rows = {row.key: row for row in bo.get(BOARD, {"view": "provider"}).context["providers"]}
    github = rows["github"]
    assert (github.credentials, github.us, github.customer, github.syncs) == (3, 1, 0, 1)
    assert github.paused == 1 and not github.quiet and rows["stripe"].quiet


@pytest.mark.parametrize("query", [{"view": "all"}, {"view": "sync"}, {"owner": "us"}])
def test_pages_go_on_where_the_last_one_ended(bo, query):
    now = timezone.now()
    status = Status.SEQUIN_INTERVENTION
    for number in range(2 * SIZE + 3):
        sync = make("sync", f"sync {number:03}")
        # Several of one time: the key keeps them apart.
        since = now - timezone.timedelta(minutes=number // 4)
        Component.objects.filter(pk=sync.pk).update(
            status=status, own_status=status, cause=sync.pk, since=since, known_since=since
        )
    seen, address, pages = [], BOARD + "?" + "&".join(f"{k}={v}" for k, v in query.items()), []
    while address:
        response = bo.get(address)
        pages.append(names(response))
        address = response.context["older"]
        back = response.context["newer"]
    seen = [name for some in pages for name in some]
    assert [len(some) for some in pages] == [SIZE, SIZE, 3]
    assert len(set(seen)) == len(seen)
    assert names(bo.get(back)) == pages[1]
    # A place that cannot be read is none.
    for place in ("nonsense", f"{sync.pk}~0001-01-01T00:00:00+00:00", f"{sync.pk}~", "~~"):
        assert len(names(bo.get(BOARD, query | {"after": place}))) <= SIZE


ADDRESSES = [
    {},
    {"owner": "us"},
    {"view": "sync"},
    {"view": "all", "q": "sync"},
    {"view": "provider"},
    {"part": "rows"},
]


def test_it_asks_as_often_for_three_hundred_as_for_ten(bo, django_assert_max_num_queries):
    def grow(start, end):
        for number in range(start, end):
            parts = [make(kind, f"{kind} {number}", provider="stripe") for kind in ("credential", "target")]
            make("sync", f"sync {number}", *parts)
            say(parts[0], (OURS, CUSTOMER)[number % 2], note="Broken.")

    counts = []
    for start, end in ((0, 4), (4, 100)):
        grow(start, end)
        for query in ADDRESSES:
            bo.get(BOARD, query)
            with django_assert_max_num_queries(12) as queries:
                assert bo.get(BOARD, query).status_code == 200
            counts.append(len(queries))
    assert counts[:6] == counts[6:]


def test_a_part_replaces_what_it_stands_for(bo):
    make_cast()
    text = bo.get(BOARD, {"view": "sync", "part": "rows"}).content.decode()
    assert "<html" not in text and 'id="board"' in text and 'id="board-top"' in text
    assert 'hx-get="/health/?view=sync&amp;part=rows"' in text


def test_empty_boards_say_what_to_do(ada, client):
    assert "There are no syncs yet" in ada.get(BOARD).content.decode()
    assert "Add a sync" in ada.get(BOARD).content.decode()
    make("sync", "one")
    assert "Nobody must act" in ada.get(BOARD).content.decode()
    assert "Nothing matches" in ada.get(BOARD, {"q": "nothing"}).content.decode()


def test_who_may_not_see_health_is_refused(client):
    assert client_with(client).get(BOARD).status_code == 403


def test_what_people_typed_is_text_on_the_board(bo):
    target = make("target", "<script>alert(1)</script>")
    make("sync", "<b>bold</b>", target)
    say(target, CUSTOMER, note="<img src=x onerror=alert(1)>")
    for query in ({}, {"view": "sync"}, {"view": "all"}, {"q": "<script>"}):
        text = bo.get(BOARD, query).content.decode()
        assert "<script>alert" not in text and "<img src=x" not in text and "<b>bold" not in text
