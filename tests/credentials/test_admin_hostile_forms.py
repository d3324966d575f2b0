"""Whatever is posted to the admin: an answer below 500, the same on every database, nothing stored."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import models
from django.urls import reverse

from credentials.fields import WholeNumberField
from credentials.kinds import KINDS
from credentials.models import Credential, OAuthApp
from credentials.sealing import SecretField
from tests.credentials.admin_pages import (
    ADD_APP,
    APPS,
    LIST,
    add_page,
    entries,
    page,
    problems,
    shown,
)
from tests.factories import PEM, make_credential, make_oauth_app

pytestmark = pytest.mark.django_db

NO_ROW = "00000000-0000-4000-8000-000000000000"
HOSTILE_TEXTS = {
    "NUL": "a\0b",
    "only NUL": "\0",
    "override": "paid\u202etxt.exe",
    "isolate": "a\u2066b",
    "zero width": "a\u200bb",
    "byte order mark": "\ufeffa",
    "escape": "a\x1b[31mb",
    "line break": "a\nb",
    "delete": "a\x7fb",
    "100 KB": "a" * 100_000,
    "blank": " \t ",
}
HOSTILE_NUMBERS = ["0", "-1", "1.5", "1e3", "NaN", "Infinity", "9" * 19, "9" * 5_000, "0x10", "x", " ", "\0"]
HOSTILE_JSON = {
    "deep": '{"a":' + "[" * 100_000 + "]" * 100_000 + "}",
    "deeper than it may be": '{"a":' + "[" * 17 + "]" * 17 + "}",
    "5,000 digits": '{"a": ' + "9" * 5_000 + "}",
    "beyond 64 bits": '{"a": 9223372036854775808}',
    "huge exponent": '{"a": 1e400}',
    "inexact": '{"a": 1e308}',
    "NaN": '{"a": NaN}',
    "Infinity": '{"a": -Infinity}',
    "NUL": r'{"a": "\u0000"}',
    "NUL in a key": r'{"\u0000": 1}',
    "NUL itself": '{"a": "\0"}',
    "half of a pair": r'{"a": "\ud800"}',
    "half of a pair in a key": r'{"\udfff": 1}',
    "twice": '{"a": 1, "a": 2}',
    "many values": "{" + ",".join(f'"{number}":1' for number in range(10_000)) + "}",
    "long key": '{"' + "k" * 201 + '": 1}',
    "long text": '{"a": "' + "x" * 70_000 + '"}',
    "4 MB": '{"a": "' + "x" * 4_000_000 + '"}',
    "array": "[1]",
    "text": '"a"',
    "number": "1",
    "null": "null",
    "half": "{",
    "single quotes": "{'a': 1}",
    "words": "hello",
}
TEXTS = [
    (kind, name)
    for kind, model in KINDS.items()
    for name in ("name", *model.PROPERTIES)
    if isinstance(model._meta.get_field(name), (models.CharField, models.TextField))
    and not isinstance(model._meta.get_field(name), SecretField)
]
NUMBERS = [
    (kind, name)
    for kind, model in KINDS.items()
    for name in model.PROPERTIES
    if isinstance(model._meta.get_field(name), WholeNumberField)
]
SECRETS = [
    (kind, name)
    for kind, model in KINDS.items()
    for name in model.PROPERTIES
    if isinstance(model._meta.get_field(name), SecretField)
]


def short(value):
    return str(value)[:30]


@pytest.fixture
def client(admin_client):
    admin_client.raise_request_exception = False
    return admin_client


def refuses(client, kind, **hostile):
    """The fields that the form of a kind complains about; nothing may be stored."""
    response = client.post(add_page(kind), entries(kind) | hostile)
    assert response.status_code < 500, hostile
    assert b"Traceback" not in response.content
    found = set(problems(response))
    assert not Credential.objects.exists()
    return found


@pytest.mark.parametrize(("kind", "name"), dict.fromkeys(TEXTS))
def test_no_text_takes_what_hides_or_cannot_be_stored(client, kind, name):
    # Nothing but white space empties what may be empty.
    texts = {
        label: text
        for label, text in HOSTILE_TEXTS.items()
        if text.strip() or not KINDS[kind]._meta.get_field(name).blank
    }
    taken = [label for label, text in texts.items() if name not in refuses(client, kind, **{name: text})]
    assert taken == []


@pytest.mark.parametrize(("kind", "name"), NUMBERS)
def test_no_number_takes_what_is_no_id(client, kind, name):
    taken = [text[:9] for text in HOSTILE_NUMBERS if name not in refuses(client, kind, **{name: text})]
    assert taken == []


@pytest.mark.parametrize(("kind", "name"), SECRETS)
def test_no_secret_takes_control_characters(client, kind, name):
    hostile = {"NUL": "fake\0secret", "line": "fake\nsecret", "escape": "fake\x1bsecret", "long": "x" * 9_000}
    taken = [label for label, text in hostile.items() if name not in refuses(client, kind, **{name: text})]
    assert taken == []


@pytest.mark.parametrize("label", HOSTILE_JSON)
def test_metadata_takes_what_both_databases_keep_and_nothing_else(client, label):
    assert "metadata" in refuses(client, "github_app", metadata=HOSTILE_JSON[label])


@pytest.mark.parametrize("label", HOSTILE_JSON)
def test_metadata_of_a_stored_row_is_as_strict(client, label):
    credential, app = make_credential(metadata={"kept": 1}), make_oauth_app(metadata={"kept": 1})
    for row in (credential, app):
        data = shown(client, row, metadata=HOSTILE_JSON[label])
        assert "metadata" in problems(client.post(page(row), data))
        assert type(row).objects.get(pk=row.pk).metadata == {"kept": 1}


@pytest.mark.parametrize(
    "text",
    ['{"a": 9223372036854775807}', '{"a": -0.0}', r'{"a": "\ud83d\ude00"}', '{"\u202e": "\u202e"}', "{}", ""],
)
def test_metadata_takes_what_is_strange_and_harmless(client, text):
    response = client.post(add_page("github_app"), entries("github_app", metadata=text))
    assert response.status_code == 302, problems(response)
    credential = Credential.objects.get()
    assert client.get(page(credential)).status_code == client.get(LIST).status_code == 200


@pytest.mark.parametrize(
    "scopes", [" ".join(map(str, range(501))), "x" * 256, "a\0b", "a\u202eb", ", ,", "\x1b"], ids=short
)
def test_a_list_of_scopes_has_bounds(client, scopes):
    assert "scopes" in refuses(client, "hubspot_oauth2", scopes=scopes)


@pytest.mark.parametrize("app", ["x", "0", "9" * 5_000, "'", "\0", NO_ROW])
def test_an_oauth_app_that_there_is_not(client, app):
    assert "oauth_app" in refuses(client, "hubspot_oauth2", oauth_app=app)


@pytest.mark.parametrize("name", ["name", "client_id"])
@pytest.mark.parametrize("label", HOSTILE_TEXTS)
def test_an_oauth_app_takes_no_hostile_text(client, name, label):
    data = {"name": "Ours", "provider": "github", "client_id": "a", "app_id": "1", "private_key": PEM}
    assert name in problems(client.post(ADD_APP, data | {name: HOSTILE_TEXTS[label]}))
    assert not OAuthApp.objects.exists()


@pytest.mark.parametrize("number", HOSTILE_NUMBERS, ids=short)
def test_an_oauth_app_takes_no_hostile_app_id(client, number):
    data = {"name": "Ours", "provider": "github", "client_id": "a", "private_key": PEM, "app_id": number}
    assert "app_id" in problems(client.post(ADD_APP, data))


BODIES = [
    (b'{"name": "a"}', "application/json", 200),
    (b"name=a", "text/plain", 200),
    (b"", "", 200),
    (b"\xff\xfe\x00", "application/octet-stream", 200),
    (b"--x\r\nbroken", "multipart/form-data; boundary=x", 200),
    (b"anything", "multipart/form-data", 400),
    (b"anything", "multipart/form-data; boundary=" + "x" * 300, 400),
    (b"name=%ff%fe&metadata=%ed%a0%80", "application/x-www-form-urlencoded", 200),
    (b"&".join(b"f%d=1" % number for number in range(2_000)), "application/x-www-form-urlencoded", 400),
    (b"name=" + b"x" * 6_000_000, "application/x-www-form-urlencoded", 400),
]


@pytest.mark.parametrize(("body", "content_type", "status"), BODIES, ids=short)
def test_a_body_that_is_no_form(client, body, content_type, status):
    credential = make_credential(name="Before")
    for address in (add_page("stripe_key"), ADD_APP, page(credential)):
        response = client.generic("POST", address, body, content_type=content_type)
        assert response.status_code == status
        assert b"Traceback" not in response.content
    assert [row.name for row in Credential.objects.all()] == ["Before"]


def test_a_file_in_place_of_a_text(client):
    for name in ("name", "metadata", "secret", "interval_0"):
        file = SimpleUploadedFile("secret.txt", b"sk_test_from_a_file")
        response = client.post(add_page("stripe_key"), {"name": "a", "secret": "sk_test_fake"} | {name: file})
        assert response.status_code == 200
        assert b"from_a_file" not in response.content


@pytest.mark.parametrize(
    "data",
    [
        {"action": "delete_selected", "_selected_action": "garbage"},
        {"action": "delete_selected", "_selected_action": ["garbage", NO_ROW], "post": "yes"},
        {"action": "delete_selected", "_selected_action": "9" * 30, "post": "yes"},
        {"action": "delete_selected", "_selected_action": NO_ROW, "index": "-5"},
        {"action": "delete_selected", "_selected_action": NO_ROW, "index": "x", "post": "yes"},
        {"action": "delete_selected", "_selected_action": "\0", "select_across": "1", "index": "99"},
        {"action": "delete_selected"},
        {"action": "__class__", "_selected_action": NO_ROW},
        {"_save": "1", "form-TOTAL_FORMS": "x", "form-INITIAL_FORMS": "-1"},
        {},
    ],
)
@pytest.mark.parametrize("address", [LIST, APPS, "/admin/auth/user/", "/admin/auth/group/"])
def test_an_action_on_nothing(client, address, data):
    make_credential()
    make_oauth_app()
    response = client.post(address, data)
    assert response.status_code in (200, 302, 400)
    assert Credential.objects.count() == OAuthApp.objects.count() == 1


def test_posting_to_the_catalogue_adds_nothing(client):
    address = reverse("admin:credentials_credential_add")
    assert client.post(address, entries("stripe_key") | {"ct_id": "x"}).status_code == 302
    assert not Credential.objects.exists()
