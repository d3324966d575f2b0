"""JSON from outside: what both databases keep as it is, and what is refused with its place."""

import json

import pytest
from django.core.exceptions import ValidationError
from hypothesis import given, settings
from hypothesis import strategies as st

from credentials import json_values
from credentials.fields import json_object
from credentials.json_values import (
    MAX_DEPTH,
    MAX_VALUES,
    decoder,
    ordered,
    problems,
    scalars,
    shown,
    type_name,
)
from credentials.models import Credential
from credentials.transfer import Outcome, import_document
from tests.credentials.kind_facts import FACTS

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=[])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=[])), inner),
    max_leaves=30,
)


def nested(levels):
    value = []
    for _ in range(levels - 1):
        value = [value]
    return value


@settings(deadline=None)
@given(anything)
def test_problems_never_raises_and_says_where(value):
    for path, message in problems(value):
        assert message
        assert "\n" not in path
        assert path.isprintable()


@settings(deadline=None)
@given(st.text(max_size=200))
def test_whatever_text_is_decoded_gives_problems_or_a_value(text):
    try:
        list(problems(decoder.decode(text)))
    except (ValueError, RecursionError):
        pass


@pytest.mark.django_db
@settings(deadline=None)
@given(value=anything)
def test_what_has_no_problem_is_stored_and_read_back_as_it_was(value):
    """On this database; the same holds on the other, and so both keep the same."""
    content = {
        "properties": {"kind": "github_app", **FACTS["github_app"].properties},
        "name": "a",
        "metadata": {"v": value},
    }
    content = decoder.decode(json.dumps(content))
    if list(problems(content)):
        return
    import_document(content)
    assert json.dumps(Credential.objects.get().metadata, sort_keys=True) == json.dumps(
        content["metadata"], sort_keys=True
    )
    assert import_document(content) is Outcome.UNCHANGED


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ({"a": [1, {"b": "\0"}]}, [("a[1].b", "character 1 is NUL, which cannot be stored")]),
        ({"a": "x\udfff"}, [("a", "character 2 is half of a surrogate pair, which cannot be stored")]),
        ({"a": 2**63}, [("a", "the number is too large: at most 9223372036854775807")]),
        ({"a": -(2**63)}, [("a", "the number is too large: at most 9223372036854775807")]),
        ({"a": float("nan")}, [("a", "nan is not a number in JSON")]),
        ({"a": 1e16}, [("a", "the number is too large to be kept exactly: write it as a text")]),
        ({1: 2}, [("", "a key must be a text")]),
        ({"a": {1, 2}}, [("a", "a value of type set is not JSON")]),
        ({"a": (1, 2)}, [("a", "a value of type tuple is not JSON")]),
        ({"a": 2**63 - 1, "b": "😀", "c": None, "d": True, "e": 1e15, "f": ""}, []),
    ],
)
def test_each_problem_has_its_place(value, found):
    assert list(problems(value)) == found


def test_depth_and_number_are_bounded():
    assert list(problems(nested(MAX_DEPTH + 1))) == []
    assert [message for _, message in problems(nested(MAX_DEPTH + 2))] == ["nested more than 16 levels deep"]
    assert list(problems([1] * (MAX_VALUES - 1))) == []
    assert [message for _, message in problems([1] * MAX_VALUES)] == ["more than 5000 values in one document"]


def test_a_value_nested_without_end_is_judged_without_recursion():
    assert len(list(problems(nested(200_000)))) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1e999", "the number is too large"),
        ("-1e999", "the number is too large"),
        ("NaN", "NaN is not a number in JSON"),
        ("Infinity", "Infinity is not a number in JSON"),
        ("9" * 5000, "a number of 5000 digits is too long"),
        ("-" + "9" * 21, "a number of 21 digits is too long"),
    ],
)
def test_what_is_no_number_is_read_and_named(text, message):
    assert list(problems(decoder.decode(f'{{"a": {text}}}'))) == [("a", message)]


def test_a_key_that_stands_twice_is_named_where_it_stands():
    value = decoder.decode('{"a": [{"b": 1, "c": 2, "b": 3}]}')
    assert list(problems(value)) == [("a[0]", "the key “b” stands twice")]


def test_a_negative_zero_is_read_as_zero():
    assert str(decoder.decode("-0.0")) == "0.0"


def test_a_key_is_shown_short_on_one_line_and_without_tricks():
    assert shown("a\nb\u202ec\ud800\0") == "a�b�c��"
    assert shown("k" * 41) == "k" * 40 + "…"


@pytest.mark.parametrize(
    ("value", "name"),
    [(True, "true or false"), ("", "a text"), (1, "a number"), (1.5, "a decimal number"), ({}, "an object"),
     ([], "an array"), (None, "null"), (json_values.BadNumber(""), "a number")],
)  # fmt: skip
def test_types_have_the_names_of_the_format(value, name):
    assert type_name(value) == name


def test_scalars_are_the_texts_and_numbers_with_their_places():
    value = {"a": "x", "b": [1, True, None, {"c": 2.5}]}
    assert list(scalars(value)) == [("a", "x"), ("b[0]", 1), ("b[3].c", 2.5)]


def test_ordered_sorts_keys_at_every_level():
    assert json.dumps(ordered({"b": {"d": 1, "c": 2}, "a": 0})) == '{"a": 0, "b": {"c": 2, "d": 1}}'


@pytest.mark.parametrize("value", [[], "x", 1, None, True])
def test_metadata_is_an_object(value):
    with pytest.raises(ValidationError, match="This must be a JSON object"):
        json_object(value)


def test_of_many_problems_the_first_five_are_said():
    with pytest.raises(ValidationError) as caught:
        json_object({f"k{n}": "\0" for n in range(20)})
    assert len(caught.value.messages) == 5
