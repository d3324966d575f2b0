"""Many documents at once: the same result as one by one, in a fraction of the statements."""

import uuid
from unittest import mock

import pytest
from django.db import IntegrityError, OperationalError
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from credentials import batches, insertion, transfer
from credentials.documents import InvalidDocument, Outcome
from credentials.kinds import KINDS
from credentials.models import AuditEvent, Credential
from credentials.reading import Row
from credentials.sealing import MASK
from health.models import Dependency
from tests import factories
from tests.credentials.database_content import content, tried

pytestmark = pytest.mark.django_db
IDS = [f"00000000-0000-4000-8000-00000000000{n}" for n in range(3)]
APP, OTHER_APP = "00000000-0000-4000-8000-0000000000aa", "00000000-0000-4000-8000-0000000000bb"


def rows(*documents):
    return [Row(number, value) for number, value in enumerate(documents, start=1)]


def together(documents):
    return [(row.number, result) for row, result in batches.import_rows(rows(*documents))]


def one_by_one(documents):
    results = []
    for number, document in enumerate(documents, start=1):
        try:
            results.append((number, transfer.import_document(document)))
        except InvalidDocument as error:
            results.append((number, error))
    return results


def shop(number, **beside):
    properties = {"kind": "shopify_oauth2", "shop_url": f"shop-{number}", "access_token": f"shpat_{number}"}
    return {"name": f"Shop {number}", "properties": properties, **beside}


def stripe(number, **beside):
    properties = {"kind": "stripe_key", "name": f"Key {number}", "secret": f"sk_test_{number}", "test": True}
    return {"properties": properties, **beside}


# --- the same as one by one ------------------------------------------------------------

secrets = st.sampled_from(["sk_test_one", "sk_test_two", "token three", MASK, "****", "sk_live_four", 7])
kinds = st.one_of(
    st.fixed_dictionaries(
        {"kind": st.just("github_app"), "account_login": st.sampled_from(["a", "b", ""]),
         "account_type": st.sampled_from(["User", "Organization", "Team"]),
         "installation_id": st.integers(1, 4)}
    ),
    st.fixed_dictionaries(
        {"kind": st.sampled_from(["stripe_key", "stripe_oauth2", "stripe_oauth"]),
         "name": st.sampled_from(["A", "B"]), "secret": secrets, "test": st.booleans()}
    ),
    st.fixed_dictionaries(
        {"kind": st.just("shopify_oauth2"), "access_token": secrets, "shop_url": st.sampled_from("abc")}
    ),
    st.fixed_dictionaries(
        {"kind": st.just("linear_oauth2"), "access_token": secrets, "scope": st.just("read"),
         "linear_org_id": st.sampled_from("abc"), "linear_org_name": st.just("A")},
        optional={"refresh_token": secrets | st.none()},
    ),
)  # fmt: skip
limits = st.sampled_from(
    [{"allowed_requests": 7, "interval": 1000}, {"allowed_requests": 0, "interval": 1000},
     {"allowed_requests": 2, "interval": 1000, "max_concurrent_requests": 0}, {}, None]
)  # fmt: skip
# More good ones than bad ones: what is inserted together are neighbours that are all good.
documents = st.fixed_dictionaries(
    {"properties": kinds},
    optional={
        "id": st.sampled_from([*IDS, None]),
        "name": st.sampled_from(["Arrakis", "Caladan", None]),
        "metadata": st.sampled_from([{}, {"a": 1}, {"b": [True, None, "ü"]}, None]),
        "oauth_app_id": st.sampled_from([APP, APP.upper(), OTHER_APP, None, IDS[0]]),
        "rate_limit": limits,
        "object": st.sampled_from(["credential", "sync"]),
    },
)
app = st.fixed_dictionaries(
    {"object": st.just("oauth_app"), "provider": st.sampled_from(["stripe", "shopify", "github"]),
     "client_id": st.sampled_from("xy"), "client_secret": secrets, "name": st.just("Ours")},
    optional={"is_default": st.booleans(), "id": st.sampled_from([APP, OTHER_APP])},
)  # fmt: skip
good = st.builds(stripe, st.integers(1, 6)) | st.builds(shop, st.integers(1, 6))
anything = st.one_of(good, good, documents, documents, app, st.sampled_from([None, [], {"properties": 1}]))


def knows_nothing(self, drafts, apps):
    self.apps, self.owners, self.taken, self.rows, self.known = apps, {}, set(), {}, {}


def prepared(before, delete):
    """The state that an import meets."""
    for provider, pk, client in (("stripe", APP, "s"), ("shopify", OTHER_APP, "t")):
        own = {"id": uuid.UUID(pk), "client_id": client, "name": client, "client_secret": f"secret {client}"}
        factories.make_oauth_app(provider, **own, is_default=client == "s")
    one_by_one(before)
    for row in list(Credential.objects.order_by("kind", "account", "name")[:delete]):
        row.delete()


