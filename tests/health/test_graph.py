"""What depends on what: no circles, however an edge is added, and a status that follows the wiring."""

import pytest
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import RestrictedError

from health import graph, reports, wiring
from health.models import Component, Dependency
from tests.health.cast import CUSTOMER, HEALTHY, chained, make, make_cast, say

pytestmark = pytest.mark.django_db


def edges():
    return set(Dependency.objects.values_list("component__name", "depends_on__name"))


WAYS = {
    "save": lambda a, b: Dependency(component=a, depends_on=b).save(),
    "create": lambda a, b: Dependency.objects.create(component=a, depends_on=b),
    "get_or_create": lambda a, b: Dependency.objects.get_or_create(component=a, depends_on=b),
    "bulk_create": lambda a, b: Dependency.objects.bulk_create([Dependency(component=a, depends_on=b)]),
    "add": lambda a, b: a.depends_on.add(b),
    "set": lambda a, b: a.depends_on.set([b]),
    "other side": lambda a, b: b.dependants.add(a),
    "rewire": lambda a, b: a.rewire([b]),
    "connect": lambda a, b: wiring.connect([(a.pk, b.pk)]),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_every_way_adds_an_edge_rolls_up_and_refuses_circles(way):
    a, b, c = (make("consumer", name) for name in "abc")
    way(b, c)
    say(c, CUSTOMER, "lag")
    way(a, b)
    assert edges() == {("a", "b"), ("b", "c")}
    a.refresh_from_db()
    assert (a.status, a.cause) == (CUSTOMER, c)
    with pytest.raises(graph.Cycle) as caught, transaction.atomic():
        way(c, a)
    assert "consumer:c → consumer:a → consumer:b → consumer:c" in str(caught.value)
    with pytest.raises(ValidationError, match="consumer:a → consumer:a"), transaction.atomic():
        way(a, a)
    assert edges() == {("a", "b"), ("b", "c")}


def test_a_circle_of_two_names_both():
    a, b = make("sync", "a"), make("sync", "b")
    a.rewire([b])
    with pytest.raises(graph.Cycle, match="sync:b → sync:a → sync:b"):
        b.rewire([a])


def test_a_circle_within_one_call_is_refused():
    a, b = make("sync", "a"), make("sync", "b")
    with pytest.raises(graph.Cycle):
        wiring.connect([(a.pk, b.pk), (b.pk, a.pk)])
    assert edges() == set()


def test_adding_what_is_there_is_no_error():
    a, b = make("sync", "a"), make("target", "b")
    a.depends_on.add(b)
    a.depends_on.add(b)
    wiring.connect([(a.pk, b.pk)])
    assert edges() == {("a", "b")}


@pytest.mark.parametrize(
    "way",
    [
        lambda a, b: a.depends_on.remove(b),
        lambda a, b: a.depends_on.clear(),
        lambda a, b: a.rewire([]),
        lambda a, b: Dependency.objects.get(component=a).delete(),
        lambda a, b: Dependency.objects.filter(component=a).delete(),
        lambda a, b: wiring.disconnect([(a.pk, b.pk)]),
    ],
)
def test_taking_an_edge_away_heals_what_hung_on_it(way):
    a, b = make("sync", "a"), make("target", "b")
    top = make("sync", "top", a)
    a.rewire([b])
    say(b, CUSTOMER)
    way(a, b)
    assert ("a", "b") not in edges()
    for component in (a, top):
        assert [flip.new for flip in chained(component)] == [CUSTOMER, HEALTHY]
        assert component.flips.last().code == "rewired"
    assert reports.drift() == []


def test_an_edge_is_not_changed():
    a, b, c = (make("sync", name) for name in "abc")
    a.rewire([b])
    edge = Dependency.objects.get()
    edge.depends_on = c
    with pytest.raises(TypeError):
        edge.save()
    with pytest.raises(TypeError):
        Dependency.objects.update(depends_on=c)


def test_what_others_depend_on_is_not_deleted_under_them():
    cast = make_cast()
    with pytest.raises(RestrictedError):
        cast.target.delete()
    with pytest.raises(RestrictedError):
        Component.objects.filter(pk=cast.target.pk).delete()
    cast.sync.delete()
    Component.objects.all().delete()
    assert not Dependency.objects.exists()


def test_a_deleted_component_takes_its_history_along_and_nothing_else():
    cast = make_cast()
    say(cast.target, CUSTOMER, note="Full.")
    cast.other.delete()
    assert cast.target.flips.count() == 1 and cast.target.notes.count() == 1
    assert reports.drift() == []


def test_closures_and_ways():
    cast = make_cast()
    assert graph.below({cast.app.pk}) == {c.pk for c in (cast.app, cast.credential, cast.consumer, cast.sync)}
    assert graph.above({cast.consumer.pk}) == {
        c.pk for c in (cast.consumer, cast.credential, cast.app, cast.target)
    }
    assert graph.way(cast.sync.pk, cast.app.pk) == [cast.sync.pk, cast.credential.pk, cast.app.pk]
    assert graph.way(cast.app.pk, cast.sync.pk) == []


def test_a_chain_of_a_thousand_is_no_trouble():
    chain = [Component(kind="consumer", name=f"c{number}") for number in range(1000)]
    Component.objects.bulk_create(chain)
    graph.edges().bulk_create(
        Dependency(component=low, depends_on=high) for high, low in zip(chain, chain[1:], strict=False)
    )
    say(chain[0], CUSTOMER)
    chain[-1].refresh_from_db()
    assert (chain[-1].status, chain[-1].cause) == (CUSTOMER, chain[0])
    with pytest.raises(graph.Cycle):
        chain[0].rewire([chain[-1]])
