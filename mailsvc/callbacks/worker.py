"""The callbacks of one process."""

import asyncio
import contextlib
from collections.abc import Iterable

from mailsvc.callbacks.callback import Callback
from mailsvc.callbacks.follower import Follower, Post

__all__ = ["CallbackWorker"]


class CallbackWorker:
    """Follows the feed for each registered callback, apart from all others.

    Args:
        callbacks: those that are registered before the start.
    """

    def __init__(self, callbacks: Iterable[Callback], post: Post) -> None:
        self._post = post
        self._waiting = list(callbacks)
        self._known: list[Callback] = []
        self._followers: list[Follower] = []
        self._added = asyncio.Event()

    def wake(self) -> None:
        """There may be new events."""
        for follower in self._followers:
            follower.wake()

    def add(self, callback: Callback) -> None:
        """Call another handler, too. In the worker's loop."""
        if not any(callback is known for known in (*self._waiting, *self._known)):
            self._waiting.append(callback)
            self._added.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until ``stop`` is set and every handler has returned."""
        stopping = asyncio.create_task(stop.wait())
        running: set[asyncio.Task[None]] = set()
        try:
            while not stop.is_set():
                self._added.clear()
                running |= {self._start(callback, stop) for callback in self._waiting}
                self._waiting.clear()
                added = asyncio.create_task(self._added.wait())
                await asyncio.wait({stopping, added}, return_when=asyncio.FIRST_COMPLETED)
                added.cancel()
            await asyncio.gather(*running)
        finally:
            stopping.cancel()
            for task in running:
                task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.gather(*running, return_exceptions=True)

    def _start(self, callback: Callback, stop: asyncio.Event) -> asyncio.Task[None]:
        self._known.append(callback)
        follower = Follower(callback, self._post)
        self._followers.append(follower)
        return asyncio.create_task(follower.run(stop))
