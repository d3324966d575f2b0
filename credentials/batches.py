"""Importing many documents: new credentials are inserted hundreds at a time, and what is there already is
compared hundreds at a time. All else goes one by one.

Rows are taken in their order, and what comes of each is what `transfer.import_document` makes of it. Only
what is right and certainly new is inserted together. Where that turns out to be wrong, the whole insertion is
taken back and its rows go one by one, which also finds the words for what is wrong. An insertion is all or
nothing, so that an import which was killed can be run again.
"""

import contextlib
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, OperationalError, connection, transaction

from credentials import transfer
from credentials.documents import InvalidDocument, Outcome, is_oauth_app, shape
from credentials.insertion import insert
from credentials.models import Credential, Fingerprint, Limit, OAuthApp, RateLimit
from credentials.models import properties as declared
from credentials.reading import Row

BATCH = 500
# Characters of text: a batch of the longest documents must not fill the memory.
LARGEST = 4_000_000
DEADLOCK = "40P01"
# Milliseconds that an import waits for its turn to write on SQLite, which keeps no queue: several imports and
# a busy machine can make that long, and nobody looks at an answer meanwhile.
PATIENCE = 10 * 60 * 1000

Result = tuple[Row, Outcome | InvalidDocument]
# What a credential is known by: ("id", id), ("account", kind, account) or ("secret", field, digest).
Key = tuple[str, ...]


class _NotNew(Exception):
    """Somebody else has stored a secret of this batch meanwhile."""


@dataclass(frozen=True)
class Draft:
    """A document whose shape is right, and the credential that it makes where there is none yet."""

    row: Row
    document: dict[str, Any]
    properties: dict[str, Any]
    kind: type[Credential]
    keys: frozenset[Key]
    # None where it makes none: a masked secret, a value that is refused.
    new: tuple[Credential, Limit | None] | None


def import_rows(rows: Iterable[Row], *, dry_run: bool = False) -> Iterator[Result]:
    """Import documents in their order; gives what came of each, when it is stored.

    `dry_run` takes each batch back before the next is read, so that nobody waits for a long file: what a
    document would find of an earlier batch, it does not find then.
    """
    with _patient():
        for batch in _batches(rows):
            if not dry_run:
                yield from _import_batch(batch)
                continue
            with transaction.atomic():
                results = list(_import_batch(batch))
                transaction.set_rollback(True)
            yield from results


@contextlib.contextmanager
def _patient() -> Iterator[None]:
    """Let this connection wait longer for other writers. PostgreSQL's wait as long as it takes."""
    if connection.vendor != "sqlite":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout")
        (before,) = cursor.fetchone()
        cursor.execute(f"PRAGMA busy_timeout = {PATIENCE}")
        try:
            yield
        finally:
            cursor.execute(f"PRAGMA busy_timeout = {before}")


def _batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    batch: list[Row] = []
    size = 0
    for row in rows:
        batch.append(row)
        size += row.size
        # Credentials that follow an OAuth app may refer to it.
        if len(batch) == BATCH or size >= LARGEST or is_oauth_app(row.value):
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _import_batch(batch: list[Row]) -> Iterator[Result]:
    apps = _apps(batch)
    drafts = [_draft(row, apps) for row in batch]
    stored = Stored([draft for draft in drafts if draft], apps)
    used: set[Key] = set()
    # Drafts of new credentials, and rows that change nothing, in the order of the file.
    waiting: list[Draft | Row] = []
    for row, draft in zip(batch, drafts, strict=True):
        if draft and draft.new and not draft.keys & (used | stored.taken):
            waiting.append(draft)
        elif draft and not draft.keys & used and stored.says_the_same(draft):
            waiting.append(row)
        else:
            yield from _store(waiting)
            waiting = []
            result = _import_one(row)
            if result in (Outcome.CREATED, Outcome.UPDATED):
                # What was loaded may be out of date from here on.
                stored.forget()
            yield row, result
        if draft:
            used |= draft.keys
    yield from _store(waiting)


def _store(waiting: list[Draft | Row]) -> Iterator[Result]:
    drafts = [one for one in waiting if isinstance(one, Draft)]
    inserted = not drafts or _insert(drafts)
    for one in waiting:
        if isinstance(one, Row):
            yield one, Outcome.UNCHANGED
        else:
            yield one.row, Outcome.CREATED if inserted else _import_one(one.row)


def _insert(drafts: list[Draft]) -> bool:
    """Insert new credentials, all or none; returns whether it was all."""
    secrets = {key for draft in drafts for key in draft.keys if key[0] == "secret"}
    try:
        with transaction.atomic():
            declared.take_turns(digest for _secret, _name, digest in secrets)
            if _owners(secrets):
                raise _NotNew
            insert([draft.new for draft in drafts if draft.new])
    except (_NotNew, IntegrityError):
        return False
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", "") != DEADLOCK:
            raise
        return False
    return True


def _import_one(row: Row) -> Outcome | InvalidDocument:
    if row.problem:
        return InvalidDocument([("", row.problem)])
    try:
        return transfer.import_document(row.value)
    except InvalidDocument as error:
        return error


# --- reading a batch ----------------------------------------------------------------------------------------


