"""What the tests of secrets have in common. A file that needs another `credential` or `text` says its own."""

import pytest
from cryptography.fernet import Fernet

from credentials import sealing
from credentials.models import Credential
from tests import canary
from tests.factories import new_credential


@pytest.fixture
def text():
    return canary.make_plain("sk_test_")


@pytest.fixture(params=["fresh", "stored", "loaded"])
def credential(request, text):
    """One that holds `text`, in each of the states in which code meets it."""
    made = new_credential("stripe_key", secret=text)
    if request.param != "fresh":
        made.save()
    return Credential.objects.get(pk=made.pk) if request.param == "loaded" else made


@pytest.fixture
def opened(monkeypatch):
    """Counts what is decrypted, and lets it happen."""
    calls = []
    decrypt, unseal = Fernet.decrypt, sealing.unseal
    monkeypatch.setattr(Fernet, "decrypt", lambda *args: calls.append("decrypt") or decrypt(*args))
    monkeypatch.setattr(sealing, "unseal", lambda *args: calls.append("unseal") or unseal(*args))
    return calls
