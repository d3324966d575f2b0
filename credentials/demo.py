"""A believable platform to look at: customers with credentials, syncs that use them, and a month of health.

Everything has an id that follows from what it is, so that the same demo is made again, and exactly the demo
is removed. Nothing of it is ever sent anywhere: its secrets are made up, and say so.
"""

import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from credentials import kinds
from credentials.demo_properties import NAMESPACE, PROPERTIES, secret
from credentials.models import Credential, Limit, OAuthApp
from health import reports, wiring
from health.models import Component
from health.status import Status

CUSTOMERS = (
    "Atreides", "Harkonnen", "Corrino", "Fenring", "Ordos", "Vernius", "Ginaz", "Richese", "Moritani", "Ecaz",
    "Choam", "Tleilax", "Ix", "Arrakeen", "Caladan", "Kaitain", "Salusa", "Tuek", "Wallach", "Giedi",
)  # fmt: skip
PLANS = ("starter", "growth", "enterprise")
EACH = 3
DAYS = 30
ACTOR = "cli:demo@localhost"

# (days ago, customer, part of the sync, who must act, code, note, hours until it is well again). None: it is
# still broken.
STORY: tuple[tuple[float, int, str, Status, str, str, float | None], ...] = (
    (
        27.3,
        0,
        "credential",
        Status.CUSTOMER_INTERVENTION,
        "revoked",
        "The key was revoked in the dashboard.",
        19,
    ),
    (24.8, 3, "target", Status.CUSTOMER_INTERVENTION, "disk_full", "The database's disk is full.", 7.5),
    (
        21.1,
        5,
        "app",
        Status.SEQUIN_INTERVENTION,
        "invalid_client",
        "Our app's client secret had expired.",
        2.25,
    ),
    (17.6, 8, "consumer", Status.SEQUIN_INTERVENTION, "workers_dead", "Workers were out of memory.", 0.8),
    (13.2, 1, "credential", Status.CUSTOMER_INTERVENTION, "insufficient_scope", "A scope was withdrawn.", 31),
    (9.7, 11, "credential", Status.CUSTOMER_INTERVENTION, "suspended", "The account's trial had ended.", 50),
    (
        6.4,
        14,
        "target",
        Status.SEQUIN_INTERVENTION,
        "connection_refused",
        "Our firewall rule was too narrow.",
        3,
    ),
    (
        2.9,
        6,
        "credential",
        Status.CUSTOMER_INTERVENTION,
        "revoked",
        "The app was removed from the account.",
        None,
    ),
    (1.6, 12, "target", Status.CUSTOMER_INTERVENTION, "disk_full", "The database's disk is full.", None),
    (0.4, 17, "consumer", Status.SEQUIN_INTERVENTION, "lag", "Hours behind: workers are saturated.", None),
)


def demo_id(*what: Any) -> uuid.UUID:
    """The id of a thing in the demo."""
    return uuid.uuid5(NAMESPACE, " ".join(map(str, what)))


def ids() -> set[uuid.UUID]:
    """The ids of what `fill` makes."""
    apps = {demo_id("app", provider) for provider in kinds.PROVIDERS}
    customers = range(len(CUSTOMERS))
    parts = {demo_id(part, customer) for part in Component.BY_THEMSELVES for customer in customers}
    return apps | parts | {demo_id("credential", n) for n in range(len(CUSTOMERS) * EACH)}


def exists() -> bool:
    """Whether the demo, or a part of it, is there."""
    return Credential.everything.non_polymorphic().filter(pk__in=ids()).exists()


def fill(now: datetime | None = None) -> dict[str, int]:
    """Make the demo; returns how many of what. Raises ValidationError where a part of it is there already."""
    began = (now or timezone.now()) - timedelta(days=DAYS)
    with transaction.atomic():
        apps = {app.provider: app for app in _apps()}
        credentials = [_credential(n) for n in range(len(CUSTOMERS) * EACH)]
        syncs = [_sync(customer, credentials, began) for customer in range(len(CUSTOMERS))]
        _grow_old([*apps.values(), *credentials], began)
        flips = _tell(apps, credentials, began)
    return {"credentials": len(credentials), "OAuth apps": len(apps), "syncs": len(syncs), "flips": flips}


def remove() -> int:
    """Remove exactly the demo, with what belongs to it; returns how many things. Its audit events stay.

    Raises RestrictedError or ProtectedError where something that is not of the demo depends on it.
    """
    mine = ids()
    with transaction.atomic():
        by_themselves = Component.objects.filter(pk__in=mine)
        # Syncs come first among these: what they depend on is protected as long as they are there.
        parts = [by_themselves.filter(kind=kind).delete()[1] for kind in Component.BY_THEMSELVES]
        removed = sum(counts.get("health.Component", 0) for counts in parts)
        numbered = Credential.everything.non_polymorphic().filter(metadata__has_key="demo")
        keys = [pk for pk, metadata in numbered.values_list("pk", "metadata") if _is_demo(pk, metadata)]
        for start in range(0, len(keys), 500):
            some = Credential.everything.non_polymorphic().filter(pk__in=keys[start : start + 500])
            removed += some.purge()
        removed += OAuthApp.objects.filter(pk__in=mine).delete()[1].get("credentials.OAuthApp", 0)
    return removed