def _apps(batch: list[Row]) -> dict[str, OAuthApp]:
    """The OAuth apps that documents refer to, by their id as it stands there."""
    named: dict[str, uuid.UUID] = {}
    for row in batch:
        name = row.value.get("oauth_app_id") if isinstance(row.value, dict) else None
        if isinstance(name, str):
            try:
                named[name] = uuid.UUID(name)
            except ValueError:
                continue
    found = OAuthApp.objects.in_bulk(set(named.values())) if named else {}
    return {name: found[pk] for name, pk in named.items() if pk in found}


def _draft(row: Row, apps: dict[str, OAuthApp]) -> Draft | None:
    """A document as far as it can be judged by itself; None where its shape or its OAuth app is wrong."""
    if row.problem or is_oauth_app(row.value):
        return None
    try:
        document, kind, properties = shape(row.value)
    except InvalidDocument:
        return None
    app = apps.get(document.get("oauth_app_id") or "")
    if document.get("oauth_app_id") and app is None:
        return None
    keys: set[Key] = {("id", str(uuid.UUID(document["id"])))} if document.get("id") else set()
    new = None
    try:
        credential = transfer.new_credential(document, kind, properties, oauth_app=app, alone=True)
        account, new = credential.account, (credential, _own_limit(credential, document.get("rate_limit")))
    except ValidationError:
        account = transfer.account_of(kind, properties)
    if account:
        keys.add(("account", kind.KIND, account))
    else:
        keys |= {("secret", name, digest) for name, digest in declared.digests(kind, properties).items()}
    return Draft(row, document, properties, kind, frozenset(keys), new)


def _own_limit(credential: Credential, given: dict[str, Any] | None) -> Limit | None:
    """A document's limit where it is not the kind's default. Raises ValidationError."""
    limit = transfer.limit_of(given) if given is not None else None
    if limit is None or limit == credential.default_limit(declared.plain(credential)):
        return None
    row = RateLimit(**limit._asdict())
    row.full_clean(exclude={"credential"}, validate_unique=False, validate_constraints=False)
    return limit


class Stored:
    """What the database holds of the credentials that a batch names, loaded with a handful of queries.

    `taken` are those of the keys that it knows.
    """

    def __init__(self, drafts: list[Draft], apps: dict[str, OAuthApp]):
        self.apps = apps
        keys = {key for draft in drafts for key in draft.keys}
        self.owners = _owners(keys)
        self.taken = set(self.owners)
        pks = {pk for owners in self.owners.values() for pk in owners}
        loaded = Credential.objects.filter(pk__in=pks).select_related("rate_limit")
        self.rows = {row.pk: row for row in loaded} if pks else {}
        self.known = transfer.fingerprints(self.rows) if pks else {}

    def forget(self) -> None:
        """Find nothing the same any more."""
        self.rows.clear()

    def says_the_same(self, draft: Draft) -> bool:
        """Whether importing a document would certainly change nothing."""
        row = self._meant(draft)
        if row is None:
            return False
        given = draft.document.get("rate_limit")
        if transfer.superseded(self.known[row.pk], declared.digests(draft.kind, draft.properties)):
            return False
        try:
            changed = transfer.merge(
                row, draft.document, draft.properties, self.known[row.pk], find_app=self._app
            )
        except (InvalidDocument, ValidationError):
            changed = True
        if changed:
            # It is not what is stored any more.
            del self.rows[row.pk]
        return not changed and (given is None or transfer.limit_of(given) == row.rate_limit.limit)

    def _meant(self, draft: Draft) -> Credential | None:
        """The row that a document means, where there is no doubt."""
        for kind_of_key in ("id", "account", "secret"):
            keys = [key for key in draft.keys if key[0] == kind_of_key and key in self.owners]
            if keys:
                pks = {pk for key in keys for pk in self.owners[key]}
                row = self.rows.get(pks.pop()) if len(pks) == 1 else None
                return row if row is not None and row.kind == draft.kind.KIND else None
        return None

    def _app(self, document: Any) -> OAuthApp | None:
        return self.apps.get(document.get("oauth_app_id") or "")


def _owners(keys: set[Key]) -> dict[Key, set[uuid.UUID]]:
    """The rows of those keys that are in the database. Three queries at most.

    By id also rows that were deleted, by account only others; by secret those that hold it or held it.
    """
    found: dict[Key, set[uuid.UUID]] = defaultdict(set)
    if ids := [key[1] for key in keys if key[0] == "id"]:
        for pk in Credential.everything.non_polymorphic().filter(pk__in=ids).values_list("pk", flat=True):
            found["id", str(pk)].add(pk)
    if accounts := [key for key in keys if key[0] == "account"]:
        rows = Credential.objects.non_polymorphic().filter(
            kind__in={key[1] for key in accounts}, account__in={key[2] for key in accounts}
        )
        for pk, kind, account in rows.values_list("pk", "kind", "account"):
            found["account", kind, account or ""].add(pk)
    if digests := [key[2] for key in keys if key[0] == "secret"]:
        held = Fingerprint.objects.filter(digest__in=digests)
        for pk, name, digest in held.values_list("owner", "field", "digest"):
            found["secret", name, digest].add(pk)
    return {key: pks for key, pks in found.items() if key in keys}
