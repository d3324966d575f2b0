"""Every way to write a secret but save() is refused loudly, and leaves the column as it was."""

import uuid

import pytest
from django.core.exceptions import ValidationError
from django.db import connection, models, transaction
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Case, F, OuterRef, Subquery, Value, When
from django.db.models.functions import Cast, Coalesce, Concat, Lower, Upper
from django.utils import timezone

from credentials.kinds import KINDS
from credentials.models import AuditEvent, Credential, OAuthApp
from credentials.sealing import SecretField, secret_fields
from health.models import Component
from tests.factories import make_credential, make_oauth_app, new_oauth_app
from tests.rawsql import stored

pytestmark = pytest.mark.django_db

StripeKey = KINDS["stripe_key"]
COLUMNS = ("secret", "secret_seal_version", "secret_seal_key")


@pytest.fixture
def credential():
    return make_credential(secret="sk_test_kept")


def columns(instance, names=COLUMNS):
    return [stored(instance, name) for name in names]


EXPRESSIONS = {
    "text": "sk_test_new",
    "bytes": b"sk_test_new",
    "Value": Value("sk_test_new"),
    "typed Value": Value("sk_test_new", output_field=SecretField()),
    "F of a plain field": F("secret_seal_key"),
    "F of itself": F("secret"),
    "Case": Case(When(test=True, then=Value("a")), default=Value("b")),
    "Coalesce": Coalesce(Value(None), Value("sk_test_new")),
    "Upper": Upper(Value("sk_test_new")),
    "Lower of itself": Lower(F("secret")),
    "Concat": Concat(Value("sk_test_"), Value("new"), output_field=models.TextField()),
    "Cast": Cast(Value("sk_test_new"), models.BinaryField()),
    "Subquery": Subquery(StripeKey.objects.filter(pk=OuterRef("pk")).values("name")[:1]),
}
QUERYSETS = {
    "objects": lambda: StripeKey.objects.all(),
    "everything": lambda: StripeKey.everything.all(),
    "of Django": lambda: models.QuerySet(StripeKey),
    "filtered": lambda: StripeKey.objects.filter(name__gt=""),
}


@pytest.mark.parametrize("expression", EXPRESSIONS)
@pytest.mark.parametrize("queryset", QUERYSETS)
def test_update_is_refused(queryset, expression, credential):
    before = columns(credential)
    with pytest.raises(TypeError), transaction.atomic():
        QUERYSETS[queryset]().update(secret=EXPRESSIONS[expression])
    assert columns(credential) == before


def test_update_to_nothing_is_refused():
    credential = make_credential("linear_oauth2")
    with pytest.raises(TypeError):
        type(credential).objects.update(refresh_token=None)
    assert stored(credential, "refresh_token")


@pytest.mark.parametrize("expression", sorted(set(EXPRESSIONS) - {"text", "bytes"}))
def test_an_expression_cannot_be_assigned(expression, credential):
    with pytest.raises(TypeError, match="a secret is a text"):
        credential.secret = EXPRESSIONS[expression]
    with pytest.raises(TypeError, match="a secret is a text"):
        StripeKey(name="x", secret=EXPRESSIONS[expression])


@pytest.mark.parametrize("expression", sorted(set(EXPRESSIONS) - {"text"}))
def test_update_or_create_refuses_expressions(expression, credential):
    before = columns(credential)
    with pytest.raises(TypeError), transaction.atomic():
        StripeKey.objects.update_or_create(pk=credential.pk, defaults={"secret": EXPRESSIONS[expression]})
    assert columns(credential) == before


def test_update_or_create_with_a_text_seals_it(credential):
    StripeKey.objects.update_or_create(pk=credential.pk, defaults={"secret": "sk_test_new"})
    loaded = StripeKey.objects.get(pk=credential.pk)
    assert loaded.secret.use(loaded.destination()) == "sk_test_new"
    assert loaded.secret_version == 2 and StripeKey.holding("sk_test_new").get() == loaded


def test_get_or_create_seals_it():
    fields = {"secret": "sk_test_new", "test": True}
    loaded, created = StripeKey.objects.get_or_create(name="Only one", defaults=fields)
    assert created and loaded.secret.use(loaded.destination()) == "sk_test_new"


