"""What one call may use up, and how it fails. For `egress` alone."""

import time
from dataclasses import dataclass

import requests

# Seconds: until there is a connection, for one read, and for a whole call.
CONNECT, READ, TOTAL = 3.0, 5.0, 10.0


class EgressError(requests.RequestException):
    """A call that has no answer. Nothing of the request or of the answer is in it, nor chained to it.

    `code` is one of `health.observations.CODES`. Beside `tls_failed`, `reason` is "expired", "name",
    "untrusted" or "other"; beside `name_not_found`, `control_names_resolve` says whether other names resolve;
    beside `garbled`, it is "too_large" where the answer has more bytes than are read. `sent` is False where
    nothing of the request can have left: it failed before.
    """

    sent = True

    def __init__(self, code: str, sentence: str, *, reason: str = "", control_names_resolve: bool = False):
        super().__init__(sentence)
        self.code, self.reason, self.control_names_resolve = code, reason, control_names_resolve


@dataclass
class Bounds:
    """What one call may still use up: seconds, and bytes received."""

    ends: float
    connect: float = CONNECT
    read: float = READ
    room: int = 0
    # Nothing more is received: what is asked for finds the end.
    ended: bool = False

    def within(self, seconds: float) -> float:
        """So many seconds, or what is left of the call. Raises TimeoutError when nothing is."""
        left = self.ends - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return min(seconds, left)
