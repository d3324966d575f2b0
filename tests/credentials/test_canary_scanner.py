"""The scanner that looks for leaked secrets: a blind scanner would make every other test pass."""

import base64
import codecs
import gzip
import html
import json
import quopri
import zlib
from urllib.parse import quote

import pytest

from tests import canary

SECRET = "sk_test_Canary<'\"&/+>ü0123456789abcdefXYZ"
RAW = SECRET.encode()

HIDDEN = {
    "raw": RAW,
    "first third": RAW[: len(RAW) // 3],
    "last third": RAW[-(len(RAW) // 3) :],
    "base64": base64.b64encode(RAW),
    "base64 after one byte": base64.b64encode(b"x" + RAW + b"yz"),
    "base64 after two bytes": base64.b64encode(b"xy" + RAW + b"z"),
    "base64url": base64.urlsafe_b64encode(b"xyz" + RAW),
    "base64 without its end": base64.b64encode(RAW).rstrip(b"="),
    "base32": base64.b32encode(RAW),
    "url": quote(SECRET, safe="").encode(),
    "html": html.escape(SECRET).encode(),
    "json": json.dumps({"a": SECRET}).encode(),
    "json in json": json.dumps(json.dumps({"a": SECRET})).encode(),
    "hex": RAW.hex().encode(),
    "hex in capitals": RAW.hex().upper().encode(),
    "reversed": SECRET[::-1].encode(),
    "quoted-printable": quopri.encodestring(RAW),
    "utf-16": SECRET.encode("utf-16"),
    "utf-16 of the other order": SECRET.encode("utf-16-be"),
    "utf-32": SECRET.encode("utf-32"),
    "rot13": codecs.encode(SECRET, "rot13").encode(),
    "lower case": SECRET.lower().encode(),
    "gzip": gzip.compress(RAW),
    "zlib": zlib.compress(RAW),
    "gzip in base64": base64.b64encode(gzip.compress(RAW)),
    "base64 in base64": base64.b64encode(base64.b64encode(RAW)),
    "hex in base64": base64.b64encode(RAW.hex().encode()),
    "repr of bytes": repr(RAW).encode(),
}


@pytest.mark.parametrize("name", HIDDEN)
def test_a_hidden_secret_is_found(name):
    blob = b"before \0\xff\xfe" + HIDDEN[name] + b" after"
    assert canary.find(SECRET, blob)


def test_texts_are_searched_as_bytes_are():
    assert "raw" in canary.find(SECRET, f"text {SECRET} text")


@pytest.mark.parametrize(
    "blob",
    [
        b"",
        b"nothing at all",
        b"sk_test_",
        RAW[:7],
        RAW[-7:],
        gzip.compress(b"no", mtime=0),
        b"\x1f\x8b\x08broken",
    ],
)
def test_nothing_is_found_where_nothing_is(blob):
    assert canary.find(SECRET, blob) == []


def test_two_secrets_differ_and_none_is_found_in_the_other():
    one, other = canary.make(), canary.make()
    assert canary.find(one, other) == []


@pytest.mark.django_db
def test_the_dump_of_the_database_holds_every_column(django_user_model):
    django_user_model.objects.create_user(username=SECRET.replace('"', "")[:60])
    places = canary.leaks([SECRET.replace('"', "")[:60]], canary.database())
    assert any(place.startswith("auth_user.username") for place in places)
    assert any("iterdump" in place or "as binary" in place for place in places)
