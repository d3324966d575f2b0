"""Saved views: a list under a name of one's own, and nobody else's."""

import pytest
from django.contrib.auth.models import Group, User
from django.urls import reverse

from project.models import SavedView
from tests.factories import make_credential

pytestmark = pytest.mark.django_db


@pytest.fixture
def viewer(client):
    make_credential("stripe_key", name="One")
    user = User.objects.create_user("viewer", is_staff=True)
    user.groups.add(Group.objects.get(name="viewer"))
    client.force_login(user)
    return user


def save(client, name, query="provider=stripe", page="credentials"):
    return client.post(reverse("save_view"), {"page": page, "name": name, "query": query}, follow=True)


def test_a_view_stands_above_the_list_until_it_is_deleted(client, viewer):
    assert "Save this view" in client.get("/credentials/?provider=stripe&kind=").content.decode()
    html = save(client, "  Stripe ").content.decode()
    assert '<a href="/credentials/?provider=stripe" aria-current="page">Stripe</a>' in html
    assert "Save this view" not in html
    view = SavedView.objects.get()
    html = client.post(reverse("rename_view", args=[view.pk]), {"name": "Ours"}, follow=True).content.decode()
    assert ">Ours</a>" in html and ">Stripe</a>" not in html
    # Another order of the same is the same list.
    assert "Change this view" in client.get("/credentials/?kind=&provider=stripe").content.decode()
    response = client.post(reverse("delete_view", args=[view.pk]), follow=True)
    assert response.redirect_chain == [("/credentials/?provider=stripe", 302)]
    assert not SavedView.objects.exists()


def test_what_cannot_be_saved_is_said(client, viewer):
    save(client, "Twice")
    assert (
        "You have a view called “Twice” already." in save(client, "Twice", "kind=stripe_key").content.decode()
    )
    for name, query in (("", "a=b"), ("x" * 41, "a=b"), ("a\u202eb", "a=b"), ("Long", "q=" + "x" * 1_001)):
        assert "The view was not saved:" in save(client, name, query).content.decode()
    for number in range(SavedView.MOST - 1):
        save(client, f"View {number}")
    assert "There is room for 20 views." in save(client, "One too many").content.decode()
    assert SavedView.objects.count() == SavedView.MOST
    assert save(client, "x", page="admin:index").status_code == 404
    assert client.get(reverse("save_view")).status_code == 405


def test_a_view_is_ones_own(client, viewer):
    other = User.objects.create_superuser("other")
    view = SavedView.objects.create(user=other, page="credentials", name="Theirs", query="kind=stripe_key")
    html = client.get("/credentials/").content.decode()
    assert "Theirs" not in html
    for route in ("rename_view", "delete_view"):
        assert client.post(reverse(route, args=[view.pk]), {"name": "Mine"}).status_code == 404
    assert SavedView.objects.get().name == "Theirs"
    # The same name of two people are two views.
    save(client, "Theirs")
    assert SavedView.objects.count() == 2


def test_who_may_not_see_the_list_saves_none_of_it(client):
    client.force_login(User.objects.create_user("nobody", is_staff=True))
    assert save(client, "x").status_code == 403
