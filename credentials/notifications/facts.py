"""What the rules of channels look at: of each component its kind, providers, and credentials' metadata."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

from credentials.models import Credential
from credentials.models.channel import Channel
from health import graph
from health.graph import Id
from health.models import Component


@dataclass
class Facts:
    """A component, with the providers and metadata of it, of what it needs at once, and of its cause."""

    kind: str
    providers: set[str] = field(default_factory=set)
    metadata: list[dict[str, Any]] = field(default_factory=list)


def of(
    components: Collection[Component], causes: Iterable[Component] = (), *, deeply: bool = True
) -> dict[Id, Facts]:
    """The facts of components by id, a few queries for each 500.

    Not `deeply`: the kinds alone, where no rule asks for more. `causes` are those that brought their status
    about, whose provider and metadata count as theirs.
    """
    found = {one.pk: Facts(one.kind, {one.provider} - {""}) for one in components}
    if not deeply:
        return found
    rows = {one.pk: one for one in (*components, *causes)}
    above: dict[Id, set[Id]] = {
        one.pk: {one.pk, *([one.cause_id] if one.cause_id else [])} for one in components
    }
    for some in graph.chunks(found):
        edges = graph.edges().filter(component__in=some).select_related("depends_on")
        for edge in edges:
            above[edge.component_id].add(edge.depends_on_id)
            rows.setdefault(edge.depends_on_id, edge.depends_on)
    metadata: dict[Id, dict[str, Any]] = {}
    credentials = [pk for pk, row in rows.items() if row.kind == Component.Kind.CREDENTIAL]
    for some in graph.chunks(credentials):
        kept = Credential.everything.non_polymorphic().filter(component__in=some)
        metadata |= dict(kept.values_list("component_id", "metadata"))
    for pk, those in above.items():
        for other in those:
            if other in rows:
                found[pk].providers |= {rows[other].provider} - {""}
            if other in metadata:
                found[pk].metadata.append(metadata[other])
    return found


def asks_deeply(channel: Channel) -> bool:
    return bool(channel.providers or channel.metadata)


def fits(channel: Channel, facts: Facts) -> bool:
    """Whether the rules of a channel let it hear of a component, whoever must act."""
    if channel.kinds and facts.kind not in channel.kinds:
        return False
    if channel.providers and facts.providers.isdisjoint(channel.providers):
        return False
    return not channel.metadata or any(_holds(one, channel.metadata) for one in facts.metadata)


def _holds(metadata: dict[str, Any], wanted: dict[str, str]) -> bool:
    """Whether metadata hold all of these. A number or a switch is compared as JSON writes it."""
    return all(key in metadata and _text(metadata[key]) == value for key, value in wanted.items())


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
