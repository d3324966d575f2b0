"""Two people edit the same credential: nobody overwrites what they have not seen."""

import threading

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.utils import timezone

from credentials import forms, oauth_app_forms
from credentials.models import Credential, OAuthApp
from tests import canary, rawsql
from tests.credentials.admin_pages import (
    ADD_APP,
    add_page,
    client_of,
    entries,
    form_of,
    page,
    problems,
    shown,
    staff,
)
from tests.factories import make_credential, make_oauth_app

pytestmark = pytest.mark.django_db


def stored(credential):
    return Credential.objects.get(pk=credential.pk)


def other_saves(credential, **changes):
    """Somebody else's save, through the model."""
    other = stored(credential)
    for name, value in changes.items():
        setattr(other, name, value)
    other.save()


def differences(response):
    return {str(label): (str(theirs), str(yours)) for label, theirs, yours in form_of(response).conflict}


def test_the_second_of_two_people_sees_what_differs_and_saves_nothing(admin_client):
    credential = make_credential("stripe_key", name="Before")
    data = shown(admin_client, credential, name="Mine")
    other_saves(credential, name="Theirs")
    response = admin_client.post(page(credential), data)
    assert "while you were editing" in problems(response)["__all__"]
    assert differences(response)["Name"] == ("Theirs", "Mine")
    assert stored(credential).name == "Theirs"


def test_saving_again_puts_the_second_one_in_place_of_the_first(admin_client):
    credential = make_credential("stripe_key")
    data = shown(admin_client, credential, name="Mine")
    other_saves(credential, name="Theirs")
    response = admin_client.post(page(credential), data)
    again = data | {"seen_version": form_of(response)["seen_version"].value()}
    assert admin_client.post(page(credential), again).status_code == 302
    assert stored(credential).name == "Mine"


def test_saving_again_is_refused_where_a_third_person_saved_meanwhile(admin_client):
    credential = make_credential("stripe_key")
    data = shown(admin_client, credential, name="Mine")
    other_saves(credential, name="Theirs")
    response = admin_client.post(page(credential), data)
    other_saves(credential, name="A third one's")
    again = data | {"seen_version": form_of(response)["seen_version"].value()}
    response = admin_client.post(page(credential), again)
    assert differences(response)["Name"] == ("A third one's", "Mine")


def test_it_names_who_saved(admin_client):
    credential = make_credential("stripe_key")
    data = shown(admin_client, credential, name="Mine")
    other = staff("change_credential")
    client_of(other).post(page(credential), shown(client_of(other), credential, name="Theirs"))
    response = admin_client.post(page(credential), data)
    assert f"{other.username} saved this while you were editing" in problems(response)["__all__"]


def test_a_secret_is_asked_for_once_more_and_not_shown(admin_client):
    secret = canary.make()
    credential = make_credential("stripe_oauth2")
    data = shown(admin_client, credential, secret=secret)
    other_saves(credential, name="Theirs", secret="fake-secret-of-theirs")
    response = admin_client.post(page(credential), data)
    assert differences(response)["Secret"] == ("set", "entered: enter it once more")
    assert canary.find(secret, response.content) == []
    assert canary.find("fake-secret-of-theirs", response.content) == []


def test_limits_and_apps_are_compared_in_words(admin_client):
    credential = make_credential("hubspot_oauth2")
    app = make_oauth_app("hubspot", name="Our app")
    data = shown(admin_client, credential, oauth_app=app.pk, refresh_token="fake-again") | {
        "interval_0": "2",
        "interval_1": "minute",
    }
    other_saves(credential, name="Theirs")
    found = differences(admin_client.post(page(credential), data))
    assert found["Per"] == ("10 seconds", "2 minutes")
    assert found["OAuth app"] == ("empty", "Our app")


def test_what_cannot_be_read_is_compared_too(admin_client):
    credential = make_credential("hubspot_oauth2")
    data = shown(admin_client, credential, oauth_app="no-uuid", metadata="{", hub_id="x") | {
        "interval_0": "x",
        "interval_1": "year",
    }
    other_saves(credential, name="Theirs")
    found = differences(admin_client.post(page(credential), data))
    assert found["OAuth app"] == ("empty", "not valid")
    assert found["Hub id"][1] == "x"
    assert stored(credential).name == "Theirs"


@pytest.mark.parametrize("version", ["", "x", "-1", "0", "99", "9" * 5_000, "1.5", None])
def test_a_form_without_its_version_is_a_conflict(admin_client, version):
    credential = make_credential("stripe_key", name="Before")
    data = shown(admin_client, credential, name="Mine", seen_version=version)
    response = admin_client.post(page(credential), data)
    assert "while you were editing" in problems(response)["__all__"]
    assert stored(credential).name == "Before"


