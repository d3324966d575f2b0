"""Two imports at the same moment: the second waits for the first, looks again, and finds what is there."""

import threading
import uuid

import pytest
from django.db import close_old_connections, connection, transaction

from credentials import app_documents
from credentials.documents import InvalidDocument
from credentials.models import Credential, OAuthApp
from credentials.transfer import Outcome, import_document
from tests.credentials.kind_facts import FACTS

pytestmark = pytest.mark.django_db(transaction=True)
LONG_ENOUGH = 0.3


def document(kind, **beside):
    name = {} if "name" in FACTS[kind].properties else {"name": "Arrakis"}
    return {**name, "properties": {"kind": kind, **FACTS[kind].properties}, **beside}


def while_another(change, then):
    """Do `then` while somebody else's transaction, which did `change`, is open. Gives its result."""
    changed = threading.Event()
    errors = []

    def other():
        try:
            with transaction.atomic():
                change()
                changed.set()
                threading.Event().wait(LONG_ENOUGH)
        except BaseException as error:  # noqa: BLE001 - raised again below
            errors.append(error)
        finally:
            changed.set()
            connection.close()

    thread = threading.Thread(target=other)
    thread.start()
    changed.wait()
    try:
        return then()
    finally:
        thread.join()
        close_old_connections()
        assert not errors, errors


@pytest.mark.parametrize("kind", ["github_app", "shopify_oauth2", "stripe_key"])
@pytest.mark.parametrize("same_id", [True, False], ids=["with an id", "without an id"])
def test_the_second_import_of_a_document_changes_nothing(kind, same_id):
    content = document(kind, **({"id": str(uuid.uuid4())} if same_id else {}))
    outcome = while_another(lambda: import_document(content), lambda: import_document(content))
    assert outcome is Outcome.UNCHANGED
    assert Credential.objects.count() == 1


def test_the_second_of_two_different_documents_updates_what_the_first_created():
    first, second = document("github_app"), document("github_app") | {"name": "Second"}
    assert while_another(lambda: import_document(first), lambda: import_document(second)) is Outcome.UPDATED
    assert Credential.objects.get().name == "Second"


def test_the_second_of_two_keys_with_one_id_replaces_the_first():
    wanted = str(uuid.uuid4())
    first, second = document("stripe_key", id=wanted), document("stripe_key", id=wanted)
    second["properties"]["secret"] = "sk_test_second"
    assert while_another(lambda: import_document(first), lambda: import_document(second)) is Outcome.UPDATED
    credential = Credential.objects.get()
    assert credential.secret.use(credential.destination()) == "sk_test_second"


def test_a_credential_that_is_deleted_meanwhile_is_created_again():
    import_document(document("github_app"))
    changed = document("github_app") | {"name": "Second"}
    outcome = while_another(lambda: Credential.objects.all().delete(), lambda: import_document(changed))
    assert outcome is Outcome.CREATED
    assert Credential.objects.get().name == "Second"


def test_a_credential_that_is_put_away_meanwhile_is_not_brought_back_by_its_id():
    import_document(document("github_app"))
    row = Credential.objects.get()
    content = document("github_app", id=str(row.pk)) | {"name": "Second"}

    def put_away():
        Credential.objects.get(pk=row.pk).delete()

    with pytest.raises(InvalidDocument, match="this credential was deleted"):
        while_another(put_away, lambda: import_document(content))


def test_an_edit_that_is_saved_meanwhile_is_not_lost():
    import_document(document("shopify_oauth2", metadata={"a": 1}))

    def edit():
        credential = Credential.objects.get()
        credential.name = "Edited"
        credential.save()

    content = document("shopify_oauth2", metadata={"a": 2})
    del content["name"]
    assert while_another(edit, lambda: import_document(content)) is Outcome.UPDATED
    assert (Credential.objects.get().name, Credential.objects.get().metadata) == ("Edited", {"a": 2})


def test_a_secret_that_is_replaced_meanwhile_is_not_put_back():
    import_document(document("shopify_oauth2"))

    def replace():
        credential = Credential.objects.get()
        credential.access_token = "shpat_newer"
        credential.save()

    outcome = while_another(replace, lambda: import_document(document("shopify_oauth2")))
    assert outcome is Outcome.SUPERSEDED


# --- OAuth apps

APP = {
    "object": "oauth_app", "provider": "hubspot", "name": "Ours", "client_id": "c1",
    "client_secret": "example-client-secret",
}  # fmt: skip


def test_the_second_of_two_imports_of_an_app_finds_what_the_first_created():
    assert while_another(lambda: import_document(APP), lambda: import_document(APP)) is Outcome.UNCHANGED
    assert OAuthApp.objects.count() == 1


def test_an_app_that_is_wrong_is_not_looked_at_twice(monkeypatch):
    looks = []
    look = app_documents._stored
    monkeypatch.setattr(app_documents, "_stored", lambda *args: looks.append(1) or look(*args))
    with pytest.raises(InvalidDocument) as caught:
        import_document(APP | {"client_id": "x" * 2000})
    assert [path for path, _message in caught.value.problems] == ["client_id"] and len(looks) == 1


def test_a_second_default_app_is_refused_and_not_taken_for_a_race(monkeypatch):
    import_document(APP | {"is_default": True})
    tries = []
    upsert = app_documents._upsert
    monkeypatch.setattr(app_documents, "_upsert", lambda *args: tries.append(1) or upsert(*args))
    with pytest.raises(InvalidDocument, match="has a default app already"):
        import_document(APP | {"is_default": True, "client_id": "c2"})
    assert len(tries) == 1
