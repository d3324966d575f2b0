"""The model fields of properties, and the form fields that people type into."""

import json
import re

import pytest
from django.core.exceptions import ValidationError
from hypothesis import given, settings
from hypothesis import strategies as st

from credentials.fields import (
    HostField,
    IdentifierField,
    JsonObjectField,
    ScopeField,
    StringListField,
    WholeNumberField,
)
from health.fields import PlainTextField

HOST = HostField(pattern=r"[a-z0-9][a-z0-9-]{0,59}\.example\.com", suffix=".example.com")
IDENTIFIER = IdentifierField(
    pattern=r"[A-Z0-9_]{3,9}", says="Not an id.", endings=(".api.example.com",), written=str.upper
)


def refused(field, value):
    with pytest.raises(ValidationError) as caught:
        field.clean(value, None)
    return caught.value.messages


# --- texts ------------------------------------------------------------


def test_a_text_is_stored_composed_and_without_spaces_around_it():
    assert PlainTextField().clean("  Cafe\u0301 \t", None) == "Café"


@pytest.mark.parametrize(
    "character",
    [
        "\0",
        "\x07",
        "\x7f",
        "\x85",
        "\n",
        "\t",
        "\ud800",
        *"\u200b\u200e\u200f\u202a\u202e\u2060\u2066\u2069\u061c\ufeff",
    ],
)
def test_characters_that_hide_or_cannot_be_stored_are_refused(character):
    assert refused(PlainTextField(), f"a{character}b") == [
        "Character 2 is invisible or a control character: leave it out."
    ]


@pytest.mark.parametrize("text", ["日本語", "שלום", "é😀", "क्\u200dष", "👩\u200d🚀", "O’Brien & Söhne"])
def test_every_script_is_taken(text):
    assert PlainTextField().clean(text, None) == text


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=[])))
def test_what_is_taken_as_plain_text_can_be_stored(text):
    try:
        text = PlainTextField(max_length=10_000).clean(text, None)
    except ValidationError:
        return
    assert "\0" not in text
    text.encode()


def test_a_scope_is_bounded_and_plain():
    assert ScopeField().clean(" read  write ", None) == "read  write"
    assert refused(ScopeField(), "a" * 2001) == [
        "Ensure this value has at most 2000 characters (it has 2001)."
    ]
    assert refused(ScopeField(), "a\u202eb") == [
        "Character 2 is invisible or a control character: leave it out."
    ]
    assert refused(ScopeField(), " ") == ["This field cannot be blank."]


# --- hosts ------------------------------------------------------------


@pytest.mark.parametrize(
    "typed",
    ["shop", "SHOP", "shop.example.com", " https://shop.example.com/ ", "http://Shop.Example.com/a?b=1#c",
     "shop.example.com/admin", "https://shop.example.com?x=@evil.com"],
)  # fmt: skip
def test_a_host_is_found_in_what_people_paste(typed):
    assert HOST.clean(typed, None) == "shop.example.com"


@settings(deadline=None)
@given(st.text(st.characters(codec="utf-8")), st.text(st.characters(codec="utf-8")))
def test_whatever_is_typed_a_host_is_one_of_the_pattern_or_refused(before, after):
    for typed in (before, f"{before}.example.com{after}", f"https://{before}shop.example.com{after}"):
        try:
            host = HOST.clean(typed, None)
        except ValidationError:
            continue
        assert host.isascii()
        assert host.removesuffix(".example.com").replace("-", "").isalnum()


def test_the_usual_mistake_is_answered_in_its_own_words():
    field = HostField(
        pattern="x", suffix=".example.com", mixed_up={".lightning.example.com": "This is another host."}
    )
    assert refused(field, "https://a.lightning.example.com/page") == ["This is another host."]


@pytest.mark.parametrize(
    "typed", ["ACME1", " acme1 ", "acme1.api.example.com", "https://Acme1.API.example.com/v1?x=1#y"]
)
def test_an_identifier_is_found_in_what_people_paste(typed):
    assert IDENTIFIER.clean(typed, None) == "ACME1"


@pytest.mark.parametrize(
    "typed",
    ["ac", "a" * 10, "acme-1", "acme/x", "acme\u017f", "ａｃｍｅ", "acme.evil.example", "https://acme@evil.example",
     "acme.api.example.com.evil.example", "x.acme.api.example.com"],
)  # fmt: skip
def test_what_is_no_identifier_is_refused(typed):
    assert refused(IDENTIFIER, typed) == ["Not an id."]


