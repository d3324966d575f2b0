"""Deleting puts a credential away for seven days; then a purge removes it for good."""

import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.utils import timezone

from credentials.models import (
    KEPT_FOR,
    AuditEvent,
    Conflict,
    Credential,
    Deleted,
    Fingerprint,
    InUse,
    OAuthApp,
    RateLimit,
)
from health import graph, wiring
from health.models import Component
from tests import rawsql
from tests.factories import make_credential, make_oauth_app

pytestmark = pytest.mark.django_db


def acts(credential):
    return list(
        AuditEvent.objects.filter(object_id=credential.pk).order_by("time").values_list("action", flat=True)
    )


def age(credential, days):
    when = timezone.now() - timezone.timedelta(days=days)
    rawsql.store(credential, deleted_at=when)


def test_a_deleted_credential_is_in_no_list_and_its_component_neither():
    credential = make_credential()
    credential.delete()
    assert not Credential.objects.exists() and not Component.objects.exists()
    assert Credential.everything.get().deleted_at


def test_it_comes_back_with_its_secret_and_its_limit():
    credential = make_credential(secret="sk_test_kept")
    credential.delete()
    Credential.everything.get(pk=credential.pk).restore()
    back = Credential.objects.get()
    assert back.secret.use(back.destination()) == "sk_test_kept"
    assert back.rate_limit.words == "25 per second" and Component.objects.get() == back.component
    assert acts(credential) == ["create", "delete", "restore"]


def test_it_hangs_on_its_app_again_after_it_came_back():
    app = make_oauth_app("hubspot")
    credential = make_credential("hubspot_oauth2", oauth_app=app)
    assert list(credential.component.depends_on.all()) == [app.component]
    credential.delete()
    assert not credential.component.depends_on.exists()
    credential.restore()
    assert list(credential.component.depends_on.all()) == [app.component]


def test_one_that_a_sync_depends_on_stays_and_the_sync_is_named():
    credential = make_credential()
    sync = Component.objects.create(kind="sync", name="orders")
    sync.depends_on.add(credential.component)
    with pytest.raises(InUse, match="Sync orders"):
        credential.delete()
    with pytest.raises(InUse):
        Credential.objects.all().delete()
    assert Credential.objects.get() == credential


def test_its_account_is_free_for_another_and_then_it_cannot_come_back():
    first = make_credential("shopify_oauth2", shop_url="arrakis.myshopify.com")
    first.delete()
    second = make_credential("shopify_oauth2", shop_url="arrakis.myshopify.com")
    assert second.account == first.account
    with pytest.raises(ValidationError, match="same account"):
        first.restore()
    assert Credential.objects.get() == second


def test_many_are_deleted_at_once_all_or_none():
    credentials = [make_credential("stripe_key"), make_credential("shopify_oauth2")]
    assert Credential.objects.non_polymorphic().delete()[0] == 2
    assert not Credential.objects.exists() and Credential.everything.count() == 2
    assert [acts(credential)[-1] for credential in credentials] == ["delete", "delete"]


def test_the_purge_takes_what_is_older_than_seven_days_and_nothing_else(capsys):
    kept, due, alive = (
        make_credential("stripe_key"),
        make_credential("shopify_oauth2"),
        make_credential("github_app"),
    )
    kept.delete()
    due.delete()
    age(kept, KEPT_FOR.days - 1)
    age(due, KEPT_FOR.days + 1)
    call_command("purge_credentials", "--dry-run")
    call_command("purge_credentials")
    assert capsys.readouterr().out == "due 1 (dry run: nothing was removed)\nremoved 1\n"
    assert set(Credential.everything.values_list("pk", flat=True)) == {kept.pk, alive.pk}
    assert not Fingerprint.objects.of(due.pk).exists()
    assert set(RateLimit.objects.values_list("credential_id", flat=True)) == {kept.pk, alive.pk}
    assert not Component.everything.filter(pk=due.component_id).exists()


def test_after_seven_days_it_does_not_come_back_even_where_nothing_purged_it():
    credential = make_credential()
    credential.delete()
    age(credential, KEPT_FOR.days + 1)
    with pytest.raises(ValidationError, match="more than 7 days ago"):
        Credential.everything.get(pk=credential.pk).restore()
    assert not Credential.objects.exists()


