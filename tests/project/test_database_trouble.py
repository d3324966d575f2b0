"""A database that is down, locked or gone: a page that says so, one line in the log, and soon."""

import logging
import re
import socket
import sqlite3
import sys

import pytest
from django.db import InterfaceError, OperationalError, connection
from django.test import Client
from django.urls import path, reverse

from health.models import Component, Flip
from project.errors import is_trouble
from tests.project.test_settings import run

TROUBLES = {
    "down": OperationalError('connection failed: connection to server at "127.0.0.1" failed\nIs it running?'),
    "no room in the pool": OperationalError("couldn't get a connection after 3.00 sec"),
    "locked": OperationalError("database is locked"),
    "gone": InterfaceError("the connection is closed"),
}
FAULTS = (
    OperationalError("no such table: credentials_credential"),
    OperationalError("table a has no column b"),
)


def view(request, trouble):
    raise TROUBLES[trouble] if trouble in TROUBLES else FAULTS[int(trouble)]


urlpatterns = [path("<str:trouble>/", view)]
handler500 = "project.errors.server_error"


@pytest.mark.urls(__name__)
@pytest.mark.parametrize("trouble", TROUBLES)
def test_trouble_with_the_database_is_a_503_and_one_line(trouble, caplog):
    answer = Client(raise_request_exception=False).get(f"/{trouble}/")
    assert answer.status_code == 503
    assert int(answer["Retry-After"]) > 0
    assert "The database does not answer" in answer.text and "Traceback" not in answer.text
    lines = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert [(line.levelname, line.name) for line in lines] == [("WARNING", "project.errors")]
    assert re.fullmatch(r"GET /[^\n]+: the database cannot be used: [^\n]+", lines[0].getMessage())
    assert lines[0].exc_info is None


@pytest.mark.urls(__name__)
@pytest.mark.parametrize("fault", range(len(FAULTS)))
def test_a_missing_table_is_an_error_and_no_passing_trouble(fault, caplog):
    answer = Client(raise_request_exception=False).get(f"/{fault}/")
    assert answer.status_code == 500
    assert "Something went wrong on our side" in answer.text
    assert [record.levelname for record in caplog.records if record.exc_info] == ["ERROR"]


def test_other_errors_are_no_trouble():
    assert not is_trouble(ValueError("database is locked")) and not is_trouble(None)


@pytest.mark.django_db(transaction=True)
def test_a_locked_file_answers_503(admin_client):
    if connection.vendor != "sqlite":
        pytest.skip("a file that one process locks is SQLite's")
    target = Component.objects.create(kind="target", name="orders-db")
    connection.close()
    options = connection.settings_dict["OPTIONS"]
    patience, options["timeout"] = options["timeout"], 0.1
    writer = sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)
    try:
        writer.execute("BEGIN IMMEDIATE")
        admin_client.raise_request_exception = False
        address = reverse("health_act", args=[target.pk, "report"])
        answer = admin_client.post(address, {"status": "customer_intervention", "code": "disk_full"})
    finally:
        writer.close()
        connection.close()
        options["timeout"] = patience
    assert (answer.status_code, answer["Retry-After"]) == (503, "10")
    assert not Flip.objects.exists()


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


COMMANDS = (["show_health"], ["migrate"], ["first_administrator"], ["verify_audit"])


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_server_that_is_down_is_said_in_one_line(command):
    """With the server's own reason: a pool would wait, and then say that it waited."""
    url = f"postgresql://ann:hunter2@127.0.0.1:{free_port()}/lanyard"
    result = run([sys.executable, "manage.py", *command], DATABASE_URL=url)
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert "refused" in line and "hunter2" not in line


def test_a_server_that_does_not_answer_is_not_waited_for():
    with socket.create_server(("127.0.0.1", 0), backlog=5) as silent:
        url = f"postgresql://ann:hunter2@127.0.0.1:{silent.getsockname()[1]}/lanyard"
        result = run([sys.executable, "manage.py", "show_health"], DATABASE_URL=url)
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert "timeout" in line


def test_the_web_server_answers_503_soon_while_postgresql_is_down():
    """The pool of the web server, in a process of its own."""
    url = f"postgresql://ann:hunter2@127.0.0.1:{free_port()}/lanyard"
    code = (
        "import time, django; django.setup()\n"
        "from django.conf import settings\n"
        "settings.STORAGES['staticfiles']['BACKEND'] ="
        " 'django.contrib.staticfiles.storage.StaticFilesStorage'\n"
        "from django.test import Client\n"
        "began = time.monotonic()\n"
        "client = Client(raise_request_exception=False, headers={'host': 'localhost'})\n"
        "answer = client.get('/admin/', HTTP_COOKIE='sessionid=abcdefghijklmnopqrstuvwxyz012345')\n"
        "print(answer.status_code, time.monotonic() - began < 9)\n"
    )
    result = run([sys.executable, "-c", code], DATABASE_URL=url, DJANGO_SETTINGS_MODULE="project.settings")
    assert result.stdout.split() == ["503", "True"], result.stderr
    assert "Traceback" not in result.stderr and "hunter2" not in result.stderr


# --- the file of SQLite


@pytest.mark.parametrize("umask", ["022", "000"])
def test_the_file_of_sqlite_is_for_its_owner_alone(tmp_path, umask):
    """Whatever makes it, with whatever umask; and so are the files beside it."""
    file = tmp_path / "made.sqlite3"
    code = (
        f"import os, stat, django; os.umask(0o{umask}); django.setup()\n"
        "from django.db import connection\n"
        "connection.cursor().execute('CREATE TABLE a (b)')\n"
        "connection.cursor().execute('INSERT INTO a VALUES (1)')\n"
        f"print({{f: oct(stat.S_IMODE(os.stat(os.path.join({str(tmp_path)!r}, f)).st_mode))"
        f" for f in os.listdir({str(tmp_path)!r})}})\n"
    )
    result = run(
        [sys.executable, "-c", code],
        DATABASE_URL=f"sqlite:///{file}",
        DJANGO_SETTINGS_MODULE="project.settings",
    )
    assert result.returncode == 0, result.stderr
    assert eval(result.stdout) == dict.fromkeys(
        ("made.sqlite3", "made.sqlite3-wal", "made.sqlite3-shm"), "0o600"
    )


def test_a_file_that_is_there_keeps_its_mode(tmp_path):
    """Somebody may have opened it to a group on purpose."""
    file = tmp_path / "there.sqlite3"
    file.touch(mode=0o640)
    file.chmod(0o640)
    code = "import django; django.setup(); from django.db import connection; connection.cursor()"
    variables = {"DATABASE_URL": f"sqlite:///{file}", "DJANGO_SETTINGS_MODULE": "project.settings"}
    assert run([sys.executable, "-c", code], **variables).returncode == 0
    assert oct(file.stat().st_mode)[-3:] == "640"


def test_a_folder_that_is_missing_is_said_in_one_line(tmp_path):
    result = run([sys.executable, "manage.py", "migrate"], DATABASE_URL=f"sqlite:///{tmp_path}/no/a.sqlite3")
    assert result.returncode == 2
    assert result.stderr.splitlines() == [
        "The database cannot be used: unable to open database file."
        " Look at DATABASE_URL, and whether the server runs."
    ]
