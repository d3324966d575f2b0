"""Recorded answers: `answers/PROVIDER/NAME.json`, each with the code that it must be read as.

`provider`, `name`, `context` ("api": a call with the credential; "token": the token endpoint), `status`,
`headers`, `body` (a JSON value, or a string for any other text), `code` (of health's vocabulary),
`retry_after` (seconds; null where the answer and its source name none), `source` (what says so), `why` (the
code, in one line). With `after_refresh` the code holds where a new access token was got just before: without
one the answer only asks to get one.

The code is decided from the source, not from what reads the answer. `{epoch+N}`, `{epoch_ms+N}` and `{iso+N}`
in headers and texts stand for the time N seconds from now.
"""

import copy
import json
import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from credentials.simulator.messages import Answer

FOLDER = Path(__file__).with_name("answers")
TIMES = re.compile(r"\{(epoch|epoch_ms|iso)\+(\d+)\}")


@dataclass(frozen=True)
class Recorded:
    """One recorded answer."""

    provider: str
    name: str
    context: str
    status: int
    headers: dict[str, str]
    body: Any
    code: str
    retry_after: float | None
    source: str
    why: str
    after_refresh: bool = False

    def answer(self, now: float | None = None) -> Answer:
        """The answer as it goes out, with its times filled in."""
        now = time.time() if now is None else now
        headers = {name: _timed(text, now) for name, text in self.headers.items()}
        return Answer(self.status, _deep(copy.deepcopy(self.body), now), headers, as_it_is=True)


@cache
def recorded() -> dict[tuple[str, str], Recorded]:
    """All answers, by provider and name. Raises TypeError or ValueError where a file is malformed."""
    found = {}
    for path in sorted(FOLDER.glob("*/*.json")):
        one = Recorded(**json.loads(path.read_text(encoding="utf-8")))
        if (one.provider, one.name) != (path.parent.name, path.stem):
            raise ValueError(f"{path.parent.name}/{path.name} names itself {one.provider}/{one.name}")
        found[one.provider, one.name] = one
    return found


@cache
def find(provider: str, name: str, context: str = "") -> Recorded | None:
    """The answer with this name; else the first with this code, one of the context where there is one."""
    if exact := recorded().get((provider, name)):
        return exact
    with_code = [one for one in recorded().values() if one.provider == provider and one.code == name]
    return next((one for one in with_code if one.context == context), with_code[0] if with_code else None)


def _timed(text: str, now: float) -> str:
    def put(match: re.Match[str]) -> str:
        at = int(now) + int(match[2])
        if match[1] == "iso":
            return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return str(at * 1000 if match[1] == "epoch_ms" else at)

    return TIMES.sub(put, text)


def _deep(value: Any, now: float) -> Any:
    if isinstance(value, str):
        return _timed(value, now)
    if isinstance(value, dict):
        return {key: _deep(each, now) for key, each in value.items()}
    if isinstance(value, list):
        return [_deep(each, now) for each in value]
    return value
