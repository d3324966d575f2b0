"""The permission for one request."""

import logging
import time
from dataclasses import dataclass, field
from typing import Literal, Self
from uuid import UUID

from asgiref.sync import sync_to_async

from credentials.limiter import counting, line
from credentials.limiter.outcomes import Granted, LeaseLost, LimiterUnavailable, Place
from credentials.limiter.stores import store

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Lease:
    """The permission for one request. Use it as a context manager, or release it.

    `fence` grows with every lease of a limit. `granted_at` is the store's clock, in seconds. `deadline` and
    `expires` are times of `time.monotonic()`: until the first the request may be sent, from the second on the
    lease is somebody else's (never, where concurrency has no bound: then there is nothing to give back).
    `waited` is in seconds.
    """

    key: UUID
    fence: int
    slot: int | None
    purpose: str
    granted_at: float
    deadline: float
    expires: float
    lasting: float
    _of: Granted = field(repr=False)
    waited: float = 0.0
    released: bool = False
    _entered: bool = field(default=False, repr=False)
    granted: Literal[True] = True

    @property
    def late(self) -> bool:
        """Whether it is too late to send the request: another lease must be taken for it."""
        now = time.monotonic()
        return self.released or now > self.deadline or now > self.expires

    @property
    def place(self) -> Place:
        """Its place, to be redeemed once more."""
        return Place(self.fence, self._of.time, self._of.epoch, 0, self._of.guard)

    def release(self) -> bool:
        """Give the lease back. False where it was over already, which changes nothing. Does not raise: what
        cannot be given back expires."""
        if self.released:
            return False
        self.released = True
        if self.slot is None:
            return True
        try:
            return bool(store().release(self.key, self.slot, self.fence))
        except LimiterUnavailable as error:
            logger.warning("A lease could not be given back, and expires: %s", error)
            return False
        finally:
            line.nudge(self.key)

    def renew(self) -> None:
        """Keep the lease for its time once more, counted from now. Raises LeaseLost, LimiterUnavailable."""
        if self.released:
            raise LeaseLost
        if self.slot is None:
            return
        before = time.monotonic()
        if not store().renew(self.key, self.fence, self.lasting):
            raise LeaseLost
        self.expires = before + self.lasting

    def __bool__(self) -> bool:
        return True

    def __enter__(self) -> Self:
        self._entered = True
        counting.entered(self.key)
        return self

    def __exit__(self, *_error: object) -> None:
        self._leave()
        self.release()

    def _leave(self) -> None:
        if self._entered:
            self._entered = False
            counting.left(self.key)

    async def arelease(self) -> bool:
        if self.slot is None:
            return self.release()
        return await sync_to_async(self.release, thread_sensitive=False)()

    async def arenew(self) -> None:
        await sync_to_async(self.renew, thread_sensitive=False)()

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(self, *_error: object) -> None:
        self._leave()
        await self.arelease()
