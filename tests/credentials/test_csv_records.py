"""Records of CSV from a stream, piece by piece, held against the standard library's reader."""

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from credentials.csv_records import records
from credentials.text_stream import MAX_DOCUMENT, TextStream

TOO_LONG = "longer than 1048576 characters: one document cannot be"
# Line ends are read as one line end, whatever they are.
cells = st.text(st.characters(exclude_characters="\r", exclude_categories=["Cs"]))
tables = st.lists(st.lists(cells, min_size=1, max_size=4), min_size=1, max_size=5)


class Pieces(io.BytesIO):
    def __init__(self, content, size):
        super().__init__(content)
        self.size = size

    def read(self, size=-1):
        return super().read(self.size)


def read(text, delimiter=",", size=65_536):
    content = text if isinstance(text, bytes) else text.encode()
    return list(records(TextStream(Pieces(content, size)), delimiter))


def good(text, **how):
    found = read(text, **how)
    assert not any(problem for _cells, problem in found), found
    return [cells for cells, _problem in found]


@settings(max_examples=200, deadline=None)
@given(
    tables,
    st.integers(1, 40),
    st.sampled_from(",;\t"),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
def test_what_the_standard_library_writes_is_read_in_pieces_of_any_size(table, size, delimiter, end, quoting):
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator=end, quoting=quoting).writerows(table)
    assert good(out.getvalue(), delimiter=delimiter, size=size) == table


@settings(max_examples=200, deadline=None)
@given(st.text(st.sampled_from('ab,"\n'), max_size=30), st.integers(1, 9))
def test_no_text_whatever_breaks_it_nor_do_pieces_change_what_is_read(text, size):
    assert read(text, size=size) == read(text)


@pytest.mark.parametrize("text", ["a,b\nc,d", "a,b\nc,d\n", "a,b\r\nc,d\r\n", "a,b\rc,d", "\ufeffa,b\nc,d"])
def test_every_end_of_a_line_is_one(text):
    assert good(text) == [["a", "b"], ["c", "d"]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('"a,b"', ["a,b"]),
        ('"a\nb",c', ["a\nb", "c"]),
        ('"say ""hi"""', ['say "hi"']),
        ('""', [""]),
        ("a,,", ["a", "", ""]),
        ('5" pipe,a"b"', ['5" pipe', 'a"b"']),
        ("a\0b", ["a\0b"]),
    ],
)
def test_cells_are_read_as_spreadsheets_write_them(text, expected):
    assert good(text) == [expected]


def test_wrong_quoting_loses_its_own_row_only():
    assert read('a,b\n"c"x,"d"\n e,f\n') == [
        (["a", "b"], ""),
        ([], "not CSV: a quoted cell goes on behind its closing quote (line 2)"),
        ([" e", "f"], ""),
    ]


def test_a_quote_that_is_never_closed_is_found_where_it_begins():
    assert read('a,b\nc,"d\ne,f\n') == [
        (["a", "b"], ""),
        ([], "not CSV: a quote that is never closed (line 2)"),
    ]


@pytest.mark.parametrize("size", [1_000, 65_536])
@pytest.mark.parametrize(
    "long",
    ["x" * MAX_DOCUMENT + "y", '"' + "x\n" * (MAX_DOCUMENT // 2) + '"', "a," * (MAX_DOCUMENT // 2) + "b"],
    ids=["a cell", "a quoted cell", "many cells"],
)
def test_a_record_that_is_too_long_is_the_only_one_lost(long, size):
    assert read(f"a\n{long},z\nb\n", size=size) == [(["a"], ""), ([], TOO_LONG), (["b"], "")]


def test_a_record_may_be_as_long_as_a_document():
    assert read("x" * MAX_DOCUMENT) == [(["x" * MAX_DOCUMENT], "")]
