"""The write-only form field: never shows anything, keeps what is stored when empty."""

import pytest
from django import forms
from django.forms import modelform_factory

from credentials.kinds import KINDS
from credentials.models import OAuthApp
from credentials.sealing import MASK, SecretFormField, SecretInput, SecretTextarea
from tests import canary
from tests.factories import make_oauth_app, new_oauth_app

pytestmark = pytest.mark.django_db

AppForm = modelform_factory(OAuthApp, fields=["name", "client_id", "client_secret", "private_key"])
PasswordForm = modelform_factory(KINDS["checkout_champ_password"], fields=["login_id", "password"])


@pytest.fixture
def text():
    return canary.make_plain()


@pytest.fixture
def app(text):
    return OAuthApp.objects.get(pk=make_oauth_app("shopify", client_secret=text).pk)


def sent(app, **data):
    return {"name": app.name, "client_id": app.client_id, "client_secret": "", "private_key": ""} | data


def test_the_stored_secret_is_not_rendered(app, text):
    page = str(AppForm(instance=app))
    assert canary.find(text, page) == [] and MASK not in page
    assert 'type="password"' in page and 'autocomplete="new-password"' in page


def test_the_secret_just_sent_is_not_rendered_again(app, text):
    form = AppForm(sent(app, name="", client_secret=text, private_key=text), instance=app)
    assert not form.is_valid()
    assert canary.find(text, str(form)) == [] and canary.find(text, str(form.errors.as_json())) == []


def test_a_fresh_secret_of_the_instance_is_not_rendered(text):
    assert canary.find(text, str(AppForm(instance=new_oauth_app("github", private_key=text)))) == []


def test_a_hidden_initial_value_is_not_rendered(app, text):
    class Hidden(forms.Form):
        secret = SecretFormField(show_hidden_initial=True)

    assert canary.find(text, str(Hidden(initial={"secret": app.client_secret}))) == []


def test_empty_keeps_what_is_stored(app, text):
    form = AppForm(sent(app, name="renamed"), instance=app)
    assert form.is_valid(), form.errors
    assert form.changed_data == ["name"]
    form.save()
    loaded = OAuthApp.objects.get()
    assert loaded.name == "renamed" and loaded.client_secret.use(loaded.destination()) == text


def test_a_new_value_replaces_it(app):
    form = AppForm(sent(app, client_secret="  fake-new "), instance=app)
    assert form.is_valid(), form.errors
    assert form.changed_data == ["client_secret"]
    form.save()
    loaded = OAuthApp.objects.get()
    assert loaded.client_secret.use(loaded.destination()) == "fake-new"


def test_the_mask_typed_in_is_refused(app, text):
    form = AppForm(sent(app, client_secret=MASK), instance=app)
    assert "client_secret" in form.errors
    loaded = OAuthApp.objects.get()
    assert loaded.client_secret.use(loaded.destination()) == text


@pytest.mark.parametrize("value", ["a\0b", "a\x1bb"])
def test_the_error_does_not_repeat_the_value(value, app, text):
    form = AppForm(sent(app, client_secret=text + value), instance=app)
    assert "client_secret" in form.errors
    assert canary.find(text, f"{form.errors} {form.errors.as_data()} {form.errors.as_json()}") == []


def test_a_password_keeps_its_spaces():
    form = PasswordForm({"login_id": "api-user", "password": " fake password "})
    assert form.is_valid(), form.errors
    credential = form.save(commit=False)
    credential.name = "x"
    credential.save()
    assert credential.password.use(credential.destination()) == " fake password "


def test_a_disabled_field_keeps_what_is_stored(app, text):
    form = AppForm(sent(app, name="renamed"), instance=app)
    form.fields["client_secret"].disabled = True
    assert form.is_valid(), form.errors
    form.save()
    assert OAuthApp.objects.get().client_secret.use(app.destination()) == text


def test_each_sort_of_secret_has_its_widget():
    fields = AppForm().fields
    assert isinstance(fields["client_secret"].widget, SecretInput)
    assert isinstance(fields["private_key"].widget, SecretTextarea)
    assert not PasswordForm().fields["password"].strip and fields["client_secret"].strip


def test_label_and_help_can_be_given():
    field = OAuthApp._meta.get_field("client_secret").formfield(
        label="Label", help_text="Help", widget=forms.TextInput
    )
    assert (field.label, field.help_text) == ("Label", "Help")
    assert isinstance(field.widget, SecretInput)


def test_attributes_can_be_added_to_the_widgets():
    for widget in (SecretInput({"class": "x"}), SecretTextarea({"class": "x"})):
        page = widget.render("secret", "fake-secret")
        assert 'class="x"' in page and "fake-secret" not in page and "data-secret" in page
