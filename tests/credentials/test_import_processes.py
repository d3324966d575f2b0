"""Imports by real processes on the tests' own database: killed half-way, and several at once."""

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

from credentials.batches import BATCH
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
    file = many(tmp_path / "file.jsonl", 6 * BATCH)
    assert end(start("import_credentials", file))["created"] == 6 * BATCH
    expected = everything()
    Credential.everything.all().purge()
    kept = 0
    for _attempt in range(2):
        process = start("import_credentials", file)
        while Credential.objects.count() <= kept and process.poll() is None:
            time.sleep(0.002)
        time.sleep(random.random() / 10)
        process.kill()
        process.communicate()
        assert process.returncode == -9
        assert kept < Credential.objects.count() < 6 * BATCH
        kept = Credential.objects.count()
        # Of a batch there is all or nothing.
        assert kept % BATCH == 0
        assert Component.objects.count() == Fingerprint.objects.count() == kept
    last = end(start("import_credentials", file))
    assert (last["created"], last["unchanged"]) == (6 * BATCH - kept, kept)
    assert everything() == expected
    assert_whole(6 * BATCH)


@own_data
def test_several_processes_importing_one_file_create_each_credential_once(tmp_path):
    processes = 4
    file = many(tmp_path / "file.jsonl", 300)
    total = sum(map(end, [start("import_credentials", file) for _ in range(processes)]), Counter())
    assert total == {"created": 300, "unchanged": 300 * (processes - 1)}
    assert_whole(300)


@own_data
def test_several_processes_importing_one_file_in_another_order_create_each_credential_once(tmp_path):
    file = many(tmp_path / "file.jsonl", 300)
    reverse = tmp_path / "reverse.jsonl"
    reverse.write_text("\n".join(file.read_text().splitlines()[::-1]))
    total = sum(map(end, [start("import_credentials", one) for one in (file, reverse) * 2]), Counter())
    assert total == {"created": 300, "unchanged": 900}
    assert_whole(300)