# As exports are: masked, and with the id.
EXPORTED = {**shop(1), "id": IDS[0]}
EXPORTED["properties"] = EXPORTED["properties"] | {"access_token": MASK}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(anything, max_size=4),
    st.integers(0, 1),
    st.lists(anything, min_size=1, max_size=12),
    st.sampled_from([2, 3, 5, 500]),
    st.booleans(),
)
@example([stripe(1)], 0, [stripe(2), stripe(2), stripe(1), stripe(3)], 500, True)
@example(
    [EXPORTED | shop(1)], 0, [EXPORTED, shop(1), EXPORTED | {"name": "New"}, shop(1), EXPORTED], 500, False
)
@example([stripe(1, id=IDS[0])], 0, [stripe(2, id=IDS[0]), stripe(1), stripe(2), stripe(3)], 500, False)
@example([shop(1, id=IDS[0])], 0, [shop(2, id=IDS[0]), shop(1), shop(2)], 500, False)
@example([shop(1)], 1, [shop(1), shop(2), shop(2, name="Renamed"), shop(3)], 500, False)
def test_together_is_as_one_by_one(before, delete, given_documents, size, unaware):
    """`unaware`: the look before the insertion finds nothing, as if all had been written just after it."""
    prepare = lambda: prepared(before, delete)  # noqa: E731
    expected = tried(lambda: prepare() or one_by_one(given_documents))
    taken = mock.patch.object(batches.Stored, "__init__", knows_nothing) if unaware else mock.MagicMock()
    with mock.patch.object(batches, "BATCH", size), taken:
        found = tried(lambda: prepare() or together(given_documents))
    assert found[0] == expected[0]
    assert sorted(set(found[1]) ^ set(expected[1])) == []
    assert len(found[1]) == len(expected[1])


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_stored_as_by_saving_it(kind):
    properties = {"kind": kind, **factories.properties_of(kind)}
    name = {"name": "Arrakis"} if "name" not in KINDS[kind].PROPERTIES else {}
    properties |= {"name": "Arrakis"} if not name else {}
    limit = {"allowed_requests": 7, "interval": 1000}
    content = [{**name, "properties": properties, "metadata": {"a": 1}, "rate_limit": limit}]
    assert tried(lambda: together(content)) == tried(lambda: one_by_one(content))


# --- how it is done ------------------------------------------------------------


def test_hundreds_of_documents_take_a_handful_of_statements(django_assert_max_num_queries):
    together([stripe(0), shop(0)])
    with django_assert_max_num_queries(60):
        results = together([*map(stripe, range(1, 101)), *map(shop, range(1, 101))])
    assert {result for _number, result in results} == {Outcome.CREATED}


def test_each_created_row_leaves_one_event():
    together([stripe(1), stripe(2), shop(1, rate_limit={"allowed_requests": 7, "interval": 1000})])
    events = AuditEvent.objects.order_by("object_label", "-action").values_list("object_label", "action")
    assert list(events) == [
        ("Key 1", "create"), ("Key 2", "create"), ("Shop 1", "create"), ("Shop 1", "change"),
    ]  # fmt: skip


def test_each_depends_on_the_app_that_it_uses():
    default = factories.make_oauth_app("shopify", is_default=True)
    own = factories.make_oauth_app("shopify")
    together([shop(1), shop(2, oauth_app_id=str(own.pk)), stripe(1)])
    edges = Dependency.objects.values_list("component__name", "depends_on")
    assert set(edges) == {("Shop 1", default.component_id), ("Shop 2", own.component_id)}


def test_an_insertion_that_fails_leaves_nothing_and_its_rows_go_one_by_one():
    with mock.patch.object(insertion.audit, "record_all", side_effect=IntegrityError):
        results = together([stripe(1), shop(1)])
    assert [result for _number, result in results] == [Outcome.CREATED] * 2
    assert Credential.objects.count() == 2


def test_a_deadlock_is_a_conflict_like_others():
    class Deadlock(Exception):
        sqlstate = "40P01"

    error = OperationalError()
    error.__cause__ = Deadlock()
    with mock.patch.object(batches, "insert", side_effect=error):
        assert together([stripe(1)]) == [(1, Outcome.CREATED)]
    with mock.patch.object(batches, "insert", side_effect=OperationalError), pytest.raises(OperationalError):
        together([stripe(2)])


def test_what_follows_a_failure_is_not_stored_before_the_failure_is_told():
    results = batches.import_rows(rows(stripe(1), {"properties": {}}, stripe(2)))
    assert [next(results)[1], str(next(results)[1])[:15]] == [Outcome.CREATED, "properties.kind"]
    assert [one.name for one in Credential.objects.all()] == ["Key 1"]


def test_a_credential_may_follow_its_app_at_once():
    document = {"object": "oauth_app", "id": APP, "provider": "shopify", "name": "Ours", "client_id": "1"}
    results = together([document | {"client_secret": "example"}, shop(1, oauth_app_id=APP)])
    assert [result for _number, result in results] == [Outcome.CREATED] * 2
    assert str(Credential.objects.get().oauth_app_id) == APP


def test_batches_of_large_documents_are_smaller():
    large = [Row(number, {}, size=batches.LARGEST // 3 + 1) for number in range(7)]
    assert [len(batch) for batch in batches._batches(large)] == [3, 3, 1]
    small = [Row(number, {}, size=10) for number in range(batches.BATCH + 1)]
    assert [len(batch) for batch in batches._batches(small)] == [batches.BATCH, 1]


def test_the_same_file_again_changes_nothing_in_a_handful_of_statements(django_assert_max_num_queries):
    together([*map(stripe, range(50)), *map(shop, range(50))])
    before = content()
    with django_assert_max_num_queries(15):
        again = together([*map(stripe, range(50)), *map(shop, range(50))])
    assert {result for _number, result in again} == {Outcome.UNCHANGED}
    assert content() == before