@settings(deadline=None)
@given(st.text(max_size=20), st.sampled_from(["", ".api.example.com", ".api.example.com/x", "https://"]))
def test_whatever_is_typed_an_identifier_is_one_of_the_pattern_or_refused(text, rest):
    try:
        kept = IDENTIFIER.clean(rest + text if rest.endswith("//") else text + rest, None)
    except ValidationError:
        return
    assert re.fullmatch(r"[A-Z0-9_]{3,9}", kept, re.ASCII)
    assert IDENTIFIER.clean(kept, None) == kept


def test_neither_hosts_nor_scopes_put_their_rules_into_migrations():
    assert set(IDENTIFIER.deconstruct()[3]) <= {"max_length"}
    assert set(HOST.deconstruct()[3]) <= {"max_length"}
    assert ScopeField().deconstruct()[1:] == ("django.db.models.TextField", [], {"max_length": 2000})


# --- numbers ------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "says"),
    [(0, "This must be a positive number."), (-1, "This must be a positive number."),
     (2**63, "This number is too large to be an id.")],
)  # fmt: skip
def test_an_id_is_a_positive_number_of_64_bits(value, says):
    assert refused(WholeNumberField(), value) == [says]
    assert WholeNumberField().clean(2**63 - 1, None) == 2**63 - 1


@pytest.mark.parametrize("typed", ["9" * 5000, "9" * 21, "1e5", "1.5", "٣x", "0x10"])
def test_a_form_takes_no_other_number_for_an_id(typed):
    with pytest.raises(ValidationError):
        WholeNumberField().formfield().clean(typed)


# --- lists ------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("a b", "This must be a list of texts."),
        ([1], "This must be a list of texts."),
        ([], "Name at least one."),
        (["a", "a"], "The list names one twice, or has more than 500."),
        ([str(n) for n in range(501)], "The list names one twice, or has more than 500."),
        (["a b"], "Each entry must be one word of at most 255 characters."),
        ([""], "Each entry must be one word of at most 255 characters."),
        (["a" * 256], "Each entry must be one word of at most 255 characters."),
        (["a\u202eb"], "Character 2 is invisible or a control character: leave it out."),
    ],
)
def test_a_list_is_one_of_different_words(value, says):
    assert refused(StringListField(), value) == [says]


@settings(deadline=None)
@given(
    st.lists(
        st.text(st.characters(categories=["L", "N", "P"], exclude_characters=","), min_size=1), unique=True
    )
)
def test_a_list_comes_back_from_its_form_as_it_was(words):
    field = StringListField(blank=True).formfield(required=False)
    assert field.clean(" ".join(words)) == words
    assert field.clean(",\n".join(words)) == words
    assert not field.has_changed(" ".join(words), "  ".join(words))


# --- JSON objects ------------------------------------------------------------


def form_refuses(typed):
    with pytest.raises(ValidationError) as caught:
        JsonObjectField().formfield().clean(typed)
    return caught.value.messages


@pytest.mark.parametrize("typed", ["", "  ", "{}", " {} "])
def test_an_empty_form_field_is_an_empty_object(typed):
    assert JsonObjectField().formfield().clean(typed) == {}


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("[]", "This must be a JSON object: {…}."),
        ("1", "This must be a JSON object: {…}."),
        (
            "{a: 1}",
            "This is not JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)",
        ),
        ('{"a": NaN}', "a: NaN is not a number in JSON"),
        ('{"a": ' + "9" * 5000 + "}", "a: a number of 5000 digits is too long"),
        ('{"a": 1, "a": 2}', "the key “a” stands twice"),
        ('{"a": "\\u0000"}', "a: character 1 is NUL, which cannot be stored"),
        ('{"a": "\\ud800"}', "a: character 1 is half of a surrogate pair, which cannot be stored"),
        ('{"a":' + "[" * 100_000, "This is nested too deeply."),
        ('{"a":' + "[" * 20 + "]" * 20 + "}", f"a{'[0]' * 16}: nested more than 16 levels deep"),
        ('{"a": "' + "x" * 700_000 + '"}', "This is too long."),
    ],
)
def test_a_form_refuses_what_an_import_refuses(typed, says):
    assert form_refuses(typed) == [says]


def test_what_was_typed_stays_in_the_form():
    field = JsonObjectField().formfield()
    assert field.bound_data("{oops", {}) == "{oops"
    assert field.prepare_value("{oops") == "{oops"
    assert json.loads(field.prepare_value({"ü": [1]})) == {"ü": [1]}
    assert field.prepare_value({}) == ""


@pytest.mark.parametrize(("before", "typed", "changed"), [
    ({"a": 1}, '{ "a" : 1 }', False), ({}, "", False), (None, "{}", False), ({"a": 1}, '{"a": 2}', True),
    ({"a": 1}, "", True), ({"a": 1}, "{oops", True),
])  # fmt: skip
def test_a_form_knows_whether_the_object_changed(before, typed, changed):
    assert JsonObjectField().formfield().has_changed(before, typed) is changed
