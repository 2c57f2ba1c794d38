"""Waits for one event at a time, each time within a limit; one timer serves many waits."""

import asyncio
from collections.abc import Callable

__all__ = ["Waiter"]


class Waiter:
    """Lets one task wait until ``wake``.

    Args:
        expired: called when nobody called ``wake`` in time; it has to.
    """

    def __init__(self, expired: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._expired = expired
        self._waiter: asyncio.Future[None] | None = None
        self._deadline = 0.0
        self._watchdog: asyncio.TimerHandle | None = None

    def wait(self, seconds: float) -> asyncio.Future[None]:
        """The next call of ``wake``."""
        self._waiter = self._loop.create_future()
        self._deadline = self._loop.time() + seconds
        if self._watchdog is None or self._watchdog.when() > self._deadline:
            self._watch()
        return self._waiter

    def wake(self) -> None:
        """Something has happened."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def close(self) -> None:
        """Cancel the timer."""
        if self._watchdog is not None:
            self._watchdog.cancel()

    def _watch(self) -> None:
        # When the timer fires, it checks whether the current wait ends later, and waits on.
        self.close()
        self._watchdog = self._loop.call_at(self._deadline, self._look)

    def _look(self) -> None:
        self._watchdog = None
        if self._waiter is None or self._waiter.done():
            return
        if self._loop.time() < self._deadline:
            self._watch()
        else:
            self._expired()
