"""Probes of the tests' own: what they answer, how long they take, and how many look at the same time."""

import threading
import time
from collections import Counter, defaultdict

from django.utils import timezone

from health.observations import Observation


class Provider:
    """Answers for all components of one provider."""

    def __init__(self, code="ok", seconds=0.0):
        self.code, self.seconds = code, seconds
        self.looks = Counter()
        self.running = self.most = 0
        self.lock = threading.Lock()
        # Cleared: whoever looks waits until it is set.
        self.open = threading.Event()
        self.open.set()

    def look(self, row):
        started_at = timezone.now()
        with self.lock:
            self.looks[row.name] += 1
            self.running += 1
            self.most = max(self.most, self.running)
        try:
            self.open.wait(20)
            time.sleep(self.seconds)
            if isinstance(self.code, Exception):
                raise self.code
            code = self.code(row) if callable(self.code) else self.code
            seen = Observation(code, started_at, timezone.now(), revision=row.revision)
            return [(row.pk, seen)]
        finally:
            with self.lock:
                self.running -= 1


class Providers(defaultdict):
    """What a schedule registers: a Provider for each name, and none for `unasked`."""

    def __init__(self):
        super().__init__(Provider)

    def probe(self, ids):
        from health.models import Component

        rows = Component.objects.filter(pk__in=ids).exclude(provider="unasked")
        return {row.pk: lambda row=row: self[row.provider].look(row) for row in rows}
