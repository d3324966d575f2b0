"""The contract of a kind of credential. It holds for every kind in KINDS against the facts in kind_facts.py.

Each test takes nothing but the kind's name, so that tests/mutate_kinds.py can run them too.
"""

import json

import pytest
from django.core.exceptions import ValidationError
from django.db import connection

from credentials.documents import InvalidDocument
from credentials.kinds import KINDS, named
from credentials.models import Credential, OAuthApp, RateLimit
from credentials.sealing import MASK, SecretField
from credentials.transfer import Outcome, import_document
from tests.credentials.kind_facts import FACTS, MIX_UPS

pytestmark = [pytest.mark.django_db, pytest.mark.parametrize("kind", list(KINDS))]


def properties_of(kind, **changes):
    return {**FACTS[kind].properties, **changes}


def document_of(kind, **changes):
    named_within = "name" in FACTS[kind].properties
    document = {} if named_within else {"name": "Arrakis"}
    return {**document, "properties": {"kind": kind, **properties_of(kind, **changes)}}


def create(kind, **changes):
    """A stored credential of the kind, loaded as any other code would load it."""
    name = {} if "name" in FACTS[kind].properties else {"name": "Arrakis"}
    credential = KINDS[kind].from_properties(properties_of(kind, **changes), **name)
    credential.save()
    return Credential.objects.get(pk=credential.pk)


def problems_of(document):
    """What keeps a document from being imported, as {place: message}."""
    with pytest.raises(InvalidDocument) as caught:
        import_document(document)
    return dict(caught.value.problems)


def test_it_says_what_it_is_and_where_its_values_are_found(kind):
    model = KINDS[kind]
    assert model.KIND == kind
    assert model.PROVIDER.key == FACTS[kind].provider
    assert model.USES_OAUTH_APP is FACTS[kind].uses_oauth_app
    for text in (
        model.LABEL,
        model.SUMMARY,
        model.PROVIDER.name,
        model.PROVIDER.category,
        model.PROVIDER.limits,
    ):
        assert str(text).strip()
    for url in (model.HELP_URL, model.PROVIDER.docs_url):
        assert url.startswith("https://")


def test_its_properties_are_the_documented_ones_each_with_help(kind):
    facts, model = FACTS[kind], KINDS[kind]
    assert set(model.PROPERTIES) == {*facts.properties, *facts.optional}
    assert [name for name in model.PROPERTIES if name in facts.properties] == list(facts.properties)
    for name in model.PROPERTIES:
        field = model._meta.get_field(name)
        assert field.verbose_name
        assert field.help_text, name
        assert "\n" not in field.help_text and field.help_text.endswith("."), name
        assert field.blank is (name in facts.optional)


def test_its_secret_properties_are_sealed_fields(kind):
    model = KINDS[kind]
    sealed = {name for name in model.PROPERTIES if isinstance(model._meta.get_field(name), SecretField)}
    assert sealed == set(FACTS[kind].secrets)


def test_a_new_one_knows_its_kind_provider_account_and_component(kind):
    credential = create(kind)
    assert isinstance(credential, KINDS[kind])
    assert (credential.kind, credential.provider) == (kind, FACTS[kind].provider)
    assert credential.account == FACTS[kind].account
    assert (credential.component.provider, credential.component.name) == (
        FACTS[kind].provider,
        credential.name,
    )


def test_a_new_one_gets_the_default_limit(kind):
    limit = create(kind).rate_limit
    assert (limit.allowed_requests, limit.interval, limit.max_concurrent_requests) == FACTS[kind].limit
    assert RateLimit(*[None, *FACTS[kind].limit]).clean_fields(exclude={"credential"}) is None


def test_its_properties_come_back_with_the_secrets_masked(kind):
    facts = FACTS[kind]
    expected = {name: MASK if name in facts.secrets else value for name, value in facts.properties.items()}
    assert create(kind).properties == {"kind": kind, **expected}


