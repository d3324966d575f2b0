"""The main job: the documented credentials go in, come out again, and go in again without a change."""

import io
import json
from pathlib import Path

import pytest
from django.core.management import call_command

from credentials.models import Credential
from credentials.transfer import Outcome, export, import_document
from tests.credentials.kind_facts import FACTS

pytestmark = pytest.mark.django_db
EXAMPLES = Path(__file__).parent.parent / "data" / "credentials.json"


def run(path, *options):
    """The last line and the other lines of an import."""
    out, err = io.StringIO(), io.StringIO()
    call_command("import_credentials", str(path), *options, stdout=out, stderr=err)
    return out.getvalue().strip(), err.getvalue().splitlines()


def exported(path):
    out = io.StringIO()
    call_command("export_credentials", stdout=out, stderr=io.StringIO())
    path.write_text(out.getvalue())
    return path


def without_ids_and_times(documents):
    return [
        {key: value for key, value in document.items() if key not in ("id", "created_at", "updated_at")}
        for document in documents
    ]


def write(path, *documents):
    path.write_text(json.dumps(documents))
    return path


def shop(**changes):
    return {
        "name": "Shop",
        "properties": {"kind": "shopify_oauth2", **FACTS["shopify_oauth2"].properties, **changes},
    }


def stripe(**changes):
    return {"properties": {"kind": "stripe_key", **FACTS["stripe_key"].properties, **changes}}


def secret(name="access_token"):
    credential = Credential.objects.get()
    return getattr(credential, name).use(credential.destination())


def test_the_documented_credentials_are_created_once():
    assert run(EXAMPLES) == ("created 9, updated 0, unchanged 0, failed 0", [])
    assert run(EXAMPLES) == ("created 0, updated 0, unchanged 9, failed 0", [])
    assert Credential.objects.count() == 9


def test_an_export_changes_nothing_where_it_comes_from(tmp_path):
    run(EXAMPLES)
    assert run(exported(tmp_path / "export.json"))[0] == "created 0, updated 0, unchanged 9, failed 0"


def test_the_same_file_gives_the_same_documents_in_another_installation():
    run(EXAMPLES)
    first = list(export())
    Credential.objects.all().delete()
    run(EXAMPLES)
    second = list(export())
    assert without_ids_and_times(first) == without_ids_and_times(second)
    assert not {one["id"] for one in first} & {one["id"] for one in second}


def test_every_secret_of_the_file_opens_afterwards():
    run(EXAMPLES)
    stored = {one.name: one for one in Credential.objects.all()}
    for document in json.loads(EXAMPLES.read_text()):
        properties = document["properties"]
        credential = stored[document.get("name") or properties["name"]]
        for name in FACTS[properties["kind"]].secrets:
            if name in properties:
                assert getattr(credential, name).use(credential.destination()) == properties[name]


def test_an_old_file_does_not_put_a_replaced_secret_back(tmp_path):
    file = write(tmp_path / "old.json", shop())
    run(file)
    credential = Credential.objects.get()
    credential.access_token = "shpat_newer"
    credential.save()
    last, said = run(file)
    assert last == "created 0, updated 0, unchanged 1, failed 0"
    assert said == ["row 1: unchanged (superseded): a newer secret is stored"]
    assert secret() == "shpat_newer"


def test_a_superseded_document_changes_nothing_else_either():
    import_document(shop())
    import_document(shop(access_token="shpat_newer"))
    assert import_document(shop() | {"name": "Old name", "metadata": {"old": 1}}) is Outcome.SUPERSEDED
    assert Credential.objects.get().metadata == {}


def test_a_stripe_key_that_was_replaced_is_found_by_the_old_one():
    import_document(stripe())
    credential = Credential.objects.get()
    credential.secret = "sk_test_newer"
    credential.save()
    assert import_document(stripe()) is Outcome.SUPERSEDED
    assert Credential.objects.count() == 1


def test_a_dry_run_predicts_the_counts_and_writes_nothing(tmp_path):
    run(write(tmp_path / "first.json", shop()))
    documents = [
        shop(),
        shop() | {"name": "Renamed"},
        stripe(),
        stripe(),
        shop(shop_url="other.myshopify.com"),
    ]
    file = write(tmp_path / "more.json", *documents)
    before = list(export())
    predicted, _ = run(file, "--dry-run")
    assert list(export()) == before
    assert predicted == "created 2, updated 1, unchanged 2, failed 0 (dry run: nothing was written)"
    assert run(file)[0] == predicted.removesuffix(" (dry run: nothing was written)")


def test_it_stops_at_the_first_failure(tmp_path, capsys):
    file = write(tmp_path / "file.json", shop(), {"properties": {}}, stripe())
    with pytest.raises(SystemExit) as ended:
        call_command("import_credentials", str(file))
    said = capsys.readouterr()
    assert ended.value.code == 1
    assert said.out == "created 1, updated 0, unchanged 0, failed 1\n"
    assert said.err.splitlines()[-1].startswith("stopped at the first failure")
    assert [one.kind for one in Credential.objects.all()] == ["shopify_oauth2"]


def test_it_goes_on_behind_a_failure_when_told_to(tmp_path, capsys):
    file = write(tmp_path / "file.json", shop(), {"properties": {}}, stripe())
    with pytest.raises(SystemExit) as ended:
        call_command("import_credentials", str(file), "--on-error", "skip")
    assert ended.value.code == 1
    assert capsys.readouterr().out == "created 2, updated 0, unchanged 0, failed 1\n"


@pytest.mark.parametrize(
    "text",
    [
        json.dumps([shop(), stripe()]),
        json.dumps(shop()) + "\n" + json.dumps(stripe()) + "\n",
        json.dumps(shop()) + "\r\n\r\n" + json.dumps(stripe()),
        json.dumps(shop(), indent=2) + "\n" + json.dumps(stripe(), indent=2),
        "\n\n  " + json.dumps([shop(), stripe()], indent=4) + "\n\n",
        "\ufeff" + json.dumps([shop(), stripe()]),
        "\ufeff" + json.dumps(shop()) + "\n" + json.dumps(stripe()),
    ],
    ids=[
        "array",
        "lines",
        "Windows lines",
        "several over lines",
        "array over lines",
        "BOM, array",
        "BOM, lines",
    ],
)
def test_each_form_of_a_file_is_read(text, tmp_path):
    (tmp_path / "file").write_bytes(text.encode())
    assert run(tmp_path / "file")[0] == "created 2, updated 0, unchanged 0, failed 0"


def test_a_single_document_over_several_lines_is_read(tmp_path):
    (tmp_path / "file").write_text(json.dumps(shop(), indent=2))
    assert run(tmp_path / "file")[0] == "created 1, updated 0, unchanged 0, failed 0"


def test_an_empty_array_is_nothing_to_do(tmp_path):
    assert run(write(tmp_path / "file")) == ("created 0, updated 0, unchanged 0, failed 0", [])