def test_a_row_that_was_deleted_meanwhile_is_said_to_be_gone(admin_client):
    credential = make_credential("stripe_key")
    data = shown(admin_client, credential)
    credential.delete()
    response = admin_client.post(page(credential), data, follow=True)
    assert response.status_code == 200
    assert "Perhaps it was deleted?" in response.content.decode()


def test_a_row_that_was_marked_as_deleted_cannot_be_saved(admin_client):
    credential = make_credential("stripe_key", name="Before")
    data = shown(admin_client, credential, name="Mine")
    rawsql.store(credential, deleted_at=timezone.now())
    admin_client.post(page(credential), data)
    assert Credential.everything.get(pk=credential.pk).name == "Before"


def test_a_use_meanwhile_is_no_conflict(admin_client):
    credential = make_credential("stripe_key")
    data = shown(admin_client, credential, name="Mine")
    other = stored(credential)
    other.secret.use(other.destination())
    assert admin_client.post(page(credential), data).status_code == 302


def test_an_oauth_app_has_conflicts_as_well(admin_client):
    app = make_oauth_app("hubspot")
    data = shown(admin_client, app, name="Mine")
    other = OAuthApp.objects.get(pk=app.pk)
    other.name = "Theirs"
    other.save()
    response = admin_client.post(page(app), data)
    assert differences(response)["Name"] == ("Theirs", "Mine")


def between_check_and_save(monkeypatch, form_class, happens):
    """Let something happen once, after a form was checked and before it is saved."""
    checked = form_class._post_clean
    waiting = [happens]

    def _post_clean(form):
        checked(form)
        if waiting:
            waiting.pop()()

    monkeypatch.setattr(form_class, "_post_clean", _post_clean)
    # The form also looks for doubles after that; here somebody is faster.
    monkeypatch.setattr(form_class, "validate_unique", lambda form: None)
    monkeypatch.setattr(form_class, "validate_constraints", lambda form: None, raising=False)


def test_the_loser_of_a_race_for_an_account_is_told_who_has_it(admin_client, monkeypatch):
    between_check_and_save(
        monkeypatch,
        forms.CredentialForm,
        lambda: make_credential("github_app", name="Faster", installation_id=7),
    )
    data = entries("github_app", installation_id=7)
    response = admin_client.post(add_page("github_app"), data)
    assert response.status_code in (200, 302)
    # The other save was inside the same transaction, and so went with it; in real life it stays.
    assert Credential.objects.count() == 1


def test_a_row_changed_between_check_and_save_is_never_a_server_error(admin_client, monkeypatch):
    credential = make_credential("stripe_key")
    data = shown(admin_client, credential, name="Mine")
    between_check_and_save(monkeypatch, forms.CredentialForm, lambda: other_saves(credential, name="Theirs"))
    assert admin_client.post(page(credential), data).status_code in (200, 302)


@pytest.mark.parametrize("same", [{"client_id": "the-same"}, {"is_default": True}])
def test_the_loser_of_a_race_for_an_oauth_app_is_told(admin_client, monkeypatch, same):
    form = oauth_app_forms.OAuthAppForm
    between_check_and_save(monkeypatch, form, lambda: make_oauth_app("hubspot", **same))
    data = {"name": "Mine", "provider": "hubspot", "client_id": "mine", "client_secret": "fake-secret-mine"}
    response = admin_client.post(
        ADD_APP, data | {name: "on" if value is True else value for name, value in same.items()}
    )
    assert response.status_code in (200, 302)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("attempt", range(3))
def test_of_two_people_who_save_at_once_one_wins_and_one_is_told(attempt):
    credential = make_credential("stripe_key", name="Before")
    administrator = User.objects.create_superuser("ada")
    data = shown(client_of(administrator), credential)
    barrier, answers = threading.Barrier(2), {}

    def save(name):
        client = Client(raise_request_exception=False)
        client.force_login(administrator)
        barrier.wait()
        answers[name] = client.post(page(credential), data | {"name": name}).status_code
        connection.close()

    people = [threading.Thread(target=save, args=[name]) for name in ("Ada", "Grace")]
    for person in people:
        person.start()
    for person in people:
        person.join()
    assert sorted(answers.values()) == [200, 302]
    assert answers[stored(credential).name] == 302


@pytest.mark.django_db(transaction=True)
def test_of_four_people_who_add_one_account_at_once_one_wins_and_three_are_told():
    administrator = User.objects.create_superuser("ada")
    barrier, answers = threading.Barrier(4), []

    def add(number):
        client = Client(raise_request_exception=False)
        client.force_login(administrator)
        data = entries("github_app", installation_id=7, name=f"Person {number}")
        barrier.wait()
        answers.append(client.post(add_page("github_app"), data).status_code)
        connection.close()

    people = [threading.Thread(target=add, args=[number]) for number in range(4)]
    for person in people:
        person.start()
    for person in people:
        person.join()
    assert sorted(answers) == [200, 200, 200, 302]
    assert Credential.objects.count() == 1
