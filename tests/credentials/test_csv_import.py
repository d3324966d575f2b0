"""Credentials from spreadsheets: the same documents, read by declared type, named by row and column."""

import csv
import io

import pytest
from django.core.management import CommandError, call_command

from credentials.models import Credential, OAuthApp
from credentials.sealing import MASK
from credentials.spreadsheets import columns
from credentials.transfer import export
from tests.credentials.bad_input import NEITHER

pytestmark = pytest.mark.django_db
WRITE = "Write properties.NAME for a property, metadata.KEY for metadata"
SECRET = "sk_test_NEVERSHOWN0123456789"
STRIPE = "properties.kind,properties.name,properties.secret,properties.test\n"
ROW = f"stripe_key,Arrakis,{SECRET},true\n"


def run(path, *options):
    """Import a file; gives (exit status, lines of errors, last line of output)."""
    out, err, status = io.StringIO(), io.StringIO(), 0
    try:
        call_command("import_credentials", str(path), *options, stdout=out, stderr=err)
    except SystemExit as error:
        status = error.code
    except CommandError as error:
        status = error.returncode
        err.write(f"{error}\n")
    said = err.getvalue().replace(str(path), "FILE").splitlines()
    assert "NEVERSHOWN" not in err.getvalue()
    return status, [line for line in said if not line.startswith("stopped at")], out.getvalue().strip()


@pytest.fixture
def importing(tmp_path):
    def write_and_run(text, *options):
        (tmp_path / "file.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
        return run(tmp_path / "file.csv", *options)

    return write_and_run


def table(*rows):
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue()


def quoted(text):
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL).writerows(csv.reader(io.StringIO(text)))
    return out.getvalue()


def counts(created=0, updated=0, unchanged=0, failed=0):
    return f"created {created}, updated {updated}, unchanged {unchanged}, failed {failed}"


# --- what is read ------------------------------------------------------------


def test_a_row_is_a_document(importing):
    text = table(
        ["name", "properties.kind", "properties.hub_domain", "properties.hub_id", "properties.refresh_token",
         "properties.scopes", "rate_limit.allowed_requests", "rate_limit.interval", "metadata"],
        ["Ünïcode 😀", "hubspot_oauth2", "a.com", "123", "example-token", "contacts oauth", "7", "60000",
         '{"customer": "choam", "n": 1}'],
    )  # fmt: skip
    assert importing(text) == (0, [], counts(created=1))
    [found] = export()
    assert found["name"] == "Ünïcode 😀"
    assert found["properties"]["hub_id"] == 123
    assert found["properties"]["scopes"] == ["contacts", "oauth"]
    assert found["rate_limit"] == {
        "allowed_requests": 7, "interval": 60_000, "max_concurrent_requests": 0
    }  # fmt: skip
    assert found["metadata"] == {"customer": "choam", "n": 1}
    assert importing(text) == (0, [], counts(unchanged=1))


def test_single_keys_of_metadata_may_be_columns(importing):
    importing(STRIPE.replace("\n", ",metadata.customer,metadata.n\n") + ROW.replace("\n", ",choam,7\n"))
    assert Credential.objects.get().metadata == {"customer": "choam", "n": "7"}


@pytest.mark.parametrize("cell", ["true", "TRUE", " True "])
def test_a_flag_is_read_as_spreadsheets_write_it(importing, cell):
    assert importing(STRIPE + ROW.replace("true", cell)) == (0, [], counts(created=1))
    assert Credential.objects.get().test is True


def test_a_number_among_texts_stays_a_text(importing):
    importing(STRIPE + ROW.replace("Arrakis", "007"))
    assert Credential.objects.get().name == "007"


def test_older_names_of_kinds_and_properties_are_read(importing):
    text = (
        "kind,name,properties.instance_url,properties.refresh_token,properties.scope,properties.salesforce_id"
    )
    row = "salesforce,A,https://a.my.salesforce.com/x,example-token,api,00D5e000001AbCdEFG"
    assert importing(f"{text}\n{row}\n") == (0, [], counts(created=1))


