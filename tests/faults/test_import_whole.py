"""The proof of the fault runs: it finds nothing in a good import, and each kind of damage in a bad one."""

import json

import pytest
from django.db import models

from credentials import audit, batches
from credentials.models import Credential, Fingerprint, RateLimit
from credentials.reading import Row
from credentials.transfer import export
from health.models import Component
from tests import rawsql
from tests.factories import make_credential
from tests.faults import import_whole

pytestmark = pytest.mark.django_db

NUMBER = 40


@pytest.fixture
def documents(tmp_path):
    """The documents of a file that was imported."""
    path = tmp_path / "documents.jsonl"
    import_whole.write(path, NUMBER)
    rows = [Row(n, json.loads(line)) for n, line in enumerate(path.read_text().splitlines(), start=1)]
    assert len(rows) == NUMBER + NUMBER // import_whole.TWICE
    list(batches.import_rows(rows))
    return import_whole.read(path)


def problems(documents):
    return import_whole.problems(documents, json.loads(json.dumps(list(export()), default=str)))


def a_row(kind="stripe_key"):
    return Credential.objects.filter(kind=kind).first()


def rows_of(model):
    """The rows of a table, past what our own managers do."""
    return models.QuerySet(model)


def without_its_limit():
    rows_of(RateLimit).filter(pk=a_row().pk)._raw_delete("default")


def without_the_row_of_its_kind():
    rows_of(type(a_row())).filter(pk=a_row().pk)._raw_delete("default")


def without_fingerprint():
    rows_of(Fingerprint).filter(owner=a_row().pk).delete()


def a_fingerprint_out_of_force():
    rows_of(Fingerprint).filter(owner=a_row().pk).update(current=False)


def a_component_of_nobody():
    Component.objects.create(kind="credential", name="Nobody's")


def created_twice():
    make_credential(name="Once more")


def an_event_too_many():
    audit.record("create", a_row())


def a_damaged_secret():
    rawsql.store(a_row(), secret=b"garbage")


def the_secret_of_another():
    row = a_row()
    row.secret = "sk_test_fakeNotARealKeyOfAnother"
    row.save()


def another_limit():
    rows_of(RateLimit).filter(pk=a_row().pk).update(allowed_requests=3)


def another_name():
    rows_of(Credential).filter(pk=a_row().pk).update(name="Somebody")


def other_metadata():
    rows_of(Credential).filter(pk=a_row().pk).update(metadata={})


DAMAGE = {
    without_its_limit: "rate limits: 1 missing, 0 too many",
    without_the_row_of_its_kind: "rows in the tables of the kinds: 1 missing, 0 too many",
    without_fingerprint: "fingerprints: 1 missing, 0 too many",
    a_fingerprint_out_of_force: "fingerprints: 1 missing, 1 too many",
    a_component_of_nobody: "components: 0 missing, 1 too many",
    created_twice: "credentials by kind: 0 missing, 1 too many",
    an_event_too_many: "audit events: 0 missing, 1 too many",
    a_damaged_secret: "a secret of stripe_key does not open: UnreadableSecret",
    the_secret_of_another: "a secret of stripe_key is another than in the document",
    another_limit: "the export: 1 missing, 1 too many",
    another_name: "names: 1 missing, 1 too many",
    other_metadata: "the export: 1 missing, 1 too many",
}


def test_a_good_import_is_whole(documents):
    assert problems(documents) == []


@pytest.mark.parametrize("damage", DAMAGE, ids=lambda damage: damage.__name__)
def test_damage_is_found(documents, damage):
    exported = json.loads(json.dumps(list(export()), default=str))
    damage()
    if damage not in (without_its_limit, without_the_row_of_its_kind):
        exported = json.loads(json.dumps(list(export()), default=str))
    assert DAMAGE[damage] in import_whole.problems(documents, exported)
