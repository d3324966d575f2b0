"""Deleting credentials and apps takes with it what belongs to them, and nothing else."""

import pytest
from django.utils import timezone

from credentials.kinds import KINDS
from credentials.models import Credential, Fingerprint, OAuthApp, RateLimit
from credentials.oauth_app_admin import OAuthAppAdmin
from health.models import Component
from tests import rawsql
from tests.credentials.admin_pages import APPS, LIST, client_of, page, staff
from tests.factories import make_credential, make_oauth_app

pytestmark = pytest.mark.django_db

TABLES = (Credential, *KINDS.values(), RateLimit, Fingerprint, Component)


def rows():
    return {table._meta.db_table: table._default_manager.count() for table in TABLES}


def purge():
    Credential.everything.exclude(deleted_at=None).purge()


def delete_selected(client, *rows, address=LIST, follow=False, **more):
    keys = [row.pk for row in rows]
    sent = {"action": "delete_selected", "_selected_action": keys, **more}
    return client.post(address, sent, follow=follow)


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


def test_the_way_back_is_told_last_after_one_and_after_several(admin_client):
    one, two, three = (make_credential(name=name) for name in ("One", "Two", "Three"))
    link = f'<a class="link" href="{LIST}?deleted=1">deleted credentials</a>'
    told = admin_client.post(page(one, "delete"), {"post": "yes"}, follow=True).content.decode()
    back = told.index(f"It can be brought back for 7 days: {link}")
    assert 0 < told.index("was deleted successfully") < back
    assert "They can be brought back for 7 days" in delete_selected(admin_client, two, three).content.decode()
    told = delete_selected(admin_client, two, three, post="yes", follow=True).content.decode()
    assert told.index("Successfully deleted 2") < told.index(f"They can be brought back for 7 days: {link}")
    assert told.count("brought back") == 1


def test_the_list_of_the_deleted_says_since_when_and_until_when(admin_client):
    credentials = [make_credential(name=name) for name in ("Fresh", "Old", "Overdue")]
    for credential, days in zip(credentials, (0, 5, 8), strict=True):
        credential.delete()
        rawsql.store(credential, deleted_at=timezone.now() - timezone.timedelta(days=days, minutes=1))
    answer = admin_client.get(f"{LIST}?deleted=1")
    assert [row.name for row in answer.context["cl"].result_list] == ["Fresh", "Old", "Overdue"]
    html = answer.content.decode()
    for words in ("1 minute ago", "in 6 days", "5 days ago", "in 1 day", "with the next purge"):
        assert words in html.replace("\xa0", " ")
    assert html.count("Undo: bring") == 2 and "Undo: bring “Overdue” back" not in html


def test_undo_brings_one_back_whatever_else_is_chosen(admin_client):
    one, two = make_credential(name="One"), make_credential(name="Two")
    Credential.objects.all().delete()
    html = admin_client.get(f"{LIST}?deleted=1").content.decode()
    form = html.split('<form id="undo"')[1].split("</form>")[0]
    assert 'method="post"' in form and "csrfmiddlewaretoken" in form
    assert f'form="undo" name="_selected_action" value="{one.pk}"' in html
    sent = {"action": "restore", "_selected_action": str(one.pk)}
    assert 'name="action" value="restore"' in form
    answer = admin_client.post(f"{LIST}?deleted=1", sent, follow=True)
    assert "“One” is back, as it was." in answer.content.decode()
    assert Credential.objects.get() == one
    assert [row.pk for row in answer.context["cl"].result_list] == [two.pk]


def test_who_may_not_delete_sees_the_deleted_and_no_undo():
    make_credential(name="Gone").delete()
    html = client_of(staff("view_credential")).get(f"{LIST}?deleted=1").content.decode()
    assert "Gone" in html and "Undo" not in html


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
