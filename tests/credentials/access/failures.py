"""Every way in which a kind can fail, and what a look at its credential must then say.

The recorded answers of its provider, from the API and from the token endpoint, each with the code that its
source gives it; and what connections and gateways do to any provider.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from credentials import egress, kinds
from credentials.models import Credential
from credentials.simulator.answers import recorded
from credentials.simulator.faults import Fault

# What the simulator does, and how it reads; see its faults.py.
BEHAVIOURS = {
    "hang": "timeout",
    "drip": "timeout",
    "endless": "garbled",
    "reset": "connection_failed",
    "truncated": "garbled",
    "bomb": "garbled",
    "html": "garbled",
    "garbage": "garbled",
    "empty": "garbled",
    "redirect": "redirected",
    "challenge": "blocked",
    "5xx": "provider_outage",
}
# Those that take until the end of a call's time.
SLOW = ("hang", "drip")
# Where the answer tells whose it is. Elsewhere the account stands in the address, or in what signs in.
TELL_ACCOUNT = ("airtable_oauth2", "hubspot_oauth2", "linear_oauth2", "salesforce_oauth2", "stripe_key")


@dataclass(frozen=True)
class Failure:
    """`name` is a recorded answer or a behaviour, `context` who gives it: "api" or "token"."""

    kind: str
    name: str
    context: str
    code: str

    def __str__(self) -> str:
        return f"{self.kind}-{self.context}-{self.name}"

    def arrange(self, simulator: Any) -> None:
        """Let the kind's provider fail so until the simulator is reset."""
        provider = kinds.KINDS[self.kind].PROVIDER.key
        simulator.world.faults.append(
            Fault(answer=self.name, provider=provider, context=self.context, times=None)
        )


def asks_for_tokens(kind: type[Credential]) -> bool:
    return kind.token_call is not Credential.token_call


def failures() -> Iterator[Failure]:
    """All of them, kind by kind."""
    for name, kind in kinds.KINDS.items():
        contexts = ("api", "token") if asks_for_tokens(kind) else ("api",)
        for one in recorded().values():
            if one.provider == kind.PROVIDER.key and one.context in contexts and one.code != "ok":
                yield Failure(name, one.name, one.context, one.code)
        for context in contexts:
            for behaviour, code in BEHAVIOURS.items():
                # Some providers have a recorded answer of that name, which stands above.
                if (kind.PROVIDER.key, behaviour) not in recorded():
                    yield Failure(name, behaviour, context, code)
        if name in TELL_ACCOUNT:
            yield Failure(name, "other_account", "api", "other_account")


def shorten(seconds: float) -> dict[str, float]:
    """Let every call end after so many seconds; returns what was before."""
    before = {}
    for function in (egress.Adapter.__init__, egress.send):
        defaults: Any = function.__kwdefaults__
        before[function.__qualname__] = defaults["total"]
        defaults["total"] = seconds
    return before


def lengthen(before: dict[str, float]) -> None:
    """Take back what `shorten` did."""
    for function in (egress.Adapter.__init__, egress.send):
        defaults: Any = function.__kwdefaults__
        defaults["total"] = before[function.__qualname__]
