"""Imports by real processes on the tests' own database: killed half-way, at once, and without end."""

import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.db import connection

from credentials.models import Credential, Fingerprint
from credentials.transfer import export
from health.models import Component
from tests.credentials.kind_facts import FACTS

ROOT = Path(__file__).parent.parent.parent
EVERY_OTHER = {"shopify_oauth2": "shop_url", "checkout_champ_password": "login_id", "stripe_key": "secret"}

own_data = pytest.mark.django_db(transaction=True)


def environment():
    """The environment of a process that works on the tests' database."""
    name = connection.settings_dict["NAME"]
    if connection.vendor == "sqlite":
        url = f"sqlite:///{name}"
    else:
        url = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}").geturl()
    return {**os.environ, "DATABASE_URL": url}


def start(*arguments, **options):
    command = [sys.executable, "manage.py", *map(str, arguments)]
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    return subprocess.Popen(command, cwd=ROOT, env=environment(), text=True, **pipes)


def end(process):
    """Wait for a process; gives the last line and the counts in it. It must not have ended in a traceback."""
    out, err = process.communicate(timeout=120)
    assert "Traceback" not in err, err
    assert process.returncode == 0, err
    return Counter({word.split()[0]: int(word.split()[1]) for word in out.strip().split(", ")})


def many(path, number):
    """A file of credentials of three kinds, each once."""
    kinds = list(EVERY_OTHER)
    documents = []
    for index in range(number):
        kind = kinds[index % len(kinds)]
        own = {EVERY_OTHER[kind]: f"sk-test-{index:05}" if kind != "shopify_oauth2" else f"shop-{index:05}"}
        name = {} if kind == "stripe_key" else {"name": f"Customer {index}"}
        limit = {"allowed_requests": 7, "interval": 1000}
        properties = {"kind": kind, **FACTS[kind].properties, **own}
        documents.append({**name, "properties": properties, "rate_limit": limit, "metadata": {"n": index}})
    path.write_text("\n".join(map(json.dumps, documents)))
    return path


def everything():
    """All documents without ids and times, in order, as text."""
    hidden = ("id", "created_at", "updated_at")
    return sorted(
        json.dumps({k: v for k, v in one.items() if k not in hidden}, default=str) for one in export()
    )


def assert_whole(number):
    assert Credential.objects.count() == Component.objects.count() == number
    assert Counter(Credential.objects.values_list("kind", flat=True)) == dict.fromkeys(
        EVERY_OTHER, number // 3
    )
    holders = Fingerprint.objects.filter(current=True, field="secret").values_list("digest", flat=True)
    assert len(set(holders)) == len(holders) == number // 3


@own_data
def test_killed_half_way_and_run_again_is_as_if_run_once(tmp_path):
    file = many(tmp_path / "file.jsonl", 450)
    assert end(start("import_credentials", file))["created"] == 450
    expected = everything()
    Credential.objects.all().delete()
    kept = 0
    for _attempt in range(3):
        process = start("import_credentials", file)
        wanted = kept + random.randint(10, 40)
        while Credential.objects.count() < wanted and process.poll() is None:
            time.sleep(0.005)
        process.kill()
        process.communicate()
        assert process.returncode == -9
        assert kept < Credential.objects.count() < 450
        kept = Credential.objects.count()
    last = end(start("import_credentials", file))
    assert (last["created"], last["unchanged"]) == (450 - kept, kept)
    assert everything() == expected
    assert_whole(450)


@own_data
def test_several_processes_importing_one_file_create_each_credential_once(tmp_path):
    processes = 4 if connection.vendor == "postgresql" else 2
    file = many(tmp_path / "file.jsonl", 150)
    total = sum(map(end, [start("import_credentials", file) for _ in range(processes)]), Counter())
    assert total == {"created": 150, "unchanged": 150 * (processes - 1)}
    assert_whole(150)


@own_data
def test_the_memory_does_not_grow_with_the_input():
    """A stream of 200 MB that is made while it is read, and never stored."""
    script = """if True:
        import io, resource, sys
        from credentials.reading import read
        class Endless(io.RawIOBase):
            left = 200_000_000
            line = b'{"properties": {"kind": "stripe_key", "text": "' + b"x" * 4000 + b'"}}\\n'
            def readable(self): return True
            def readinto(self, buffer):
                if self.left <= 0: return 0
                piece = (self.line * (len(buffer) // len(self.line) + 1))[:len(buffer)]
                piece = piece[:piece.rfind(b"\\n") + 1]
                buffer[:len(piece)] = piece
                self.left -= len(piece)
                return len(piece)
        rows = 0
        for row in read(io.BufferedReader(Endless(), 1_000_000)):
            assert not row.problem
            rows += 1
            if rows == 1000: before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    """
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=environment(), capture_output=True, text=True
    )
    rows, grown = map(int, done.stdout.split())
    assert rows > 49_000
    assert grown < 2_000  # kilobytes