def test_a_leaked_key_is_found_in_a_deleted_credential_too():
    credential = make_credential(secret="sk_test_leaked")
    credential.delete()
    assert Credential.holding("sk_test_leaked").get() == credential


@pytest.mark.parametrize("several", [True, False])
def test_a_default_app_that_credentials_use_without_naming_it_stays(several):
    app = make_oauth_app("hubspot", is_default=True)
    make_credential("hubspot_oauth2", name="Arrakis")
    with pytest.raises(InUse, match="Credential Arrakis"):
        OAuthApp.objects.filter(pk=app.pk).delete() if several else app.delete()
    assert OAuthApp.objects.get() == app


@pytest.mark.parametrize("by_action", [True, False])
def test_the_page_of_such_an_app_names_who_uses_it_and_deletes_nothing(admin_client, by_action):
    app = make_oauth_app("hubspot", is_default=True)
    make_credential("hubspot_oauth2", name="Arrakis")
    address = "/admin/credentials/oauthapp/" if by_action else f"/admin/credentials/oauthapp/{app.pk}/delete/"
    chosen = {"action": "delete_selected", "_selected_action": [app.pk]} if by_action else {}
    for more in ({}, {"post": "yes"}):
        answer = admin_client.post(address, {**chosen, **more})
        assert answer.status_code < 500
    assert OAuthApp.objects.get() == app


def test_a_deleted_credential_is_neither_used_nor_revealed():
    credential = make_credential(secret="sk_test_put_away")
    credential.delete()
    stored = Credential.everything.get()
    for row in (credential, stored):
        with pytest.raises(Deleted, match="restore it before its secrets are used or shown"):
            row.secret.use(row.destination())
        with pytest.raises(Deleted, match="restore it"):
            row.secret.reveal(actor="cli:anna@host", reason="the customer asked for it")
    assert not AuditEvent.objects.filter(action="reveal").exists()
    assert Credential.everything.get().last_used_at is None
    stored.restore()
    assert stored.secret.use(stored.destination()) == "sk_test_put_away"


def test_one_that_was_changed_since_it_was_loaded_is_not_deleted():
    credential = make_credential()
    other = Credential.objects.get()
    other.name = "Theirs"
    other.save()
    with pytest.raises(Conflict):
        credential.delete()
    assert Credential.objects.get().name == "Theirs" and credential.deleted_at is None


def test_a_deleted_one_is_not_deleted_again():
    credential = make_credential()
    credential.delete()
    with pytest.raises(Conflict):
        credential.delete()
    assert Credential.everything.all().delete()[0] == 0
    assert acts(credential) == ["create", "delete"]


def test_the_time_of_deletion_is_not_set_by_hand():
    credential = make_credential()
    credential.deleted_at = timezone.now()
    with pytest.raises(TypeError, match="Call delete"):
        credential.save()
    assert Credential.objects.exists()


def test_many_cost_a_handful_of_statements_for_each_500(django_assert_max_num_queries):
    app = make_oauth_app("hubspot", is_default=True)
    rows = [make_credential("hubspot_oauth2") for _ in range(40)]
    rows[3].delete()
    with django_assert_max_num_queries(40):
        assert Credential.objects.filter(kind="hubspot_oauth2").delete()[0] == 39
    assert not Credential.objects.exists() and not graph.edges().exists()
    assert [acts(row) for row in rows] == [["create", "delete"]] * 40
    assert set(Component.objects.all()) == {app.component}
    stored = Credential.everything.get(pk=rows[0].pk)
    assert stored.version == rows[0].version + 1 and stored.updated_at > rows[0].updated_at
    stored.restore()
    assert graph.edges().get().depends_on_id == app.component_id


def test_many_dependencies_are_removed_with_a_few_statements(django_assert_max_num_queries):
    parts = [Component.objects.create(kind="sync", name=f"s{n}") for n in range(30)]
    needed = [Component.objects.create(kind="target", name=f"t{n}") for n in range(2)]
    both = [(one.pk, other.pk) for one in parts for other in needed]
    wiring.connect(both)
    with django_assert_max_num_queries(15):
        wiring.disconnect([edge for edge in both if edge[1] == needed[0].pk])
    assert set(graph.edges().values_list("component_id", "depends_on_id")) == {
        edge for edge in both if edge[1] == needed[1].pk
    }
