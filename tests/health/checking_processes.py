"""A worker in a process of its own, with a probe that writes down each look.

python -c "from tests.health import checking_processes; checking_processes.main(FILE, SECONDS, CLAIM)"
"""

import os
import signal
import sys
import threading
import time
from datetime import timedelta


def main(path: str, seconds: float, claim: float) -> None:
    """Work until SIGTERM. Each look takes so long, each claim holds for so many seconds."""
    import django

    django.setup()
    from django.utils import timezone

    from health import checking, schedule
    from health.management.commands.check_health import new_name
    from health.models import Component
    from health.observations import Observation

    schedule.CLAIM, checking.RENEWED = timedelta(seconds=claim), claim / 4

    def look(row):
        started_at = timezone.now()
        with open(path, "a") as file:
            file.write(f"{row.pk} {os.getpid()} {time.time()}\n")
        time.sleep(seconds)
        return [(row.pk, Observation("ok", started_at, timezone.now(), revision=row.revision))]

    def probe(ids):
        return {row.pk: lambda row=row: look(row) for row in Component.objects.filter(pk__in=ids)}

    schedule._registered.clear()
    schedule.register("credential", probe)
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    worker = checking.Worker(new_name(), 8, stopping=stopping)
    print("ready", flush=True)
    worker.run()
    sys.exit(0)
