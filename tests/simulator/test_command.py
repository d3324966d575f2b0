"""`manage.py simulate_providers`: a process that can be reached from this machine only, and ends cleanly."""

import ast
import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from django.core.management import CommandError, call_command

import credentials.simulator
from credentials.models import Credential, OAuthApp
from credentials.simulator import cast
from credentials.simulator.server import running

FOLDER = Path(credentials.simulator.__file__).parent


@contextmanager
def process(*options: str):
    """The command as a process of its own, with what it printed until it was ready."""
    command = [sys.executable, "manage.py", "simulate_providers", "--port", "0", *options]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stdout is not None and child.stderr is not None
    try:
        lines: list[str] = []
        while not lines or not lines[-1].startswith("PROVIDER_SIMULATOR_URL="):
            line = child.stdout.readline()
            assert line, child.stderr.read()
            lines.append(line.strip())
        yield child, lines
    finally:
        child.kill()
        child.communicate()


def test_it_prints_where_it_is_and_writes_what_works_with_it(tmp_path):
    file = tmp_path / "simulated.json"
    with process("--write", str(file), "--credentials", "2") as (child, lines):
        url = lines[-1].removeprefix("PROVIDER_SIMULATOR_URL=")
        assert url.startswith("http://127.0.0.1:")
        documents = json.loads(file.read_text())
        kinds = {document["properties"]["kind"] for document in documents if "properties" in document}
        assert len(kinds) == 17 and len(documents) == len(cast.SCOPES) + 2 * 17
        key = next(d for d in documents if d.get("properties", {}).get("kind") == "stripe_key")
        headers = {"Authorization": f"Bearer {key['properties']['secret']}"}
        assert requests.get(f"{url}/api.stripe.com/v1/balance", headers=headers, timeout=5).status_code == 200
        # A connection that is open and one that hangs must not keep it from ending.
        requests.post(f"{url}/_control/fail", json={"answer": "hang"}, timeout=5)
        with pytest.raises(requests.ReadTimeout):
            requests.get(f"{url}/api.stripe.com/v1/balance", headers=headers, timeout=0.3)
        child.send_signal(signal.SIGINT)
        output, errors = child.communicate(timeout=60)
        assert child.returncode == 0 and "Ended after" in output and not errors
    if os.name == "posix":
        assert file.stat().st_mode & 0o077 == 0


def test_it_ends_by_itself_where_that_is_asked(capsys):
    call_command("simulate_providers", port=0, seconds=0.1)
    assert "Ended after 0 requests." in capsys.readouterr().out


def test_it_also_accepts_the_documents_of_a_file(tmp_path):
    file = tmp_path / "mine.json"
    secret = "sk_test_exampleNotARealKey0008"
    file.write_text(
        json.dumps([{"properties": {"kind": "stripe_key", "name": "Mine", "secret": secret, "test": True}}])
    )
    with process("--accept", str(file)) as (_child, lines):
        url = lines[-1].removeprefix("PROVIDER_SIMULATOR_URL=")
        headers = {"Authorization": f"Bearer {secret}"}
        assert requests.get(f"{url}/api.stripe.com/v1/account", headers=headers, timeout=5).status_code == 200


@pytest.mark.parametrize(
    "content", ["{", "[1]", '[{"properties": {"kind": "nothing"}}]', '[{"properties": {}}]']
)
def test_a_file_that_holds_no_documents_is_named(tmp_path, content):
    file = tmp_path / "wrong.json"
    file.write_text(content)
    with pytest.raises(CommandError, match="wrong.json holds no documents"):
        call_command("simulate_providers", port=0, accept=[str(file)])


def test_wrong_numbers_and_a_port_in_use_are_said_in_one_line():
    for options in ({"port": 70_000}, {"port": -1}, {"credentials": -1}):
        with pytest.raises(CommandError, match="--port takes 0 to 65535"):
            call_command("simulate_providers", **{"port": 0} | options)
    with running() as simulator, pytest.raises(CommandError, match="cannot be used"):
        call_command("simulate_providers", port=simulator.server_address[1])


