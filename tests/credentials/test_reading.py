"""Reading documents from a stream, piece by piece."""

import io
import json
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from credentials.reading import MAX_DOCUMENT, Row, UnusableFile, read
from credentials.text_stream import CHUNK

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(10**18), 10**18)
    | st.floats(allow_nan=False, allow_infinity=False)
)
values = st.recursive(
    scalars | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
sizes = st.integers(1, 40)


class Pieces(io.BytesIO):
    """A stream that gives a few bytes at a time, whatever it is asked for."""

    def __init__(self, content, size):
        super().__init__(content)
        self.size = size

    def read(self, size=-1):
        return super().read(self.size)


def rows(content, size=CHUNK):
    content = content if isinstance(content, bytes) else content.encode()
    return list(read(Pieces(content, size)))


def read_values(content, size=CHUNK):
    found = rows(content, size)
    assert not any(row.problem for row in found), found
    assert [row.number for row in found] == list(range(1, len(found) + 1))
    return [row.value for row in found]


@settings(max_examples=50, deadline=None)
@given(st.lists(values), sizes, st.sampled_from([None, 1, 4]), st.booleans())
def test_an_array_is_read_as_the_standard_library_reads_it_in_pieces_of_any_size(array, size, indent, ascii):
    text = json.dumps(array, indent=indent, ensure_ascii=ascii)
    assert read_values(text.encode("utf-8", "surrogatepass"), size) == json.loads(text)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.dictionaries(st.text(), values, max_size=3), min_size=1),
    sizes,
    st.sampled_from(["\n", "\r\n", "\n\n "]),
)
def test_lines_are_read_in_pieces_of_any_size(documents, size, between):
    text = between.join(json.dumps(one) for one in documents)
    assert read_values(text, size) == documents


@settings(max_examples=50, deadline=None)
@given(st.lists(st.dictionaries(st.text(min_size=1), values, min_size=1, max_size=3), min_size=1), sizes)
def test_documents_over_several_lines_are_read_in_pieces_of_any_size(documents, size):
    text = "\n".join(json.dumps(one, indent=2) for one in documents)
    assert read_values(text, size) == documents


@settings(deadline=None)
@given(st.binary(max_size=200), sizes)
def test_no_bytes_whatever_break_it(content, size):
    for beginning in (b"", b"[", b'{"a": '):
        try:
            for row in rows(beginning + content, size):
                assert isinstance(row, Row)
        except UnusableFile as error:
            assert str(error)


@pytest.mark.parametrize("number", ["1.5e+7", "-0.25", "1E-7", "123456", "0"])
def test_a_number_is_not_cut_where_a_piece_ends(number):
    for size in range(1, 8):
        assert read_values(f"[{number},{number}]", size) == [json.loads(number)] * 2


@pytest.mark.parametrize("text", ["[]", " [ ] ", "\ufeff[]", "[\n]\n"])
def test_an_empty_array_has_no_rows(text):
    assert rows(text) == []


def test_a_line_that_cannot_be_read_is_the_only_one_lost():
    assert rows('{"a": 1}\n{oops}\n{"b": 2}\n') == [
        Row(1, {"a": 1}),
        Row(2, problem="not JSON: Expecting property name enclosed in double quotes (line 2, column 2)"),
        Row(3, {"b": 2}),
    ]


def test_a_mistake_ends_an_array_behind_the_rows_before_it():
    assert rows('[{"a": 1},\n {"b": 2},\n {oops},\n {"c": 3}]') == [
        Row(1, {"a": 1}),
        Row(2, {"b": 2}),
        Row(3, problem="not JSON: Expecting property name enclosed in double quotes (line 3, column 3)"),
    ]


@pytest.mark.parametrize("size", [1, 7, 64, 65_536])
def test_the_place_of_a_mistake_does_not_depend_on_the_pieces(size):
    text = '[\n  {"a": 1}, {"b":\n  nonsense and more than sixteen letters}\n]'
    assert rows(text, size)[-1] == Row(2, problem="not JSON: Expecting value (line 3, column 3)")


@pytest.mark.parametrize("size", [1, 7, 64, 65_536])
def test_text_that_is_not_utf_8_is_found_at_its_row_and_line(size):
    content = b'{"a": 1}\r\n{"b": 2}\r\n{"c": "caf\xe9"}\r\n'
    assert rows(content, size) == [
        Row(1, {"a": 1}),
        Row(2, {"b": 2}),
        Row(3, problem="the file is not UTF-8 text (line 3): save it as UTF-8"),
    ]


def test_a_character_may_stand_across_two_pieces():
    for size in range(1, 6):
        assert read_values('["ü€😀"]', size) == ["ü€😀"]


def test_a_line_that_is_too_long_is_the_only_one_lost():
    long = '{"a": "' + "x" * MAX_DOCUMENT + '"}'
    found = rows(f'{{"a": 1}}\n{long}\n{long}\n{{"b": 2}}')
    assert [row.value for row in found] == [{"a": 1}, None, None, {"b": 2}]
    assert found[1].problem == found[2].problem == "longer than 1048576 characters: one document cannot be"


@pytest.mark.parametrize("form", ["[%s]", "%s", "\n%s\n"])
@pytest.mark.parametrize(("more", "taken"), [(0, True), (1, False)])
def test_the_bound_of_a_document_is_the_same_in_every_form(form, more, taken):
    document = '{"a": "' + "x" * (MAX_DOCUMENT - 9 + more) + '"}'
    [row] = rows(form % document)
    assert (row.problem == "") is taken


def test_numbers_that_json_cannot_hold_do_not_end_the_file():
    found = rows('[{"a": NaN}, {"a": 1e999}, {"a": ' + "9" * 5000 + '}, {"a": 1}]')
    assert [row.problem for row in found] == [""] * 4
    assert found[3].value == {"a": 1}


@pytest.mark.parametrize("content", [b"", b"\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf \r\n"])
def test_a_file_without_text_is_unusable(content):
    with pytest.raises(UnusableFile, match="the file is empty"):
        rows(content)


def test_a_file_that_breaks_off_while_it_is_read_says_so():
    class Broken(Pieces):
        def read(self, size=-1):
            if self.tell() > 20:
                raise OSError(5, "Input/output error")
            return super().read(size)

    found = list(read(Broken(b'[{"a": 1}, {"b": 2}, {"c": 3}]', 11)))
    assert found[-1].problem == "it cannot be read: Input/output error"
    assert found[0] == Row(1, {"a": 1})


def test_only_a_part_of_an_array_is_held():
    content = ("[" + ",".join('{"a": "' + "x" * 1000 + '"}' for _ in range(5_000)) + "]").encode()
    stream = io.BytesIO(content)
    tracemalloc.start()
    try:
        assert sum(1 for _row in read(stream)) == 5_000
        assert tracemalloc.get_traced_memory()[1] < 10 * CHUNK
    finally:
        tracemalloc.stop()
