"""Reading what a provider answered: signs are gathered from the answer, rules say what they mean.

A status code alone does not tell: GitHub and Salesforce throttle with 403, Linear with 400, Marketo with 200.
Each provider's file lists its rules, most telling first; those here come after them and hold for all.
"""

import email.utils
import functools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.utils import timezone

from credentials.exchange import Answer

DETAIL_LENGTH = 300
# So much of an answer's words is read. `redacted` cuts: a secret that is cut in two is not found any more.
WORDS_LENGTH = 2000
# The longest wait that is believed: a provider's clock or header can be wrong.
LONGEST_WAIT = 24 * 3600.0
# The keys under which providers put what went wrong, in codes or in words.
TELLING = frozenset(
    "error code type errorcode error_code status category subcategory policyname reason result name"
    " o:errorcode message error_description description detail details error_detail faultstring faultcode"
    " title msg errors error_msg errormessage summary".split()
)
MARKUP = re.compile(rb"\s*(<!doctype html|<html|<head|<body)", re.IGNORECASE)
# What guards before a provider write where it is no web page: CloudFront, Akamai, Cloudflare, F5, Imperva.
GUARD = re.compile(
    rb"cloudfront|cloudflare|akamai|incapsula|imperva|firewall|request (?:was )?(?:blocked|rejected)"
    rb"|reference #|error code: 1\d{3}\b",
    re.IGNORECASE,
)
# These speak of the credential, whatever was asked for: RFC 9110 and RFC 4918.
OF_THE_CREDENTIAL = (401, 402, 423)
# What a body must hold for an answer with a good status to be about a failure: the beginnings of members.
FAILING = re.compile(rb'"(?:errors?|fault)"\s*:|"success"\s*:\s*false|"result"\s*:\s*"error"', re.IGNORECASE)
# And the members that say which. Beside them are data, in which any word can stand.
OF_FAILURE = frozenset({"error", "errors", "fault", "code", "message", "error_description"})
IN_XML = re.compile(
    r"<(?:\w+:)?(faultcode|faultstring|message|code|detail)\b[^>]*>([^<]{1,300})<", re.IGNORECASE
)
# What may be a token in an error text, where it has letters and digits: providers repeat what they were sent.
LONG_WORD = re.compile(r"[\w.~+/=:!-]{12,}")


@dataclass(frozen=True)
class Reading:
    """What an answer means: a code of `health.observations`.

    `detail` is the provider's own words, not redacted yet. `retry_after` is in seconds. `facts` is what a
    good answer tells of the account, `scopes` what was granted; None where the answer does not say. It is
    `guessed` where words or a status tell it that may as well be about what was asked for.
    """

    code: str
    detail: str = ""
    retry_after: float | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    scopes: frozenset[str] | None = None
    guessed: bool = False


@dataclass(frozen=True)
class Signs:
    """What an answer says of a failure: its codes in lower case, and all its words in one text."""

    codes: frozenset[str]
    words: str


@dataclass(frozen=True)
class Rule:
    """`code` is meant where all that is given here holds: the status is one of these, an error code is one
    of `sign`, a message `says` one of these (whole words; "…" is a few more in the same sentence), and a
    header is there, with that value or any.

    Without a status it holds for all but 429 and those from 500 on: these are about the moment, whatever
    words come with them. Words mean too little without a status: beside `says` each has to be named.
    """

    code: str
    status: tuple[int, ...] | range = ()
    sign: tuple[str, ...] = ()
    says: tuple[str, ...] = ()
    header: tuple[str, str] | None = None

    def __post_init__(self) -> None:
        if self.says and not (self.status and isinstance(self.status, tuple)):
            raise ValueError(f"A rule by words names each status: {self.code}, {self.says}.")

    def applies(self, answer: Answer, signs: Signs) -> bool:
        if self.status:
            if answer.status not in self.status:
                return False
        elif answer.status == 429 or answer.status >= 500:
            return False
        if self.header:
            name, value = self.header
            found = answer.header(name)
            if not found or value not in ("", found):
                return False
        if self.sign and signs.codes.isdisjoint(self.sign):
            return False
        return not self.says or _saying(self.says).search(signs.words) is not None


@functools.cache
def _saying(phrases: tuple[str, ...]) -> re.Pattern[str]:
    """What finds any of these phrases, as whole words."""
    between = r"[^\w.;](?:[^.;]{0,60}[^\w.;])?"
    found = (between.join(map(re.escape, phrase.split(" … "))) for phrase in phrases)
    return re.compile(rf"(?<!\w)(?:{'|'.join(found)})(?!\w)")


# What holds at every provider, after its own rules. Whose client was rejected only the provider's file knows.
API_RULES = (
    Rule("rate_limited", status=(429,)),
    Rule("redirected", status=range(300, 400)),
    Rule("provider_outage", status=range(500, 600)),
    Rule("revoked", status=(401,)),
)
TOKEN_RULES = (
    Rule("rate_limited", status=(429,)),
    Rule("redirected", status=range(300, 400)),
    Rule("revoked", sign=("invalid_grant",)),
    Rule("consent_required", sign=("consent_required", "interaction_required", "invalid_scope")),
    Rule("provider_outage", status=range(500, 600)),
    Rule("provider_outage", sign=("temporarily_unavailable", "server_error")),
    Rule("our_fault", sign=("invalid_request", "unsupported_grant_type")),
)


