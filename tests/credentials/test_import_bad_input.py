"""Every refused input: the exact message and place, the exit status, nothing written, no secret shown."""

import io

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command

from credentials.kinds import KINDS
from credentials.models import AuditEvent, Credential
from tests.credentials.bad_input import CORPUS, of, stripe
from tests.credentials.bad_input import array as json_array

pytestmark = pytest.mark.django_db
STOPPED = "stopped at the first failure; --on-error skip goes on with the next document"


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
    return status, err.getvalue().replace(str(path), "FILE").splitlines(), out.getvalue().strip()


def counts():
    """The number of rows of every table of ours. That a command ran is no change."""
    models = [model for name in ("credentials", "health") for model in apps.get_app_config(name).get_models()]
    found = {model.__name__: model._default_manager.count() for model in models}
    return found | {"AuditEvent": AuditEvent.objects.exclude(action="run").count(), "KeyCheck": 0}


@pytest.mark.parametrize("case", CORPUS, ids=lambda case: case.title)
def test_bad_input_is_refused_with_its_place_and_nothing_is_written(case, tmp_path):
    case.write(tmp_path / "file")
    # Rows before the mistake are good ones: with --dry-run they leave nothing behind either.
    options = ["--dry-run"] if case.says[0].startswith("row 2") else []
    before = counts()
    status, said, last = run(tmp_path / "file", *options)
    known = ", ".join(KINDS)
    assert [line.replace(known, "...") for line in said if line != STOPPED] == list(case.says)
    assert status == case.status
    assert counts() == before
    assert "NEVERSHOWN" not in "\n".join([*said, last])


def test_no_title_stands_twice():
    titles = [case.title for case in CORPUS]
    assert len(set(titles)) == len(titles)


def test_a_document_that_fails_leaves_no_part_of_itself(tmp_path):
    """The limit is judged after the credential was written: both go, and the rows before stay."""
    bad = stripe() | {"rate_limit": {"allowed_requests": 0, "interval": 1000}}
    (tmp_path / "file").write_bytes(json_array(of("github_app"), bad))
    status, said, last = run(tmp_path / "file")
    assert (status, last) == (1, "created 1, updated 0, unchanged 0, failed 1")
    assert said[0].startswith("row 2, rate_limit.allowed_requests:")
    assert [one.kind for one in Credential.objects.all()] == ["github_app"]
    assert counts()["Component"] == counts()["RateLimit"] == 1


def test_a_failing_update_changes_nothing(tmp_path):
    (tmp_path / "file").write_bytes(json_array(of("shopify_oauth2")))
    run(tmp_path / "file")
    before = Credential.objects.get().document()
    change = of("shopify_oauth2") | {
        "name": "New name",
        "rate_limit": {"allowed_requests": 0, "interval": 1000},
    }
    (tmp_path / "file").write_bytes(json_array(change))
    assert run(tmp_path / "file")[0] == 1
    assert Credential.objects.get().document() == before


def test_two_accounts_the_same_in_one_file_are_one_credential(tmp_path):
    (tmp_path / "file").write_bytes(json_array(of("github_app"), of("github_app", account_login="renamed")))
    assert run(tmp_path / "file")[2] == "created 1, updated 1, unchanged 0, failed 0"
    assert Credential.objects.get().properties["account_login"] == "renamed"


def test_an_id_cannot_take_the_account_of_another(tmp_path):
    ids = ["00000000-0000-4000-8000-00000000000a", "00000000-0000-4000-8000-00000000000b"]
    first, second = of("github_app") | {"id": ids[0]}, of("github_app", installation_id=5) | {"id": ids[1]}
    (tmp_path / "file").write_bytes(json_array(first, second, of("github_app") | {"id": ids[1]}))
    status, said, last = run(tmp_path / "file", "--on-error", "skip")
    assert said == [f"row 3: “arrakis-org on GitHub” ({ids[0]}) is a credential of the same account already."]
    assert last == "created 2, updated 0, unchanged 0, failed 1"
