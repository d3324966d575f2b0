"""OAuth apps as documents: the same upsert as for credentials, and a whole installation in one file."""

import io
import json
import uuid

import pytest
from django.core.management import call_command

from credentials.app_documents import export
from credentials.documents import InvalidDocument
from credentials.models import AuditEvent, Credential, OAuthApp
from credentials.sealing import MASK
from credentials.transfer import Outcome, import_document
from tests import factories

pytestmark = pytest.mark.django_db
PEM = factories.PEM.format(n=1)


def app(**changes):
    document = {
        "object": "oauth_app", "provider": "shopify", "name": "Ours", "client_id": "c1",
        "client_secret": "example-client-secret", "scopes": ["read"], "metadata": {"a": 1},
    }  # fmt: skip
    return {name: value for name, value in {**document, **changes}.items() if value is not ...}


def github(**changes):
    return app(provider="github", app_id=7, private_key=PEM, client_secret=...) | changes


def only():
    return OAuthApp.objects.get()


def secret(name="client_secret"):
    return getattr(only(), name).use(only().destination())


def refused(document):
    with pytest.raises(InvalidDocument) as caught:
        import_document(document)
    return caught.value.problems


def test_an_app_is_created_once_and_updated():
    assert import_document(app()) is Outcome.CREATED
    assert import_document(app()) is Outcome.UNCHANGED
    assert import_document(app(name="New name", is_default=True)) is Outcome.UPDATED
    assert (only().name, only().is_default, secret()) == ("New name", True, "example-client-secret")
    assert list(AuditEvent.objects.order_by("action").values_list("action", flat=True)) == [
        "change",
        "create",
    ]


def test_a_document_has_this_shape():
    import_document(github(is_default=True))
    [found] = export()
    assert found == {
        "object": "oauth_app",
        "id": str(only().pk),
        "provider": "github",
        "name": "Ours",
        "client_id": "c1",
        "app_id": 7,
        "private_key": MASK,
        "scopes": ["read"],
        "is_default": True,
        "metadata": {"a": 1},
        "health": {"status": "healthy", "notes": ["Not checked yet."], "time": None},
        "created_at": found["created_at"],
        "updated_at": found["updated_at"],
    }


@pytest.mark.parametrize("make", [app, github])
def test_an_export_changes_nothing(make):
    import_document(make())
    [found] = export()
    assert import_document(json.loads(json.dumps(found, default=str))) is Outcome.UNCHANGED


def test_an_unknown_id_is_kept_and_a_known_one_means_its_row():
    pk = str(uuid.uuid4())
    assert import_document(app(id=pk)) is Outcome.CREATED
    assert str(only().pk) == pk
    assert import_document(app(id=str(uuid.uuid4()))) is Outcome.UNCHANGED
    assert import_document(app(id=pk, client_id="c2")) is Outcome.UPDATED
    assert only().client_id == "c2"


def test_another_client_id_or_provider_is_another_app():
    import_document(app())
    assert import_document(app(client_id="c2")) is Outcome.CREATED
    assert import_document(app(provider="hubspot")) is Outcome.CREATED


def test_what_is_not_given_stays():
    import_document(app())
    bare = {"object": "oauth_app", "provider": "shopify", "client_id": " c1 ", "metadata": None}
    assert import_document(bare) is Outcome.UNCHANGED


def test_a_mask_keeps_the_secret():
    import_document(app())
    assert import_document(app(client_secret=MASK)) is Outcome.UNCHANGED
    assert import_document(app(client_secret=MASK, name="New")) is Outcome.UPDATED
    assert secret() == "example-client-secret"


def test_a_mask_for_another_provider_asks_for_the_secret():
    import_document(app())
    moved = app(id=str(only().pk), provider="hubspot")
    [(place, _message)] = refused(moved | {"client_secret": MASK})
    assert place == "client_secret"
    assert import_document(moved) is Outcome.UPDATED
    assert secret() == "example-client-secret"


def test_a_replaced_secret_is_not_put_back():
    import_document(app())
    assert import_document(app(client_secret="example-newer")) is Outcome.UPDATED
    assert import_document(app(name="Old")) is Outcome.SUPERSEDED
    assert (secret(), only().name) == ("example-newer", "Ours")


def test_null_clears_what_is_optional():
    import_document(github(client_secret="example"))
    assert import_document(github(client_secret=None, scopes=None)) is Outcome.UPDATED
    assert (only().client_secret, only().scopes) == (None, "") or only().scopes == []