def read(answer: Answer, rules: Iterable[Rule]) -> Reading | None:
    """What the first rule that applies says; None where none does, which a good answer may be or not.

    An answer with a good status is read for failures only where it says that it is one.
    """
    page = MARKUP.match(answer.body) is not None
    if answer.status in (403, 406):
        # From a guard before the provider, whatever 403 means behind it.
        if page:
            return Reading("blocked", "A web page.")
        if answer.json is None and GUARD.search(answer.body[:5000]):
            return Reading("blocked", "A guard's page.")
    good = 200 <= answer.status < 300
    if good and not page and not fails(answer):
        return None
    signs = signs_of(answer)
    for rule in rules:
        if rule.applies(answer, signs):
            wait = retry_after(answer) if rule.code in ("rate_limited", "quota_exhausted") else None
            guessed = not rule.sign and answer.status not in OF_THE_CREDENTIAL
            return Reading(rule.code, signs.words, wait, guessed=guessed)
    if page:
        # Where data are expected: for maintenance, or of an instance that sleeps.
        return Reading("garbled", "A web page.")
    if not good:
        return Reading("unclassified", signs.words)
    return None


def names_an_error(answer: Answer) -> bool:
    """Whether an answer with data is about an error, whatever its status."""
    found = answer.json if isinstance(answer.json, dict) else {}
    return any(name.casefold() in ("error", "errors", "fault", "message", "code") for name in found)


def fails(answer: Answer) -> bool:
    """Whether an answer with a good status is about a failure: errors of GraphQL, `success` or `result`."""
    if not FAILING.search(answer.body) or not isinstance(answer.json, dict):
        return False
    found = {str(name).casefold(): value for name, value in answer.json.items()}
    failed = found.get("success") is False or str(found.get("result")).casefold() == "error"
    return failed or any(found.get(name) for name in ("error", "errors", "fault"))


def signs_of(answer: Answer) -> Signs:
    """The signs in an answer's body, whether JSON, XML or a few words."""
    if answer.json is not None:
        told = answer.json
        if 200 <= answer.status < 300 and isinstance(told, dict):
            told = {name: value for name, value in told.items() if str(name).casefold() in OF_FAILURE}
        found = list(_told(told, 0))
    elif b"<" in answer.body[:2000]:
        found = [match[2].strip() for match in IN_XML.finditer(answer.text[:20_000])]
    else:
        few = 0 < len(answer.body) < 500 and answer.status >= 400
        found = [answer.text.strip()] if few else []
    codes = frozenset(text.casefold() for text in found if len(text) <= 80 and " " not in text)
    return Signs(codes, "; ".join(dict.fromkeys(found))[:WORDS_LENGTH].casefold())


def _told(value: Any, depth: int, key: str = "") -> Iterator[str]:
    """The texts and numbers under telling keys, to a bounded depth and number of members."""
    if depth > 6:
        return
    if isinstance(value, Mapping):
        for name, member in list(value.items())[:50]:
            # A message can be an object, of what is wrong by field.
            inside = key if key in ("message", "errors") else ""
            yield from _told(member, depth + 1, inside or str(name).casefold())
    elif isinstance(value, list):
        for member in value[:20]:
            yield from _told(member, depth + 1, key)
    elif key in TELLING and value not in (None, "", True, False):
        yield str(value)[:500]


def retry_after(answer: Answer) -> float | None:
    """Seconds to wait by the header Retry-After, which holds seconds (whole or not) or a date; else None."""
    text = answer.header("Retry-After").strip()
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = (email.utils.parsedate_to_datetime(text) - timezone.now()).total_seconds()
        except (TypeError, ValueError, OverflowError):
            return None
    return bounded(seconds)


def until(answer: Answer, name: str, *, unit: float = 1.0) -> float | None:
    """Seconds until the time since 1970 that a header gives, in units of so many seconds; else None."""
    try:
        moment = float(answer.header(name)) * unit
    except ValueError:
        return None
    return bounded(moment - timezone.now().timestamp())


def bounded(seconds: float) -> float | None:
    """A wait that can be believed, from 0 to a day; None for what is no number."""
    return None if seconds != seconds else min(max(seconds, 0.0), LONGEST_WAIT)


def redacted(text: str, secrets: Iterable[str] = ()) -> str:
    """A provider's words without what may be a secret, at most 300 characters and one line."""
    for secret in sorted((one for one in secrets if len(one) >= 4), key=len, reverse=True):
        text = text.replace(secret, "•••").replace(secret.casefold(), "•••")
    text = LONG_WORD.sub(lambda found: "•••" if _like_a_secret(found[0]) else found[0], text)
    text = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(text.split())[:DETAIL_LENGTH]


def _like_a_secret(word: str) -> bool:
    return any(map(str.isdigit, word)) and any(map(str.isalpha, word))
