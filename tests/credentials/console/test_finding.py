"""Finding by words: the same text finds the same rows on both databases, whatever happens to the rows."""

import importlib

import pytest
from django.apps import apps
from django.db import connection

from credentials import finding, finding_index, limit_pages
from credentials.limit_forms import LimitsForm
from credentials.models import Credential
from tests.factories import make_credential

pytestmark = pytest.mark.django_db

NAMES = {
    "dots": "acme-corp.example.com",
    "mail": "Jane.Doe+sync@Acme.example",
    "accents": "Crédit Müller ÅNGSTRÖM",
    "sharp": "Straße GROẞ",
    "turkish": "İstanbul ılık",
    "cyrillic": "Большой Ёж",
    "greek": "ΣΊΣΥΦΟΣ",
    "cjk": "東京支社 Tokyo",
    "kana": "ガード名",
    "thai": "กรุงเทพ",
    "hindi": "हिन्दी संस्था",
    "quotes": 'O\'Brien "&" <b> % _ \\ sons',
    "operators": "NOT this OR that AND NEAR:*",
    "numbers": "1e5 0x1f -42 3.14 12abc v2",
    "wide": "ＦＵＬＬ ﬁne Ⅷ",
    "emoji": "rocket🚀ship 👩‍💻",
    "new": "\U0001e2c0\U00011f04x",
    "long": "w" * 150,
}
# What finds exactly which of them.
FINDS = {
    "acme-corp.example.com": {"dots"},
    "acme example": {"dots", "mail"},
    "corp.exam": {"dots"},
    "orp": set(),
    "jane.doe+sync@acme.example": {"mail"},
    "DOE": {"mail"},
    "credit mull": {"accents"},
    "CRÉDIT": {"accents"},
    "cre\u0301dit": {"accents"},
    "angstrom": {"accents"},
    "strasse": {"sharp"},
    "gross": {"sharp"},
    "istanbul": {"turkish"},
    "ILIK": set(),
    "ёж больш": {"cyrillic"},
    "еж": {"cyrillic"},
    "σισυφος": {"greek"},
    "支社": {"cjk"},
    "東京": {"cjk"},
    "京都": set(),
    "カート": {"kana"},
    "กรุง": {"thai"},
    "हिन्": {"hindi"},
    "o'brien": {"quotes"},
    "brien sons": {"quotes"},
    "not AND or near": {"operators"},
    "NEAR:*": {"operators"},
    "1e5": {"numbers"},
    "0x1F": {"numbers"},
    "-42": {"numbers"},
    "3.14": {"numbers"},
    "12a": {"numbers"},
    "full fine viii": {"wide"},
    "ship": {"emoji"},
    "rocketship": set(),
    "\U0001e2c0": {"new"},
    "w" * 150: {"long"},
    "w" * 99: {"long"},
    "' | 'q7": set(),
    '"* OR "q7': set(),
    "zzzz": set(),
    "…": set(),
    "%": set(),
}


def found(text):
    names = {name: key for key, name in NAMES.items()}
    rows = finding.find(Credential.objects.non_polymorphic(), text)
    return {names[name] for name in rows.values_list("name", flat=True)}


def test_the_same_text_finds_the_same_rows_on_both_databases():
    for number, name in enumerate(NAMES.values()):
        make_credential("github_app", name=name, account_login="x", installation_id=900_000 + number)
    assert {text: found(text) for text in FINDS} == FINDS
    assert found("") == found("  ") == set(NAMES)
    assert found("github 9000") == set(NAMES)


def test_a_row_is_found_by_what_it_says_now():
    one = make_credential("stripe_key", name="Before", metadata={"seats": 42, "at": {"city": "Arrakeen"}})
    rows = Credential.everything.non_polymorphic()
    assert list(finding.find(rows, "before 42 arra").values_list("pk", flat=True)) == [one.pk]
    assert list(finding.find(rows, f" {one.pk} ").values_list("pk", flat=True)) == [one.pk]
    one.name = "After"
    one.save()
    assert not finding.find(rows, "before").exists()
    assert finding.find(rows, "after").count() == 1
    # What is kept beside the text leaves the index alone, and does not break it.
    Credential.objects.filter(pk=one.pk).update(unreadable=True)
    one.delete()
    assert finding.find(rows, "after").exists()
    Credential.everything.filter(pk=one.pk).purge()
    assert not finding.find(rows, "after").exists()
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            # Fails where index and table tell different things.
            cursor.execute(
                "INSERT INTO credentials_search(credentials_search, rank) VALUES ('integrity-check', 1)"
            )


def test_admin_and_limits_find_as_the_console_does(admin_client):
    make_credential("stripe_key", name="Crédit-Agricole")
    make_credential("stripe_key", name="Another")
    response = admin_client.get("/admin/credentials/credential/?q=agri+credit")
    assert [row.name for row in response.context["cl"].result_list] == ["Crédit-Agricole"]
    assert "Search finds words and their beginnings." in response.content.decode()
    listed = limit_pages.listed(LimitsForm({"q": "agri credit"}))
    assert [row.credential.name for row in listed.rows] == ["Crédit-Agricole"]


def test_rows_of_before_are_found_and_the_way_back_is_open():
    """What the migration does to an existing database, and takes back."""
    old = make_credential("stripe_key", name="x")
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE credentials_credential SET search = %s WHERE id = %s",
            ["acme-corp.example.com  müller", Credential._meta.pk.get_db_prep_value(old.pk, connection)],
        )
    migration = importlib.import_module("credentials.migrations.0013_search")

    class Editor:
        pass

    editor = Editor()
    editor.connection = connection
    finding_index.remove(apps, editor)
    assert not finding_index.installed(connection)
    make_credential("stripe_key", name="Made between")
    migration.make_words(apps, editor)
    # Of the rows that this transaction made: PostgreSQL wants it done before an index is.
    connection.check_constraints()
    finding_index.install(apps, editor)
    assert finding_index.installed(connection)
    rows = Credential.objects.non_polymorphic()
    assert finding.find(rows, "corp muller").get().pk == old.pk
    assert finding.find(rows, "between").count() == 1


@pytest.mark.django_db(transaction=True)
def test_an_emptied_table_is_found_empty():
    from django.core.management import call_command

    make_credential("stripe_key", name="Gone soon")
    assert finding_index.installed(connection)
    call_command("flush", interactive=False, verbosity=0)
    assert not finding.find(Credential.everything.non_polymorphic(), "gone").exists()
    make_credential("stripe_key", name="Here again")
    assert finding.find(Credential.objects.non_polymorphic(), "again").count() == 1


def test_the_index_is_used():
    rows = finding.find(Credential.everything.non_polymorphic(), "acme corp").values("pk")
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
    plan = rows.explain()
    assert "credential_words" in plan or "VIRTUAL TABLE INDEX" in plan, plan
