"""What comes in and what goes out: a request to a provider's host, and the answer to it."""

import base64
import binascii
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

if TYPE_CHECKING:
    from credentials.simulator.limits import Usage
    from credentials.simulator.routing import Provider
    from credentials.simulator.state import Account, World

Body = bytes | str | dict[str, Any] | list[Any]


@dataclass
class Answer:
    """An answer. `behaviour` names what the connection does instead of answering, see faults.py."""

    status: int = 200
    body: Body = b""
    headers: dict[str, str] = field(default_factory=dict)
    behaviour: str = ""
    # Given exactly so, without the provider's own quota headers.
    as_it_is: bool = False

    def content(self) -> bytes:
        """The bytes of the body; sets the content type where none is given."""
        if isinstance(self.body, bytes):
            return self.body
        if isinstance(self.body, str):
            page = self.body.lstrip()[:1] == "<"
            self.headers.setdefault("Content-Type", f"text/{'html' if page else 'plain'}; charset=utf-8")
            return self.body.encode()
        self.headers.setdefault("Content-Type", "application/json; charset=utf-8")
        return json.dumps(self.body).encode()


class Reply(Exception):
    """Ends the handling of a request with this answer, wherever it is raised."""

    def __init__(self, answer: Answer):
        super().__init__(answer.status)
        self.answer = answer


@dataclass
class Request:
    """A request, as the provider's host would see it."""

    method: str
    host: str
    path: str
    query_text: str
    headers: dict[str, str]
    body: bytes
    world: "World"
    provider: "Provider" = None  # type: ignore[assignment]  # set by the router, before any provider sees it
    context: str = ""
    # Found out while it is handled, for the log and the quota headers.
    token: str = ""
    caller: "Account | None" = None
    usage: "Usage | None" = None
    occupies: tuple[str, str] | None = None
    as_other_account: bool = False

    @property
    def account(self) -> "Account":
        """Whose call it is, once that is known."""
        if self.caller is None:
            raise LookupError("the caller is not known yet")
        return self.caller

    @property
    def quota(self) -> "Usage":
        """How much of the limit is used that the call was counted under."""
        if self.usage is None:
            raise LookupError("the call was not counted")
        return self.usage

    @property
    def url(self) -> str:
        """The original address without the query, as signatures mean it."""
        return f"https://{self.host}{self.path}"

    @property
    def query(self) -> list[tuple[str, str]]:
        return parse_qsl(self.query_text, keep_blank_values=True)

    def parameters(self) -> dict[str, str]:
        """The query's parameters; of a repeated one the last."""
        return dict(self.query)

    def form(self) -> dict[str, str]:
        """The body's fields, sent as a form or as JSON; empty where it is neither."""
        kind = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == "application/json":
            found = self.json()
            return {k: v for k, v in found.items() if isinstance(v, str)} if isinstance(found, dict) else {}
        if kind == "application/x-www-form-urlencoded":
            return dict(parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True))
        return {}

    def json(self) -> Any:
        """The body as JSON, None where it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    def bearer(self) -> str:
        """The bearer token, "" where there is none."""
        scheme, _, value = self.headers.get("authorization", "").partition(" ")
        return value.strip() if scheme.lower() == "bearer" else ""

    def basic(self) -> tuple[str, str] | None:
        """User and password of the Basic header, None where there is none or it is malformed."""
        scheme, _, value = self.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return None
        try:
            user, colon, password = base64.b64decode(value.strip(), validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        return (user, password) if colon else None
