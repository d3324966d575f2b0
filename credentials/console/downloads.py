"""Documents of credentials as a file, written while it is sent."""

import io
import itertools
import json
from collections.abc import Iterator
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from django.utils import timezone

from credentials import kinds, spreadsheets, transfer
from credentials.models import Credential

TOGETHER = 500
TYPES = {"json": "application/json", "jsonl": "application/x-ndjson", "csv": "text/csv"}


def file(form: str, rows: QuerySet[Credential]) -> StreamingHttpResponse:
    """The documents of these credentials, secrets masked, in one of the forms of TYPES."""
    documents = transfer.export(among=rows)
    name = f"credentials-{timezone.localdate():%Y-%m-%d}.{form}"
    return StreamingHttpResponse(
        _table(documents) if form == "csv" else _json(documents, lines=form == "jsonl"),
        content_type=f"{TYPES[form]}; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _json(documents: Iterator[dict[str, Any]], *, lines: bool) -> Iterator[str]:
    count = 0
    for document in documents:
        text = json.dumps(document, cls=DjangoJSONEncoder, ensure_ascii=False)
        yield f"{text}\n" if lines else ("," if count else "[") + f"\n{text}"
        count += 1
    if not lines:
        yield "\n]\n" if count else "[]\n"


def _table(documents: Iterator[dict[str, Any]]) -> Iterator[str]:
    names = spreadsheets.columns(kinds.KINDS.values())
    first = True
    while some := list(itertools.islice(documents, TOGETHER)):
        out = io.StringIO()
        spreadsheets.write(out, some, names)
        text = out.getvalue()
        # The names of the columns stand at the top of the first part only.
        yield text if first else text.partition("\n")[2]
        first = False
