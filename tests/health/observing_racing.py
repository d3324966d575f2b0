"""What each of many observers does at once. A process of its own imports this before Django is set up."""

import os
import random
import signal
from datetime import timedelta

ROUNDS = 15
CODES = "ok ok ok revoked secret_missing decryption_failed timeout rate_limited oauth_app_missing".split()


def started(database):
    """Django, anew, on the database of the test."""
    import django
    from django.conf import settings

    settings.DATABASES["default"].update(database)
    django.setup()


def mixed(database, ids, seed, barrier, results):
    """Observe, report, pause and replace secrets at random."""
    started(database)
    from django.db import connection
    from django.utils import timezone

    from health import reports
    from health.models import Component
    from health.observations import Observation
    from health.status import Status

    dice, problems = random.Random(seed), []
    barrier.wait(60)
    try:
        for _ in range(ROUNDS):
            component, cast = Component.objects.get(pk=dice.choice(ids)), dice.random()
            if cast < 0.65:
                now = timezone.now()
                code = dice.choice(CODES)
                reports.observe(component, Observation(code, now, now, revision=component.revision))
            elif cast < 0.7:
                now = timezone.now()
                batch = Component.objects.filter(pk__in=dice.sample(ids, 5))
                reports.observe_all(
                    [(one, Observation(dice.choice(CODES), now, now, revision=one.revision)) for one in batch]
                )
            elif cast < 0.85:
                reports.report(component, dice.choice(Status.values), actor="cli:anna@host", code="dice")
            elif cast < 0.9:
                reports.pause(component, reason="dice", actor="cli:anna@host")
                reports.resume(component, actor="cli:anna@host")
            elif cast < 0.95:
                until = timezone.now() + timedelta(hours=1)
                status = dice.choice(Status.values)
                reports.override(component, status, reason="dice", actor="cli:anna@host", until=until)
                reports.lift(component, actor="cli:anna@host")
            else:
                Component.objects.filter(pk=component.pk).update(revision=str(dice.randrange(9)))
    except Exception as error:  # noqa: BLE001 - a test names whatever happened
        problems.append(repr(error))
    finally:
        connection.close()
    results.put(problems)


def replayed(database, pk, seen, seed, barrier, results):
    """Hand in the same observations as all the others; one with a negative seed is killed on its way."""
    started(database)
    from django.db import connection

    from health import reports
    from health.observations import Observation

    barrier.wait(60)
    problems, left = [], random.Random(seed).randrange(2, len(seen) - 2)
    try:
        for number, (code, at) in enumerate(seen):
            if seed < 0 and number == left:
                signal.setitimer(signal.ITIMER_REAL, random.uniform(0.0005, 0.02))
                signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
            reports.observe(pk, Observation(code, at, at, revision="1"))
    except Exception as error:  # noqa: BLE001 - a test names whatever happened
        problems.append(repr(error))
    finally:
        connection.close()
    if seed >= 0:
        results.put(problems)
