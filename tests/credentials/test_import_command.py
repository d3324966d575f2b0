"""The command as people and scripts meet it: help, exit status, pipes, a database that is not there."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import ManagementUtility

ROOT = Path(__file__).parent.parent.parent
EXAMPLES = ROOT / "tests" / "data" / "credentials.json"


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """A database of its own with the examples in it: these tests start processes of their own."""
    url = f"sqlite:///{tmp_path_factory.mktemp('database') / 'db.sqlite3'}"
    manage("migrate", "--verbosity=0", database=url)
    manage("import_credentials", EXAMPLES, database=url)
    return url


def manage(*arguments, database, **options):
    """Run manage.py; gives the finished process."""
    return subprocess.run(
        [sys.executable, "manage.py", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": database},
        text=True,
        timeout=60,
        **({"capture_output": True, "stdin": subprocess.DEVNULL} | options),
    )


def shell(line, database):
    return subprocess.run(
        ["bash", "-c", line.replace("manage.py", f"{sys.executable} manage.py")],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": database},
        text=True,
        timeout=60,
        capture_output=True,
    )


@pytest.mark.parametrize("command", ["import_credentials", "export_credentials"])
def test_the_help_shows_an_example_on_a_line_of_its_own(command, database):
    done = manage(command, "--help", database=database)
    assert done.returncode == 0
    assert f"\n  manage.py {command} " in done.stdout
    assert "Traceback" not in done.stderr


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["import_credentials"], "the following arguments are required: file"),
        (["import_credentials", "x", "--on-error", "ignore"], "invalid choice: 'ignore'"),
        (["import_credentials", "x", "--dry"], "x: No such file or directory"),
        (["export_credentials", "--kind", "stripe"], "invalid choice: 'stripe'"),
        (["export_credentials", "--provider", "amazon"], "invalid choice: 'amazon'"),
        (["export_credentials", "--status", "ok"], "invalid choice: 'ok'"),
        (["export_credentials", "--format", "xlsx"], "invalid choice: 'xlsx'"),
        (["import_credentials", "x", "--format", "xlsx"], "invalid choice: 'xlsx'"),
        (["import_credentials", "no\nsuch.json"], "No such file or directory"),
    ],
)
def test_wrong_usage_is_status_2(arguments, says, capsys):
    with pytest.raises(SystemExit) as ended:
        ManagementUtility(["manage.py", *arguments]).execute()
    assert ended.value.code == 2
    assert says in capsys.readouterr().err


def test_documents_come_in_through_a_pipe(database):
    done = shell(f"cat {EXAMPLES} | manage.py import_credentials -", database)
    assert (done.returncode, done.stdout) == (0, "created 0, updated 0, unchanged 9, failed 0\n")
    assert done.stderr == ""


def test_documents_come_in_through_a_fifo(database, tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    assert (
        shell(f"cat {EXAMPLES} > {fifo} & manage.py import_credentials {fifo}", database).stdout
        == "created 0, updated 0, unchanged 9, failed 0\n"
    )


def test_a_failed_row_is_status_1(database):
    done = shell("echo '{}' | manage.py import_credentials -", database)
    assert done.returncode == 1
    assert done.stdout == "created 0, updated 0, unchanged 0, failed 1\n"
    assert done.stderr.splitlines()[0] == "row 1, properties: required"


def test_a_closed_standard_input_is_said(database):
    done = shell("manage.py import_credentials - <&-", database)
    assert done.returncode == 2
    assert done.stderr == "CommandError: standard input is closed: nothing can be read from it\n"


def test_a_file_without_permission_is_said(tmp_path):
    """Root may read every file: there, the process becomes nobody, which it can when all is imported."""
    (tmp_path / "secret.json").write_text("[]")
    (tmp_path / "secret.json").chmod(0 if os.geteuid() else 0o600)
    script = f"""if True:
        import os, django; django.setup()
        from django.core.management import CommandError
        from credentials.management.commands.import_credentials import _open
        if os.geteuid() == 0: os.setuid(65534)
        try: _open({str(tmp_path / "secret.json")!r})
        except CommandError as error: print(error.returncode, error)
    """
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == f"2 {tmp_path}/secret.json: Permission denied\n"


@pytest.mark.parametrize("reader", ["head -1", "true"])
@pytest.mark.parametrize(
    "command", [f"import_credentials {EXAMPLES}", "export_credentials"], ids=["import", "export"]
)
def test_a_reader_that_goes_away_is_no_failure(reader, command, database):
    done = shell(f"manage.py {command} | {reader}; exit ${{PIPESTATUS[0]}}", database)
    assert done.returncode == 0
    assert "Broken" not in done.stderr
    assert "Traceback" not in done.stderr


def test_a_long_export_ends_quietly_when_its_reader_goes_away(database, tmp_path):
    lines = [
        {"name": f"c{n}",
         "properties": {"kind": "checkout_champ_password", "login_id": f"u{n}", "password": "example"},
         "metadata": {"text": "x" * 2000}}
        for n in range(100)
    ]  # fmt: skip
    (tmp_path / "many.json").write_text(json.dumps(lines))
    done = shell(
        f"manage.py import_credentials {tmp_path}/many.json >/dev/null;"
        "manage.py export_credentials | head -1; echo ${PIPESTATUS[0]}",
        database,
    )
    assert done.stdout == "[\n0\n"
    assert done.stderr == ""


@pytest.mark.parametrize("command", [["import_credentials", EXAMPLES], ["export_credentials"]])
def test_a_database_without_tables_is_one_line(command, tmp_path):
    done = manage(*command, database=f"sqlite:///{tmp_path}/empty.sqlite3")
    assert done.returncode == 2
    assert done.stderr == (
        "CommandError: The database answered: no such table: credentials_credential. "
        "Is it running, and migrated (manage.py migrate)?\n"
    )


def test_a_failing_export_leaves_no_half_json_behind(tmp_path):
    done = manage("export_credentials", database=f"sqlite:///{tmp_path}/empty.sqlite3")
    assert done.stdout == ""