def test_its_secrets_are_stored_sealed_and_open_for_their_destination_alone(kind):
    credential = create(kind, **FACTS[kind].optional)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {KINDS[kind]._meta.db_table}")
        stored = b"".join(
            bytes(value) for value in cursor.fetchone() if isinstance(value, (bytes, memoryview))
        )
    for name in FACTS[kind].secrets:
        text = {**FACTS[kind].properties, **FACTS[kind].optional}[name]
        assert text.encode() not in stored
        assert getattr(credential, name).use(credential.destination()) == text


def test_its_document_changes_nothing_when_it_is_imported_again(kind):
    credential = create(kind, **FACTS[kind].optional)
    document = json.loads(json.dumps(credential.document(), default=str))
    assert import_document(document) is Outcome.UNCHANGED
    assert Credential.objects.get(pk=credential.pk).document() == credential.document()


def test_a_document_is_imported_once(kind):
    assert import_document(document_of(kind)) is Outcome.CREATED
    assert import_document(document_of(kind)) is Outcome.UNCHANGED


def test_the_account_follows_from_the_properties(kind):
    facts = FACTS[kind]
    assert KINDS[kind].account_of(facts.properties, None) == facts.account
    changed = KINDS[kind].account_of({**facts.properties, **facts.another}, None)
    assert changed != facts.account or facts.account is None


def test_the_account_follows_from_the_answer_of_the_provider(kind):
    answer, account = FACTS[kind].answer
    assert KINDS[kind].account_of(FACTS[kind].properties, answer) == account


def test_a_second_one_of_the_same_account_is_refused_by_name(kind):
    first = create(kind)
    second = KINDS[kind](name="Another name")
    with pytest.raises(ValidationError) as caught:
        second = KINDS[kind].from_properties(properties_of(kind))
        second.save()
    assert (
        f"“{first.name}” ({first.pk}) is a credential of the same account already." in caught.value.messages
    )


def test_another_account_stands_beside_it(kind):
    first, second = create(kind), create(kind, **FACTS[kind].another)
    assert Credential.objects.count() == 2
    assert first.account != second.account or first.account is None


def test_certain_mix_ups_are_refused_at_the_property_to_blame(kind):
    for refused in FACTS[kind].refused:
        found = problems_of(document_of(kind, **refused.changes))
        assert list(found) == [f"properties.{refused.blamed}"]
        assert refused.says in found[f"properties.{refused.blamed}"]
        assert not any(str(refused.changes.get(name)) in str(found) for name in FACTS[kind].secrets)


def test_what_only_another_kind_refuses_is_taken(kind):
    refused = {(name, text) for one in FACTS[kind].refused for name, text in one.changes.items()}
    live_or_test = ("sk_", "rk_")
    for name in FACTS[kind].secrets:
        for text in MIX_UPS:
            if not text.startswith(FACTS[kind].begins):
                continue
            if (name, text) not in refused and not text.startswith(live_or_test):
                KINDS[kind].from_properties(properties_of(kind, **{name: text}), name="Arrakis")


def test_what_looks_odd_is_taken_with_a_warning(kind):
    assert KINDS[kind].from_properties(properties_of(kind), name="Arrakis").warnings() == {}
    for name, value in FACTS[kind].odd.items():
        assert list(
            KINDS[kind].from_properties(properties_of(kind, **{name: value}), name="Arrakis").warnings()
        ) == [name]


def test_a_new_destination_asks_for_every_secret_again(kind):
    assert KINDS[kind].DESTINATION == tuple(FACTS[kind].destination)
    stored = create(kind)
    for name, value in {**FACTS[kind].destination, **FACTS[kind].belongs_to_the_secret}.items():
        credential = Credential.objects.get(pk=stored.pk)
        setattr(credential, name, value)
        with pytest.raises(ValidationError) as caught:
            credential.save()
        assert set(caught.value.message_dict) == set(FACTS[kind].secrets)


def test_however_people_write_it_the_same_is_kept(kind):
    for name, pasted, kept in FACTS[kind].written:
        one, other = (
            KINDS[kind].from_properties(properties_of(kind, **{name: text}), name="Arrakis")
            for text in (kept, pasted)
        )
        assert getattr(one, name) == getattr(other, name) == kept
        assert (one.destination(), one.account) == (other.destination(), other.account)


