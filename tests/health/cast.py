"""The named cast of the tests of health: one customer's orders, from the OAuth app to the sync."""

from dataclasses import dataclass

from health import reports
from health.models import Component
from health.status import Status

HEALTHY, CUSTOMER, OURS = Status.HEALTHY, Status.CUSTOMER_INTERVENTION, Status.SEQUIN_INTERVENTION
ANNA = "cli:anna@host"


def make(kind: str, name: str, *needs: Component, **fields) -> Component:
    component = Component.objects.create(kind=kind, name=name, **fields)
    if needs:
        component.rewire(needs)
    return component


@dataclass
class Cast:
    app: Component
    credential: Component
    consumer: Component
    target: Component
    sync: Component
    other: Component  # a second sync into the same target, with a credential of its own

    def refresh(self) -> "Cast":
        for component in vars(self).values():
            component.refresh_from_db()
        return self


def make_cast() -> Cast:
    """The sync needs credential, consumer and target; the credential the app, the consumer the other two."""
    app = make("oauth_app", "shopify app")
    credential = make("credential", "acme shop", app)
    target = make("target", "orders-db")
    consumer = make("consumer", "orders consumer", credential, target)
    sync = make("sync", "acme orders", credential, consumer, target)
    other = make("sync", "globex orders", make("credential", "globex shop"), target)
    return Cast(app, credential, consumer, target, sync, other)


def say(component: Component, status: str, code: str = "", **fields):
    """A report by Anna; an intervention gets a code."""
    code = code or ("" if status == HEALTHY or fields.get("note") else "broken")
    return reports.report(component, status, actor=ANNA, code=code, **fields)


def chained(component: Component) -> list:
    """The flips of a component, after proof that they are without a gap, in order, and end at its status."""
    flips = list(component.flips.order_by("sequence"))
    component.refresh_from_db()
    assert [flip.sequence for flip in flips] == list(range(1, component.sequence + 1))
    for before, after in zip(flips, flips[1:], strict=False):
        assert before.new == after.old and before.happened_at < after.happened_at
    assert not flips or (flips[-1].new, flips[-1].happened_at) == (component.status, component.since)
    return flips
