"""Looks names up, within bounds, and checks every address that they lead to. For `egress` alone."""

import queue
import socket
import threading
import time

from credentials.egress import addresses
from credentials.egress.bounds import CONNECT, Bounds, EgressError

# Names that stand as long as DNS itself does, and how many seconds what they told is believed.
CONTROL_NAMES = ("api.stripe.com", "api.github.com")
CONTROL_SECONDS = 30.0
# How many look-ups may hang at the same time.
LOOKUPS = 64

_lookups = threading.BoundedSemaphore(LOOKUPS)
_control: tuple[float, bool] | None = None


def lookup(host: str) -> list[str]:
    """The addresses of a host: the one place that asks the DNS. Raises socket.gaierror.

    The dot at the end keeps the search domains of this machine out of it.
    """
    found = socket.getaddrinfo(f"{host}.", 443, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_rest, address in found))


def _lookup_within(host: str, seconds: float) -> list[str]:
    """`lookup` in a thread of its own, for it cannot be told to end. Raises TimeoutError, socket.gaierror."""
    found: queue.SimpleQueue[list[str] | Exception] = queue.SimpleQueue()

    def ask() -> None:
        try:
            found.put(lookup(host))
        except (OSError, UnicodeError) as error:
            found.put(error)
        finally:
            _lookups.release()

    ends = time.monotonic() + seconds
    if not _lookups.acquire(timeout=seconds):
        raise TimeoutError
    threading.Thread(target=ask, name="egress-lookup", daemon=True).start()
    try:
        answer = found.get(timeout=max(0.001, ends - time.monotonic()))
    except queue.Empty:
        raise TimeoutError from None
    if isinstance(answer, Exception):
        raise answer
    return answer


def _control_names_resolve(bounds: Bounds) -> bool:
    """Whether names that always exist are found: if not, it is our DNS that fails. Remembered for a while.

    Raises TimeoutError where the call has no time left to find out.
    """
    global _control
    if _control and time.monotonic() - _control[0] < CONTROL_SECONDS:
        return _control[1]
    found = False
    for name in CONTROL_NAMES:
        seconds = bounds.within(CONNECT)
        try:
            found = bool(_lookup_within(name, seconds))
        except (OSError, UnicodeError):
            continue
        if found:
            break
    _control = (time.monotonic(), found)
    return found


def addresses_of(host: str, bounds: Bounds) -> list[str]:
    """The addresses of a host, all of them checked. Raises EgressError."""
    try:
        found = _lookup_within(host, bounds.within(bounds.connect))
    except TimeoutError:
        missing, late = False, True
    except socket.gaierror as error:
        missing, late = error.errno in (socket.EAI_NONAME, socket.EAI_NODATA), False
    except (OSError, UnicodeError):
        missing = late = False
    else:
        if not found or any(map(addresses.is_refused, found)):
            raise EgressError(
                "address_refused", f"{host} leads to a network that is off limits: nothing was sent."
            )
        return found
    others = _control_names_resolve(bounds)
    if missing or not others:
        raise EgressError("name_not_found", f"The name {host} was not found.", control_names_resolve=others)
    if late:
        raise EgressError("timeout", f"The name {host} was not found in time.")
    raise EgressError("connection_failed", f"The name {host} could not be looked up.")
