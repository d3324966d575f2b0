"""Importing a file in the browser: a look first, then the import, and no secret anywhere in between."""

import io
import json
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile, TemporaryUploadedFile
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone

from credentials import rotation
from credentials.console import uploads
from credentials.models import AuditEvent, Credential, OAuthApp, Upload, UploadPiece
from health import turns
from tests import canary
from tests.credentials.admin_pages import client_of, staff
from tests.factories import properties_of
from tests.postgres_plugin import fake_key

pytestmark = pytest.mark.django_db
IMPORT = reverse("import_credentials")
OPERATOR = ("view_credential", "add_credential", "change_credential")
OWN_NAMES = """Customer,API key,Test mode,Plan,Requests,Interval
Acme,sk_test_fakeAcme,true,gold,10,1000
Globex,pk_test_fakeGlobex,true,gold,10,1000
Initech,sk_test_fakeInitech,true,silver,ten,1000
Umbrella,sk_live_fakeUmbrella,false,silver,,
"""


@pytest.fixture
def person():
    return staff(*OPERATOR)


@pytest.fixture
def client(person):
    return client_of(person)


def stripe(name, secret, **more):
    return {"name": name, "properties": {"kind": "stripe_key", "secret": secret, "test": True}, **more}


def send(client, content, name="customers.csv"):
    content = content if isinstance(content, bytes) else content.encode()
    return client.post(IMPORT, {"file": SimpleUploadedFile(name, content)})


def sent(client, content, name="credentials.json"):
    """The address of a file that was taken in."""
    response = send(client, content if isinstance(content, (str, bytes)) else json.dumps(content), name)
    assert response.status_code == 302, text_of(response)
    return response.url


def text_of(response):
    return " ".join(response.content.decode().split())


def counted(response):
    return [response.context["seen"][word] for word in ("created", "updated", "unchanged", "failed")]


def chosen(client, address, kind="stripe_key", **changed):
    """Say what the columns are, as they are guessed for a kind, but for some."""
    form = client.get(f"{address}?columns=1&kind={kind}").context["form"]
    data = {"kind": kind} | {form.name_of(column): column.guess for column in form.found} | changed
    return client.post(f"{address}?columns=1", data)


# --- the story


def test_a_file_with_columns_of_its_own_names_is_looked_at_and_imported(client, person):
    address = sent(client, OWN_NAMES, "customers.csv")
    asked = client.get(address)
    assert "API key" in text_of(asked) and "sk_test_fakeAcme" not in text_of(asked)
    guessed = client.get(f"{address}?columns=1&kind=stripe_key").context["form"].found
    # What may be a secret as well goes nowhere by a guess.
    assert [column.guess for column in guessed] == [
        *("name", "properties.secret", "properties.test", ""),
        *("rate_limit.allowed_requests", "rate_limit.interval"),
    ]
    assert chosen(client, address, column_4="metadata.plan").status_code == 302
    look = client.get(address)
    assert counted(look) == [2, 0, 0, 2] and not Credential.objects.exists()
    assert [(row, path) for row, [(path, _words)] in look.context["problems"]] == [
        (3, "properties.secret"),
        (4, "rate_limit.allowed_requests"),
    ]
    assert "publishable key" in text_of(look) and "Import 2, leave out the 2 that fail" in text_of(look)

    assert client.post(address, {"import": "1"}).status_code == 302
    assert counted(client.get(address)) == [2, 0, 0, 2]
    acme = Credential.objects.get(name="Acme")
    assert acme.metadata == {"plan": "gold"} and acme.rate_limit.allowed_requests == 10
    assert not UploadPiece.objects.exists()
    failed = client.get(f"{address}?failures=csv").content.decode().splitlines()
    assert failed[0] == "row,place,problem" and failed[2].startswith("4,rate_limit.allowed_requests,")

    made = AuditEvent.objects.filter(action__in=["create", "import"], actor=f"user:{person.username}")
    assert made.filter(action="import", object_label="customers.csv").count() == 1
    assert made.filter(action="create", object_type="credential").count() == 2
    assert len(set(made.values_list("request_id", flat=True))) == 1

    # Sent once more, nothing is imported a second time.
    assert client.post(address, {"import": "1"}).status_code == 200
    again = sent(client, OWN_NAMES, "customers.csv")
    chosen(client, again, column_4="metadata.plan")
    assert counted(client.get(again)) == [0, 0, 2, 2]
    assert Credential.objects.count() == 2