def test_what_is_no_destination_changes_without_the_secret(kind):
    facts = FACTS[kind]
    credential = create(kind)
    for name, value in facts.another.items():
        if name not in {*facts.secrets, *facts.destination}:
            setattr(credential, name, value)
    for name, value in facts.same_destination.items():
        setattr(credential, name, value)
    credential.name = "Another name"
    credential.save()
    assert all(getattr(credential, name).opens() for name in facts.secrets if name in facts.properties)


def test_a_value_of_the_wrong_type_is_an_error_that_names_the_property(kind):
    samples = {
        "a text": "text",
        "a number": 7,
        "true or false": True,
        "an array": ["a"],
        "an object": {"a": 1},
    }
    for name, good in {**FACTS[kind].properties, **FACTS[kind].optional}.items():
        for words, value in {**samples, "null": None, "a decimal number": 1.5}.items():
            if type(value) is type(good) or (value is None and name in FACTS[kind].optional):
                continue
            found = problems_of(document_of(kind, **{name: value}))
            assert list(found) == [f"properties.{name}"]
            assert found[f"properties.{name}"].endswith(f"found {words}")


def test_each_property_is_required_unless_it_is_optional(kind):
    for name in FACTS[kind].properties:
        document = document_of(kind)
        del document["properties"][name]
        says = "Enter the secret." if name in FACTS[kind].secrets else "required"
        assert problems_of(document) == {f"properties.{name}": says}


def test_an_unknown_property_is_refused_with_the_known_ones(kind):
    found = problems_of(document_of(kind, api_token="x"))
    assert list(found) == ["properties.api_token"]
    assert all(name in found["properties.api_token"] for name in FACTS[kind].properties)


def test_null_clears_an_optional_property(kind):
    credential = create(kind, **FACTS[kind].optional)
    for name, value in FACTS[kind].optional.items():
        assert credential.properties[name] in (value, MASK)
        assert (
            import_document({**document_of(kind, **{name: None}), "id": str(credential.pk)})
            is Outcome.UPDATED
        )
        assert name not in Credential.objects.get(pk=credential.pk).properties


def test_it_is_found_by_its_older_names(kind):
    assert KINDS[kind].OLDER_KINDS == FACTS[kind].older_kinds
    assert KINDS[kind].OLDER_PROPERTIES == FACTS[kind].older_properties
    import_document(document_of(kind))
    for older in FACTS[kind].older_kinds:
        assert named(older) is KINDS[kind]
        document = document_of(kind)
        document["properties"]["kind"] = older
        assert import_document(document) is Outcome.UNCHANGED
    for older, present in FACTS[kind].older_properties.items():
        document = document_of(kind)
        document["properties"][older] = document["properties"].pop(present)
        assert import_document(document) is Outcome.UNCHANGED


def test_an_oauth_app_goes_with_the_kinds_that_use_one(kind):
    app = OAuthApp(
        provider=FACTS[kind].provider, name="Our app", client_id="id", client_secret="example-secret"
    )
    if app.provider == "github":
        app = OAuthApp(
            provider="github", name="Our app", client_id="id", app_id=1, private_key="-----BEGIN KEY"
        )
    app.save()
    document = document_of(kind) | {"oauth_app_id": str(app.pk)}
    if FACTS[kind].uses_oauth_app:
        assert import_document(document) is Outcome.CREATED
        assert Credential.objects.get().oauth_app == app
    else:
        assert problems_of(document) == {"oauth_app_id": "This kind does not use an OAuth app."}


def test_it_is_found_by_provider_kind_status_and_metadata(kind):
    import_document(document_of(kind) | {"metadata": {"customer_id": "choam", "seats": 3}})
    found = Credential.objects.provider(FACTS[kind].provider).kind(kind).status("unchecked")
    assert [one.kind for one in found.metadata(customer_id="choam", seats=3)] == [kind]
    assert not found.metadata(customer_id="harkonnen").exists()
    assert not found.status("customer_intervention").exists() and not found.status("healthy").exists()