def test_a_masked_secret_keeps_what_is_stored(importing):
    importing(STRIPE + ROW)
    row = f"id,{STRIPE}{Credential.objects.get().pk},{ROW}".replace(SECRET, MASK).replace("Arrakis", "New")
    assert importing(row) == (0, [], counts(updated=1))
    assert Credential.objects.get().secret.opens()


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + STRIPE + ROW,
        (STRIPE + ROW).replace("\n", "\r\n"),
        (STRIPE + ROW).replace("\n", "\r"),
        (STRIPE + ROW).rstrip(),
        (STRIPE + ROW).replace(",", ";"),
        (STRIPE + ROW).replace(",", "\t"),
        (STRIPE + ROW).replace(",", " ,", 1),
        "\n\n" + STRIPE + "\n,,,\n" + ROW + "\n,,,\n\n",
        quoted(STRIPE + ROW),
    ],
    ids=["BOM", "CRLF", "CR", "no end", "semicolons", "tabs", "space in a name", "empty rows", "quotes"],
)
def test_each_form_of_a_table_is_read(importing, text):
    assert importing(text) == (0, [], counts(created=1))


def test_a_row_twice_is_one_credential(importing):
    assert importing(STRIPE + ROW + ROW) == (0, [], counts(created=1, unchanged=1))


# --- what is wrong, and where ------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (STRIPE + ROW.replace("true", "yes"),
         "row 2, properties.test: expected true or false, found a text"),
        (STRIPE + ROW + "\n\n" + ROW.replace(SECRET, "pk_test_NEVERSHOWN"),
         "row 5, properties.secret: This is a publishable key, which cannot read anything: take the secret or"
         " a restricted key."),
        (STRIPE + ROW.replace("Arrakis", '"two\nlines"'),
         "row 2, properties.name: Character 4 is invisible or a control character: leave it out."),
        (STRIPE + ROW.replace("Arrakis", "a\0"),
         "row 2, properties.name: character 2 is NUL, which cannot be stored"),
        (STRIPE + ROW.replace(SECRET, ""), "row 2, properties.secret: Enter the secret."),
        (STRIPE + ROW.replace(SECRET, MASK), "row 2, properties.secret: masked value: enter the secret"),
        (STRIPE + ROW.replace("true", "true,more"), "row 2: 5 cells under 4 columns"),
        (STRIPE + "stripe_key,Arrakis\n", "row 2: 2 cells under 4 columns"),
        (STRIPE + ROW.replace("Arrakis", '"Arrakis"x'),
         "row 2: not CSV: a quoted cell goes on behind its closing quote (line 2)"),
        (STRIPE + ROW + '"never closed', "row 3: not CSV: a quote that is never closed (line 3)"),
        (STRIPE + ROW.replace("Arrakis", "x" * 1_048_577),
         "row 2: longer than 1048576 characters: one document cannot be"),
        ((STRIPE + ROW + ROW.replace("Arrakis", "Café")).encode("latin-1"),
         "row 3: the file is not UTF-8 text (line 3): save it as UTF-8"),
        (STRIPE.replace("\n", ",properties.api_key\n") + ROW.replace("\n", f",{SECRET}\n"),
         "row 2, properties.api_key: unknown property. stripe_key has: name, secret, test"),
        (STRIPE.replace("\n", ",properties.secret_key\n") + ROW.replace("\n", f",{SECRET}\n"),
         "row 2, properties.secret_key: given twice, as “secret” too"),
        (STRIPE.replace("\n", ",rate_limit.allowed_requests,rate_limit.interval\n")
         + ROW.replace("\n", ",many,1000\n"),
         "row 2, rate_limit.allowed_requests: expected a whole number, found a text"),
        (STRIPE.replace("\n", ",metadata\n") + ROW.replace("\n", ",{oops\n"),
         "row 2, metadata: expected an object, found a text"),
        (STRIPE.replace("\n", ",object\n") + ROW.replace("\n", ",sync\n"),
         "row 2, object: expected “credential” or “oauth_app”"),
        ("properties.kind,properties.installation_id\ngithub_app," + "9" * 30,
         "row 2, properties.installation_id: expected a whole number, found a text"),
    ],
)  # fmt: skip
def test_a_wrong_cell_is_named_by_row_and_column(importing, text, says):
    status, said, last = importing(text, "--dry-run")
    assert says in said
    assert status == 1
    assert "failed 1" in last
    assert not Credential.objects.exists()


