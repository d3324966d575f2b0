"""Many at once, on the same and on sharing components: no gap, no lost flip, no drift, no deadlock."""

import multiprocessing
import threading

import pytest
from django.db import connection, connections

from health import graph, reports
from health.models import Component, Dependency, Flip
from tests.health.cast import chained, make
from tests.health.racing import WORKERS, hammer, process

pytestmark = pytest.mark.django_db(transaction=True)


def shared_world():
    """Three apps, six credentials, three targets and twelve syncs: each sync shares its parts with others."""
    apps = [make("oauth_app", f"app {n}") for n in range(3)]
    credentials = [make("credential", f"key {n}", apps[n % 3]) for n in range(6)]
    targets = [make("target", f"target {n}") for n in range(3)]
    syncs = [make("sync", f"sync {n}", credentials[n % 6], targets[n % 3]) for n in range(12)]
    return [*apps, *credentials, *targets, *syncs]


def assert_sound(busy):
    assert reports.drift() == []
    for component in Component.objects.all():
        chained(component)
    assert Flip.objects.count() == sum(Component.objects.values_list("sequence", flat=True))
    assert Flip.objects.exists() and not busy


def in_processes(ids, rewire):
    connections.close_all()
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(WORKERS), context.Queue()
    settings = connection.settings_dict
    database = {key: settings[key] for key in ("ENGINE", "NAME", "USER", "PASSWORD", "HOST", "PORT")}
    processes = [
        context.Process(target=process, args=(database, ids, seed, rewire, barrier, results))
        for seed in range(WORKERS)
    ]
    for started in processes:
        started.start()
    problems = [problem for _ in processes for problem in results.get(timeout=60)]
    for started in processes:
        started.join(30)
    return problems


def in_threads(ids, rewire):
    problems = []
    threads = [threading.Thread(target=hammer, args=(ids, seed, rewire, problems)) for seed in range(WORKERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not any(thread.is_alive() for thread in threads)
    return problems


@pytest.mark.parametrize("rewire", [False, True], ids=["fixed", "rewired"])
@pytest.mark.parametrize("at_once", [in_processes, in_threads])
def test_eight_that_report_on_what_they_share(at_once, rewire):
    ids = [component.pk for component in shared_world()]
    assert_sound(at_once(ids, rewire))


def test_eight_that_report_on_one_component():
    sync = make("sync", "sync", make("target", "orders-db"))
    target = sync.depends_on.get()
    assert_sound(in_processes([target.pk, sync.pk], False))


def test_two_that_wire_a_circle_from_both_ends_one_wins():
    a, b = make("sync", "a"), make("sync", "b")
    barrier, outcomes = threading.Barrier(2), []

    def wire(low, high):
        try:
            barrier.wait(30)
            low.rewire([high])
            outcomes.append("wired")
        except graph.Cycle:
            outcomes.append("circle")
        finally:
            connection.close()

    threads = [threading.Thread(target=wire, args=pair) for pair in ((a, b), (b, a))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(outcomes) == ["circle", "wired"] and Dependency.objects.count() == 1
