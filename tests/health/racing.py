"""What each of many does at once. A process of its own imports this before Django is set up."""

import random

WORKERS, ROUNDS = 8, 12


def process(database, ids, seed, rewire, barrier, results):
    """A process of its own: it starts Django anew, on the database of the test."""
    import django
    from django.conf import settings

    settings.DATABASES["default"].update(database)
    django.setup()
    problems = []
    barrier.wait(60)
    hammer(ids, seed, rewire, problems)
    results.put(problems)


def hammer(ids, seed, rewire, problems):
    """Report on components at random, and now and then wire two together, or apart again."""
    from django.db import connection

    from health import graph, reports
    from health.models import Component, Dependency
    from health.status import Status

    dice = random.Random(seed)
    try:
        for _ in range(ROUNDS):
            first, second = Component.objects.filter(pk__in=dice.sample(ids, 2)).order_by("?")
            if rewire and dice.random() < 0.25:
                try:
                    if not Dependency.objects.filter(component=first, depends_on=second).delete()[0]:
                        Dependency.objects.create(component=first, depends_on=second)
                except graph.Cycle:
                    pass
            else:
                reports.report(first, dice.choice(Status.values), actor="cli:anna@host", code="dice")
    except Exception as error:  # noqa: BLE001 - a test names whatever happened
        problems.append(repr(error))
    finally:
        connection.close()
