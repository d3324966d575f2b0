"""What a Secret shows and refuses, and that nothing decrypts unless it is asked to."""

import copy
import json
import logging
import pickle
import pprint

import pytest
from django.core import serializers
from django.core.cache.backends.locmem import LocMemCache
from django.core.serializers.json import DjangoJSONEncoder
from django.forms.models import model_to_dict
from django.template import Context, Template

from credentials.models import Credential
from credentials.sealing import MASK, Cleared, Fresh, Sealed
from tests import canary
from tests.factories import make_credential, new_credential

pytestmark = pytest.mark.django_db


# --- the mask

SHOWN = {
    "str": str,
    "repr": repr,
    "format": format,
    "f-string": lambda value: f"{value} {value!r} {value!s} {value!a} {value:>20}",
    "percent": lambda value: "%s %r %a" % (value, value, value),  # noqa: UP031
    "str.format": lambda value: "{} {0!r}".replace("{}", "{0}").format(value),
    "pprint": pprint.pformat,
    "ascii": ascii,
    "json": lambda value: json.dumps({"value": value}, default=str),
    "in a container": lambda value: repr(({"a": [value]},)),
}


@pytest.mark.parametrize("how", SHOWN)
def test_a_secret_is_shown_as_a_mask(how, credential, text):
    shown = SHOWN[how](credential.secret)
    assert MASK in shown
    assert canary.find(text, shown) == []


def test_looking_at_every_attribute_shows_nothing(credential, text):
    secret = credential.secret
    assert canary.find(text, repr([getattr(secret, name) for name in dir(secret)])) == []


@pytest.mark.parametrize("how", sorted(SHOWN.keys() - {"f-string"}))
def test_a_credential_does_not_show_its_secret(how, credential, text):
    for value in (credential, vars(credential), model_to_dict(credential), credential.properties):
        assert canary.find(text, SHOWN[how](value)) == []


@pytest.mark.parametrize("state", [Fresh("fake-text"), Sealed(b"token"), Cleared()])
def test_what_stands_behind_a_secret_is_masked_too(state):
    assert {str(state), repr(state), f"{state}"} == {MASK}
    assert not hasattr(state, "__dict__")


def test_the_mask_has_one_length_for_every_secret():
    short, long = make_credential(secret="sk_test_x"), make_credential(secret="sk_test_" + "y" * 4000)
    assert len(str(short.secret)) == len(str(long.secret)) == 11


def test_logs_hold_a_mask(credential, text, caplog):
    try:
        raise ValueError(credential.secret, credential)
    except ValueError:
        logging.getLogger("test").exception("failed: %s %r", credential.secret, vars(credential))
    assert MASK in caplog.text
    assert canary.find(text, caplog.text) == []


def test_the_log_of_the_database_holds_no_secret(text, caplog):
    from django.db import connection

    connection.force_debug_cursor = True
    try:
        with caplog.at_level(logging.DEBUG, logger="django.db.backends"):
            make_credential(secret=text)
    finally:
        connection.force_debug_cursor = False
    assert "INSERT" in caplog.text
    assert canary.find(text, caplog.text) == []


@pytest.mark.parametrize(
    "template",
    [
        "{{ c.secret }}",
        "{{ c.secret|safe }}{{ c|pprint }}{{ c.secret|stringformat:'r' }}",
        "{{ c.secret.use }}{{ c.secret.reveal }}{{ c.fresh }}{{ c.secret.key }}",
        "{{ c.properties }}{% debug %}",
    ],
)
def test_a_template_cannot_print_it(template, credential, text, opened):
    shown = Template(template).render(Context({"c": credential}))
    assert canary.find(text, shown) == []
    assert opened == []


# --- what it refuses


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_neither_secret_nor_credential_can_be_pickled(protocol, credential):
    for value in (credential.secret, vars(credential)["secret"], credential):
        with pytest.raises(TypeError, match="pickled"):
            pickle.dumps(value, protocol)


