"""Input that must be refused, as data: what it is, what the command says about it, its exit status.

`python -m tests.credentials.bad_input` prints it as a Markdown table. test_import_bad_input.py holds the
command to it, word by word, on both databases. FILE stands for the path of the file.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# No message may ever hold it.
SECRET = "sk_test_NEVERSHOWN0123456789"
EXAMPLES = Path(__file__).parent.parent / "data" / "credentials.json"
# The test puts "..." for the list, which grows.
KINDS = "Kinds: ..."
KEYS = "A document has: id, kind, metadata, name, oauth_app_id, object, properties, provider, rate_limit"
BLANK = "This field cannot be blank."
HIDDEN = "Character 2 is invisible or a control character: leave it out."
MASKED = "This is a masked value: enter the secret itself."
NO_UUID = "expected a UUID such as 123e4567-e89b-12d3-a456-426614174000"
NO_SHOP = "This is not a host of the form name.myshopify.com."
NUL = "is NUL, which cannot be stored"
HALF = "is half of a surrogate pair, which cannot be stored"
TOO_SHORT = "At least 100 milliseconds. Intervals are milliseconds: one minute is 60000."
NEITHER = (
    "this is neither JSON, which begins with [ or {, nor CSV, whose first row names columns"
    " such as properties.kind"
)
TOO_LONG = "longer than 1048576 characters: one document cannot be"
SECOND_PER = {"allowed_requests": 1, "interval": 1000}


@dataclass(frozen=True)
class Case:
    title: str
    # The bytes of the file, or what makes something else at that path.
    content: bytes | Callable[[Path], Any]
    says: tuple[str, ...]
    status: int = 1

    def write(self, path: Path) -> None:
        if callable(self.content):
            self.content(path)
        else:
            path.write_bytes(self.content)


def stripe(**changes: Any) -> dict[str, Any]:
    """A good document, or one with other properties; `...` leaves a property out."""
    properties = {"kind": "stripe_key", "name": "Arrakis", "secret": SECRET, "test": True, **changes}
    return {"properties": {name: value for name, value in properties.items() if value is not ...}}


def of(kind: str, **changes: Any) -> dict[str, Any]:
    """The documented example of a kind, with other properties."""
    documents = json.loads(EXAMPLES.read_text())
    document = next(one for one in documents if one["properties"]["kind"] == kind)
    return document | {"properties": document["properties"] | changes}


def array(*documents: Any) -> bytes:
    return json.dumps(documents).encode()


def raw(text: str, **place: str) -> bytes:
    """A file whose JSON holds a text as it is: `raw('NaN', of="test")` or at the end of the document."""
    document = stripe(**{place["of"]: "@"}) if place else stripe() | {"metadata": "@"}
    return array(document).replace(b'"@"', text.encode())


def at(title: str, content: Any, place: str, says: str, *more: str) -> Case:
    """One document that is wrong in one place; what is wrong in others follows as whole lines."""
    content = content if isinstance(content, bytes) else array(content)
    return Case(title, content, (f"row 1, {place}: {says}", *more))


def whole(title: str, content: bytes, says: str, *, row: int = 1) -> Case:
    """A row that is wrong as a whole."""
    return Case(title, content, (f"row {row}: {says}",))


def file(title: str, content: bytes | Callable[[Path], Any], says: str) -> Case:
    """A file that cannot be used at all."""
    return Case(title, content, (f"FILE: {says}",), status=2)


def limit(title: str, given: Any, place: str, says: str, *more: str) -> Case:
    return at(title, stripe() | {"rate_limit": given}, f"rate_limit{place}", says, *more)


# fmt: off
FILES = [
    file("no such file", lambda path: None, "No such file or directory"),
    file("a directory", Path.mkdir, "Is a directory"),
    file("a link to itself", lambda path: path.symlink_to(path), "Too many levels of symbolic links"),
    file("a file that cannot be read", lambda path: path.symlink_to("/proc/self/mem"),
         "it cannot be read: Input/output error"),
    file("an empty file", b"", "the file is empty: there is nothing to import"),
    file("white space only", b" \n\t ", "the file is empty: there is nothing to import"),
    file("no documents", b"some text\nand more\n", NEITHER),
    file("a JSON text", b'"x"', NEITHER),
    file("UTF-16 with BOM", json.dumps([stripe()]).encode("utf-16"),
         "the file is not UTF-8 text (line 1): save it as UTF-8"),
    file("UTF-16 without BOM", json.dumps([stripe()]).encode("utf-16-le"),
         "this looks like UTF-16: save it as UTF-8"),
    file("Latin-1", json.dumps([stripe(name="Café")], ensure_ascii=False, indent=1).encode("latin-1"),
         "the file is not UTF-8 text (line 5): save it as UTF-8"),
    whole("Latin-1 in the second of two lines",
          json.dumps(stripe()).encode() + '\n{"name": "Café"}'.encode("latin-1"),
          "the file is not UTF-8 text (line 2): save it as UTF-8", row=2),
    whole("a truncated array", array(stripe(), stripe())[:-30],
          "not JSON: Unterminated string starting at (line 1, column 184). Is the file whole?", row=2),
    whole("a truncated document over several lines", json.dumps(stripe(), indent=2).encode()[:-10],
          "not JSON: Expecting value (line 6, column 13). Is the file whole?"),
    whole("trailing rubbish", array(stripe()) + b" x", "something follows the end of the array (line 1)",
          row=2),
    whole("two arrays", array(stripe()) + array(), "something follows the end of the array (line 1)", row=2),
    whole("a comma too many", array(stripe())[:-1] + b",]", "not JSON: a comma before “]” (line 1)", row=2),
    whole("a comma missing", array(stripe())[:-1] + array(stripe())[1:],
          "not JSON: expected “,” or “]” (line 1). Is the file whole?", row=2),
    whole("single quotes", b"[{'name': 1}]",
          "not JSON: Expecting property name enclosed in double quotes (line 1, column 3)"),
    whole("a line that is no JSON", array(stripe())[1:-1] + b"\n{oops}\n",
          "not JSON: Expecting property name enclosed in double quotes (line 2, column 2)", row=2),
    whole("rubbish behind a line", b'{"name": "a"} x\n', "not JSON: Extra data (line 1, column 15)"),
    whole("a mistake at the beginning of a large file",
          b'[{"name": nonsense}, ' + b'{"a":1},' * 250_000 + b"{}]",
          "not JSON: Expecting value (line 1, column 11)"),
    whole("an unknown escape", raw('"\\x"', of="name"), "not JSON: Invalid \\escape (line 1, column 49)"),
    whole("a raw control character", raw('"a\tb"', of="name"),
          "not JSON: Invalid control character at (line 1, column 50)"),
    whole("100,000 levels", b"[" * 100_000, "nested too deeply (line 1)"),
    whole("100,000 levels in the metadata", raw('{"a":' + "[" * 100_000 + "]" * 100_000 + "}"),
          "nested too deeply (line 1)"),
    whole("a line of 5 MB", raw('{"a":"' + "x" * 5_000_000 + '"}')[1:-1], TOO_LONG),
    whole("a document of 5 MB in an array", raw('{"a":"' + "x" * 5_000_000 + '"}'), TOO_LONG),
]

SHAPE = [
    whole("null", b"[null]", "expected an object, found null"),
    whole("a number", b"[7]", "expected an object, found a number"),
    whole("an array in the array", b"[[]]", "expected an object, found an array"),
    at("unknown object", stripe() | {"object": "sync"}, "object", "expected “credential” or “oauth_app”"),
    at("no properties", {"name": "a"}, "properties", "required"),
    at("properties in an array", {"properties": []}, "properties", "expected an object, found an array"),
    at("no kind", {"properties": {}}, "properties.kind", f"required. {KINDS}"),
    at("wrong kind", stripe(kind="stripe_keys"), "properties.kind", f"unknown kind “stripe_keys”. {KINDS}"),
    at("kind is a number", stripe(kind=7), "properties.kind",
       f"expected the name of a kind, found a number. {KINDS}"),
    at("kind with text that turns", stripe(kind="stripe\u202e_key"), "properties.kind",
       f"unknown kind “stripe�_key”. {KINDS}"),
    at("endless kind", stripe(kind="k" * 300), "properties.kind", f"unknown kind “{'k' * 40}…”. {KINDS}"),
    at("two kinds", stripe() | {"kind": "github_app"}, "kind", "disagrees with properties.kind"),
    at("wrong provider", stripe() | {"provider": "shopify"}, "provider", "stripe_key belongs to “stripe”"),
    at("unknown key", stripe() | {"secret": SECRET}, "secret", f"unknown key. {KEYS}"),
    at("unknown property", stripe(api_key=SECRET), "properties.api_key",
       "unknown property. stripe_key has: name, secret, test"),
    at("no secret", stripe(secret=...), "properties.secret", "Enter the secret."),
    at("no flag", stripe(test=...), "properties.test", "required"),
    at("no name", stripe(name=...), "properties.name", "required"),
    at("several mistakes", stripe(test="yes", secret=7), "properties.secret",
       "expected a text, found a number",
       "row 1, properties.test: expected true or false, found a text"),
    at("an old and a new name", stripe(secret_key=SECRET), "properties.secret_key",
       "given twice, as “secret” too"),
    at("a key twice", raw(f'"a", "secret": "{SECRET}"', of="name"), "properties",
       "the key “secret” stands twice"),
    at("two names", stripe() | {"name": "Other"}, "properties.name",
       "differs from the name of the document: give one of them"),
    at("name is a number", of("github_app") | {"name": 7}, "name", "expected a text, found a number"),
    at("name is false", of("github_app") | {"name": False}, "name", "expected a text, found true or false"),
    at("metadata in an array", stripe() | {"metadata": []}, "metadata", "expected an object, found an array"),
    at("metadata is 0", stripe() | {"metadata": 0}, "metadata", "expected an object, found a number"),
    at("id is no UUID", stripe() | {"id": "abc"}, "id", NO_UUID),
    at("id is 0", stripe() | {"id": 0}, "id", NO_UUID),
    at("OAuth app is no UUID", stripe() | {"oauth_app_id": "x"}, "oauth_app_id", NO_UUID),
    at("unknown OAuth app", stripe() | {"oauth_app_id": "00000000-0000-4000-8000-000000000001"},
       "oauth_app_id",
       "there is no such OAuth app: create it first"),
]

VALUES = [
    at("text for a flag", stripe(test="true"), "properties.test", "expected true or false, found a text"),
    at("1 for a flag", stripe(test=1), "properties.test", "expected true or false, found a number"),
    at("number for a text", stripe(name=7), "properties.name", "expected a text, found a number"),
    at("array for a secret", stripe(secret=[SECRET]), "properties.secret", "expected a text, found an array"),
    at("null for a secret", stripe(secret=None), "properties.secret", "expected a text, found null"),
    at("text for a number", of("github_app", installation_id="41234567"), "properties.installation_id",
       "expected a whole number, found a text"),
    at("1.5 for a whole number", of("github_app", installation_id=1.5), "properties.installation_id",
       "expected a whole number, found a decimal number"),
    at("true for a number", of("github_app", installation_id=True), "properties.installation_id",
       "expected a whole number, found true or false"),
    at("0 for an id", of("github_app", installation_id=0), "properties.installation_id",
       "This must be a positive number."),
    at("negative id", of("hubspot_oauth2", hub_id=-5), "properties.hub_id",
       "This must be a positive number."),
    at("id beyond 64 bits", of("github_app", installation_id=2**63), "properties.installation_id",
       "the number is too large: at most 9223372036854775807"),
    at("unknown choice", of("github_app", account_type="Team"), "properties.account_type",
       "expected User or Organization"),
    at("text for a list", of("hubspot_oauth2", scopes="a b"), "properties.scopes",
       "expected an array of texts, found a text"),
    at("list of numbers", of("hubspot_oauth2", scopes=[1]), "properties.scopes",
       "This must be a list of texts."),
    at("empty list", of("hubspot_oauth2", scopes=[]), "properties.scopes", "Name at least one."),
    at("list that repeats", of("hubspot_oauth2", scopes=["a", "a"]), "properties.scopes",
       "The list names one twice, or has more than 500."),
    at("list of two words", of("hubspot_oauth2", scopes=["a b"]), "properties.scopes",
       "Each entry must be one word of at most 255 characters."),
    at("long scope", of("airtable_oauth2", scope="a" * 2001), "properties.scope",
       "Ensure this value has at most 2000 characters (it has 2001)."),
    at("blank name", stripe(name="  "), "properties.name", BLANK),
    at("long name", stripe(name="n" * 201), "properties.name",
       "Ensure this value has at most 200 characters (it has 201)."),
    at("eleven stars on a new row", stripe(secret="*" * 11), "properties.secret",
       "masked value: enter the secret"),
    at("ten stars", stripe(secret="*" * 10), "properties.secret", MASKED),
    at("twelve stars", stripe(secret="*" * 12), "properties.secret", MASKED),
    at("bullets", stripe(secret="•" * 11), "properties.secret", MASKED),
    at("a shortened secret", stripe(secret="sk_t...6789"), "properties.secret", MASKED),
    at("[REDACTED]", stripe(secret="[REDACTED]"), "properties.secret", MASKED),
    at("empty secret", stripe(secret=""), "properties.secret", "Enter the secret."),
    at("secret with a space", stripe(secret=SECRET + " "), "properties.secret",
       "The secret begins or ends with a space or an invisible character: leave it out."),
    at("secret with a new line", stripe(secret=SECRET + "\n"), "properties.secret",
       "Character 29 is a control character: copy the secret again."),
    at("endless secret", stripe(secret="s" * 8193), "properties.secret",
       "This is too long to be the secret: 8193 characters, at most 8192."),
    at("publishable key", stripe(secret="pk_test_NEVERSHOWN"), "properties.secret",
       "This is a publishable key, which cannot read anything: take the secret or a restricted key."),
    at("webhook secret", stripe(secret="whsec_NEVERSHOWN"), "properties.secret",
       "This is the signing secret of a webhook, not a key."),
    at("live key in test mode", stripe(secret="sk_live_NEVERSHOWN"), "properties.test",
       "The key is one of live mode."),
    at("test key in live mode", stripe(test=False), "properties.test", "The key is one of test mode."),
    at("password with &", of("checkout_champ_password", password="NEVER&SHOWN"), "properties.password",
       "A password at Checkout Champ cannot contain “&”: copy it again."),
    *(at(f"{name} in a name", stripe(name=f"a{text}b"), "properties.name", HIDDEN)
      for name, text in {"BEL": "\x07", "a new line": "\n", "U+202E": "\u202e", "U+200B": "\u200b"}.items()),
    at("U+202E in a scope", of("airtable_oauth2", scope="a\u202eb"), "properties.scope", HIDDEN),
    at("U+2066 in a login", of("github_app", account_login="a\u2066b"), "properties.account_login", HIDDEN),
]

HOSTS = [
    *(at(f"shop {host}", of("shopify_oauth2", shop_url=host), "properties.shop_url", NO_SHOP) for host in (
        "evil.com#.myshopify.com", "x.myshopify.com@evil.com", "x.myshopify.com.evil.com",
        "x.myshopify.com\\@evil.com",
        "https://user:NEVERSHOWN@x.myshopify.com", "x.myshopify.com:8080", "//evil.com/x.myshopify.com",
        "x.myshopify.com%2eevil.com", "x。myshopify.com", "хn.myshopify.com", "-x.myshopify.com",
        "myshopify.com",
        "admin.x.myshopify.com", "spice-bazaar.com", "127.0.0.1", "https://[::1]/", "javascript:alert(1)",
    )),
    at("no shop", of("shopify_oauth2", shop_url=""), "properties.shop_url", BLANK),
    at("Lightning host",
       of("salesforce_oauth2", domain="https://harkonnen.lightning.force.com/lightning/page"),
       "properties.domain", "This is the host of the Lightning pages: the API is at name.my.salesforce.com."),
    at("Salesforce's sign-in", of("salesforce_oauth2", domain="login.salesforce.com"), "properties.domain",
       "This is not a host of the form name.my.salesforce.com."),
]

JSON_VALUES = [
    at("a number of 5,000 digits", raw("9" * 5000, of="test"), "properties.test",
       "a number of 5000 digits is too long"),
    at("5,000 digits in the metadata", raw('{"n": ' + "1" * 5000 + "}"), "metadata.n",
       "a number of 5000 digits is too long"),
    at("1e999", raw('{"n": 1e999}'), "metadata.n", "the number is too large"),
    at("1e300", raw('{"n": 1e300}'), "metadata.n",
       "the number is too large to be kept exactly: write it as a text"),
    at("NaN", raw("NaN", of="test"), "properties.test", "NaN is not a number in JSON"),
    at("-Infinity", raw('{"a": [1, -Infinity]}'), "metadata.a[1]", "-Infinity is not a number in JSON"),
    at("17 levels", raw('{"a":' + "[" * 17 + "]" * 17 + "}"), f"metadata.a{'[0]' * 15}",
       "nested more than 16 levels deep"),
    at("5,000 values", raw('{"a": [' + "1," * 5000 + "1]}"), "metadata.a[4992]",
       "more than 5000 values in one document"),
    at("a text of 65,537 characters", raw('{"a": "' + "x" * 65_537 + '"}'), "metadata.a",
       "longer than 65536 characters (it has 65537)"),
    at("a key of 201 characters", raw('{"' + "k" * 201 + '": 1}'), "metadata",
       f"the key “{'k' * 40}…”: longer than 200 characters (it has 201)"),
    *(case for name, text, says in (("NUL", "\\u0000", NUL), ("half a pair", "\\ud800", HALF)) for case in (
        at(f"{name} in a name", raw(f'"a{text}"', of="name"), "properties.name", f"character 2 {says}"),
        at(f"{name} in a secret", raw(f'"NEVERSHOWN{text}"', of="secret"), "properties.secret",
           f"character 11 {says}"),
        at(f"{name} in a property", raw(f'"a", "b{text}": 1', of="name"), "properties",
           f"the key “b�”: character 2 {says}"),
        at(f"{name} in a key", raw(f'{{"a{text}": 1}}'), "metadata", f"the key “a�”: character 2 {says}"),
        at(f"{name} in a value", raw(f'{{"a": ["{text}"]}}'), "metadata.a[0]", f"character 1 {says}"),
        at(f"{name} in an id", f'[{{"id": "{text}"}}]'.encode(), "id", f"character 1 {says}"),
    )),
]

LIMITS = [
    limit("negative limit", SECOND_PER | {"allowed_requests": -1}, ".allowed_requests",
          "expected a positive number"),
    limit("limit of 0", SECOND_PER | {"allowed_requests": 0}, ".allowed_requests",
          "At least 1: pause the credential to send nothing."),
    limit("interval of 0", SECOND_PER | {"interval": 0}, ".interval", TOO_SHORT),
    limit("interval in seconds", SECOND_PER | {"interval": 60}, ".interval", TOO_SHORT),
    limit("absurd limits",
          {"allowed_requests": 10**12, "interval": 10**15, "max_concurrent_requests": 10**9},
          ".allowed_requests",
          "At most 1,000,000: no provider allows more in one interval.",
          "row 1, rate_limit.interval: At most 31 days: no provider counts over a longer time.",
          "row 1, rate_limit.max_concurrent_requests: At most 10,000. Leave it empty for no bound."),
    limit("limits of wrong types",
          {"allowed_requests": "25", "interval": 1000.5, "max_concurrent_requests": True},
          ".allowed_requests",
          "expected a whole number, found a text",
          "row 1, rate_limit.interval: expected a whole number, found a decimal number",
          "row 1, rate_limit.max_concurrent_requests: expected a whole number, found true or false"),
    limit("empty limit", {}, ".allowed_requests", "required", "row 1, rate_limit.interval: required"),
    limit("unknown key in a limit", SECOND_PER | {"requests": 5}, ".requests",
          "unknown key. A rate limit has: allowed_requests, interval, max_concurrent_requests"),
    limit("limit in an array", [1], "", "expected an object, found an array"),
]

# fmt: on
CORPUS = [*FILES, *SHAPE, *VALUES, *HOSTS, *JSON_VALUES, *LIMITS]


def main() -> None:
    print("| input | what the command says | exit status |\n|---|---|---|")
    for case in CORPUS:
        cells = (case.title, "<br>".join(case.says), str(case.status))
        print("|", " | ".join(cell.replace("|", "\\|").replace("\u202e", "U+202E") for cell in cells), "|")


if __name__ == "__main__":
    main()
