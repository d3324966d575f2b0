"""The list of all rate limits, with their use."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from credentials import limit_pages, limiter
from credentials.limiter import connections, counting, postgresql, watching_postgresql
from credentials.limiter.stores import store
from credentials.models import Credential
from tests.credentials.limit_pages.showing import LIST, named, names, page, text_of
from tests.credentials.limiter.making import make_limit, taken

pytestmark = pytest.mark.django_db


def test_every_limit_with_its_use(viewer):
    busy, held = named("Atreides", 4, 3_600_000, 5), named("Harkonnen", 100, 1_000)
    named("Corrino", 2, 60_000)
    for purpose in ("orders", "probe", "more"):
        busy.try_acquire(purpose=purpose)
    busy.try_acquire()
    assert not busy.try_acquire()
    held.hold_off(seconds=120, reason="rate_limited")
    response = viewer.get(LIST)
    assert names(response) == ["Atreides", "Corrino", "Harkonnen"]
    text = text_of(response)
    for words in (
        "4 per hour, 5 at a time",
        "<strong>100 %</strong>",
        "4 of 4",
        "4 of 5",
        " orders</small>",
        " probe</small>",
        "and 2 more",
        "4 granted",
        "1 denied",
        "4 at most at once",
        "Held off until",
        "The provider asks us to slow down.",
        "2 per minute",
        "not used",
    ):
        assert words in text, words


def test_a_provider_that_is_held_off_shows_at_each_of_its_credentials(viewer):
    named("Atreides"), named("Corrino", kind="shopify_oauth2")
    limiter.hold_off_provider("stripe", seconds=600, reason="outage at the provider")
    rows = viewer.get(LIST).context["found"].rows
    assert [row.held and row.held.why for row in rows] == ["outage at the provider", None]


def test_the_list_is_narrowed_by_provider_words_and_use(viewer):
    busy = named("Atreides spice", 2, 3_600_000)
    named("Corrino spice", 2, 3_600_000)
    named("Atreides shop", kind="shopify_oauth2")
    taken(busy, 2)
    assert names(viewer.get(LIST, {"q": "ATREIDES"})) == ["Atreides shop", "Atreides spice"]
    assert names(viewer.get(LIST, {"q": "spice atr"})) == ["Atreides spice"]
    assert names(viewer.get(LIST, {"provider": "shopify"})) == ["Atreides shop"]
    assert names(viewer.get(LIST, {"use": "over"})) == ["Atreides spice"]
    assert names(viewer.get(LIST, {"use": "over", "provider": "shopify"})) == []
    limiter.hold_off_provider("stripe", seconds=600)
    assert names(viewer.get(LIST, {"use": "over"})) == ["Atreides spice", "Corrino spice"]


def test_where_a_provider_allows_less_is_marked_and_can_be_found(viewer):
    busy, right = named("Atreides", 100, 1_000), named("Corrino", 10, 60_000, 5)
    named("Harkonnen", 100, 1_000), named("Ordos", 5, 100)
    for limit in (busy, right):
        limit.try_acquire()
    busy.note_quota(25, interval=1_000)
    right.note_quota(600, interval=3_600_000)
    lower = [row.lower and row.lower.words for row in viewer.get(LIST).context["found"].rows]
    assert lower == ["25 per second", None, None, None]
    response = viewer.get(LIST, {"use": "lower"})
    assert names(response) == ["Atreides"]
    assert "The provider allows less</span> <small>25 per second</small>" in text_of(response)
    right.note_quota(599, interval=3_600_000)
    busy.note_quota(100)
    assert names(viewer.get(LIST, {"use": "lower"})) == ["Corrino"]
    assert "has said that it takes less" in text_of(viewer.get(LIST, {"use": "lower", "provider": "shopify"}))


@pytest.mark.parametrize(
    "query",
    [
        {"provider": "nonsense"},
        {"use": "all of it"},
        {"q": "x" * 5_000},
        {"after": "nonsense"},
        {"after": "00000000-0000-0000-0000-000000000000"},
        {"before": "00000000-0000-0000-0000-000000000000"},
        {"edit": "nonsense"},
    ],
)
def test_an_address_that_makes_no_sense_narrows_nothing(viewer, query):
    named("Atreides")
    assert names(viewer.get(LIST, query)) == ["Atreides"]


def test_deleted_credentials_have_no_limit_to_see(admin_client):
    limit = named("Atreides")
    Credential.objects.get(pk=limit.pk).delete()
    assert names(admin_client.get(LIST)) == []
    for act in ("rate_limit", "lift_hold_off", "adopt_limit"):
        assert admin_client.post(page(limit, act)).status_code == 404
    assert admin_client.get(LIST, {"edit": limit.pk}).status_code == 404


def test_all_pages_together_hold_every_limit_once(viewer, monkeypatch):
    monkeypatch.setattr(limit_pages, "SIZE", 3)
    for name in "bbbbaacdd":
        named(name)
    found, address = [], LIST
    pages = []
    while address:
        response = viewer.get(address)
        pages.append([row.credential.pk for row in response.context["found"].rows])
        found += names(response)
        address = response.context["older"]
    assert found == sorted("bbbbaacdd") and len({pk for some in pages for pk in some}) == 9
    assert [len(some) for some in pages] == [3, 3, 3]
    address = response.context["newer"]
    for expected in pages[-2::-1]:
        response = viewer.get(address)
        assert [row.credential.pk for row in response.context["found"].rows] == expected
        address = response.context["newer"]
    assert address is None


class Asked:
    """Counts what is asked of the limiter's store, and of which keys."""

    def __init__(self, monkeypatch):
        self.keys, self.statements = [], 0
        states, execute = store().states, connections.execute
        monkeypatch.setattr(store(), "states", lambda keys: self.keys.extend(keys) or states(keys))

        def counted(sql, params):
            self.statements += 1
            return execute(sql, params)

        monkeypatch.setattr(postgresql, "execute", counted)
        monkeypatch.setattr(watching_postgresql, "execute", counted)