def test_it_says_what_the_command_says(client, tmp_path):
    documents = [
        stripe("A", "sk_test_fakeA"),
        stripe("B", "***********"),
        stripe("C", "sk_test_fakeC", metadata={"a": float("inf")}),
        {"name": "D", "properties": {"kind": "github_app", **properties_of("github_app")}},
        stripe("A too", "sk_test_fakeA"),
        {"properties": {"kind": "nothing"}},
    ]
    content = json.dumps(documents)
    file, out, wrong = tmp_path / "file.json", io.StringIO(), io.StringIO()
    file.write_text(content)
    with pytest.raises(SystemExit):
        call_command("import_credentials", file, "--dry-run", "--on-error", "skip", stdout=out, stderr=wrong)
    seen = client.get(sent(client, content)).context["seen"]
    words = ("created", "updated", "unchanged", "failed")
    assert out.getvalue().startswith(", ".join(f"{word} {seen[word]}" for word in words))
    lines = [
        f"row {row}, {path}: {said}" if path else f"row {row}: {said}" for row, path, said in seen["problems"]
    ]
    assert wrong.getvalue().splitlines() == lines


# --- what is secret


def test_the_file_is_nowhere_in_clear_and_goes_with_its_import(client, caplog, monkeypatch, settings):
    def refused(*args, **kwargs):
        raise AssertionError("A file was written to the disk.")

    monkeypatch.setattr(TemporaryUploadedFile, "__init__", refused)
    secrets = [canary.make_plain("sk_test_") for _ in range(3)]
    # The second is refused, the third stands where a name of a property should.
    documents = [stripe("A", secrets[0]), stripe("B", f"pk_{secrets[1]}")]
    documents.append({"name": "C", "properties": {"kind": "stripe_key"}, "metadata": {"of": "x" * 3_000_000}})
    address = sent(client, documents)
    headless = sent(client, f"Acme,{secrets[2]},true\nGlobex,sk_test_fakeTwo,true\n", "headless.csv")
    pages = [client.get(address), client.get(headless), client.get(f"{headless}?columns=1&kind=stripe_key")]
    assert UploadPiece.objects.count() > 10 and "is not shown" in text_of(pages[1])
    assert canary.leaks(secrets, [*canary.database(), ("log", caplog.text.encode())]) == []

    # What waits is sealed again like any other secret, and opens.
    settings.FERNET_KEYS = [fake_key("FERNET_KEYS, a new one"), *settings.FERNET_KEYS]
    waiting = UploadPiece.objects.count()
    assert rotation.rotate()["rotated"] >= waiting and rotation.remaining() == 0
    settings.FERNET_KEYS = settings.FERNET_KEYS[:1]
    pages += [
        client.post(address, {"import": "1"}),
        client.get(address),
        client.get(f"{address}?failures=csv"),
    ]
    assert Credential.objects.get().name == "A"
    assert not UploadPiece.objects.filter(upload=address.split("/")[-2]).exists()
    assert canary.leaks(secrets, [(str(n), page.content) for n, page in enumerate(pages)]) == []
    assert canary.leaks(secrets, [*canary.database(), ("log", caplog.text.encode())]) == []


def test_a_file_whose_key_is_gone_is_asked_for_again(client, settings):
    address = sent(client, [stripe("A", "sk_test_fakeA")])
    settings.FERNET_KEYS = [fake_key("FERNET_KEYS, another one")]
    response = client.post(address, {"import": "1"}, follow=True)
    assert "send it again" in text_of(response) and not Upload.objects.exists()


# --- what may be wrong with a file


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "the file is empty"),
        ('name,properties.kind\n"A",stripe_key\n'.encode("utf-16"), "UTF-16"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "this is no text"),
        (b"Dear Anna, please find the keys below.\nBest", "no column"),
        (b"just words\nand more\n", "this is neither JSON"),
        (b'"' + b"x" * 2_000_000, "longer than"),
        (b"x" * (uploads.MOST + 1), "larger than 5"),
    ],
    ids=["empty", "UTF-16", "a picture", "a letter", "words", "huge cell", "too large"],
)
def test_what_is_no_file_of_credentials_is_refused_in_words(client, content, words):
    response = send(client, content)
    if words == "no column":
        # It may be CSV: then its columns are asked for, and what is chosen has to make sense.
        response = client.post(f"{response.url}?columns=1", {"kind": "", "column_1": "name", "column_2": ""})
        words = "Choose the kind, or the column that says it."
    else:
        assert not Upload.objects.exists()
    assert response.status_code == 200 and words in text_of(response)


