"""Tables going out: masked, complete, no cell a formula, and good to come in again without a change."""

import csv
import io

import pytest
from django.core.management import call_command
from hypothesis import example, given, settings
from hypothesis import strategies as st

from credentials import batches, spreadsheets
from credentials.kinds import KINDS
from credentials.models import Credential
from credentials.reading import read
from credentials.sealing import MASK
from credentials.transfer import Outcome, import_document
from tests import factories
from tests.credentials.kind_facts import FACTS

FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "'=1", "''=1", "＝1", "'a", "-", "'", ""]
texts = st.text(st.sampled_from("'=+-@＝ \t\ra\"\n,;ü😀"), max_size=8) | st.sampled_from(FORMULAS)


def exported(*options):
    out = io.StringIO()
    call_command("export_credentials", "--format", "csv", *options, stdout=out, stderr=io.StringIO())
    return out.getvalue()


def imported(text):
    rows = read(io.BytesIO(text.encode()))
    return [result for _row, result in batches.import_rows(rows)]


@settings(max_examples=300)
@given(texts)
@example("=cmd|' /C calc'!A0")
def test_no_cell_is_a_formula_and_each_reads_as_it_was(text):
    cell = spreadsheets.escaped(text)
    assert not cell.lstrip().startswith(("=", "+", "-", "@", "＝", "＋", "－", "＠"))
    assert not cell.startswith(("\t", "\r", "\n"))
    assert spreadsheets.unescaped(cell) == text


@pytest.mark.parametrize("text", ["a=1", "1-2", "user@example.com", "'a", "ü"])
def test_a_cell_that_is_no_formula_is_left_alone(text):
    assert spreadsheets.escaped(text) == text


@pytest.mark.django_db
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_comes_in_again_unchanged(kind):
    properties = {"kind": kind, **FACTS[kind].properties, **FACTS[kind].optional}
    name = {} if "name" in FACTS[kind].properties else {"name": "Arrakis"}
    import_document({**name, "properties": properties, "metadata": {"=a": ["ü", 1, None, True]}})
    before = Credential.objects.get().document()
    text = exported()
    for name in FACTS[kind].secrets:
        assert FACTS[kind].properties.get(name, "!") not in text
    assert imported(text) == [Outcome.UNCHANGED]
    assert Credential.objects.get().document() == before


@pytest.mark.django_db
@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(texts, texts, st.booleans()), min_size=1, max_size=3),
    st.dictionaries(texts, texts | st.integers(-5, 5) | st.none() | st.lists(texts, max_size=2), max_size=3),
)
def test_whatever_comes_in_goes_out_as_a_table_that_changes_nothing(rows, metadata):
    for number, (name, secret, test) in enumerate(rows):
        properties = {"kind": "stripe_key", "name": name, "secret": f"{secret}{number}", "test": test}
        list(batches.import_rows(read_one({"properties": properties, "metadata": metadata})))
    stored = Credential.objects.count()
    assert imported(exported()) == [Outcome.UNCHANGED] * stored
    for row in Credential.objects.all():
        row.delete()


def read_one(document):
    from credentials.reading import Row

    return [Row(1, document)]


@pytest.mark.django_db
def test_the_columns_are_those_of_the_chosen_kinds():
    import_document({"properties": {"kind": "stripe_key", **FACTS["stripe_key"].properties}})
    import_document({"name": "G", "properties": {"kind": "github_app", **FACTS["github_app"].properties}})
    header, row = csv.reader(io.StringIO(exported("--provider", "stripe")))
    assert header == [
        "id", "name", "provider", "properties.kind", "properties.name", "properties.secret",
        "properties.test", "oauth_app_id", "rate_limit.allowed_requests", "rate_limit.interval",
        "rate_limit.max_concurrent_requests", "metadata", "health.status", "created_at", "updated_at",
    ]  # fmt: skip
    assert row[1:7] == ["Arrakis, test", "stripe", "stripe_key", "Arrakis, test", MASK, "true"]
    assert len(exported().splitlines()) == 3


@pytest.mark.django_db
def test_an_installation_without_credentials_gives_the_header():
    assert exported().startswith("id,name,provider,properties.kind,")
    assert imported(exported()) == []


@pytest.mark.django_db
def test_apps_come_before_their_credentials_and_in_again_unchanged():
    app = factories.make_oauth_app("shopify", scopes=["a", "b"], is_default=True, metadata={"a": 1})
    factories.make_oauth_app("github")
    factories.make_credential("shopify_oauth2", oauth_app=app)
    factories.make_credential("stripe_key")
    text = exported("--with-oauth-apps")
    kinds = [(row["object"], row["properties.kind"]) for row in csv.DictReader(io.StringIO(text))]
    assert kinds == [("oauth_app", ""), ("oauth_app", ""), ("", "shopify_oauth2"), ("", "stripe_key")]
    assert "fake-client-secret" not in text
    assert "PRIVATE KEY" not in text
    assert imported(text) == [Outcome.UNCHANGED] * 4
