"""What the browser is told of formats is what the server refuses, for every kind."""

import json
import re

import pytest
from django.contrib.auth.models import User

from credentials import kinds
from credentials.fields import HostField, IdentifierField, WholeNumberField
from credentials.models import properties as declared
from credentials.models.formats import Format, fits, never, usually
from credentials.sealing import SecretField
from tests.credentials.admin_pages import add_page, client_of, form_of
from tests.factories import new_credential, properties_of

pytestmark = pytest.mark.django_db
TYPES = (SecretField, HostField, IdentifierField, WholeNumberField)
# What means another thing in JavaScript, or nothing.
ONLY_PYTHON = re.compile(r"\(\?[P#aiLmsux(]|\\[AZz]|[+*?}]\+")


def told(kind):
    """By property, the formats that the form of a kind tells the browser."""
    form = form_of(client_of(User.objects.create_superuser("ada")).get(add_page(kind)))
    attributes = {bound.name: bound.field.widget.attrs for bound in form}
    return {
        name: json.loads(found["data-formats"])
        for name, found in attributes.items()
        if "data-formats" in found
    }


@pytest.mark.parametrize("kind", kinds.KINDS)
def test_the_form_tells_every_declared_format_and_good_values_fit(kind):
    model, found = kinds.KINDS[kind], told(kind)
    for one in model.FORMATS:
        assert {"pattern": one.pattern, "says": str(one.says), "usual": one.usual} in found[one.name]
    for name in model.PROPERTIES:
        if isinstance(
            declared.field_of(model, name), (SecretField, HostField, IdentifierField, WholeNumberField)
        ):
            assert found[name], name
    good = new_credential(kind)
    values = declared.plain(good) | {
        name: properties_of(kind).get(name) for name in declared.secret_names(model)
    }
    for name, formats in found.items():
        for one in formats:
            assert not ONLY_PYTHON.search(one["pattern"]), one
            if values.get(name) and not one["usual"]:
                assert re.fullmatch(one["pattern"], str(values[name]), re.ASCII), (name, one)


def test_a_format_is_the_whole_text():
    assert fits(never("x", "pk_", ""), "sk_pk_") and not fits(never("x", "pk_", ""), "pk_1")
    assert not fits(Format("x", "[a-z]+", ""), "ab1") and usually("x", "a", "").usual


def test_the_browser_says_it_while_typing_only_where_something_is_declared():
    assert told("stripe_key").keys() == {"secret"}