@pytest.mark.parametrize("manager", ["objects", "everything"])
def test_bulk_update_is_refused(manager, credential):
    before = columns(credential)
    credential.secret = "sk_test_new"
    with pytest.raises(TypeError, match="bulk_update"):
        getattr(StripeKey, manager).bulk_update([credential], ["name", "secret"])
    with pytest.raises(TypeError), transaction.atomic():
        models.QuerySet(StripeKey).bulk_update([credential], ["secret"])
    assert columns(credential) == before


def test_bulk_update_of_other_fields_keeps_the_secret(credential):
    before = columns(credential)
    credential.expires_at = timezone.now()
    StripeKey.objects.bulk_update([credential], ["expires_at"])
    assert columns(credential) == before and stored(credential, "expires_at")


RULED = [
    *("name", "account", "search", "oauth_app", "oauth_app_id", "deleted_at", "kind", "provider", "version"),
    *("secret_version", "component", "component_id", "metadata", "id", "shop_url", "credential_ptr_id"),
]


@pytest.mark.parametrize("manager", ["objects", "everything"])
@pytest.mark.parametrize("name", RULED)
def test_what_others_follow_from_is_written_by_save_alone(name, manager):
    credential = make_credential("shopify_oauth2")
    rows = getattr(type(credential), manager)
    before = vars(rows.get()) | {"_state": None}
    value = getattr(credential, name)
    with pytest.raises(TypeError, match=r"update\(\) would leave behind"):
        rows.filter(pk=credential.pk).update(**{name: value})
    with pytest.raises(TypeError, match=r"bulk_update\(\) would leave behind"):
        rows.bulk_update([credential], [name])
    after = vars(rows.get()) | {"_state": None}
    assert {**after, "access_token": None} == {**before, "access_token": None}
    assert rows.get().access_token.opens()


@pytest.mark.parametrize("name", ["name", "provider", "is_default", "version", "component"])
def test_what_others_follow_from_in_an_app_is_written_by_save_alone(name):
    app = make_oauth_app()
    with pytest.raises(TypeError, match="would leave behind"):
        OAuthApp.objects.update(**{name: getattr(app, name)})


def test_what_nothing_follows_from_is_updated_and_recorded(credential):
    assert Credential.objects.update(expires_at=timezone.now()) == 1
    event = AuditEvent.objects.get(action="change")
    assert (event.object_id, event.fields) == (str(credential.pk), ["expires_at"])
    assert Credential.objects.get().version == credential.version + 1


def copied(credential):
    """A row that somebody made of another one, as Django's documentation shows it."""
    credential.pk = credential.id = uuid.uuid4()
    credential._state.adding = True
    return credential


@pytest.mark.parametrize("kind", ["stripe_key", "netsuite_tba"])
def test_a_copied_row_is_not_stored_with_secrets_that_never_open(kind):
    credential = make_credential(kind)
    secrets = [field.name for field in secret_fields(type(credential))]
    copy = copied(type(credential).objects.get())
    with pytest.raises(ValidationError) as caught:
        copy.save()
    found = {name: messages[0].code for name, messages in caught.value.error_dict.items() if name in secrets}
    assert found == dict.fromkeys(secrets, "copied")
    assert Credential.everything.get().pk == credential.pk


def test_a_copied_row_is_stored_when_its_secrets_were_entered():
    app = make_oauth_app("hubspot")
    copy = copied(OAuthApp.objects.get())
    copy.client_id, copy.client_secret = "another", "fake-another-secret"
    copy.save()
    assert OAuthApp.objects.get(client_id="another").client_secret.opens()
    assert OAuthApp.objects.get(pk=app.pk).client_secret.opens()


def test_copied_apps_are_not_inserted_in_bulk():
    make_oauth_app("hubspot")
    with pytest.raises(ValidationError, match="not in a copy"):
        OAuthApp.objects.bulk_create([copied(OAuthApp.objects.get())])


@pytest.mark.parametrize("name", ["secret_seal_key", "secret_seal_version"])
def test_the_columns_of_the_seal_are_refused_as_well(name, credential):
    before = columns(credential)
    with pytest.raises(TypeError):
        StripeKey.objects.update(**{name: "12345678"[: 8 if name.endswith("key") else 1]})
    assert columns(credential) == before


def new_apps(*overrides):
    made = []
    for fields in overrides:
        app = new_oauth_app("shopify", **fields)
        app.component = Component.objects.create(kind=Component.Kind.OAUTH_APP, name=app.name)
        made.append(app)
    return made


def test_bulk_create_seals_new_rows():
    OAuthApp.objects.bulk_create(new_apps({"client_secret": "fake-1"}, {"client_secret": "fake-2"}))
    texts = {app.client_secret.use(app.destination()) for app in OAuthApp.objects.all()}
    assert texts == {"fake-1", "fake-2"}


