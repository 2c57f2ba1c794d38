"""The loop of every role: repeats a step, with the rest that the step asks for, until it is stopped."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from mailsvc.runtime.error_log import log_error

__all__ = ["Loop"]

REST_AFTER_ERROR = 1.0  # seconds


class Loop:
    """Repeats a step; errors are logged, and the next step tries again.

    Args:
        step: does some work. Returns the seconds to rest, 0 where there is more to do at once.
        distance: the seconds to wait before the next step although there may be something to do.
    """

    def __init__(self, step: Callable[[], Awaitable[float]], *, distance: Callable[[], float] = lambda: 0.0) -> None:
        self._step, self._distance = step, distance
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """There may be something to do: end the rest."""
        self._woken.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until ``stop`` is set."""
        stopper = asyncio.create_task(stop.wait())
        stopper.add_done_callback(lambda _: self.wake())
        try:
            while not stop.is_set():
                if (distance := self._distance()) > 0:
                    await asyncio.sleep(distance)
                self._woken.clear()  # before the step, which handles every earlier wake-up
                rest = await self._done()
                if rest > 0 and not stop.is_set():
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(rest):
                            await self._woken.wait()
        finally:
            stopper.cancel()

    async def _done(self) -> float:
        try:
            return await self._step()
        except Exception as error:  # noqa: BLE001 - the loop must continue after any error
            log_error(error)
            return REST_AFTER_ERROR