def test_only_this_machine_can_reach_it():
    with running() as simulator:
        assert simulator.server_address[0] == "127.0.0.1"


@pytest.mark.django_db
def test_lanyard_takes_every_document(tmp_path, capsys):
    file = tmp_path / "simulated.json"
    documents = cast.documents(3)
    file.write_text(json.dumps(documents))
    call_command("import_credentials", str(file))
    assert f"created {len(documents)}, updated 0, unchanged 0, failed 0" in capsys.readouterr().out
    assert OAuthApp.objects.filter(is_default=True).count() == len(cast.SCOPES)
    for document in documents[len(cast.SCOPES) :]:
        credential = Credential.objects.get(pk=document["id"])
        assert credential.warnings() == {}, document["properties"]["kind"]


def test_it_imports_nothing_of_the_rest_of_lanyard():
    """Nor anything else that could decide for it: the standard library, and keys."""
    allowed = {"cryptography", *sys.stdlib_module_names}
    for path in FOLDER.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or "."] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                assert name.startswith("credentials.simulator") or name.split(".")[0] in allowed, (
                    path.name,
                    name,
                )


# --- The server


def exchange(simulator, text: bytes) -> bytes:
    """What comes back to these bytes, until the server closes the connection or is silent."""
    with socket.create_connection(simulator.server_address, timeout=1) as connection:
        connection.sendall(text)
        received = b""
        try:
            while piece := connection.recv(65_536):
                received += piece
        except TimeoutError:
            pass
        return received


@pytest.mark.parametrize(
    "text",
    [
        b"nonsense\r\n\r\n",
        b"GET /api.stripe.com/ HTTP/1.1\r\nno header\r\n\r\n",
        b"GET /api.stripe.com/ HTTP/1.1\r\n" + b"a: b\r\n" * 101 + b"\r\n",
        b"POST /api.stripe.com/ HTTP/1.1\r\nContent-Length: many\r\n\r\n",
        b"POST /api.stripe.com/ HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n",
    ],
)
def test_what_is_no_request_is_refused(simulator, text):
    assert exchange(simulator, text).startswith(b"HTTP/1.1 400 ")
    assert simulator.bugs == []


def test_connections_are_kept_and_closed_as_asked(simulator):
    get = b"GET /_control/log HTTP/1.1\r\nHost: x\r\n\r\n"
    assert exchange(simulator, get * 3).count(b"HTTP/1.1 200 OK") == 3
    assert (
        exchange(simulator, get.replace(b"Host: x", b"Connection: close") * 3).count(b"HTTP/1.1 200 OK") == 1
    )
    assert exchange(simulator, get.replace(b"1.1", b"1.0") * 2).count(b"HTTP/1.1 200 OK") == 1


def test_a_body_may_come_in_pieces(call):
    document = json.dumps([cast.credential("stripe_key", 50)]).encode()
    pieces = (document[start : start + 50] for start in range(0, len(document), 50))
    answer = call("POST", "_control/credentials", data=pieces)
    assert answer.json() == {"registered": 1}


def test_a_fault_of_its_own_is_no_answer_of_a_provider(simulator, call, monkeypatch, capsys):
    monkeypatch.setattr(simulator.router, "answer", lambda request: 1 / 0)
    assert call("GET", "api.stripe.com/v1/account").status_code == 599
    assert "ZeroDivisionError" in simulator.bugs.pop() and simulator.bugs == []
    capsys.readouterr()


def test_its_own_faults_fail_the_test_that_uses_it(capsys):
    with pytest.raises(AssertionError, match="ZeroDivisionError"), running() as simulator:
        simulator.router.answer = lambda request: 1 / 0
        requests.get(f"{simulator.url}/api.stripe.com/v1/account", timeout=5)
    capsys.readouterr()
