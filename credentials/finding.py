"""Finding credentials by words: what a word is, and how either database looks for its beginning.

A word is a run of letters and digits, without case and accents, whatever stands around it:
"acme-corp.example.com" and "jane@acme.com" are four and three words. Each character of a script without
spaces is a word. The column `search` holds these words with one space between them, and neither database's
own idea of a word is asked: PostgreSQL takes them as an array, SQLite with the tokeniser that splits at ASCII
characters alone. So the same text finds the same rows on both. `credentials.finding_index` makes the indexes.
"""

import unicodedata
import uuid
from typing import Any, TypeVar

from django.db.models import F, Lookup, Q, QuerySet
from django.utils.translation import gettext_lazy as _

HELP = _("Search finds words and their beginnings.")
# In characters. The beginning of a longer word is what is kept of it, and looked for.
LONGEST_WORD = 100
MOST_WORDS = 20

# Scripts that put no space between words, as ranges of code points.
UNSPACED = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Burmese
    (0x1780, 0x17FF),  # Khmer
    (0x3040, 0x30FF),  # kana
    (0x3400, 0x4DBF),  # ideographs
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x3FFFF),
)

Rows = TypeVar("Rows", bound="QuerySet[Any]")


def words(text: str) -> list[str]:
    """The words of a text, each once, in their order."""
    if text.isascii():
        plain = text.lower()
        spaced = plain if plain.isalnum() else "".join(c if c.isalnum() else " " for c in plain)
    else:
        spaced = "".join(map(_spaced, unicodedata.normalize("NFKD", _folded(text))))
    return list(dict.fromkeys(word[:LONGEST_WORD] for word in spaced.split()))


def _folded(text: str) -> str:
    # Twice: what decomposes can hold what folds, as the Kelvin sign does.
    return unicodedata.normalize("NFKD", text.casefold()).casefold()


def _spaced(character: str) -> str:
    if not character.isalnum():
        # An accent, now a character of its own, ends no word.
        return "" if unicodedata.category(character).startswith("M") else " "
    code = ord(character)
    if code >= 0x0E00 and any(first <= code <= last for first, last in UNSPACED):
        return f" {character} "
    return character


def find(rows: Rows, text: str, *, whole: bool = False) -> Rows:
    """Those of the credentials that have a word beginning with each word of a text, in their name, account,
    properties or metadata; the one whose id it is besides. All where the text is empty, none where it holds
    nothing to look for. With `whole` they have each word itself. PostgreSQL and SQLite find the same.
    """
    if not text.strip():
        return rows
    looked_for = words(text)[:MOST_WORDS]
    if not looked_for:
        return rows.none()
    found = Q(Finds(F("search"), looked_for, whole=whole))
    try:
        found |= Q(pk=uuid.UUID(text.strip()))
    except ValueError:
        pass
    return rows.filter(found)


class Finds(Lookup):
    """Whether a text for finding has, for each of these words, a word that begins with it, or it whole."""

    lookup_name = "finds"
    prepare_rhs = False

    def __init__(self, column: Any, words: list[str], *, whole: bool = False):
        self.whole = whole
        super().__init__(column, words)

    def as_postgresql(self, compiler: Any, connection: Any) -> tuple[str, list[Any]]:
        column, params = self.process_lhs(compiler, connection)
        # Words are letters and digits: nothing in them ends the quotes.
        query = " & ".join(f"'{word}'{'' if self.whole else ':*'}" for word in self.rhs)
        return f"{AS_WORDS.format(column)} @@ %s::tsquery", [*params, query]

    def as_sqlite(self, compiler: Any, connection: Any) -> tuple[str, list[Any]]:
        column, params = self.process_lhs(compiler, connection)
        table = column.rpartition(".")[0]
        query = " AND ".join(f'"{word}"{"" if self.whole else " *"}' for word in self.rhs)
        return (
            f"{table}.rowid IN (SELECT rowid FROM {SQLITE_TABLE} WHERE {SQLITE_TABLE} MATCH %s)",  # noqa: S608 - names of our own
            [*params, query],
        )


# The words of the column as PostgreSQL's index holds them: no parser has a say. What stands here is what the
# index is made of, and is found by it only as long as both are the same.
AS_WORDS = "array_to_tsvector(array_remove(string_to_array({}, ' '), ''))"
SQLITE_TABLE = "credentials_search"
