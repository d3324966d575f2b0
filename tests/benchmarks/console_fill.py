"""Fills a database with a million believable credentials within minutes, for looking at lists of them.

One credential of each kind is imported as people do. The others are copies of these rows in the tables that
lists read (component, credential, rate limit), with names, accounts, metadata, times and statuses of their
own. They have no rows in the tables of their kinds: nothing opens one.
"""

import json
import random
import uuid
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.utils import timezone

from credentials import audit, batches, demo, finding
from credentials.models import Credential, OAuthApp, RateLimit
from credentials.reading import Row
from health.models import Component
from health.status import Status
from tests.factories import make_oauth_app

BATCH = 10_000


def fill(rows: int) -> None:
    with audit.acting("cli:benchmark@localhost"):
        for provider in ("hubspot", "salesforce", "shopify"):
            make_oauth_app(provider, name=f"Sync for {provider}")
        for _ in batches.import_rows(Row(n, one) for n, one in enumerate(demo.documents(17, start=1_000))):
            pass
    templates = list(Credential.objects.non_polymorphic().select_related("component", "rate_limit"))
    apps = {app.provider: app.pk for app in OAuthApp.objects.all()}
    random.seed(7)
    now = timezone.now()
    for start in range(0, rows - len(templates), BATCH):
        numbers = range(start, min(start + BATCH, rows - len(templates)))
        made = [_one(n, templates[n % len(templates)], apps, now) for n in numbers]
        for model, position in ((Component, 0), (Credential, 1), (RateLimit, 2)):
            _insert(model, [one[position] for one in made])
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # What its autovacuum does within a minute or so.
            cursor.execute("VACUUM ANALYZE")
        else:
            cursor.execute("PRAGMA optimize")


def _one(n: int, template: Credential, apps: dict[str, Any], now: datetime) -> tuple[Any, Any, Any]:
    customer = demo.CUSTOMERS[n // 3 % len(demo.CUSTOMERS)]
    slug = f"{customer.lower()}-{n}"
    component, credential, limit = _copy(template.component), _copy(template), _copy(template.rate_limit)
    component.id, credential.id = (
        uuid.UUID(int=random.getrandbits(128)),
        uuid.UUID(int=random.getrandbits(128)),
    )
    credential.component_id, limit.credential_id = component.id, credential.id
    component.name = credential.name = f"{customer} {n}, {template.provider.title()}"
    credential.account = f"{slug}.example.com"
    credential.metadata = {
        "customer_id": slug,
        "plan": demo.PLANS[n % len(demo.PLANS)],
        "contact": f"ops@{slug}.example",
        "demo": n,
    }
    credential.created_at = credential.updated_at = now - timedelta(seconds=n * 60)
    if n % 5:
        credential.last_used_at = now - timedelta(seconds=random.randrange(30 * 86_400))
    credential.oauth_app_id = apps.get(template.provider) if n % 2 else None
    component.since = component.own_since = now - timedelta(seconds=random.randrange(90 * 86_400))
    chance = random.random()
    if chance > 0.1:
        component.known_since = component.last_observed_at = component.since
    for status, most, least in (
        (Status.CUSTOMER_INTERVENTION, 1.0, 0.98),
        (Status.SEQUIN_INTERVENTION, 0.98, 0.97),
    ):
        if most >= chance > least:
            component.status = component.own_status = status
            component.cause_id = component.id
    if 0.98 >= chance > 0.979:
        component.also_id = component.id
    if random.random() < 0.005:
        component.paused_until = now + timedelta(days=7)
    credential.unreadable = random.random() < 0.0002
    if random.random() < 0.002:
        credential.deleted_at = component.retired_at = now - timedelta(days=1)
    words = f"{credential.name} {template.provider} {template.kind} {credential.account} "
    words += " ".join(map(str, credential.metadata.values()))
    credential.search = " ".join(finding.words(words))
    return component, credential, limit


def _copy(row: Any) -> Any:
    return type(row)(**{field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields})


def _insert(model: Any, rows: list[Any]) -> None:
    fields = [field for field in model._meta.local_concrete_fields if not field.generated]
    table, columns = model._meta.db_table, ", ".join(f'"{field.column}"' for field in fields)
    values = _values(fields, rows)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            with cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
                for row in values:
                    copy.write_row(row)
        else:
            marks = ", ".join(["%s"] * len(fields))
            cursor.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", list(values))


def _values(fields: list[Any], rows: Iterable[Any]) -> Iterator[list[Any]]:
    for row in rows:
        found = []
        for field in fields:
            value = getattr(row, field.attname)
            if isinstance(value, dict):
                value = json.dumps(value)
            elif connection.vendor == "sqlite":
                value = field.get_db_prep_save(value, connection)
            found.append(value)
        yield found
