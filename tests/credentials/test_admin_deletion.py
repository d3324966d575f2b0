"""Deleting credentials and apps takes with it what belongs to them, and nothing else."""

import pytest

from credentials.admin import OAuthAppAdmin
from credentials.kinds import KINDS
from credentials.models import Credential, Fingerprint, OAuthApp, RateLimit
from health.models import Component
from tests.credentials.admin_pages import APPS, LIST, client_of, page, staff
from tests.factories import make_credential, make_oauth_app

pytestmark = pytest.mark.django_db

TABLES = (Credential, *KINDS.values(), RateLimit, Fingerprint, Component)


def rows():
    return {table._meta.db_table: table._default_manager.count() for table in TABLES}


def purge():
    Credential.everything.exclude(deleted_at=None).purge()


def delete_selected(client, *rows, address=LIST, **more):
    keys = [row.pk for row in rows]
    return client.post(address, {"action": "delete_selected", "_selected_action": keys, **more})


@pytest.mark.parametrize("kind", KINDS)
def test_a_deleted_credential_leaves_nothing_behind(admin_client, kind):
    make_credential("stripe_oauth2", name="Stays")
    before = rows()
    credential = make_credential(kind)
    assert admin_client.post(page(credential, "delete"), {"post": "yes"}).status_code == 302
    purge()
    assert rows() == before


def test_the_question_names_the_credential_and_its_provider(admin_client):
    credential = make_credential("stripe_key", name="Arrakis")
    assert "Stripe: Arrakis" in admin_client.get(page(credential, "delete")).content.decode()
    assert Credential.objects.exists()


def test_several_are_deleted_at_once(admin_client):
    make_credential("stripe_oauth2", name="Stays")
    before = rows()
    credentials = [make_credential(kind) for kind in KINDS]
    html = delete_selected(admin_client, *credentials).content.decode()
    assert all(credential.name in html for credential in credentials)
    assert delete_selected(admin_client, *credentials, post="yes").status_code == 302
    assert not Credential.objects.exclude(name="Stays").exists()
    purge()
    assert rows() == before


def test_a_deleted_credential_is_listed_among_the_deleted_and_comes_back(admin_client):
    credential = make_credential(name="Arrakis")
    told = admin_client.post(page(credential, "delete"), {"post": "yes"}, follow=True).content.decode()
    assert "It can be brought back for 7 days" in told and f'href="{LIST}?deleted=1"' in told
    deleted = f"{LIST}?deleted=1"
    assert "Arrakis" in admin_client.get(deleted).content.decode()
    asked = {"action": "restore", "_selected_action": [credential.pk]}
    told = admin_client.post(deleted, asked, follow=True).content.decode()
    assert "“Arrakis” is back, as it was." in told and Credential.objects.get() == credential


def test_one_whose_account_has_another_credential_now_stays_deleted(admin_client):
    credential = make_credential("shopify_oauth2", shop_url="arrakis.myshopify.com")
    credential.delete()
    make_credential("shopify_oauth2", shop_url="arrakis.myshopify.com")
    asked = {"action": "restore", "_selected_action": [credential.pk]}
    told = admin_client.post(f"{LIST}?deleted=1", asked, follow=True).content.decode()
    assert "stays deleted" in told and "same account" in told


def test_one_that_a_sync_depends_on_is_refused_and_the_sync_is_named(admin_client):
    credential = make_credential()
    sync = Component.objects.create(kind="sync", name="orders")
    sync.depends_on.add(credential.component)
    address = page(credential, "delete")
    assert "Sync orders" in admin_client.get(address).content.decode()
    admin_client.post(address, {"post": "yes"})
    assert Credential.objects.get() == credential


def test_a_credential_that_cannot_be_read_is_deleted(admin_client, settings):
    credential = make_credential()
    settings.FERNET_KEYS = ["another-key-" + "x" * 40]
    admin_client.post(page(credential, "delete"), {"post": "yes"})
    assert not Credential.objects.exists()


def test_who_may_delete_may_delete_all_that_belongs_to_it():
    credential = make_credential("linear_oauth2")
    client = client_of(staff("delete_credential", "view_credential"))
    assert client.post(page(credential, "delete"), {"post": "yes"}).status_code == 302
    assert not Credential.objects.exists()


def test_deleting_an_app_that_nobody_uses_leaves_nothing_behind(admin_client):
    app = make_oauth_app()
    assert admin_client.post(page(app, "delete"), {"post": "yes"}).status_code == 302
    assert not OAuthApp.objects.exists()
    assert not Component.objects.exists()
    assert not Fingerprint.objects.exists()


@pytest.mark.parametrize("by_action", [True, False])
def test_an_app_that_was_used_just_now_is_refused_without_a_server_error(
    admin_client, monkeypatch, by_action
):
    app = make_oauth_app("hubspot")
    make_credential("hubspot_oauth2", name="Faster", oauth_app=app)
    look, looked = OAuthAppAdmin.get_deleted_objects, []

    def look_too_early(self, objs, request):
        lines, counts, perms_needed, protected = look(self, objs, request)
        looked.append(protected)
        return lines, counts, perms_needed, protected if len(looked) > 1 else []

    monkeypatch.setattr(OAuthAppAdmin, "get_deleted_objects", look_too_early)
    if by_action:
        response = delete_selected(admin_client, app, address=APPS, post="yes")
    else:
        response = admin_client.post(page(app, "delete"), {"post": "yes"})
    assert len(looked) == 2
    assert response.status_code == 200
    assert "Faster" in response.content.decode()
