"""What goes to a provider and what comes back, as plain values: kinds write the one and read the other."""

import functools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, quote_plus

from requests.structures import CaseInsensitiveDict


@dataclass(frozen=True, repr=False)
class Call:
    """A request to a provider. It holds secrets, and so never prints them, nor its query.

    `url` is https and absolute. At most one of `form` and `json` is given.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] | None = None
    json: Any = None
    # User name and password for HTTP Basic authentication.
    basic: tuple[str, str] | None = None

    def __repr__(self) -> str:
        return f"<Call {self}>"

    def __str__(self) -> str:
        return f"{self.method} {self.url.partition('?')[0]}"

    def sent(self) -> Iterator[str]:
        """What an answer may repeat of it and nobody may read: all that its form and its sign-in hold, as it
        is and as it stands in forms."""
        for text in (*(self.form or {}).values(), *(self.basic or ())):
            yield from {text, quote(text, safe=""), quote_plus(text)}


@dataclass(frozen=True, repr=False)
class Answer:
    """What a provider answered. The body can hold secrets, and so never prints."""

    status: int
    headers: Mapping[str, str] = field(default_factory=CaseInsensitiveDict)
    body: bytes = b""

    def __repr__(self) -> str:
        return f"<Answer {self.status}, {len(self.body)} bytes>"

    def header(self, name: str) -> str:
        """A header, whatever the case of its name; an empty string where there is none."""
        return CaseInsensitiveDict(self.headers).get(name, "")

    @functools.cached_property
    def json(self) -> Any:
        """The body as JSON; None where it is none. JSON's own null cannot be told from that, nor need it."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    @property
    def text(self) -> str:
        """The body as text, whatever it holds."""
        return self.body.decode("utf-8", "replace")
