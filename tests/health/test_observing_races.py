"""Many who observe, report and pause at once, in processes of their own: no gap, no lost flip, no drift."""

import multiprocessing
from datetime import timedelta

import pytest
from django.db import connection, connections
from django.utils import timezone

from health import reports
from health.models import Component, Flip
from health.observations import Observation
from tests.health.cast import CUSTOMER, HEALTHY, OURS, chained, make
from tests.health.observing_racing import mixed, replayed
from tests.health.test_health_races import assert_sound, shared_world

pytestmark = pytest.mark.django_db(transaction=True)
WORKERS = 6


def in_processes(target, arguments, answering):
    """Run them at once; returns the problems that those who answer had."""
    connections.close_all()
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(len(arguments)), context.Queue()
    settings = connection.settings_dict
    database = {key: settings[key] for key in ("ENGINE", "NAME", "USER", "PASSWORD", "HOST", "PORT")}
    processes = [context.Process(target=target, args=(database, *one, barrier, results)) for one in arguments]
    for process in processes:
        process.start()
    problems = [problem for _ in range(answering) for problem in results.get(timeout=120)]
    for process in processes:
        process.join(60)
    assert not any(process.is_alive() for process in processes)
    return problems


def test_six_that_observe_report_and_pause_what_they_share():
    ids = [component.pk for component in shared_world()]
    Component.objects.update(revision="1")
    assert_sound(in_processes(mixed, [(ids, seed) for seed in range(WORKERS)], WORKERS))


def test_six_that_observe_and_report_one_component():
    app = make("oauth_app", "app", revision="1")
    make("sync", "sync", make("credential", "key", app))
    ids = [app.pk] * 5
    assert_sound(in_processes(mixed, [(ids, seed) for seed in range(WORKERS)], WORKERS))


@pytest.mark.parametrize("killed", [0, 2], ids=["all live", "two are killed"])
def test_one_flip_for_each_transition_however_many_bring_the_same_news(killed):
    long_ago = timezone.now() - timedelta(days=2)
    world = [make("credential", name, revision="1", since=long_ago, own_since=long_ago) for name in "ab"]
    make("sync", "sync", world[0])
    codes = [
        "ok",
        "revoked",
        "revoked",
        "ok",
        "ok",
        "our_fault",
        "our_fault",
        "secret_missing",
        "ok",
        "timeout",
    ]
    start = timezone.now() - timedelta(days=1)
    seen = [(code, start + timedelta(minutes=10 * number)) for number, code in enumerate(codes * 4)]
    # The first is told one after another, the second by many at once.
    for code, at in seen:
        reports.observe(world[1], Observation(code, at, at, revision="1"))
    seeds = [*range(WORKERS - killed), *range(-killed, 0)]
    problems = in_processes(replayed, [(world[0].pk, seen, seed) for seed in seeds], WORKERS - killed)
    assert not problems
    one, many = (chained(component) for component in reversed(world))
    told = [(flip.old, flip.new, flip.code, flip.happened_at) for flip in one]
    assert told == [(flip.old, flip.new, flip.code, flip.happened_at) for flip in many]
    assert {flip.new for flip in one} == {CUSTOMER, HEALTHY, OURS} and len(one) >= 10
    assert Flip.objects.filter(component__kind="sync").count() == len(one) and reports.drift() == []
