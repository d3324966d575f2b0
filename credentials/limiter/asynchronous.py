"""The same for coroutines: questions to the store in threads, waiting in the event loop."""

import asyncio
from collections.abc import Callable, Generator
from typing import Any, TypeVar

from asgiref.sync import sync_to_async

from credentials.limiter import turns
from credentials.limiter.lease import Lease
from credentials.limiter.limits import Limited, settle
from credentials.limiter.outcomes import Denied
from credentials.limiter.turns import LASTING, Pause, Settle, Steps

Result = TypeVar("Result")
# Seconds between two looks at an event of another thread.
LOOK = 0.02


class Turn:
    """A lease to be waited for: `async with limit.aacquire() as lease`, or `lease = await
    limit.aacquire()`."""

    def __init__(self, limit: Limited, **options: Any):
        self.limit, self.options = limit, options
        self.lease: Lease

    def __await__(self) -> Generator[Any, None, Lease]:
        return _acquire(self.limit, **self.options).__await__()

    async def __aenter__(self) -> Lease:
        self.lease = await self
        return await self.lease.__aenter__()

    async def __aexit__(self, *error: object) -> None:
        await self.lease.__aexit__(*error)


async def _acquire(limit: Limited, **options: Any) -> Lease:
    going = turns.steps(limit, **options)
    try:
        while True:
            step = await _whole(_advance, going)
            if isinstance(step, Lease):
                return step
            if isinstance(step, Settle):
                # In the thread whose connection sees the caller's transaction.
                await sync_to_async(settle)(limit, step.known)
            else:
                await _sleep(step)
    finally:
        await _whole(going.close)


def _advance(going: Steps) -> Pause | Settle | Lease:
    try:
        return next(going)
    except StopIteration as end:
        lease: Lease = end.value
        return lease


async def _whole(function: Callable[..., Result], *args: Any) -> Result:
    """Run a function in a thread to its end, also where this coroutine is cancelled meanwhile: what it took
    is given back."""
    task = asyncio.ensure_future(sync_to_async(function, thread_sensitive=False)(*args))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        result = await task
        if isinstance(result, Lease):
            await result.arelease()
        raise


async def _sleep(pause: Pause) -> None:
    if pause.event is None:
        await asyncio.sleep(pause.seconds)
        return
    until = asyncio.get_running_loop().time() + pause.seconds
    while not pause.event.is_set() and (left := until - asyncio.get_running_loop().time()) > 0:
        await asyncio.sleep(min(left, LOOK))


async def try_acquire(limit: Limited, *, purpose: str = "", lasting: float = LASTING) -> Lease | Denied:
    """As `turns.try_acquire`."""
    return await sync_to_async(turns.try_acquire)(limit, purpose=purpose, lasting=lasting)