def test_it_cannot_be_put_into_a_cache_as_a_list_of_rows():
    make_credential()
    cache = LocMemCache("test", {})
    with pytest.raises(TypeError, match="pickled"):
        cache.set("rows", Credential.objects.all())


def test_json_refuses_it(credential):
    for encoder in (json.JSONEncoder, DjangoJSONEncoder):
        with pytest.raises(TypeError):
            json.dumps(credential.secret, cls=encoder)


def test_an_unsaved_secret_is_not_serialised(text):
    with pytest.raises(TypeError, match="after it was saved"):
        serializers.serialize("json", [new_credential(secret=text)])


@pytest.mark.parametrize("other", ["text", b"text", MASK])
def test_comparing_it_with_a_text_is_an_error(other, credential):
    for compare in (
        lambda secret: secret == other,
        lambda secret: secret != other,
        lambda secret: other == secret,
        lambda secret: secret in [other],
    ):
        with pytest.raises(TypeError, match="fingerprint"):
            compare(credential.secret)


def test_it_equals_itself_and_nothing_else(credential):
    secret = credential.secret
    assert secret == secret
    assert secret != None and secret != 1 and secret != make_credential().secret  # noqa: E711


@pytest.mark.parametrize(
    "do",
    [
        hash,
        len,
        iter,
        list,
        bytes,
        int,
        lambda s: s + "x",
        lambda s: "x" + s,
        lambda s: s < "x",
        lambda s: s[0],
    ],
)
def test_it_is_no_text_to_work_with(do, credential):
    with pytest.raises(TypeError):
        do(credential.secret)


def test_it_is_true_and_keeps_no_attributes(credential):
    assert credential.secret
    with pytest.raises(AttributeError):
        credential.secret.note = "x"
    with pytest.raises(TypeError):
        vars(credential.secret)


def test_copies_lead_to_the_same_secret(credential, text):
    for copied in (copy.copy(credential), copy.deepcopy(credential)):
        assert copied.secret.use(copied.destination()) == text
    assert copy.copy(credential.secret).use(credential.destination()) == text
    assert copy.deepcopy(credential.secret).use(credential.destination()) == text


def test_the_copy_of_a_credential_does_not_change_the_original(credential, text):
    copied = copy.deepcopy(credential)
    copied.secret = "sk_test_other"
    assert credential.secret.use(credential.destination()) == text


@pytest.mark.parametrize("value", [b"bytes", 1, ["text"], object(), True])
def test_only_a_text_can_be_assigned(value, credential):
    with pytest.raises(TypeError, match="a secret is a text"):
        credential.secret = value


def test_the_secret_of_another_row_cannot_be_assigned(credential):
    other = make_credential()
    with pytest.raises(TypeError, match="copied"):
        other.secret = credential.secret


def test_the_secret_of_another_field_cannot_be_assigned():
    credential = make_credential("linear_oauth2")
    with pytest.raises(TypeError, match="copied"):
        credential.refresh_token = credential.access_token


def test_the_secret_of_another_model_with_the_same_id_cannot_be_assigned():
    credential = make_credential("stripe_key")
    other = new_credential("stripe_oauth2", id=credential.id)
    with pytest.raises(TypeError, match="copied"):
        other.secret = credential.secret


def test_assigning_a_secret_to_itself_changes_nothing(credential, text):
    before = vars(credential)["secret"]
    credential.secret = credential.secret
    assert vars(credential)["secret"] is before


@pytest.mark.parametrize("call", ["delete", "save", "secret_failed", "secret_used"])
def test_a_template_cannot_change_a_row(call):
    made = make_credential()
    Template("{{ c." + call + " }}").render(Context({"c": made}))
    loaded = Credential.objects.get(pk=made.pk)
    assert (loaded.version, loaded.unreadable, loaded.last_used_at) == (1, False, None)