def test_rows_behind_a_wrong_one_are_read_when_told_to(importing):
    text = STRIPE + ROW + 'stripe_key,"a"b,c,d\n' + "x" * 2_000_000 + "\n" + ROW
    status, said, last = importing(text, "--on-error", "skip")
    assert (status, last) == (1, counts(created=1, unchanged=1, failed=2))
    assert [line.split(":")[0] for line in said] == ["row 3", "row 4"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (STRIPE.replace("properties.test", "properties.secret") + ROW,
         "FILE: the column “properties.secret” stands twice"),
        (STRIPE.replace("properties.test", "test") + ROW,
         f"FILE: column 4 is unknown. {WRITE}"),
        (STRIPE.replace("properties.test", "a\u202e" + "b" * 50) + ROW,
         f"FILE: column 4 is unknown. {WRITE}"),
        (STRIPE.replace("properties.kind", "provider") + ROW, "FILE: there is no column properties.kind"),
        (STRIPE.replace("properties.test", "") + ROW, "FILE: column 4 has no name"),
        (STRIPE.replace("\n", ",metadata,metadata.a\n"),
         "FILE: there is a column metadata beside those of single keys: give one or the other"),
        ((STRIPE + ROW).encode("utf-16"), "FILE: the file is not UTF-8 text (line 1): save it as UTF-8"),
        ((STRIPE + ROW).encode("utf-16-le"), "FILE: this looks like UTF-16: save it as UTF-8"),
        ("some text\nand more", f"FILE: {NEITHER}"),
    ],
)  # fmt: skip
def test_a_wrong_header_makes_the_file_unusable(importing, text, says):
    assert importing(text) == (2, [says], "")


def test_the_format_can_be_said(importing):
    assert importing(STRIPE + ROW, "--format", "json")[1] == [
        "FILE: this is not JSON: it must begin with [ (an array) or { (one document a line)"
    ]
    assert importing('[{"a": 1}]', "--format", "csv")[1] == [f"FILE: column 1 is unknown. {WRITE}"]
    assert importing(STRIPE + ROW, "--format", "csv")[0] == 0


def test_a_table_without_a_header_shows_no_value(importing):
    for options in ([], ["--format", "csv"]):
        status, said, _last = importing(f"{SECRET},stripe_key,name\n" * 2, *options)
        assert (status, said) == (2, [f"FILE: column 1 is unknown. {WRITE}"])


# --- OAuth apps ------------------------------------------------------------


def test_an_oauth_app_and_its_credential_come_from_one_table(importing):
    pk = "00000000-0000-4000-8000-0000000000aa"
    text = table(
        ["object", "id", "provider", "name", "client_id", "client_secret", "scopes", "is_default",
         "oauth_app_id", "properties.kind", "properties.shop_url", "properties.access_token"],
        ["oauth_app", pk, "shopify", "Ours", "c1", "example-client-secret", "read write", "TRUE", *[""] * 4],
        ["credential", "", "", "Shop", *[""] * 4, pk, "shopify_oauth2", "shop-1", "shpat_example"],
    )  # fmt: skip
    assert importing(text) == (0, [], counts(created=2))
    assert Credential.objects.get().oauth_app == OAuthApp.objects.get()
    assert (OAuthApp.objects.get().scopes, OAuthApp.objects.get().is_default) == (["read", "write"], True)
    assert importing(text) == (0, [], counts(unchanged=2))


def test_columns_of_apps_are_unknown_to_credentials(importing):
    text = STRIPE.replace("\n", ",client_id\n") + ROW.replace("\n", ",c1\n")
    assert importing(text)[1][0].startswith("row 2, client_id: unknown key.")


def test_every_property_has_a_column():
    from credentials.kinds import KINDS

    names = columns(KINDS.values(), with_oauth_apps=True)
    assert len(set(names)) == len(names)
    for kind in KINDS.values():
        assert {f"properties.{name}" for name in kind.PROPERTIES} <= set(names)
