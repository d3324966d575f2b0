"""Proves that the database holds exactly what a file of documents says: all of it, once, and nothing else.

    python -m tests.faults.import_whole write FILE DOCUMENTS     writes such a file
    python -m tests.faults.import_whole prove FILE EXPORT        prints the problems as a JSON array

Works on the database that DATABASE_URL names. EXPORT is what `export_credentials --format jsonl` wrote.
"""

import json
import random
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

Documents = dict[str, dict[str, Any]]

# Of so many documents, one comes twice.
TWICE = 20
SHOWN = 5


def write(path: Path, number: int) -> None:
    """Write documents of so many accounts of all kinds; some come a second time, anywhere later."""
    from tests.benchmarks.import_rate import documents

    chance = random.Random(number)
    lines = [(float(place), json.dumps(document)) for place, document in enumerate(documents(number))]
    again = chance.sample(lines, number // TWICE)
    lines += [(chance.uniform(place, number), line) for place, line in again]
    path.write_text("".join(f"{line}\n" for _place, line in sorted(lines)))


def read(path: Path) -> Documents:
    """The documents of a file by their names, which tell them apart."""
    with path.open() as file:
        return {document["name"]: document for document in map(json.loads, file)}


def problems(documents: Documents, export: Iterable[dict[str, Any]]) -> list[str]:
    """What is not as the documents say, in words without values; an empty list where all is."""
    from django.db import connection

    # No query log, which would grow with every row.
    connection.force_debug_cursor = False
    return [
        *_rows(documents),
        *_fingerprints(documents),
        *_audit(documents),
        *_secrets(documents),
        *_differ("the export", _as_exported(documents), Counter(map(_text, export))),
    ]


def _rows(documents: Documents) -> Iterator[str]:
    """One base row, one row of its kind, one component and one rate limit for each document."""
    from credentials.kinds import KINDS
    from credentials.models import Credential, RateLimit
    from health.models import Component

    wanted = Counter(document["properties"]["kind"] for document in documents.values())
    rows = Credential.everything.non_polymorphic()
    yield from _differ("credentials by kind", wanted, Counter(rows.values_list("kind", flat=True)))
    own = {name: _count_rows(kind._meta.db_table) for name, kind in KINDS.items()}
    yield from _differ("rows in the tables of the kinds", wanted, Counter(own))
    ids = Counter(rows.values_list("pk", flat=True))
    yield from _differ("rate limits", ids, Counter(RateLimit.objects.values_list("pk", flat=True)))
    components = Counter(rows.values_list("component_id", flat=True))
    yield from _differ(
        "components",
        components,
        Counter(Component.everything.filter(kind="credential").values_list("pk", flat=True)),
    )
    yield from _differ("names", Counter(list(documents)), Counter(rows.values_list("name", flat=True)))


def _count_rows(table: str) -> int:
    """The rows of one table by itself: the ORM would join the base table and hide those without a base."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {connection.ops.quote_name(table)}")
        return cursor.fetchone()[0]


def _fingerprints(documents: Documents) -> Iterator[str]:
    """One fingerprint for each secret, in force, of the row that holds it."""
    from credentials.models import Credential, Fingerprint

    rows = Credential.everything.non_polymorphic()
    names = dict(rows.values_list("pk", "name"))
    stored = Fingerprint.objects.values_list("owner", "field", "digest", "current").iterator()
    found = Counter((names.get(owner, "nobody"), *rest) for owner, *rest in stored)
    wanted = Counter(
        (name, field, digest, True)
        for name, document in documents.items()
        for field, digest in _digests(document)
    )
    yield from _differ("fingerprints", wanted, found)


def _digests(document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    from credentials.kinds import KINDS
    from credentials.models import properties as declared

    properties = document["properties"]
    yield from declared.digests(KINDS[properties["kind"]], properties).items()


def _audit(documents: Documents) -> Iterator[str]:
    """One event for each created row, one more for each limit that is not the default, and nothing else
    but the runs of commands."""
    from credentials import audit
    from credentials.models import AuditEvent, Credential

    rows = Credential.everything.non_polymorphic().values_list("pk", "name")
    wanted = Counter(("create", str(pk)) for pk, _name in rows)
    wanted += Counter(
        ("change", str(pk)) for pk, name in rows if name in documents and _has_own_limit(documents[name])
    )
    events = AuditEvent.objects.exclude(object_type="command")
    found = Counter(events.values_list("action", "object_id").iterator())
    yield from _differ("audit events", wanted, found)
    yield from audit.verify().problems


def _has_own_limit(document: dict[str, Any]) -> bool:
    return _limit(document) != _limit({**document, "rate_limit": None})


def _limit(document: dict[str, Any]) -> dict[str, Any]:
    """The rate limit that a document ends with, as documents show it."""
    from credentials.kinds import KINDS

    properties = document["properties"]
    default = KINDS[properties["kind"]].default_limit(properties)._asdict()
    limit = document.get("rate_limit") or default
    return {**limit, "max_concurrent_requests": limit.get("max_concurrent_requests") or 0}


def _secrets(documents: Documents) -> Iterator[str]:
    """Each secret of each row opens, and is the one of its document."""
    from credentials.kinds import KINDS
    from credentials.sealing import SecretError, secret_fields

    opened = 0
    for kind in KINDS.values():
        # One kind at a time: what a row needs beside its base is in one table.
        for row in kind.everything.non_polymorphic().iterator(chunk_size=2_000):
            properties = documents.get(row.name, {}).get("properties", {})
            for field in secret_fields(kind):
                secret = getattr(row, field.name)
                try:
                    # Without noting the use, which would write every row.
                    text = secret._open() if secret else None
                except SecretError as error:
                    yield f"a secret of {kind.KIND} does not open: {type(error).__name__}"
                    continue
                opened += secret is not None
                if text != properties.get(field.name):
                    yield f"a secret of {kind.KIND} is another than in the document"
    if not opened:
        yield "there is no secret at all"


def _as_exported(documents: Documents) -> "Counter[str]":
    return Counter(_text(_exported(document)) for document in documents.values())


def _exported(document: dict[str, Any]) -> dict[str, Any]:
    """A document as its export should show it: complete, and with its secrets masked."""
    from credentials.kinds import KINDS
    from credentials.models import properties as declared
    from credentials.sealing import MASK

    kind = KINDS[document["properties"]["kind"]]
    secrets = declared.secret_names(kind)
    properties = {
        name: MASK if name in secrets else value for name, value in document["properties"].items() if value
    }
    properties |= {name: value for name, value in document["properties"].items() if value is False}
    return {
        "name": document["name"],
        "provider": kind.PROVIDER.key,
        "properties": properties,
        "oauth_app_id": None,
        "rate_limit": _limit(document),
        "metadata": document["metadata"],
    }


def _text(document: dict[str, Any]) -> str:
    """A document without what only the database knows, as text in which equal documents are equal."""
    hidden = ("id", "health", "created_at", "updated_at")
    return json.dumps({name: value for name, value in document.items() if name not in hidden}, sort_keys=True)


def _differ(what: str, wanted: "Counter[Any]", found: "Counter[Any]") -> Iterator[str]:
    """What two counts differ in, by number: the entries may hold values."""
    missing, more = +(wanted - found), +(found - wanted)
    if missing or more:
        yield f"{what}: {sum(missing.values())} missing, {sum(more.values())} too many"


def main() -> None:
    import django

    django.setup()
    job, path = sys.argv[1], Path(sys.argv[2])
    if job == "write":
        write(path, int(sys.argv[3]))
        return
    with open(sys.argv[3]) as export:
        found = problems(read(path), map(json.loads, export))
    print(json.dumps([*found[:SHOWN], *([f"and {len(found) - SHOWN} more"] if found[SHOWN:] else [])]))


if __name__ == "__main__":
    main()