@pytest.mark.parametrize("query", ["", "?use=over", "?q=fake&provider=stripe"])
def test_as_many_queries_for_many_limits_as_for_few(viewer, query, monkeypatch):
    def cost():
        counting.flush()
        viewer.get(LIST + query)
        with (
            monkeypatch.context() as patch,
            CaptureQueriesContext(
                connection,
            ) as captured,
        ):
            asked = Asked(patch)
            response = viewer.get(LIST + query)
        return len(captured), asked.statements, len(response.context["found"].rows)

    for _ in range(2):
        taken(make_limit(2, 3_600_000, at_once=3), 2)
    few = cost()
    for _ in range(8):
        taken(make_limit(2, 3_600_000, at_once=3), 2)
    many = cost()
    assert (few[2], many[2]) == (2, 10)
    assert few[:2] == many[:2]
    # Session, person, two for rights, the page itself; PostgreSQL gathers what is searched for before.
    assert many[0] == (6 if "q=" in query and connection.vendor == "postgresql" else 5)
    assert many[1] <= 6


def test_only_the_rows_of_the_page_are_read_from_the_state(viewer, monkeypatch):
    monkeypatch.setattr(limit_pages, "SIZE", 3)
    for name in "abcdefg":
        named(name)
    asked = Asked(monkeypatch)
    rows = viewer.get(LIST).context["found"].rows
    assert asked.keys == [row.credential.pk for row in rows] and len(rows) == 3


def test_the_empty_list_says_what_to_do(viewer, admin_client):
    text = text_of(viewer.get(LIST))
    assert "There are no rate limits yet" in text and "Add a credential" not in text
    assert "Add a credential" in text_of(admin_client.get(LIST))
    named("Atreides")
    assert "No credential has all of these words" in text_of(viewer.get(LIST, {"q": "nothing"}))
    assert "No limit of these is used to more than 80 %" in text_of(viewer.get(LIST, {"use": "over"}))


def test_the_part_that_refreshes_comes_alone(viewer):
    limit = named("Atreides")
    assert 'data-live="30"' in text_of(viewer.get(LIST, {"part": "rows", "use": "over"}))
    text = text_of(viewer.get(LIST, {"part": "rows", "q": "atr"}))
    assert text.startswith('<div id="limits" data-live="5"') and "<html" not in text
    assert 'hx-get="/rate-limits/?q=atr&amp;part=rows"' in text
    assert 'href="/rate-limits/?q=atr"' in text
    for part, start in (("now", '<div id="now"'), ("use", '<section class="card panel" id="use"')):
        text = text_of(viewer.get(page(limit), {"part": part}))
        assert text.startswith(start) and "<html" not in text
