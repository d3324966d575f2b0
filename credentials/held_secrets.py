"""What the secrets of a document mean for the row that it describes, by their fingerprints.

A row that held one of them once and holds another now is newer than the document. One that holds it still
need not seal it again, unless the stored one could not be used as it is.
"""

import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from credentials.models import Fingerprint
from credentials.models.secret_holder import SecretHolder

# The fingerprints of a row: whether each (field, digest) is that of the secret in force.
Known = dict[tuple[str, str], bool]


def fingerprints(owners: Iterable[uuid.UUID]) -> dict[uuid.UUID, Known]:
    """The fingerprints of rows, by row. One query."""
    found: dict[uuid.UUID, Known] = {owner: {} for owner in owners}
    rows = Fingerprint.objects.filter(owner__in=list(found))
    for owner, name, digest, current in rows.values_list("owner", "field", "digest", "current"):
        found[owner][name, digest] = current
    return found


def superseded(known: Known, held: Mapping[str, str]) -> bool:
    """Whether a row held one of the secrets of a document (digests by field) and holds another one now."""
    return any(known.get(secret) is False for secret in held.items())


def same(known: Known, held: Mapping[str, str]) -> set[str]:
    """The fields of which a row holds the secret of the document already."""
    return {secret[0] for secret in held.items() if known.get(secret)}


def to_seal_again(
    row: SecretHolder, values: Mapping[str, Any], names: set[str], moved: bool
) -> dict[str, Any]:
    """Those of the secrets in these fields, which the row holds already, that it has to take all the same.

    `moved` says that a property changed beside which they have to be judged. Call it when all else of the
    document is assigned: that decides whether what is stored still opens.
    """
    return {name: values[name] for name in names if moved or not getattr(row, name).opens()}
