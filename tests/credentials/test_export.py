"""Documents going out: masked, filtered, complete, and good to come in again."""

import io
import json

import pytest
from django.core.management import call_command
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from credentials.documents import InvalidDocument
from credentials.kinds import KINDS, PROVIDERS
from credentials.models import Credential
from credentials.sealing import MASK
from credentials.transfer import Outcome, export, import_document
from health.models import Component
from tests.credentials.kind_facts import FACTS

pytestmark = pytest.mark.django_db


def document(kind, **beside):
    name = {} if "name" in FACTS[kind].properties else {"name": "Arrakis"}
    return {**name, "properties": {"kind": kind, **FACTS[kind].properties}, **beside}


@pytest.fixture
def one_of_each():
    for kind in KINDS:
        import_document(document(kind))


def run(*options):
    out, err = io.StringIO(), io.StringIO()
    call_command("export_credentials", *options, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def kinds_of(documents):
    return [one["properties"]["kind"] for one in documents]


def test_a_document_has_the_documented_shape():
    import_document(document("airtable_oauth2", metadata={"customer_id": "choam"}))
    credential = Credential.objects.get()
    [found] = json.loads(run()[0])
    assert found == {
        "id": str(credential.pk),
        "name": "Arrakis",
        "provider": "airtable",
        "properties": {
            "kind": "airtable_oauth2",
            "airtable_uid": "usrziLeD23j9AJ1",
            "refresh_token": MASK,
            "scope": "data.records:read webhook:manage",
        },
        "oauth_app_id": None,
        "health": {"status": "healthy", "notes": ["Not checked yet."], "time": None},
        "rate_limit": {"allowed_requests": 5, "interval": 1000, "max_concurrent_requests": 0},
        "metadata": {"customer_id": "choam"},
        "created_at": found["created_at"],
        "updated_at": found["updated_at"],
    }


def test_no_secret_is_in_an_export(one_of_each):
    text = "".join(run("--format", form)[0] for form in ("json", "jsonl"))
    for facts in FACTS.values():
        for name in facts.secrets:
            assert facts.properties.get(name, "!") not in text


def test_an_export_is_an_array_or_lines(one_of_each):
    array, lines = run()[0], run("--format", "jsonl")[0]
    assert json.loads(array) == [json.loads(line) for line in lines.splitlines()]
    assert len(lines.splitlines()) == len(KINDS)
    assert array.endswith("]\n")


def test_the_count_is_said_beside_the_documents(one_of_each):
    assert run("--provider", "stripe")[1] == "exported 2\n"


def test_an_export_of_nothing_is_still_good_json():
    assert run() == ("[]\n", "exported 0\n")
    assert run("--format", "jsonl") == ("", "exported 0\n")


@pytest.mark.parametrize("kind", list(KINDS))
def test_documents_are_chosen_by_kind(kind, one_of_each):
    assert kinds_of(json.loads(run("--kind", kind)[0])) == [kind]


@pytest.mark.parametrize("provider", list(PROVIDERS))
def test_documents_are_chosen_by_provider(provider, one_of_each):
    expected = [kind for kind in KINDS if FACTS[kind].provider == provider]
    assert kinds_of(json.loads(run("--provider", provider)[0])) == expected


def test_documents_are_chosen_by_status(one_of_each):
    for kind, status in (("linear_oauth2", "customer_intervention"), ("github_app", "healthy")):
        component = Credential.objects.get(kind=kind).component_id
        Component.objects.filter(pk=component).update(status=status, known_since=timezone.now())
    assert kinds_of(export(status="customer_intervention")) == ["linear_oauth2"]
    assert kinds_of(export(status="healthy")) == ["github_app"]
    assert len(list(export(status="unchecked"))) == len(KINDS) - 2
    assert kinds_of(json.loads(run("--status", "healthy")[0])) == ["github_app"]
    assert len(json.loads(run("--status", "unchecked")[0])) == len(KINDS) - 2
    assert list(export(status="customer_intervention", provider="stripe")) == []


def test_deleted_credentials_are_not_exported(one_of_each):
    row = Credential.objects.get(kind="github_app")
    row.delete()
    assert "github_app" not in kinds_of(export())


def test_documents_come_in_the_order_of_their_creation(one_of_each):
    assert kinds_of(export()) == list(KINDS)


def test_text_of_every_script_is_readable_in_an_export():
    import_document(document("github_app", metadata={"名": "Ünïcode 😀"}) | {"name": "日本"})
    text = run()[0]
    assert "日本" in text
    assert "Ünïcode 😀" in text


def test_the_number_of_queries_does_not_grow_with_the_credentials(django_assert_max_num_queries):
    for number in range(30):
        content = document("shopify_oauth2")
        content["properties"]["shop_url"] = f"shop-{number}"
        import_document(content)
    with django_assert_max_num_queries(4):
        assert len(list(export())) == 30


def test_an_export_never_opens_a_secret(one_of_each, settings):
    settings.FERNET_KEYS = ["another key, which opens none of them, of a good length"]
    assert len(list(export())) == len(KINDS)


plain = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=40).filter(str.strip)
numbers = st.integers(1, 2**63 - 1)
documents = st.one_of(
    st.fixed_dictionaries(
        {"kind": st.just("github_app"), "account_login": plain,
         "account_type": st.sampled_from(["User", "Organization"]),
         "installation_id": numbers}
    ),
    st.fixed_dictionaries(
        {"kind": st.just("hubspot_oauth2"), "hub_domain": plain, "hub_id": numbers, "refresh_token": plain,
         "scopes": st.lists(plain, min_size=1, unique=True)}
    ),
    st.fixed_dictionaries(
        {"kind": st.just("linear_oauth2"), "access_token": plain, "scope": plain, "linear_org_id": plain,
         "linear_org_name": plain},
        optional={"refresh_token": st.none() | plain},
    ),
    st.fixed_dictionaries(
        {"kind": st.just("stripe_key"), "name": plain, "secret": plain, "test": st.booleans()}
    ),
)  # fmt: skip
limits = st.fixed_dictionaries(
    {"allowed_requests": st.integers(1, 1_000_000), "interval": st.integers(100, 2_678_400_000)},
    optional={"max_concurrent_requests": st.none() | st.integers(0, 10_000)},
)


@settings(max_examples=60, deadline=None)
@given(properties=documents, name=plain, limit=st.none() | limits)
def test_whatever_comes_in_goes_out_as_something_that_changes_nothing(properties, name, limit):
    content = {"properties": properties, "rate_limit": limit}
    if properties["kind"] != "stripe_key":
        content["name"] = name
    try:
        import_document(content)
    except InvalidDocument:
        return
    for one in list(export()):
        assert import_document(json.loads(json.dumps(one, default=str))) is Outcome.UNCHANGED
    Credential.objects.all().delete()