def test_rows_that_cannot_be_read_are_named_and_the_others_taken(client):
    cell = "x" * 1_100_000
    header = "name,properties.kind,properties.secret,properties.test"
    content = f'{header}\nA,stripe_key,sk_test_fakeA,true\nB,"{cell}",,\n'
    look = client.get(sent(client, content.encode() + b"C,stripe_key,sk_test_\xff,true\n", "x.csv"))
    assert counted(look)[0] == 1 and counted(look)[3] == 2
    assert "not UTF-8 text (line 4)" in text_of(look) and "longer than" in text_of(look)


def test_no_file_at_all(client):
    assert "Choose the file first." in text_of(client.post(IMPORT, {}))
    assert "Choose the file first." in text_of(client.post(IMPORT, {"file": "not a file"}))


def test_columns_that_are_chosen_twice_are_refused(client):
    address = sent(client, OWN_NAMES, "customers.csv")
    response = chosen(client, address, column_4="name")
    assert "Another column is taken for this too." in text_of(response)
    assert Upload.objects.get().preview is None


# --- whose, and for how long


def test_a_file_is_for_whoever_sent_it_and_for_an_hour(client):
    address = sent(client, [stripe("A", "sk_test_fakeA")])
    other = client_of(staff(*OPERATOR))
    assert other.get(address).status_code == other.post(address, {"import": "1"}).status_code == 404
    Upload.objects.update(created_at=timezone.now() - timedelta(minutes=61))
    late = client.post(address, {"import": "1"})
    assert late.status_code == 404 and "is kept for an hour" in text_of(late)
    assert not Credential.objects.exists()
    sent(client, [stripe("A", "sk_test_fakeA")])
    Upload.objects.update(created_at=timezone.now() - timedelta(minutes=61))
    turns.whole()
    assert not UploadPiece.objects.exists()


def test_a_file_can_be_forgotten(client):
    address = sent(client, [stripe("A", "sk_test_fakeA")])
    assert "Nothing was imported" in text_of(client.post(address, {"drop": "1"}, follow=True))
    assert not UploadPiece.objects.exists()


def test_of_two_who_import_it_at_once_one_does(client, person, monkeypatch):
    address = sent(client, [stripe("A", "sk_test_fakeA")])
    found, import_rows, seen = Upload.objects.get(), uploads.batches.import_rows, []

    def meanwhile(rows, **how):
        seen.append(text_of(client.post(address, {"import": "1"}, follow=True)))
        return import_rows(rows, **how)

    monkeypatch.setattr(uploads.batches, "import_rows", meanwhile)
    uploads.run(found, person)
    assert len(seen) == 1 and "has begun already" in seen[0] and "Its import began" in seen[0]
    assert Credential.objects.count() == 1 and counted(client.get(address)) == [1, 0, 0, 0]


def test_an_import_that_fails_in_our_own_code_can_be_tried_again(client, person, monkeypatch):
    sent(client, [stripe("A", "sk_test_fakeA")])
    found = Upload.objects.get()
    with monkeypatch.context() as broken, pytest.raises(RuntimeError):
        broken.setattr(uploads, "_report", lambda results: (_ for _ in ()).throw(RuntimeError))
        uploads.run(found, person)
    uploads.run(found, person)
    assert Credential.objects.count() == 1


def test_oauth_apps_come_in_with_an_admin_only(client, admin_client):
    app = {
        "object": "oauth_app",
        "provider": "hubspot",
        "name": "New",
        "client_id": "c",
        "client_secret": "fake",
    }
    mixed = [app, stripe("A", "sk_test_fakeA")]
    address = sent(client, mixed)
    look = client.get(address)
    assert counted(look) == [1, 0, 0, 1] and "which an admin may import" in text_of(look)
    client.post(address, {"import": "1"})
    assert Credential.objects.count() == 1 and not OAuthApp.objects.exists()
    admin_client.post(sent(admin_client, mixed), {"import": "1"})
    assert OAuthApp.objects.get().name == "New"
