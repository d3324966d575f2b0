"""Faults that were asked for, and what connections and gateways do instead of answering."""

import itertools
import re
from dataclasses import dataclass, field
from typing import Any

from credentials.simulator import answers
from credentials.simulator.messages import Answer, Request

# What the connection does; see server.py.
BEHAVIOURS = {
    "hang": "takes the request and never answers",
    "drip": "one byte each second",
    "endless": "a body without an end",
    "reset": "cuts the connection instead of answering",
    "truncated": "promises more bytes than it sends",
    "bomb": "a small gzip body that unpacks to 64 MB",
}
PAGE = "<!DOCTYPE html><html><head><title>%s</title></head><body><h1>%s</h1></body></html>"
CHALLENGE = PAGE % ("Just a moment...", "Checking your browser")
DOWN = PAGE % ("Maintenance", "We will be back soon")
# Status and body, and headers where the content does not tell them.
PAGES: dict[str, tuple[int, bytes | str, dict[str, str]]] = {
    "html": (200, DOWN, {}),
    "challenge": (403, CHALLENGE, {}),
    "garbage": (200, b'{"ok": tru\xff\xfe', {"Content-Type": "application/json"}),
    "empty": (200, b"", {"Content-Type": "application/json"}),
    "redirect": (302, b"", {"Location": "https://elsewhere.example/"}),
}
MARKER = re.compile(r"-sim-([A-Za-z0-9_]+?)(?:-|$)")
OTHER_ACCOUNT = "other_account"
_numbers = itertools.count(1)
_turns = itertools.count()


class UnknownAnswer(ValueError):
    """No behaviour, code or recorded answer has this name."""


def shared(name: str) -> bool:
    """Whether a name means the same at all providers."""
    return name in BEHAVIOURS or name in PAGES or re.fullmatch(r"[45](\d\d|xx)", name) is not None


def made(name: str) -> Answer | None:
    """The answer of a behaviour that all providers share, None where `name` is none."""
    if not shared(name):
        return None
    if name in BEHAVIOURS:
        return Answer(behaviour=name, as_it_is=True)
    if name in PAGES:
        status, body, headers = PAGES[name]
        return Answer(status, body, dict(headers), as_it_is=True)
    if name in ("4xx", "5xx"):
        turns = {"4xx": ("400", "404", "409", "418"), "5xx": ("500", "502", "503", "504")}[name]
        name = turns[next(_turns) % 4]
    return Answer(int(name), DOWN, as_it_is=True)


def check(provider: str, name: str) -> None:
    """Raises UnknownAnswer where no answer has this name. Without a provider, only shared ones are known."""
    if name == OTHER_ACCOUNT or shared(name):
        return
    if not provider or answers.find(provider, name) is None:
        raise UnknownAnswer(name)


@dataclass
class Fault:
    """One fault that was asked for: whom it meets, and how often still (None: until it is taken away)."""

    answer: str
    provider: str = ""
    account: str = ""
    token: str = ""
    host: str = ""
    path: str = ""
    context: str = ""
    times: int | None = 1
    id: int = field(default_factory=lambda: next(_numbers))

    def meets(self, request: Request) -> bool:
        """Whether the request is one of those; with an account only once that is known."""
        if self.times == 0 or (self.provider and self.provider != request.provider.name):
            return False
        if (self.host and self.host != request.host) or not request.path.startswith(self.path):
            return False
        if self.context and self.context != request.context:
            return False
        if self.account and (request.caller is None or request.caller.id != self.account):
            return False
        if self.token and self.token not in (request.token, *_texts(request)):
            return False
        one = answers.find(request.provider.name, self.answer, request.context)
        if one is None:
            return self.answer == OTHER_ACCOUNT or shared(self.answer)
        # An answer of the token endpoint is not given by the API, nor the other way about.
        return one.context == (request.context or "api")

    def take(self, request: Request) -> Answer | None:
        """One answer. None where the provider answers itself, but for another account."""
        if self.times is not None:
            self.times -= 1
        return given(request, self.answer)

    def document(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if value != "" and name != "token"}


def given(request: Request, name: str) -> Answer | None:
    """The answer with this name, for this request. None where the provider answers for another account."""
    if name == OTHER_ACCOUNT:
        request.as_other_account = True
        return None
    one = answers.find(request.provider.name, name, request.context)
    answer = one.answer() if one else made(name)
    if answer is None:
        raise UnknownAnswer(name)
    return answer


def marker(text: str) -> str:
    """The name of the failure that a secret asks for, "" where it asks for none."""
    match = MARKER.search(text)
    return match[1] if match else ""


def _texts(request: Request) -> tuple[str, ...]:
    """Where a token may stand before the provider has read it."""
    return (request.bearer(), request.form().get("refresh_token", ""))