@pytest.mark.parametrize(
    ("document", "problems"),
    [
        ({"object": "oauth_app"},
         [("provider", "required"), ("name", "required"), ("client_id", "required")]),
        (app(provider="amazon"), [("provider", "“amazon” is no provider with OAuth apps. These are: …")]),
        (app(provider="checkout_champ"),
         [("provider", "“checkout_champ” is no provider with OAuth apps. These are: …")]),
        (app(provider=7), [("provider", "expected a text, found a number")]),
        (app(client_secret=...), [("client_secret", "Enter the client secret.")]),
        (app(client_secret=MASK), [("client_secret", "masked value: enter the secret")]),
        (app(client_secret="****"), [("client_secret", "This is a masked value: enter the secret itself.")]),
        (app(client_secret=7), [("client_secret", "expected a text, found a number")]),
        (app(app_id="7"), [("app_id", "expected a whole number, found a text")]),
        (app(app_id=7), [("app_id", "Only GitHub apps have this: leave it empty.")]),
        (github(private_key="no key"),
         [("private_key", "This is not a key in PEM form: it begins with -----BEGIN.")]),
        (app(scopes="read"), [("scopes", "expected an array of texts, found a text")]),
        (app(is_default=1), [("is_default", "expected true or false, found a number")]),
        (app(metadata=[]), [("metadata", "expected an object, found an array")]),
        (app(metadata={"a": "\0"}), [("metadata.a", "character 1 is NUL, which cannot be stored")]),
        (app(id="x"), [("id", "expected a UUID such as 123e4567-e89b-12d3-a456-426614174000")]),
        (app(properties={}),
         [("properties", "unknown key. An OAuth app has: app_id, client_id, client_secret, id, is_default,"
           " metadata, name, object, private_key, provider, scopes")]),
        (app(name="a\u202eb"),
         [("name", "Character 2 is invisible or a control character: leave it out.")]),
    ],
)  # fmt: skip
def test_a_wrong_document_is_refused_with_its_places(document, problems):
    found = [(path, message.split("These are: ")[0]) for path, message in refused(document)]
    assert found == [(path, message.split("…")[0].split("These are: ")[0]) for path, message in problems]
    assert not OAuthApp.objects.exists()


def test_a_second_default_is_refused():
    import_document(app(is_default=True))
    assert refused(app(client_id="c2", is_default=True)) == [
        ("", "This provider has a default app already: take it away there first.")
    ]


def test_an_id_cannot_take_the_client_id_of_another():
    import_document(app())
    import_document(app(client_id="c2"))
    pk = str(OAuthApp.objects.get(client_id="c2").pk)
    assert refused(app(id=pk)) == [("", "There is an app with this client id at this provider already.")]


def test_no_traceback_holds_a_secret():
    with pytest.raises(InvalidDocument) as caught:
        import_document(app(client_secret="NEVERSHOWN", scopes=7))
    assert "NEVERSHOWN" not in str(caught.value)


def test_a_whole_installation_is_set_up_from_one_file(tmp_path):
    own, default = (factories.make_oauth_app("shopify", is_default=value) for value in (False, True))
    factories.make_credential("shopify_oauth2", oauth_app=own, name="With its own")
    factories.make_credential("shopify_oauth2", name="With the default")
    out = io.StringIO()
    call_command("export_credentials", "--with-oauth-apps", stdout=out, stderr=io.StringIO())
    documents = json.loads(out.getvalue())
    assert [one.get("object", "credential") for one in documents] == ["oauth_app"] * 2 + ["credential"] * 2
    Credential.everything.all().purge()
    OAuthApp.objects.all().delete()
    for number, one in enumerate(documents):
        secrets = one if one.get("object") else one["properties"]
        for name in [name for name, value in secrets.items() if value == MASK]:
            secrets[name] = f"example-secret-{number}"
        one["object"] = one.get("object", "credential")
    (tmp_path / "file.json").write_text(json.dumps(documents))
    out = io.StringIO()
    call_command("import_credentials", str(tmp_path / "file.json"), stdout=out)
    assert out.getvalue() == "created 4, updated 0, unchanged 0, failed 0\n"
    stored = Credential.objects.get(name="With its own")
    assert stored.oauth_app_id == own.pk
    assert [one.pk for one in Credential.objects.get(name="With the default").component.depends_on.all()] == [
        OAuthApp.objects.get(pk=default.pk).component_id
    ]


def test_the_apps_of_one_provider_are_chosen_with_its_credentials():
    factories.make_oauth_app("shopify")
    factories.make_oauth_app("hubspot")
    assert [one["provider"] for one in export(provider="hubspot")] == ["hubspot"]


def test_the_number_of_queries_does_not_grow_with_the_apps(django_assert_max_num_queries):
    for _ in range(10):
        factories.make_oauth_app("shopify")
    with django_assert_max_num_queries(3):
        assert len(list(export())) == 10
