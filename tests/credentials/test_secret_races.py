"""Many at once on one row: one wins, and version, token and fingerprint belong together afterwards."""

import subprocess
import sys
import threading

import pytest
from django.core.exceptions import ValidationError
from django.db import connection

from credentials.kinds import KINDS
from credentials.models import Conflict, Credential, Fingerprint
from credentials.sealing import fingerprint
from tests.factories import make_credential, new_credential

pytestmark = pytest.mark.django_db(transaction=True)
WRITERS = 6


def replace(pk, text, barrier, outcomes):
    """Load, wait for the others, replace: what each person does who has the form open."""
    try:
        credential = Credential.objects.get(pk=pk)
        credential.secret = text
        barrier.wait(30)
        try:
            credential.save()
            outcomes.append(text)
        except Conflict:
            outcomes.append("conflict")
    except Exception as error:  # noqa: BLE001
        outcomes.append(repr(error))
    finally:
        connection.close()


def at_once(target, arguments):
    threads = [threading.Thread(target=target, args=args) for args in arguments]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)


def assert_consistent(pk, outcomes):
    """One winner, whose secret, version and fingerprint the row now has."""
    winners = [outcome for outcome in outcomes if outcome != "conflict"]
    assert len(outcomes) == WRITERS and len(winners) == 1, outcomes
    credential = Credential.objects.get(pk=pk)
    assert credential.secret.use(credential.destination()) == winners[0]
    assert (credential.version, credential.secret_version, credential.secret_seal_version) == (2, 2, 2)
    assert credential.component.revision == "2"
    current = Fingerprint.objects.of(pk, "secret").get(current=True)
    assert current.digest == fingerprint(winners[0])
    assert Fingerprint.objects.of(pk).count() == 2


def test_of_many_threads_that_replace_a_secret_one_wins():
    pk = make_credential().pk
    barrier, outcomes = threading.Barrier(WRITERS), []
    at_once(replace, [(pk, f"sk_test_fake{n}", barrier, outcomes) for n in range(WRITERS)])
    assert_consistent(pk, outcomes)


PROCESS = """
import sys
import django
from django.conf import settings

name, pk, text = sys.argv[1:]
settings.DATABASES["default"]["NAME"] = name
django.setup()
from credentials import audit
from credentials.models import Conflict, Credential

credential = Credential.objects.get(pk=pk)
credential.secret = text
print("ready", flush=True)
sys.stdin.readline()
try:
    with audit.acting("cli:tests@localhost"):
        credential.save()
    print(text)
except Conflict:
    print("conflict")
"""


def test_of_many_processes_that_replace_a_secret_one_wins():
    pk = str(make_credential().pk)
    name = str(connection.settings_dict["NAME"])
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROCESS, name, pk, f"sk_test_fake{n}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for n in range(WRITERS)
    ]
    assert [process.stdout.readline() for process in processes] == ["ready\n"] * WRITERS
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    assert_consistent(pk, [process.communicate(timeout=60)[0].strip() for process in processes])


def test_of_many_threads_that_create_the_same_account_one_wins():
    barrier, outcomes = threading.Barrier(WRITERS), []

    def create(n):
        try:
            credential = new_credential(
                "shopify_oauth2", shop_url="same.myshopify.com", access_token=f"shpat_fake{n}"
            )
            barrier.wait(30)
            credential.save()
            outcomes.append("stored")
        except Exception as error:  # noqa: BLE001
            outcomes.append(type(error).__name__)
        finally:
            connection.close()

    at_once(create, [(n,) for n in range(WRITERS)])
    assert sorted(outcomes) == ["ValidationError"] * (WRITERS - 1) + ["stored"]
    credential = Credential.objects.get()
    assert credential.access_token.use(credential.destination()).startswith("shpat_fake")
    assert Fingerprint.objects.count() == 1


def test_a_reader_never_sees_half_of_a_replacement():
    pk = make_credential().pk
    stop, errors, seen = threading.Event(), [], set()

    def read():
        try:
            while not stop.is_set():
                for loaded in (Credential.objects.get(pk=pk), KINDS["stripe_key"].objects.get(pk=pk)):
                    seen.add(loaded.secret.use(loaded.destination()))
        except Exception as error:  # noqa: BLE001
            errors.append(repr(error))
        finally:
            connection.close()

    def write():
        try:
            for n in range(20):
                credential = Credential.objects.get(pk=pk)
                credential.secret = f"sk_test_fake{n}"
                credential.save()
        except Exception as error:  # noqa: BLE001
            errors.append(repr(error))
        finally:
            stop.set()
            connection.close()

    at_once(lambda run: run(), [(read,), (read,), (write,)])
    assert errors == [] and len(seen) > 1
    assert not Credential.objects.filter(unreadable=True).exists()


def add_key(text, barrier, outcomes):
    try:
        credential = KINDS["stripe_key"].from_properties({"name": "Twice", "secret": text, "test": True})
        barrier.wait(30)
        try:
            credential.save()
            outcomes.append("stored")
        except ValidationError:
            outcomes.append("refused")
    except Exception as error:  # noqa: BLE001
        outcomes.append(repr(error))
    finally:
        connection.close()


def test_of_many_who_store_the_same_key_at_once_one_wins():
    barrier, outcomes = threading.Barrier(4), []
    at_once(add_key, [("sk_test_the_same_key", barrier, outcomes)] * 4)
    assert sorted(outcomes) == ["refused"] * 3 + ["stored"]
    assert Credential.objects.count() == 1