def test_bulk_created_secrets_have_fingerprints():
    OAuthApp.objects.bulk_create(new_apps({"client_secret": "fake-in-bulk"}))
    assert OAuthApp.holding("fake-in-bulk").exists()


def test_bulk_create_refuses_a_mask():
    with pytest.raises(Exception, match="masked"):
        OAuthApp.objects.bulk_create(new_apps({"client_secret": "***********"}))


def test_bulk_create_does_not_overwrite_secrets_of_rows_that_exist():
    app = make_oauth_app("shopify", client_secret="fake-kept")
    before = columns(app, ("client_secret", "client_secret_seal_version", "client_secret_seal_key"))
    (twin,) = new_apps({"client_id": app.client_id, "client_secret": "fake-new"})
    with pytest.raises(TypeError), transaction.atomic():
        OAuthApp.objects.bulk_create(
            [twin],
            update_conflicts=True,
            unique_fields=["provider", "client_id"],
            update_fields=["name", "client_secret"],
        )
    assert columns(app, ("client_secret", "client_secret_seal_version", "client_secret_seal_key")) == before


def test_bulk_create_of_kinds_is_refused_by_django():
    with pytest.raises(ValueError, match="one by one"):
        StripeKey.objects.bulk_create([StripeKey(name="x", secret="sk_test_x")])


def test_a_raw_save_of_a_fresh_secret_is_refused(credential):
    before = columns(credential)
    credential.secret = "sk_test_new"
    with pytest.raises(TypeError), transaction.atomic():
        credential.save_base(raw=True)
    assert columns(credential) == before


# --- lookups


@pytest.mark.parametrize(
    "lookup",
    [
        "",
        "__exact",
        "__iexact",
        "__contains",
        "__startswith",
        "__regex",
        "__in",
        "__gt",
        "__range",
        "__endswith",
    ],
)
def test_no_lookup_tells_the_secret(lookup, credential):
    value = ["sk_test_kept", "x"] if lookup in ("__in", "__range") else "sk_test_kept"
    with pytest.raises(Exception) as caught:
        list(StripeKey.objects.filter(**{f"secret{lookup}": value}))
    assert "does not support lookups" in str(caught.value)


def test_whether_one_is_stored_can_be_asked():
    make_credential("linear_oauth2", refresh_token=None)
    assert KINDS["linear_oauth2"].objects.filter(refresh_token__isnull=True).count() == 1


def test_an_annotation_gives_no_text(credential):
    row = StripeKey.objects.annotate(copied=F("secret"), cast=Cast("secret", models.BinaryField())).get()
    assert "sk_test_kept" not in f"{row.copied!r} {bytes(row.cast)!r}"


# --- models of migrations


@pytest.fixture
def historical():
    executor = MigrationExecutor(connection)
    return executor.loader.project_state().apps


def test_a_model_of_a_migration_keeps_the_tokens(historical, credential):
    before = columns(credential)
    old = historical.get_model("credentials", "StripeKey").objects.get(pk=credential.pk)
    old.name = "renamed by a migration"
    old.save()
    assert columns(credential) == before
    loaded = StripeKey.objects.get(pk=credential.pk)
    assert loaded.secret.use(loaded.destination()) == "sk_test_kept"


def test_a_model_of_a_migration_has_the_columns_once(historical):
    names = [field.name for field in historical.get_model("credentials", "StripeKey")._meta.concrete_fields]
    assert names.count("secret_seal_key") == names.count("secret_seal_version") == 1


@pytest.mark.parametrize("how", ["save", "update", "Value", "bulk_update", "create"])
def test_a_model_of_a_migration_cannot_write_a_secret(how, historical, credential):
    before = columns(credential)
    model = historical.get_model("credentials", "StripeKey")
    old = model.objects.get(pk=credential.pk)
    with pytest.raises(TypeError), transaction.atomic():
        if how == "update":
            model.objects.update(secret="sk_test_new")
        elif how == "Value":
            model.objects.update(secret=Value("sk_test_new"))
        elif how == "create":
            component = historical.get_model("health", "Component").objects.create(kind="credential")
            model.objects.create(secret="sk_test_new", name="x", component=component)
        else:
            old.secret = "sk_test_new"
            old.save() if how == "save" else model.objects.bulk_update([old], ["secret"])
    assert columns(credential) == before