def _is_demo(pk: uuid.UUID, metadata: dict[str, Any]) -> bool:
    """Whether a credential is of the demo, and not one of somebody who calls something a demo as well."""
    return pk == demo_id("credential", metadata.get("demo"))


def is_demo(row: Credential | OAuthApp) -> bool:
    """Whether a credential or an OAuth app is of the demo: its secrets are made up, and good for nothing."""
    if isinstance(row, OAuthApp):
        return row.pk == demo_id("app", row.provider)
    return _is_demo(row.pk, row.metadata)


def _apps() -> Iterator[OAuthApp]:
    for provider in kinds.PROVIDERS.values():
        if not any(kind.USES_OAUTH_APP for kind in kinds.of_provider(provider.key)):
            continue
        app: Any = OAuthApp(
            id=demo_id("app", provider.key),
            provider=provider.key,
            name=f"Demo sync for {provider.name}",
            client_id=f"demo-{provider.key}",
            metadata={"demo": True},
        )
        if provider.key == "github":
            app.app_id = 1000001
            app.private_key = (
                f"-----BEGIN RSA PRIVATE KEY-----\n{secret('', 1, 64)}\n-----END RSA PRIVATE KEY-----\n"
            )
        else:
            app.client_secret = secret(f"{provider.key}-", 1)
        app.save()
        yield app


def documents(count: int, start: int = 0) -> Iterator[dict[str, Any]]:
    """Documents of made-up credentials, evenly over all kinds, for filling a large installation."""
    names = list(PROPERTIES)
    for n in range(start, start + count):
        customer = CUSTOMERS[n // EACH % len(CUSTOMERS)]
        kind = kinds.KINDS[names[n % len(names)]]
        yield {
            "id": str(demo_id("credential", n)),
            "name": f"{customer} {n}, {kind.PROVIDER.name}",
            "properties": {"kind": kind.KIND, **PROPERTIES[kind.KIND](n, f"{customer.lower()}-demo-{n}")},
            "metadata": {"demo": n, "customer_id": customer.lower(), "plan": PLANS[n % len(PLANS)]},
        }


def _credential(n: int) -> Credential:
    customer = CUSTOMERS[n // EACH]
    names = list(PROPERTIES)
    kind = kinds.KINDS[names[n % len(names)]]
    slug = customer.lower()
    properties = PROPERTIES[kind.KIND](n, f"{slug}-demo")
    credential = kind.from_properties(
        properties,
        id=demo_id("credential", n),
        name=f"{customer}, {kind.PROVIDER.name}",
        metadata={"demo": n, "customer_id": slug, "plan": PLANS[n // EACH % len(PLANS)]},
    )
    credential.save()
    if n % 7 == 0:
        limit = credential.rate_limit.limit
        credential.set_limit(Limit(max(1, limit.allowed_requests // 2), limit.interval, 4))
    return credential


def _sync(customer: int, credentials: list[Credential], began: datetime) -> Component:
    """A sync of one customer's first credential into a target, with the consumer that reads it."""
    name = CUSTOMERS[customer]
    parts = {
        kind: Component.objects.create(
            id=demo_id(kind, customer), kind=kind, name=label, created_at=began, since=began, own_since=began
        )
        for kind, label in (
            ("sync", f"{name} to warehouse"),
            ("consumer", f"{name} events"),
            ("target", f"{name.lower()}-db"),
        )
    }
    needs = [credentials[customer * EACH].component, parts["consumer"], parts["target"]]
    wiring.rewire(parts["sync"], needs, actor=ACTOR)
    return parts["sync"]


def _grow_old(holders: list[OAuthApp | Credential], began: datetime) -> None:
    """Let the components be as old as their story."""
    mine = [holder.component_id for holder in holders]
    Component.objects.filter(pk__in=mine).update(created_at=began)


def _tell(apps: dict[str, OAuthApp], credentials: list[Credential], began: datetime) -> int:
    """Report the story in the order of time; returns how many flips it made."""
    now = began + timedelta(days=DAYS)
    said: list[tuple[datetime, Component, Status, str, str]] = []
    watched = [credential.component for credential in credentials]
    watched += [app.component for app in apps.values()]
    watched += list(Component.objects.filter(pk__in=ids(), kind__in=Component.BY_THEMSELVES))
    for component in watched:
        said.append((began, component, Status.HEALTHY, "", "Checked."))
    for ago, customer, part, status, code, note, hours in STORY:
        credential = credentials[customer * EACH]
        app = credential.app_in_use()
        if part == "credential":
            component = credential.component
        elif part == "app":
            component = (app or next(iter(apps.values()))).component
        else:
            component = Component.objects.get(pk=demo_id(part, customer))
        when = now - timedelta(days=ago)
        said.append((when, component, status, code, note))
        if hours is not None:
            said.append((when + timedelta(hours=hours), component, Status.HEALTHY, "", "Works again."))
    flips = 0
    for when, component, status, code, note in sorted(said, key=lambda one: (one[0], str(one[1].pk))):
        flips += reports.report(component, status, actor=ACTOR, code=code, note=note, at=when) is not None
    return flips
